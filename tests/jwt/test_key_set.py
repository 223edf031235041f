from __future__ import annotations

from typing import Any

import pytest

from sealring import jwt
from sealring.errors import BadSignature, KeyRefused, UnknownKey, UnsupportedAlgorithm
from tests.jwt.forge import NOW, forge

A, B = jwt.Key.generate("ES256", kid="a"), jwt.Key.generate("ES256", kid="b")
UNNAMED = jwt.Key.from_pem(jwt.Key.generate("ES256").to_pem(private=True), "ES256")
CLAIMS = {"exp": NOW + 60}


def verdict(token: str, keys: Any, algorithms: list[str] | None = None) -> str:
    try:
        jwt.verify(token, keys, now=NOW, algorithms=algorithms)
    except (BadSignature, UnknownKey, UnsupportedAlgorithm) as error:
        return error.code
    return "accepted"


@pytest.mark.parametrize(
    ("keys", "kid", "signer", "expected"),
    [
        (jwt.KeySet([A, B]), "a", A, "accepted"),
        (jwt.KeySet([A, B]), "b", B, "accepted"),
        (jwt.KeySet([A, B]), "a", B, "bad_signature"),
        (jwt.KeySet([A, B]), "c", A, "unknown_key"),
        (jwt.KeySet([A, B]), None, A, "unknown_key"),
        (jwt.KeySet([A]), None, A, "unknown_key"),
        (jwt.KeySet([]), "a", A, "unsupported_algorithm"),
        (jwt.KeySet([UNNAMED]), None, UNNAMED, "accepted"),
        (jwt.KeySet([UNNAMED]), "anything", UNNAMED, "accepted"),
        (jwt.KeySet([A, UNNAMED]), None, UNNAMED, "accepted"),
        (jwt.KeySet([A, UNNAMED]), None, A, "bad_signature"),
        (jwt.KeySet([A, UNNAMED]), "a", UNNAMED, "bad_signature"),
        (A, "a", A, "accepted"),
        (A, None, A, "accepted"),
        (A, "b", A, "unknown_key"),
        (UNNAMED, "anything", UNNAMED, "accepted"),
        (lambda _: A, "b", A, "accepted"),
        (lambda _: jwt.KeySet([A, B]), "b", B, "accepted"),
        (lambda _: jwt.KeySet([A, B]), "c", B, "unknown_key"),
        (lambda _: None, "a", A, "unknown_key"),
        (lambda _: jwt.Key.generate("HS256"), "a", A, "unsupported_algorithm"),
    ],
)
def test_which_keys_may_check_a_token(keys: Any, kid: str | None, signer: jwt.Key, expected: str) -> None:
    header = {"alg": "ES256"} | ({} if kid is None else {"kid": kid})
    assert verdict(forge(signer, CLAIMS, header), keys) == expected


def test_two_keys_of_one_name_are_both_tried() -> None:
    twin = jwt.Key.generate("ES256", kid="a")
    keys = jwt.KeySet([A, twin, jwt.Key.generate("HS256", kid="a")])
    for signer in (A, twin):
        assert verdict(forge(signer, CLAIMS, {"alg": "ES256", "kid": "a"}), keys) == "accepted"


def test_the_name_of_a_key_of_another_algorithm() -> None:
    other = jwt.Key.generate("Ed25519", kid="ed")
    token = forge(A, CLAIMS, {"alg": "ES256", "kid": "ed"})
    assert verdict(token, jwt.KeySet([A, other])) == "unsupported_algorithm"


def test_only_the_old_name_of_ed25519_leads_to_its_keys() -> None:
    ed = jwt.Key.generate("Ed25519", kid="ed")
    keys, allowed = jwt.KeySet([A, ed]), ["ES256", "Ed25519", "EdDSA"]
    assert verdict(forge(ed, CLAIMS, {"alg": "EdDSA", "kid": "ed"}), keys, allowed) == "accepted"
    assert verdict(forge(ed, CLAIMS, {"alg": "ES256", "kid": "ed"}), keys, allowed) == "unsupported_algorithm"


