from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring import jwt
from sealring.errors import Expired, SealringError
from sealring.http.authenticate import AuthResult, RequestAuthenticator
from sealring.http.origins import Origins
from sealring.http.request_errors import (
    CrossSite,
    InsufficientAuthentication,
    InsufficientScope,
    InvalidRequest,
    MissingCredential,
)
from sealring.sessions.step_up import StepUp
from sealring.verifier.principal import Principal

NOW = 1_700_000_000
KEY = jwt.Key.from_secret(b"k" * 32, "HS256")
COOKIE = b"__Host-sealring_access"
Fields = list[tuple[bytes, bytes]]


def principal_of(token: jwt.Token) -> Principal:
    return Principal(
        subject=token.claims["sub"],
        session_id="sid",
        client_id="http",
        scopes=frozenset({"orders:read"}),
        epoch=0,
        kid="k",
        token_id="t",
        issued_at=NOW,
        expires_at=token.claims["exp"],
        auth_time=NOW,
        claims={},
    )


VERIFIER = jwt.Verifier(KEY, project=principal_of)
GOOD = jwt.sign({"sub": "42"}, KEY, expires_in=60, now=NOW).encode()
OLD = jwt.sign({"sub": "42"}, KEY, expires_in=60, now=NOW - 3600).encode()


def verify(token: str) -> Principal:
    return VERIFIER.verify(token, NOW)


def authenticator(counted: list[SealringError] | None = None) -> RequestAuthenticator:
    return RequestAuthenticator(
        verify,
        access_cookie=COOKIE,
        origins=Origins.of(["https://example.com"]),
        matches_csrf=lambda text, sid: (text, sid) == ("good", "sid"),
        refused=None if counted is None else counted.append,
    )


def http(*fields: tuple[bytes, bytes], method: str = "GET") -> dict[str, Any]:
    return {"type": "http", "method": method, "path": "/x", "headers": list(fields)}


BEARER = (b"authorization", b"Bearer " + GOOD)
BY_COOKIE = (b"cookie", COOKIE + b"=" + GOOD)


@pytest.mark.parametrize("fields", [[BEARER], [BY_COOKIE]])
def test_a_good_token_brings_its_principal(fields: Fields) -> None:
    found = authenticator().authenticate(http(*fields))
    assert found.require("orders:read").subject == "42"
    assert found.refusal is None
    assert found.scopes == {"orders:read", "authenticated"}


def test_no_credential_is_no_refusal_until_one_is_required() -> None:
    found = authenticator().authenticate(http())
    assert (found.principal, found.refusal, found.scopes) == (None, None, frozenset())
    with pytest.raises(MissingCredential):
        found.require()


def test_a_bad_token_is_remembered_with_its_cause() -> None:
    counted: list[SealringError] = []
    scope = http((b"authorization", b"Bearer " + OLD))
    found = authenticator(counted).authenticate(scope)
    assert found.principal is None
    with pytest.raises(Expired) as refusal:
        found.require()
    assert not counted  # who answers tells it
    authenticator(counted).report(refusal.value, scope)
    assert counted == [refusal.value]


def test_a_finding_is_taken_over_from_the_same_verifier_only() -> None:
    scope = http(BEARER)
    scope["auth"] = found = authenticator().authenticate(scope)
    assert authenticator().result_for(scope) is found
    assert RequestAuthenticator(VERIFIER.verify).result_for(scope) is not found


def test_a_missing_scope_is_named() -> None:
    with pytest.raises(InsufficientScope) as refusal:
        authenticator().authenticate(http(BEARER)).require("orders:read", "orders:write")
    assert refusal.value.scopes == ("orders:read", "orders:write")


def stepped(now: float, **fields: Any) -> AuthResult:
    known: dict[str, Any] = {"auth_time": NOW, "acr": "sfa", "claims": {"auth_time": NOW}} | fields
    principal = replace(principal_of(jwt.verify(GOOD.decode(), KEY, now=NOW)), **known)
    return AuthResult(verify, principal, clock=lambda: now)


FRESH = StepUp(max_age=60)
STRONG = StepUp(acr="mfa")


def refusal_of(result: AuthResult, *scopes: str, step_up: StepUp) -> SealringError | None:
    try:
        result.require(*scopes, step_up=step_up)
    except SealringError as error:
        return error
    return None


def test_rfc9470_a_proof_that_is_too_old_or_too_weak_is_no_proof_for_the_route() -> None:
    assert refusal_of(stepped(NOW + 60), step_up=FRESH) is None
    assert isinstance(refusal_of(stepped(NOW + 61), step_up=FRESH), InsufficientAuthentication)
    assert isinstance(refusal_of(stepped(NOW), step_up=STRONG), InsufficientAuthentication)
    assert refusal_of(stepped(NOW, acr="phr"), step_up=STRONG) is None


