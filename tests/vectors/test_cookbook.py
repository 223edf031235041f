"""The examples of RFC 7520 (JOSE cookbook) and RFC 8037 (Ed25519)."""

from __future__ import annotations

import json

import pytest

from sealring import jwt
from sealring.errors import KeyRefused, TokenError
from sealring.jwt.base64url import encode
from tests.vectors.published import load

NAMES = [
    "jws/4_1.rsa_v15_signature",
    "jws/4_2.rsa-pss_signature",
    "jws/4_3.ecdsa_signature",
    "jws/4_4.hmac-sha2_integrity_protection",
    "curve25519/jws",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_example_verifies_and_its_payload_comes_out(name: str) -> None:
    example = load(f"jose-cookbook/{name}.json")
    given = example["input"]
    alg = given["alg"]
    # the cookbook's EC key calls its algorithm ES521, which is none
    jwk = given["key"] | {"alg": alg} if given["key"].get("alg") == "ES521" else given["key"]
    signed = jwt.verify_signature(example["output"]["compact"], jwt.Key.from_jwk(jwk, alg))
    assert signed.payload.decode() == given["payload"]
    assert signed.header == example["signing"]["protected"]


@pytest.mark.parametrize(
    "name", ["jws/4_1.rsa_v15_signature", "jws/4_4.hmac-sha2_integrity_protection", "curve25519/jws"]
)
def test_a_deterministic_algorithm_signs_the_same_bytes(name: str) -> None:
    example = load(f"jose-cookbook/{name}.json")
    key = jwt.Key.from_jwk(example["input"]["key"], example["input"]["alg"])
    assert key.sign is not None
    assert encode(key.sign(example["signing"]["sig-input"].encode())) == example["signing"]["sig"]


def test_the_old_name_eddsa_is_accepted_on_request_only() -> None:
    example = load("jose-cookbook/curve25519/jws.json")
    token, jwk = example["output"]["compact"], example["input"]["key"]
    with pytest.raises(TokenError) as caught:
        jwt.verify_signature(token, jwt.Key.from_jwk(jwk))
    assert caught.value.code == "unsupported_algorithm"
    assert jwt.verify_signature(token, jwt.Key.from_jwk(jwk), algorithms=["EdDSA"]).header == {"alg": "EdDSA"}


def test_the_thumbprint_of_rfc_8037() -> None:
    example = load("jose-cookbook/curve25519/jws.json")
    key = jwt.Key.from_jwk(example["input"]["key"])
    assert key.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"  # RFC 8037 appendix A.3
    assert key.kid == key.thumbprint


@pytest.mark.parametrize(
    ("name", "alg"),
    [
        ("3_1.ec_public_key", "ES512"),
        ("3_2.ec_private_key", "ES512"),
        ("3_3.rsa_public_key", "RS256"),
        ("3_4.rsa_private_key", "RS256"),
    ],
)
def test_a_jwk_prints_back_to_the_same_members(name: str, alg: str) -> None:
    jwk = load(f"jose-cookbook/jwk/{name}.json")
    key = jwt.Key.from_jwk(jwk, alg)
    assert key.is_private == ("d" in jwk)
    printed = key.to_jwk(private=key.is_private)
    assert {name: printed[name] for name in jwk} == jwk


def test_a_key_for_encryption_is_no_signature_key() -> None:
    with pytest.raises(KeyRefused):
        jwt.Key.from_jwk(load("jose-cookbook/jwk/3_6.symmetric_key_encryption.json"), "HS256")


@pytest.mark.parametrize(
    "name",
    [
        "jws/4_5.signature_with_detached_content",
        "jws/4_6.protecting_specific_header_fields",
        "jws/4_8.multiple_signatures",
    ],
)
def test_other_serializations_are_refused(name: str) -> None:
    example = load(f"jose-cookbook/{name}.json")
    key = jwt.Key.generate("HS256")
    for form in ("json", "json_flat", "compact"):
        if form in example["output"]:
            output = example["output"][form]
            with pytest.raises(TokenError):
                jwt.verify_signature(output if isinstance(output, str) else json.dumps(output), key)
