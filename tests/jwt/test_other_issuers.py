"""What the tokens and key sets of other issuers look like, each accepted by an option that names it, or refused."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jwt as pyjwt
import pytest

from sealring import TokenError, jwt
from sealring.errors import KeyRefused
from tests.jwt.forge import NOW, forge

A = jwt.Key.generate("ES256", kid="a")
CLAIMS = {"sub": "42", "exp": NOW + 60}


def refusal(token: str, keys: Any, **options: Any) -> str:
    try:
        jwt.verify(token, keys, now=NOW, **options)
    except TokenError as error:
        return error.code
    return "accepted"


# --- numeric subjects ---


@pytest.mark.parametrize(
    ("sub", "options", "expected"),
    [
        (42, {}, "bad_claim"),
        (42, {"numeric_subject": True}, "accepted"),
        ("42", {"numeric_subject": True}, "accepted"),
        (42, {"numeric_subject": True, "subject": "42"}, "accepted"),
        (42, {"numeric_subject": True, "subject": "43"}, "wrong_subject"),
        (42.5, {"numeric_subject": True}, "bad_claim"),
        (True, {"numeric_subject": True}, "bad_claim"),
        (None, {"numeric_subject": True}, "bad_claim"),
        ([42], {"numeric_subject": True}, "bad_claim"),
    ],
)
def test_a_number_as_sub(sub: Any, options: Any, expected: str) -> None:
    token = forge(A, {"sub": sub, "exp": NOW + 60, "iat": NOW, "jti": "x"})
    assert refusal(token, A, **options) == expected


def test_a_number_as_sub_stays_a_number_and_jti_stays_text() -> None:
    assert jwt.verify(forge(A, CLAIMS | {"sub": 42}), A, numeric_subject=True, now=NOW).claims["sub"] == 42
    assert refusal(forge(A, CLAIMS | {"jti": 42}), A, numeric_subject=True) == "bad_claim"


# --- padding ---


def padded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode()


def padded_token(*, tail: str = "") -> str:
    """As AWS load balancers write it: each part padded, and signed so."""
    assert A.sign is not None
    header = json.dumps({"alg": "ES256", "kid": "a"}).encode()
    parts = f"{padded(header)}.{padded(json.dumps(CLAIMS).encode())}{tail}"
    return f"{parts}.{padded(A.sign(parts.encode()))}"


def test_padding_is_accepted_by_its_option_alone() -> None:
    token = padded_token()
    assert token.count("=") >= 3
    assert refusal(token, A) == "malformed"
    assert refusal(token, A, padded_base64url=True) == "accepted"
    assert refusal(jwt.sign(CLAIMS, A), A, padded_base64url=True) == "accepted"
    verifier = jwt.Verifier(A, padded_base64url=True)
    for _ in range(2):
        assert verifier.verify(token, NOW).claims["sub"] == "42"
    assert jwt.verify_signature(token, A, padded_base64url=True).header["kid"] == "a"
    assert jwt.peek(token, padded_base64url=True).claims == CLAIMS
    for reader in (jwt.peek, lambda token: jwt.verify_signature(token, A)):
        with pytest.raises(TokenError):
            reader(token)


def test_padding_stays_strict_in_all_else() -> None:
    good = padded_token()
    assert refusal(padded_token(tail="="), A, padded_base64url=True) == "malformed"
    assert refusal(good + "=", A, padded_base64url=True) == "malformed"
    assert refusal(good[:-1], A, padded_base64url=True) == "malformed"  # one "=" of two
    assert refusal(good.replace("==.", "=.=", 1), A, padded_base64url=True) == "malformed"
    with_both = next(token for token in iter(padded_token, "") if {"-", "_"} <= set(token))  # a signature is random
    for character, of_base64 in (("-", "+"), ("_", "/")):
        assert refusal(with_both.replace(character, of_base64), A, padded_base64url=True) == "malformed"
    assert refusal(good + ".", A, padded_base64url=True) == "malformed"
    stray = forge(A, CLAIMS, b'{"alg":"ES256"}'.hex())  # no base64url of JSON
    assert refusal(stray, A, padded_base64url=True) == "malformed"


def test_a_signature_over_the_text_without_padding_does_not_fit() -> None:
    parts, _, signature = padded_token().rpartition(".")
    bare = jwt.sign(CLAIMS, A)
    assert refusal(f"{parts}.{bare.rpartition('.')[2]}", A, padded_base64url=True) == "bad_signature"
    assert refusal(f"{parts.replace('=', '')}.{signature}", A, padded_base64url=True) == "bad_signature"


# --- size ---


def test_a_long_token_is_accepted_by_its_option_alone() -> None:
    """A token of Entra with 200 groups is 10.8 KB."""
    groups = [f"{n:08x}-1111-2222-3333-444444444444" for n in range(200)]
    token = forge(A, CLAIMS | {"groups": groups})
    assert 10_000 < len(token) < 12_000
    assert refusal(token, A) == "too_large"
    assert refusal(token, A, max_chars=len(token)) == "accepted"
    assert refusal(token, A, max_chars=len(token) - 1) == "too_large"
    assert refusal(token, A, max_chars=len(token), padded_base64url=True) == "accepted"
    assert jwt.peek(token, max_chars=16_384).claims["groups"] == groups
    assert jwt.verify_signature(token, A, max_chars=16_384).payload
    assert jwt.Verifier(A, max_chars=16_384).verify(token, NOW).claims["groups"] == groups


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_chars": 0}, "max_chars must be a whole number from 1 to 65536"),
        ({"max_chars": 65_537}, "max_chars must be"),
        ({"max_chars": True}, "max_chars must be"),
        ({"max_chars": "16 KB"}, "max_chars must be"),
        ({"padded_base64url": "yes"}, "padded_base64url must be True or False"),
        ({"numeric_subject": 1}, "numeric_subject must be True or False"),
    ],
)
def test_wrong_options_are_named(options: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        jwt.Verifier(A, **options)
    if "numeric_subject" not in options:
        for reader in (jwt.peek, lambda token, **given: jwt.verify_signature(token, A, **given)):
            with pytest.raises((TypeError, ValueError), match=words):
                reader(jwt.sign({}, A), **options)


# --- dates ---

MIDNIGHT = datetime(2030, 1, 1, tzinfo=UTC)


def test_dates_may_be_datetimes() -> None:
    seconds = int(MIDNIGHT.timestamp())
    claims = {
        "iat": MIDNIGHT,
        "nbf": MIDNIGHT - timedelta(minutes=1),
        "exp": MIDNIGHT + timedelta(hours=1, seconds=0.9),
    }
    token = jwt.sign(claims, A)
    assert jwt.peek(token).claims == {"iat": seconds, "nbf": seconds - 60, "exp": seconds + 3600}
    assert isinstance(claims["iat"], datetime)  # the caller's stay
    assert jwt.peek(jwt.sign({}, A, now=MIDNIGHT, expires_in=timedelta(hours=1))).claims == {
        "iat": seconds,
        "exp": seconds + 3600,
    }
    assert jwt.peek(jwt.sign({"iat": MIDNIGHT}, A, expires_in="1h")).claims["exp"] == seconds + 3600
    verifier = jwt.Verifier(A)
    elsewhere = MIDNIGHT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    for now in (MIDNIGHT, elsewhere):
        assert verifier.verify(token, now).claims["iat"] == jwt.verify(token, A, now=now).claims["iat"] == seconds
    with pytest.raises(TokenError, match="expired"):
        verifier.verify(token, MIDNIGHT + timedelta(hours=1))
    with pytest.raises(TokenError, match="expired"):
        jwt.verify(token, A, now=MIDNIGHT + timedelta(hours=1))


def test_a_datetime_without_a_zone_is_refused() -> None:
    naive = MIDNIGHT.replace(tzinfo=None)
    token = jwt.sign({}, A, expires_in=60)
    for call in (
        lambda: jwt.sign({"exp": naive}, A),
        lambda: jwt.sign({"iat": naive}, A),
        lambda: jwt.sign({}, A, now=naive),
        lambda: jwt.verify(token, A, now=naive),
        lambda: jwt.Verifier(A).verify(token, naive),
    ):
        with pytest.raises(ValueError, match=r"(exp|iat|now) must have a time zone"):
            call()


# --- published keys ---


def member(key: jwt.Key, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (key.to_jwk() | changes).items() if value != "absent"}


ED = jwt.Key.generate("Ed25519", kid="ed")
PS = jwt.Key.generate("PS256", kid="ps")


def test_a_null_is_as_good_as_absent() -> None:
    keys = jwt.KeySet.from_jwks({"keys": [member(A, alg=None, use=None, key_ops=None)]})
    assert refusal(forge(A, CLAIMS, {"alg": "ES256", "kid": "a"}), keys) == "accepted"
    unnamed = jwt.KeySet.from_jwks({"keys": [member(A, kid=None)]})
    assert refusal(forge(A, CLAIMS, {"alg": "ES256", "kid": "whatever"}), unnamed) == "accepted"


@pytest.mark.parametrize("changes", [{"use": "enc"}, {"use": ""}, {"key_ops": ["wrapKey"]}, {"key_ops": "verify"}])
def test_a_key_for_something_else_is_skipped(changes: Any) -> None:
    with pytest.raises(KeyRefused):
        jwt.KeySet.from_jwks({"keys": [member(A, **changes)]})


@pytest.mark.parametrize(
    ("published", "alg", "expected"),
    [
        ("absent", "EdDSA", "accepted"),
        (None, "EdDSA", "accepted"),
        ("absent", "Ed25519", "accepted"),
        ("Ed25519", "EdDSA", "unsupported_algorithm"),
        ("EdDSA", "EdDSA", "accepted"),
        ("EdDSA", "Ed25519", "unsupported_algorithm"),
        ("absent", "ES256", "unsupported_algorithm"),
    ],
)
def test_an_ed25519_key_without_alg_answers_to_both_names(published: Any, alg: str, expected: str) -> None:
    keys = jwt.KeySet.from_jwks({"keys": [member(ED, alg=published)]})
    assert refusal(forge(ED, CLAIMS, {"alg": alg, "kid": "ed"}), keys) == expected


def test_a_key_of_the_old_name_serves_libraries_that_know_no_other() -> None:
    """What `SEALRING_ALGORITHM=EdDSA` signs, PyJWT verifies; it refuses `Ed25519`."""
    key = jwt.Key.generate("EdDSA", kid="ed")
    token = jwt.sign({"sub": "42"}, key, expires_in=60)
    published = pyjwt.PyJWKSet.from_dict(jwt.KeySet([key]).to_jwks())
    assert pyjwt.decode(token, published["ed"], algorithms=["EdDSA"])["sub"] == "42"


@pytest.mark.parametrize(
    ("algorithms", "alg", "expected"),
    [
        (["PS256"], "PS256", "accepted"),
        (["RS256", "PS256"], "PS256", "accepted"),
        (["RS256"], "PS256", "unsupported_algorithm"),
        (None, "PS256", "unsupported_algorithm"),  # RS256, as most mean
        (["PS256", "ES256"], "RS256", "unsupported_algorithm"),
    ],
)
def test_an_rsa_key_without_alg_is_for_the_algorithms_given(algorithms: Any, alg: str, expected: str) -> None:
    keys = jwt.KeySet.from_jwks({"keys": [member(PS, alg="absent")]}, algorithms=algorithms)
    assert refusal(forge(PS, CLAIMS, {"alg": alg, "kid": "ps"}), keys) == expected


def test_members_of_other_algorithms_are_skipped() -> None:
    keys = jwt.KeySet.from_jwks({"keys": [member(A), member(PS), member(ED, alg="absent")]}, algorithms=["ES256"])
    assert [key.alg for key in keys] == ["ES256"]
    with pytest.raises(KeyRefused):
        jwt.KeySet.from_jwks({"keys": [member(A)]}, algorithms=["PS256"])
    for wrong in ("ES256", ["none"], ["ES257"], [1]):
        with pytest.raises((TypeError, ValueError), match=r"algorithms must be|alg must be one of"):
            jwt.KeySet.from_jwks({"keys": [member(A)]}, algorithms=wrong)  # type: ignore[arg-type]


def test_a_token_without_kid_is_for_the_only_key_that_fits() -> None:
    bare = forge(A, CLAIMS, {"alg": "ES256"})
    both = {"keys": [member(A), member(ED)]}
    assert refusal(bare, jwt.KeySet.from_jwks(both)) == "unknown_key"
    assert refusal(bare, jwt.KeySet.from_jwks(both, kid_optional=True)) == "accepted"
    several = {"keys": [member(A), member(jwt.Key.generate("ES256", kid="b"))]}
    assert refusal(bare, jwt.KeySet.from_jwks(several, kid_optional=True)) == "unknown_key"
    alone = jwt.KeySet.from_jwks({"keys": [member(A)]}, kid_optional=True)
    assert refusal(forge(A, CLAIMS, {"alg": "ES256", "kid": "b"}), alone) == "unknown_key"
    assert refusal(forge(ED, CLAIMS, {"alg": "Ed25519"}), alone) == "unsupported_algorithm"
    nameless = jwt.KeySet.from_jwks({"keys": [member(A, kid=None), member(ED)]}, kid_optional=True)
    assert refusal(forge(A, CLAIMS, {"alg": "ES256", "kid": "x"}), nameless) == "accepted"
