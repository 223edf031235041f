"""Access tokens: RFC 9068's claims and ours, an end that the session sets, nothing of the application over ours."""

from __future__ import annotations

import asyncio

import pytest

from sealring import jwt
from sealring.issuer.access_tokens import AccessTokenIssuer
from sealring.issuer.access_ttl import AccessTtl
from sealring.sessions.access_token import CLAIMS, MAX_EPOCH, RESERVED, check_claims
from sealring.sessions.lifetimes import session_expiry
from sealring.store.memory import MemoryStore
from sealring.testing.store_contract.samples import NOW, a_session
from tests.clocks import FrozenClock
from tests.nodes import a_node

KEY = jwt.Key.generate("ES256")
TTL = AccessTtl(MemoryStore(), 1800, heard_seconds=10, node=a_node(FrozenClock(NOW)))
asyncio.run(TTL.declare())
TOKENS = AccessTokenIssuer(
    issuer="https://auth.example.com", audience="orders", ttl=TTL, signing_key=lambda: KEY, status_list_url="https://l"
)


def test_a_token_says_all_that_rfc_9068_asks_and_verifies() -> None:
    session = a_session()
    token = TOKENS.issue(session, epoch=3, scopes=["a", "b"], claims={"tenant": "t"}, now=NOW)
    got = jwt.verify(
        token.text, KEY.public(), issuer="https://auth.example.com", audience="orders", typ="at+jwt", now=NOW
    )
    assert got.header == {"alg": "ES256", "kid": KEY.kid, "typ": "at+jwt"}
    assert {name: value for name, value in got.claims.items() if name != "jti"} == {
        "tenant": "t",
        "iss": "https://auth.example.com",
        "aud": "orders",
        "sub": session.subject,
        "client_id": "http",
        "sid": session.id,
        "iat": NOW,
        "exp": NOW + 1800,
        "session_expiry": session_expiry(session),
        "auth_time": session.auth_time,
        "epoch": 3,
        "scope": "a b",
    }
    assert token.expires_at == NOW + 1800


def test_a_token_says_how_its_user_proved_who_they_are() -> None:
    session = a_session(amr=("pwd", "otp", "mfa"), acr="mfa", auth_time=NOW - 60)
    claims = jwt.peek(TOKENS.issue(session, epoch=0, scopes=[], claims={}, now=NOW).text).claims
    assert (claims["amr"], claims["acr"], claims["auth_time"]) == (["pwd", "otp", "mfa"], "mfa", NOW - 60)


def test_no_two_tokens_have_one_id() -> None:
    session = a_session()
    ids = {
        jwt.peek(TOKENS.issue(session, epoch=0, scopes=[], claims={}, now=NOW).text).claims["jti"] for _ in range(50)
    }
    assert len(ids) == 50


@pytest.mark.parametrize(("left", "life"), [(3600, 1800), (1801, 1800), (1800, 1800), (1799, 1799), (1, 1)])
def test_i16_a_token_never_outlives_its_session(left: int, life: int) -> None:
    session = a_session(expires_at=NOW + left)
    token = TOKENS.issue(session, epoch=0, scopes=[], claims={}, now=NOW)
    assert token.expires_at == jwt.peek(token.text).claims["exp"] == NOW + life


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_claim_of_ours_is_ours(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        check_claims({"tenant": "t", name: "x"})
    with pytest.raises(ValueError, match=name):
        TOKENS.issue(a_session(), epoch=0, scopes=[], claims={name: "x"}, now=NOW)


def test_a_token_has_every_claim_of_the_table_but_the_reserved_and_no_other() -> None:
    session = a_session(amr=("pwd",), acr="sfa", status_index=7, proof_key="k" * 43, device_jwk="{}")
    token = TOKENS.issue(session, epoch=0, scopes=[], claims={}, now=NOW)
    assert set(jwt.peek(token.text).claims) == {name for name, row in CLAIMS.items() if row.use != "reserved"}
    silent = TOKENS.issue(a_session(), epoch=0, scopes=[], claims={}, now=NOW)
    required = {name for name, row in CLAIMS.items() if row.use == "required"}
    assert set(jwt.peek(silent.text).claims) == required | {"session_expiry"}, "the end of a session is always known"


def test_a_draft_is_signed_as_it_was_checked_whatever_key_signs_by_then() -> None:
    keys = iter([KEY, jwt.Key.generate("RS256")])  # the algorithm changes while the session is written
    tokens = AccessTokenIssuer(issuer="https://a.example", audience="o", ttl=TTL, signing_key=lambda: next(keys))
    draft = tokens.draft(a_session(), scopes=["a"], claims={"tenant": "t"}, now=NOW)
    assert draft.check_fits() == len(draft.sign(MAX_EPOCH).text)
    token = draft.sign(3)
    assert jwt.peek(token.text).claims == {**draft.claims, "epoch": 3}
    assert token.expires_at == NOW + 1800
    assert draft.check_fits() > len(token.text)
