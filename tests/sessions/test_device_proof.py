"""What a browser signs with the key of its device, by the value (design D22); over HTTP in tests/attacks."""

from __future__ import annotations

import itertools
import secrets
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring import jwt
from sealring.errors import DeviceBindingRequired, DeviceProofRequired
from sealring.sessions.device_proof import (
    CHALLENGE_SECONDS,
    SKEW_SECONDS,
    DeviceProof,
    DeviceProofs,
    read_jwk,
    write_jwk,
)
from sealring.testing.store_contract.samples import NOW, a_session

SECRET = secrets.token_bytes(32)
PROOFS = DeviceProofs([SECRET])
KEY = jwt.Key.generate("ES256")
SESSION = a_session(device_jwk=write_jwk(KEY), device_bound_at=NOW)
CHALLENGE = PROOFS.challenge(SESSION.id, now=NOW)


def signed(key: jwt.Key = KEY, typ: str = "dbsc+jwt", **claims: Any) -> DeviceProof:
    return DeviceProof(jwt.sign({"jti": CHALLENGE, **claims}, key, typ=typ, issued_at=False))


def why_not(proof: DeviceProof | None, *, now: int = NOW, proofs: DeviceProofs = PROOFS) -> str:
    with pytest.raises(DeviceProofRequired) as refused:
        proofs.check_refresh(SESSION, proof, now=now)
    assert refused.value.subject == SESSION.subject
    assert refused.value.is_stale is (refused.value.cause == "challenge is too old")
    return refused.value.cause


def test_a_proof_of_the_key_counts_and_of_no_other() -> None:
    PROOFS.check_refresh(SESSION, signed(), now=NOW)
    assert why_not(signed(jwt.Key.generate("ES256"))) == "proof: bad_signature"
    assert why_not(None) == "no proof was sent"


def test_a_session_that_is_not_bound_takes_no_proof_and_may_need_to_be_bound() -> None:
    free = replace(SESSION, device_jwk=None, device_bound_at=None)
    PROOFS.check_refresh(free, None, now=NOW)
    PROOFS.check_refresh(replace(free, device_binding="prefer"), None, now=NOW)
    with pytest.raises(DeviceProofRequired, match="the session is not bound to a device"):
        PROOFS.check_refresh(free, signed(), now=NOW)
    with pytest.raises(DeviceBindingRequired):
        PROOFS.check_refresh(replace(free, device_binding="require"), None, now=NOW)
    PROOFS.check_refresh(replace(SESSION, device_binding="require"), signed(), now=NOW)


@pytest.mark.parametrize(
    ("later", "cause"),
    [
        (-SKEW_SECONDS - 1, "challenge is too old"),
        (-SKEW_SECONDS, None),
        (CHALLENGE_SECONDS, None),
        (CHALLENGE_SECONDS + 1, "challenge is too old"),
    ],
)
def test_a_challenge_lives_for_minutes(later: int, cause: str | None) -> None:
    if cause is None:
        PROOFS.check_refresh(SESSION, signed(), now=NOW + later)
    else:
        assert why_not(signed(), now=NOW + later) == cause


def test_a_challenge_is_of_one_session_one_moment_and_one_secret() -> None:
    assert why_not(signed(jti=PROOFS.challenge(a_session().id, now=NOW))) == "challenge is not one of ours"
    assert why_not(signed(), proofs=DeviceProofs([secrets.token_bytes(32)])) == "challenge is not one of ours"
    assert why_not(signed(jti=PROOFS.authorization(SESSION.id, NOW))) == "challenge is not one of ours"
    later = PROOFS.challenge(SESSION.id, now=NOW + 1)
    assert why_not(signed(jti=later[:8] + CHALLENGE[8:])) == "challenge is not one of ours"
    DeviceProofs([secrets.token_bytes(32), SECRET]).check_refresh(SESSION, signed(), now=NOW)  # a secret was put before


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "dbsc", "jwt+dbsc"])
def test_another_type_of_token_is_no_proof(typ: str) -> None:
    assert why_not(signed(typ=typ)) == "typ must be dbsc+jwt"


def test_the_type_is_a_media_type_and_so_has_no_case() -> None:
    PROOFS.check_refresh(SESSION, signed(typ="DBSC+JWT"), now=NOW)


def test_an_audience_must_be_the_route() -> None:
    proof = signed(aud="https://shop.example/auth/device/refresh")
    assert why_not(proof) == "aud is another service's"
    PROOFS.check_refresh(SESSION, replace(proof, audiences=("https://shop.example/auth/device/refresh",)), now=NOW)


def test_a_key_has_one_text_without_its_name_and_its_private_half() -> None:
    private = jwt.Key.generate("RS256", kid="mine")
    text = write_jwk(private)
    assert write_jwk(read_jwk(text)) == text
    assert all(f'"{name}"' not in text for name in ("d", "p", "kid", "use"))
    assert read_jwk(text).alg == "RS256"


def registration(**changes: Any) -> DeviceProof:
    claims = {"jti": CHALLENGE, "authorization": PROOFS.authorization(SESSION.id, NOW), **changes}
    return DeviceProof(jwt.sign(claims, KEY, typ="dbsc+jwt", header={"jwk": KEY.to_jwk()}, issued_at=False))


def test_an_authorization_is_of_one_session_and_one_proof_of_its_user() -> None:
    assert PROOFS.read_registration(registration(), SESSION.id, NOW, now=NOW) == SESSION.device_jwk
    for wrong in (
        PROOFS.authorization(a_session().id, NOW),
        PROOFS.authorization(SESSION.id, NOW + 1),
        CHALLENGE,
        7,
        "",
    ):
        with pytest.raises(DeviceProofRequired, match="authorization is not that of this login"):
            PROOFS.read_registration(registration(authorization=wrong), SESSION.id, NOW, now=NOW)


@given(st.text(alphabet="abcXYZ019-_.", max_size=200) | st.text(max_size=50))
def test_any_text_is_a_proof_or_a_refusal(text: str) -> None:
    assert why_not(DeviceProof(text))
    with pytest.raises(DeviceProofRequired):
        PROOFS.read_registration(DeviceProof(text), SESSION.id, NOW, now=NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "alg", "use", "key_ops", "kid", "x5c"])


@given(st.dictionaries(MEMBERS, JSON, max_size=4))
def test_a_key_with_any_member_changed_is_taken_or_refused(members: dict[str, Any]) -> None:
    """I9: no JWK of a header is a server error."""
    header = {"jwk": {**KEY.to_jwk(), **members}}
    claims = {"jti": CHALLENGE, "authorization": PROOFS.authorization(SESSION.id, NOW)}
    proof = DeviceProof(jwt.sign(claims, KEY, typ="dbsc+jwt", header=header, issued_at=False))
    with suppress(DeviceProofRequired):
        assert PROOFS.read_registration(proof, SESSION.id, NOW, now=NOW) == SESSION.device_jwk


def test_no_flipped_character_of_a_proof_counts() -> None:
    text = signed().text
    for place in itertools.chain(range(0, len(text), 7), [len(text) - 1]):
        other = "A" if text[place] != "A" else "B"
        assert why_not(DeviceProof(text[:place] + other + text[place + 1 :]))
