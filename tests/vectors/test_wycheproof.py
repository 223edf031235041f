"""Project Wycheproof: compact signatures, and each primitive through our algorithm table."""

from __future__ import annotations

from typing import Any

import pytest

from sealring import jwt
from sealring.errors import KeyRefused, TokenError
from sealring.jwt.base64url import encode
from tests.vectors.published import load

# wrong or contested, see the README beside the vectors
CONTESTED = {346, 347, 350, 351, 367, 370, 372, 373}
JWS = load("wycheproof/json_web_signature_test.json")
CASES = [
    pytest.param(group.get("public") or group["private"], case, id=f"{case['tcId']}-{case['comment']}")
    for group in JWS["testGroups"]
    for case in group["tests"]
    if case["tcId"] not in CONTESTED
]


def accepts(jwk: dict[str, Any], token: str) -> bool:
    try:
        jwt.verify_signature(token, jwt.Key.from_jwk(jwk))
    except (TokenError, KeyRefused):
        return False
    return True


def test_all_393_uncontested_cases_are_here() -> None:
    assert len(CASES) == 393


@pytest.mark.parametrize(("jwk", "case"), CASES)
def test_compact_signature(jwk: dict[str, Any], case: dict[str, Any]) -> None:
    assert accepts(jwk, case["jws"]) == (case["result"] == "valid")


@pytest.mark.parametrize(
    ("name", "alg"),
    [
        ("ecdsa_secp256r1_sha256_p1363_test", "ES256"),
        ("ecdsa_secp384r1_sha384_p1363_test", "ES384"),
        ("ecdsa_secp521r1_sha512_p1363_test", "ES512"),
        ("ed25519_test", "Ed25519"),
        ("rsa_signature_2048_sha256_test", "RS256"),
    ],
)
def test_signatures_through_the_table(name: str, alg: str) -> None:
    for group in load(f"wycheproof/{name}.json")["testGroups"]:
        key = jwt.Key.from_der(bytes.fromhex(group["publicKeyDer"]), alg)
        for case in group["tests"]:
            # "acceptable" is PKCS #1 v1.5 without the NULL parameter: RFC 8017 wants it there
            right = case["result"] == "valid"
            assert key.check(bytes.fromhex(case["msg"]), encode(bytes.fromhex(case["sig"]))) == right, case["tcId"]


def test_macs_through_the_table() -> None:
    checked = 0
    for group in load("wycheproof/hmac_sha256_test.json")["testGroups"]:
        for case in group["tests"]:
            secret, tag = bytes.fromhex(case["key"]), bytes.fromhex(case["tag"])
            if len(secret) < 32:  # RFC 7518 §3.2: such a key does not come into being
                with pytest.raises(KeyRefused):
                    jwt.Key.from_secret(secret, "HS256")
                continue
            key = jwt.Key.from_secret(secret, "HS256")
            # a truncated tag is no JWS signature, valid or not
            right = case["result"] == "valid" and group["tagSize"] == 256
            assert key.check(bytes.fromhex(case["msg"]), encode(tag)) == right, case["tcId"]
            checked += 1
    assert checked > 50
