"""The bits of the Token Status List (draft 21 §4.1), and what is signed."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring import jwt
from sealring.jwt.base64url import decode
from sealring.sessions.status_list import LIFE_SECONDS, TTL_SECONDS, TYPE, pack, sign_status_list, write_reference

KEY = jwt.Key.generate("ES256", kid="k")
URL = "https://auth.example.com/auth/status-list"


def test_the_example_of_the_draft() -> None:
    """§4.1: the statuses 1 0 0 1 1 1 0 1 1 1 0 0 0 1 0 1 are the bytes 0xb9 0xa3."""
    statuses = (1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1)
    lst = pack(16, [index for index, status in enumerate(statuses) if status])
    assert zlib.decompress(decode(lst)) == b"\xb9\xa3"


@given(size=st.integers(1, 200), ended=st.sets(st.integers(0, 260)))
def test_each_index_has_its_bit(size: int, ended: set[int]) -> None:
    bits = zlib.decompress(decode(pack(size, ended)))
    assert len(bits) == (size + 7) // 8
    assert {8 * at + bit for at, byte in enumerate(bits) for bit in range(8) if byte >> bit & 1} == {
        index for index in ended if index < size
    }


def test_a_list_is_a_token_of_its_own_type() -> None:
    token = sign_status_list(pack(1024, [3]), KEY, issuer="https://auth.example.com", url=URL, now=1000).decode()
    signed = jwt.verify_signature(token, KEY.public(), max_chars=65_536)
    assert signed.header == {"alg": "ES256", "kid": "k", "typ": TYPE}
    assert json.loads(signed.payload) == {
        "iss": "https://auth.example.com",
        "sub": URL,
        "iat": 1000,
        "exp": 1000 + LIFE_SECONDS,
        "ttl": TTL_SECONDS,
        "status_list": {"bits": 1, "lst": pack(1024, [3])},
    }
    assert write_reference(3, URL) == {"status_list": {"idx": 3, "uri": URL}}


@pytest.mark.parametrize("key", [KEY.public(), jwt.Key.generate("HS256")])
def test_a_list_is_signed_by_a_private_key(key: jwt.Key) -> None:
    with pytest.raises(ValueError, match="private key"):
        sign_status_list("", key, issuer="https://auth.example.com", url=URL, now=0)