def test_a_set_is_a_small_immutable_collection() -> None:
    keys = jwt.KeySet([A, B])
    assert (len(keys), [*keys], keys.get("a"), keys.get("c")) == (2, [A, B], A, None)
    assert keys.algorithms == {"ES256"}
    assert "ES256" in repr(keys)
    with pytest.raises(TypeError):
        jwt.KeySet(["a"])  # type: ignore[list-item]


def test_a_published_set_holds_public_members_only() -> None:
    published = jwt.KeySet([A, B, jwt.Key.generate("HS256")]).to_jwks()
    assert [member["kid"] for member in published["keys"]] == ["a", "b"]
    assert not any({"d", "k", "p", "q"} & member.keys() for member in published["keys"])
    assert [*jwt.KeySet.from_jwks(published)] == [A.public(), B.public()]


def test_strange_members_do_not_cost_the_others() -> None:
    good = A.public().to_jwk()
    rsa = jwt.Key.generate("RS256").to_jwk()
    del rsa["alg"]
    strange: list[Any] = [
        None,
        1,
        "x",
        {},
        {"kty": "AKP"},
        good | {"use": "enc"},
        good | {"alg": "ES999"},
        good | {"x": 1},
        good | {"key_ops": ["wrapKey"]},
    ]
    keys = jwt.KeySet.from_jwks({"keys": [*strange, good, rsa]})
    assert [key.alg for key in keys] == ["ES256", "RS256"]


def test_what_a_member_without_alg_is_bound_to() -> None:
    curve = {name: value for name, value in A.to_jwk().items() if name != "alg"}
    probabilistic = jwt.Key.generate("PS256").to_jwk()
    keys = jwt.KeySet.from_jwks({"keys": [curve, probabilistic]})
    assert [key.alg for key in keys] == ["ES256", "PS256"]


@pytest.mark.parametrize("jwks", [None, [], {}, {"keys": None}, {"keys": {}}, {"keys": []}, {"keys": [{}]}, "{}"])
def test_a_set_without_a_usable_key_is_refused(jwks: Any) -> None:
    with pytest.raises(KeyRefused):
        jwt.KeySet.from_jwks(jwks)


@pytest.mark.parametrize("keys", [None, "secret", b"secret", 1, {}, [], jwt.Key])
def test_keys_of_another_type_are_a_mistake(keys: Any) -> None:
    with pytest.raises(TypeError, match="keys"):
        jwt.Verifier(keys)


def test_a_resolver_must_answer_with_a_key() -> None:
    with pytest.raises(TypeError, match="resolver"):
        jwt.verify(forge(A, CLAIMS), lambda _: "secret", now=NOW)  # type: ignore[arg-type,return-value]


def test_a_secret_without_alg_in_a_set_is_no_key() -> None:
    secret = {name: value for name, value in jwt.Key.generate("HS256").to_jwk(private=True).items() if name != "alg"}
    with pytest.raises(KeyRefused, match="no usable key"):
        jwt.KeySet.from_jwks({"keys": [secret]})
    public = jwt.Key.generate("ES256").public()
    assert list(jwt.KeySet.from_jwks({"keys": [secret, public.to_jwk()]})) == [public]


@pytest.mark.parametrize(("key", "alg"), [(A, "Ed25519"), (A, "ES384"), (jwt.Key.generate("HS256"), "HS512")])
def test_a_single_key_is_tried_for_its_own_algorithm_alone(key: jwt.Key, alg: str) -> None:
    # the signature is good: only the header says another algorithm (RFC 8725 §3.1)
    assert verdict(forge(key, CLAIMS, {"alg": alg}), key) == "unsupported_algorithm"
    assert verdict(forge(key, CLAIMS, {"alg": alg}), key, [alg, key.alg]) == "unsupported_algorithm"
