from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring import jwt
from sealring.errors import InvalidProof
from sealring.jwt.base64url import decode, encode
from sealring.jwt.dpop import MAX_PROOF_CHARS, PROOF_ALGORITHMS, DPoPProof, hash_of, read_proof, sign_proof
from tests.proofs import KEY, OTHER, claims, public_jwk, signed

EXAMPLE = (  # RFC 9449 §4.1, figure 2, without its line breaks
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJo"
    "RjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJ"
    "qdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0Ijo"
    "xNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"  # of its key: §6.1, figure 10


def test_the_example_of_the_rfc() -> None:
    assert read_proof(EXAMPLE) == DPoPProof(
        thumbprint=THUMBPRINT,
        token_id="-BwC3ESc6acc2lTc",
        method="POST",
        url="https://server.example.com/token",
        issued_at=1562262616,
        nonce=None,
        access_token_hash=None,
    )


def test_the_hash_of_the_rfc() -> None:
    # §4.2 and §7.1: figure 12 has the token, figure 13 its hash
    token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
    assert hash_of(token) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


@pytest.mark.parametrize("alg", PROOF_ALGORITHMS)
def test_what_is_signed_is_read(alg: str) -> None:
    key = jwt.Key.generate(alg)
    text = sign_proof(
        key, method="GET", url="https://a.example/orders", token_id="one", now=7, nonce="n", access_token="token"
    )
    assert read_proof(text) == DPoPProof(
        thumbprint=key.thumbprint,
        token_id="one",
        method="GET",
        url="https://a.example/orders",
        issued_at=7,
        nonce="n",
        access_token_hash=hash_of("token"),
    )
    assert not {"d", "kid", "alg"} & jwt.peek(text).header["jwk"].keys()


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "dpop", "application/dpop+jwt"])
def test_check_4_another_type_is_refused(typ: str) -> None:
    with pytest.raises(InvalidProof, match="typ"):
        read_proof(signed(claims(), typ=typ))


@pytest.mark.parametrize("alg", ["HS256", "none"])
def test_check_5_what_is_no_signature_is_refused(alg: str) -> None:
    secret = jwt.Key.from_secret(b"k" * 32, "HS256")
    text = signed(claims(), secret, jwk={"kty": "oct", "k": encode(b"k" * 32)})
    header = encode(decode(text.split(".")[0]).replace(b"HS256", alg.encode()))
    with pytest.raises(InvalidProof, match="algorithm"):
        read_proof(".".join([header, *text.split(".")[1:]]))


def test_check_6_a_signature_of_another_key_is_refused() -> None:
    with pytest.raises(InvalidProof, match="signature"):
        read_proof(signed(claims(), OTHER, jwk=public_jwk(KEY)))


def test_check_7_a_private_key_is_refused() -> None:
    with pytest.raises(InvalidProof, match="private"):
        read_proof(signed(claims(), jwk=KEY.to_jwk(private=True)))


@pytest.mark.parametrize("jwk", [None, "text", [], {}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}])
def test_what_is_no_key_is_refused(jwk: object) -> None:
    with pytest.raises(InvalidProof, match="jwk"):
        read_proof(signed(claims(), jwk=jwk))


@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat"])
@pytest.mark.parametrize("value", [None, "", True, [], {}])
def test_check_3_a_claim_that_is_missing_or_of_another_type_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidProof, match=name):
        read_proof(signed(claims(**{name: value})))


@pytest.mark.parametrize("name", ["nonce", "ath"])
def test_what_may_be_missing_is_text_where_it_is_there(name: str) -> None:
    with pytest.raises(InvalidProof, match=name):
        read_proof(signed(claims(**{name: 7})))


def test_check_2_what_is_no_jwt_is_refused() -> None:
    for text in ("", "a.b", "a.b.c.d", "a.b.c", "x" * (MAX_PROOF_CHARS + 1)):
        with pytest.raises(InvalidProof, match="no JWT"):
            read_proof(text)


def test_a_modulus_that_is_costly_to_check_with_is_too_long() -> None:
    modulus = encode(b"\xff" * (16384 // 8))
    with pytest.raises(InvalidProof, match="no JWT"):
        read_proof(signed(claims(), jwk={"kty": "RSA", "e": "AQAB", "n": modulus}))


@given(
    st.text() | st.builds(lambda text: f"{text}.e30.AA", st.sampled_from([EXAMPLE.split(".", maxsplit=1)[0], "e30"]))
)
def test_garbage_is_an_invalid_proof_and_nothing_else(text: str) -> None:
    with pytest.raises(InvalidProof):
        read_proof(text)


@given(st.integers(0, len(EXAMPLE) - 1), st.characters())
def test_no_character_can_be_changed(place: int, other: str) -> None:
    changed: Any = EXAMPLE[:place] + other + EXAMPLE[place + 1 :]
    if changed != EXAMPLE:
        with pytest.raises(InvalidProof):
            read_proof(changed)
