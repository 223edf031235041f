"""Signing keys at rest: encrypted under the first secret, bound to their kid (I15)."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.errors import ConfigurationError
from sealring.settings.root_secret import RootSecret
from sealring.signing_keys.encryption import KeyEncryption

ONE, TWO = "1b7e9f20c3d84a56" * 4, "f03c8d1e57a2b946" * 4


def key_encryption(text: str) -> KeyEncryption:
    return KeyEncryption(RootSecret.parse(text).derive("signing keys at rest"))


@given(st.binary(max_size=200), st.text(st.characters(codec="ascii"), min_size=1))
def test_what_is_sealed_opens_under_the_same_kid(plain: bytes, kid: str) -> None:
    encrypted = key_encryption(ONE).wrap(plain, kid=kid, nonce=secrets.token_bytes(12))
    assert key_encryption(ONE).unwrap(encrypted, kid=kid) == (plain, True)
    assert key_encryption(f"{TWO},{ONE}").unwrap(encrypted, kid=kid) == (plain, False)


@pytest.mark.parametrize("spoil", ["kid", "secret", "bit", "short", "empty"])
def test_i15_what_was_moved_or_changed_does_not_open(spoil: str) -> None:
    encrypted = key_encryption(ONE).wrap(b"the private key", kid="k1", nonce=secrets.token_bytes(12))
    opener, kid = key_encryption(TWO if spoil == "secret" else ONE), "k2" if spoil == "kid" else "k1"
    text = {"bit": encrypted[:-1] + bytes([encrypted[-1] ^ 1]), "short": encrypted[:10], "empty": b""}.get(
        spoil, encrypted
    )
    with pytest.raises(ConfigurationError, match=f"signing key {kid} cannot be opened") as caught:
        opener.unwrap(text, kid=kid)
    assert caught.value.hint