def test_rfc9470_a_scope_that_no_proof_would_bring_is_said_before_a_password_is_asked_for() -> None:
    old = stepped(NOW + 61)
    assert isinstance(refusal_of(old, "orders:write", step_up=FRESH), InsufficientScope)
    assert isinstance(refusal_of(old, "orders:read", step_up=FRESH), InsufficientAuthentication)
    # a second factor may bring it
    assert isinstance(refusal_of(stepped(NOW), "orders:write", step_up=STRONG), InsufficientAuthentication)


def test_rfc9470_who_proved_at_no_time_or_has_no_user_meets_no_step_up() -> None:
    """A token of another issuer without `auth_time`, and a registered client: `iat` is no proof of a user."""
    nobody = "client_AAAAAAAAAAAAAAAA"
    for result in (
        stepped(NOW, claims={}),
        stepped(NOW, claims={"auth_time": str(NOW)}),
        stepped(NOW, subject=nobody, client_id=nobody, acr="mfa"),
    ):
        for step_up in (FRESH, STRONG):
            assert isinstance(refusal_of(result, step_up=step_up), InsufficientAuthentication)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "get", "MADE-UP", ""])
def test_i13_a_cookie_acts_only_for_our_own_page(method: str) -> None:
    with pytest.raises(CrossSite):
        authenticator().authenticate(http(BY_COOKIE, method=method)).require()
    with pytest.raises(CrossSite):
        authenticator().authenticate(http(BY_COOKIE, (b"sec-fetch-site", b"cross-site"), method=method)).require()
    assert authenticator().authenticate(http(BY_COOKIE, (b"sec-fetch-site", b"same-origin"), method=method)).principal
    assert authenticator().authenticate(http(BY_COOKIE, (b"x-csrf-token", b"good"), method=method)).principal


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_reading_by_cookie_needs_no_proof(method: str) -> None:
    assert authenticator().authenticate(http(BY_COOKIE, (b"sec-fetch-site", b"cross-site"), method=method)).principal


def test_a_bearer_token_needs_no_proof_of_origin() -> None:
    assert authenticator().authenticate(http(BEARER, (b"origin", b"https://evil"), method="POST")).principal


@pytest.mark.parametrize(
    ("fields", "admitted"),
    [
        ([BY_COOKIE], False),
        ([BY_COOKIE, (b"origin", b"https://evil")], False),
        ([BY_COOKIE, (b"origin", b"https://example.com")], True),
        ([BEARER], True),
    ],
)
def test_a_websocket_handshake_by_cookie_counts_as_unsafe(
    fields: Fields,
    admitted: bool,  # noqa: FBT001 - a table's column
) -> None:
    scope = {"type": "websocket", "path": "/ws", "headers": fields}
    assert (authenticator().authenticate(scope).principal is not None) is admitted
    assert (authenticator().authenticate({**scope, "method": "GET"}).principal is not None) is admitted


def test_without_a_cookie_name_only_the_field_counts() -> None:
    bare = RequestAuthenticator(verify)
    assert bare.authenticate(http(BY_COOKIE)).principal is None
    assert bare.authenticate(http(BY_COOKIE)).refusal is None
    assert bare.authenticate(http(BY_COOKIE, BEARER)).principal


def test_two_credentials_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        authenticator().authenticate(http(BY_COOKIE, BEARER)).require()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"authorization", b"cookie", b"x-csrf-token", b"origin", b"sec-fetch-site"]),
            st.binary(max_size=60) | st.sampled_from([b"Bearer " + GOOD, b"Bearer " + OLD, COOKIE + b"=" + GOOD]),
        ),
        max_size=5,
    ),
    st.sampled_from(["GET", "POST"]),
)
def test_c14_any_bytes_in_any_field_are_examined_without_an_exception(fields: Fields, method: str) -> None:
    found = authenticator().authenticate(http(*fields, method=method))
    assert found.principal is None or found.refusal is None
    assert found.principal is None or any(GOOD in value for _, value in fields)


def test_a_refusal_in_the_scope_makes_no_reference_cycle() -> None:
    class Marked(dict[str, Any]):
        pass

    gc.disable()
    try:
        scope = Marked(http((b"authorization", b"Bearer " + OLD)))
        scope["auth"] = authenticator().authenticate(scope)
        gone = weakref.ref(scope)
        del scope
        assert gone() is None
    finally:
        gc.enable()
