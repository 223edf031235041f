from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import example, given
from hypothesis import strategies as st

from sealring.jwt import Key
from sealring.jwt.algorithms import ALGORITHMS, _der_frames, _der_pair, algorithm
from sealring.jwt.base64url import encode

HALF = 32
NUMBERS = st.integers(1, 2 ** (8 * HALF) - 1)


@given(NUMBERS, NUMBERS)
@example(1, 2**255)
@example(2**248, 2**247)
def test_der_is_what_the_library_writes(r: int, s: int) -> None:
    pair = r.to_bytes(HALF, "big"), s.to_bytes(HALF, "big")
    assert _der_pair(*pair) == encode_dss_signature(r, s)
    if pair[0][0] and pair[1][0]:
        before, between = _der_frames(HALF)[pair[0][0] >> 7][pair[1][0] >> 7]
        assert before + pair[0] + between + pair[1] == encode_dss_signature(r, s)


@pytest.mark.parametrize("half", [32, 48, 66])
def test_frames_of_each_curve(half: int) -> None:
    for high in (b"\x01", b"\x7f", b"\x80", b"\xff"):
        for other in (b"\x01", b"\x7f", b"\x80", b"\xff"):
            before, between = _der_frames(half)[high[0] >> 7][other[0] >> 7]
            r, s = high * half, other * half
            assert before + r + between + s == encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
def test_signatures_have_their_length_whatever_their_numbers(alg: str) -> None:
    key = Key.generate(alg)
    assert key.sign is not None
    for turn in range(300):  # one in 128 has a number that is short in DER
        data = turn.to_bytes(2, "big")
        signature = key.sign(data)
        assert len(signature) == algorithm(alg).size
        assert key.check(data, encode(signature))


def test_the_table() -> None:
    assert list(ALGORITHMS) == [
        *("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"),
        *("Ed25519", "EdDSA"),
    ]
    assert algorithm("ES256").size == 64
