"""C2, C3, C9 at a WebSocket handshake: any page may open one, with the user's cookies, and reads what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.errors import BadSignature
from sealring.http.authenticate import AuthResult, RequestAuthenticator
from sealring.http.cookies import MAX_COOKIE_BYTES
from sealring.http.credentials import BEARER_SUBPROTOCOL
from sealring.http.origins import Origins
from sealring.http.request_errors import CrossSite, InvalidRequest
from sealring.verifier.principal import Principal

ACCESS = b"__Host-sealring_access"
COOKIE = (b"cookie", ACCESS + b"=good")
USER = Principal(
    subject="42", session_id="sid", client_id="http", scopes=frozenset(), epoch=0, kid="k", token_id="t",
    issued_at=0, expires_at=9, auth_time=0, claims={},
)  # fmt: skip
Fields = list[tuple[bytes, bytes]]


def verify(token: str) -> Principal:
    if token != "good":
        raise BadSignature("bad")
    return USER


AUTHENTICATOR = RequestAuthenticator(
    verify,
    access_cookie=ACCESS,
    origins=Origins.of(["https://app.example.com"], ["https://front.example.org"]),
    matches_csrf=lambda text, sid: (text, sid) == ("csrf", "sid"),
)


def handshake(*fields: tuple[bytes, bytes], offered: Sequence[str] | None = None) -> AuthResult:
    scope: dict[str, Any] = {"type": "websocket", "path": "/ws", "headers": list(fields)}
    if offered is not None:  # optional in ASGI
        scope["subprotocols"] = offered
    return AUTHENTICATOR.authenticate(scope)


@pytest.mark.parametrize("origin", [b"https://app.example.com", b"https://front.example.org"])
def test_c2_a_page_of_ours_may_open_a_socket_by_cookie(origin: bytes) -> None:
    assert handshake(COOKIE, (b"origin", origin)).principal == USER


@pytest.mark.parametrize(
    "origin",
    [
        b"https://evil.example",
        b"https://app.example.com.evil.example",
        b"https://evilapp.example.com",
        b"https://app.example.com:8443",
        b"http://app.example.com",
        b"wss://app.example.com",
        b"https://app.example.com@evil.example",
        b"https://APP.example.com",
        b"https://app.example.com/",
        b"https://app.example.com ",
        b"https://app.example.com, https://evil.example",
        b"https://xn--pp-kia.example.com",
        b"https://app.example.com\xa0",
        b"null",
        b"",
        b"*",
    ],
)
def test_c3_a_page_of_another_origin_may_not(origin: bytes) -> None:
    assert type(handshake(COOKIE, (b"origin", origin)).refusal) is CrossSite
    assert type(handshake(COOKIE, (b"origin", origin), (b"x-csrf-token", b"csrf")).refusal) is CrossSite
    host = (b"host", origin.removeprefix(b"https://"))  # C12: an attacker who writes Origin writes these too
    assert type(handshake(COOKIE, (b"origin", origin), host, (b"x-forwarded-host", host[1])).refusal) is CrossSite


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"origin", b"https://app.example.com"), (b"origin", b"https://app.example.com")],
        [(b"origin", b"https://app.example.com"), (b"sec-fetch-site", b"cross-site")],
        [(b"origin", b"https://app.example.com"), (b"sec-fetch-site", b"same-site")],
        [(b"sec-websocket-origin", b"https://app.example.com")],
        [(b"referer", b"https://app.example.com/")],
        [(b"x-csrf-token", b"bad"), (b"origin", b"https://app.example.com")],
    ],
)
def test_c3_nor_may_one_without_an_origin_or_with_two(fields: Fields) -> None:
    assert type(handshake(COOKIE, *fields).refusal) is CrossSite


def test_c2_a_program_brings_its_token_and_needs_no_origin() -> None:
    assert handshake((b"authorization", b"Bearer good")).principal == USER
    assert handshake((b"authorization", b"Bearer good"), (b"origin", b"https://evil.example")).principal == USER


@pytest.mark.parametrize(
    "offered",
    [
        ["sealring.bearer", "good"],
        ["chat", "sealring.bearer", "good"],
        ["sealring.bearer", "good", "chat", "more"],
        ("sealring.bearer", "good"),
    ],
)
def test_a_page_offers_its_token_after_our_subprotocol(offered: Sequence[str]) -> None:
    assert handshake(offered=offered).principal == USER


def test_the_token_that_a_page_offers_counts_and_not_the_cookie_that_its_browser_adds() -> None:
    """A page cannot leave cookies out of a handshake. Its own token proves what a cookie does not."""
    evil = (b"origin", b"https://evil.example")
    assert handshake(COOKIE, evil, offered=["sealring.bearer", "good"]).principal == USER
    refused = handshake(COOKIE, (b"origin", b"https://app.example.com"), offered=["sealring.bearer", "other"])
    assert type(refused.refusal) is BadSignature
    many = (b"cookie", b"; ".join([b"a=" + b"x" * 100] * (MAX_COOKIE_BYTES // 50)))
    assert handshake(many, offered=["sealring.bearer", "good"]).principal == USER


@pytest.mark.parametrize(
    "offered",
    [
        ["sealring.bearer"],
        ["good", "sealring.bearer"],
        ["sealring.bearer", ""],
        ["sealring.bearer", "good", "sealring.bearer", "good"],
        ["sealring.bearer", "sealring.bearer", "good"],
        ["sealring.bearer", "good", "sealring.bearer"],
        ["sealring.bearer", "go od"],
        ["sealring.bearer", "good\x00"],
        ["sealring.bearer", "g\xf6\xf6d"],
        ["sealring.bearer", "good\ud800"],
        ["sealring.bearer", '"good"'],
        ["sealring.bearer", "good;q=1"],
    ],
)
def test_c9_junk_after_our_subprotocol_is_refused_and_no_cookie_stands_in(offered: list[str]) -> None:
    assert type(handshake(offered=offered).refusal) is InvalidRequest
    by_cookie = handshake(COOKIE, (b"origin", b"https://app.example.com"), offered=offered)
    assert type(by_cookie.refusal) is InvalidRequest


@pytest.mark.parametrize(
    "offered",
    [
        ["good"],
        ["SEALRING.BEARER", "good"],
        ["sealring.bearer.good"],
        ["bearer", "good"],
        ["sealring", "good"],
        [""],
        [],
    ],
)
def test_what_only_looks_like_our_subprotocol_is_the_applications(offered: list[str]) -> None:
    found = handshake(offered=offered)
    assert (found.principal, found.refusal) == (None, None)


def test_c9_a_token_in_two_places_is_refused() -> None:
    for authorization in (b"Bearer good", b"Bearer other", b"Bearer"):
        assert (
            type(handshake((b"authorization", authorization), offered=["sealring.bearer", "good"]).refusal)
            is InvalidRequest
        )
    assert handshake((b"authorization", b"Basic dTpw"), offered=["sealring.bearer", "good"]).principal == USER


def test_a_subprotocol_is_no_credential_of_a_request() -> None:
    offered = ["sealring.bearer", "good"]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": [], "subprotocols": offered}
    found = AUTHENTICATOR.authenticate(scope)
    assert (found.principal, found.refusal) == (None, None)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"authorization", b"cookie", b"origin", b"sec-fetch-site"]),
            st.binary(max_size=40) | st.sampled_from([b"Bearer good", COOKIE[1], b"https://evil.example"]),
        ),
        max_size=5,
    ),
    st.lists(st.text(max_size=10) | st.sampled_from([BEARER_SUBPROTOCOL, "good", "bad", "", "chat"]), max_size=5),
)
def test_i9_any_handshake_is_read_without_an_exception(fields: Fields, offered: list[str]) -> None:
    found = handshake(*fields, offered=offered)
    assert found.principal is None or found.refusal is None
    if found.principal is not None:  # with a token somewhere, and, where only a cookie has it, a page of ours
        assert "good" in offered or any(b"good" in value for _, value in fields)
        by_cookie = BEARER_SUBPROTOCOL not in offered and not any(name == b"authorization" for name, _ in fields)
        assert not by_cookie or (b"origin", b"https://evil.example") not in fields
