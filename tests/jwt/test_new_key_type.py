"""A new key type is one file and one row: everything that takes keys then takes its keys."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa")

from sealring import jwt
from sealring.errors import BadSignature, KeyRefused, UnsupportedAlgorithm
from sealring.jwt.algorithms import ALGORITHMS
from tests.jwt.ml_dsa import MlDsa44

ROOT = Path(__file__).parents[2]
ALG = "ML-DSA-44"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> jwt.Key:
    monkeypatch.setitem(ALGORITHMS, ALG, MlDsa44(ALG))
    return jwt.Key.generate(ALG)


def test_it_signs_and_verifies(key: jwt.Key) -> None:
    token = jwt.sign({"sub": "42"}, key, expires_in=60, now=1000)
    assert jwt.peek(token).header == {"alg": ALG, "kid": key.kid, "typ": "JWT"}
    for keys in (key.public(), jwt.KeySet([jwt.Key.generate("ES256"), key])):
        assert jwt.Verifier(keys, algorithms=[ALG]).verify(token, 1000).claims["sub"] == "42"
    with pytest.raises(UnsupportedAlgorithm):
        jwt.verify(token, key, algorithms=["ES256"])
    with pytest.raises(BadSignature):
        jwt.verify(token[:-8] + "AAAAAAAA", key, now=1000)
    with pytest.raises(ValueError, match="public key cannot sign"):
        jwt.sign({}, key.public())


def test_it_is_read_and_written_in_every_form(key: jwt.Key) -> None:
    assert set(key.to_jwk()) == {"kty", "alg", "pub", "kid", "use"}
    assert jwt.Key.from_jwk(key.to_jwk()) == key.public()
    assert jwt.Key.from_jwk(key.to_jwk(private=True)) == key
    jwk = {name: value for name, value in key.to_jwk().items() if name != "alg"}
    assert jwt.Key.from_jwk(jwk).alg == ALG
    assert next(iter(jwt.KeySet.from_jwks(jwt.KeySet([key]).to_jwks()))) == key.public()
    assert jwt.Key.from_pem(key.to_pem(), ALG, kid=key.kid) == key.public()
    assert jwt.Key.from_pem(key.to_pem(private=True, password="x"), ALG, password="x", kid=key.kid) == key


def test_keys_of_other_kinds_are_refused(key: jwt.Key) -> None:
    with pytest.raises(KeyRefused):
        jwt.Key.from_pem(key.to_pem(), "ES256")
    with pytest.raises(KeyRefused):
        jwt.Key.from_pem(jwt.Key.generate("ES256").to_pem(), ALG)
    with pytest.raises(KeyRefused, match="no secret"):
        jwt.Key.from_secret(key.to_pem(), "HS256")


def test_nothing_but_the_table_and_its_key_types_names_an_algorithm() -> None:
    names = set(ALGORITHMS) | {row.kind["kty"] for row in ALGORITHMS.values()} | {"HS", "RS", "PS", "ES"}
    jwt_folder = ROOT / "src" / "sealring" / "jwt"
    allowed = {jwt_folder / "algorithms.py", *(jwt_folder / "key_types").iterdir()}
    for path in (*jwt_folder.rglob("*.py"), ROOT / "src/sealring/issuer/keys.py"):
        if path in allowed:
            continue
        tree = ast.parse(path.read_text())
        found = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in names]
        assert not found, f"{path.name} names {found}"
