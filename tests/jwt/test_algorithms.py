from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import example, given
from hypothesis import strategies as st

from sealring.jwt import Key
from sealring.jwt.algorithms import ALGORITHMS, algorithm
from sealring.jwt.base64url import encode
from sealring.jwt.key_types.ec import Ecdsa, der_signature

HALF = 32
NUMBERS = st.integers(1, 2 ** (8 * HALF) - 1)


@given(NUMBERS, NUMBERS)
@example(1, 2**255)
@example(2**248, 2**247)
def test_der_is_what_the_library_writes(r: int, s: int) -> None:
    pair = r.to_bytes(HALF, "big"), s.to_bytes(HALF, "big")
    assert der_signature(*pair) == encode_dss_signature(r, s)


@pytest.mark.parametrize("half", [32, 48, 66])
def test_der_of_each_curve(half: int) -> None:
    for high in (b"\0", b"\x01", b"\x7f", b"\x80", b"\xff"):
        for other in (b"\0", b"\x01", b"\x7f", b"\x80", b"\xff"):
            r, s = high * half, other * half
            assert der_signature(r, s) == encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
def test_signatures_have_their_length_whatever_their_numbers(alg: str) -> None:
    key, row = Key.generate(alg), algorithm(alg)
    assert isinstance(row, Ecdsa)
    assert key.sign is not None
    for turn in range(300):  # one in 128 has a number that is short in DER
        data = turn.to_bytes(2, "big")
        signature = key.sign(data)
        assert len(signature) == 2 * row.size
        assert key.check(data, encode(signature))


def test_the_table() -> None:
    assert list(ALGORITHMS) == [
        *("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"),
        *("Ed25519", "EdDSA"),
    ]
    assert [row.name for row in ALGORITHMS.values() if row.is_symmetric] == ["HS256", "HS384", "HS512"]
    assert [row.old_name_of for row in ALGORITHMS.values() if row.old_name_of] == ["Ed25519"]
