from __future__ import annotations

import asyncio
from typing import Any

import grimp
import pytest

from sealring.errors import Expired, SealringError, Stale
from sealring.http.authenticate import AuthResult, RequestAuthenticator
from sealring.http.middleware import ANONYMOUS, SessionMiddleware
from sealring.verifier.principal import Principal

PRINCIPAL = Principal(
    subject="42",
    session_id="sid",
    client_id="http",
    scopes=frozenset({"orders:read"}),
    epoch=0,
    kid="k",
    token_id="t",
    issued_at=0,
    expires_at=9,
    auth_time=0,
    claims={},
)
GOOD, OLD, STALE = ([(b"authorization", b"Bearer " + word)] for word in (b"good", b"old", b"stale"))
Fields = list[tuple[bytes, bytes]]


def verify(token: str) -> Principal:
    if token == "good":
        return PRINCIPAL
    raise Stale(2) if token == "stale" else Expired("expired")


class Reached:
    """The application behind: keeps the scope that reached it."""

    scope: dict[str, Any] | None = None

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.scope = scope
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"reached"})


def call(
    fields: Fields,
    path: str = "/x",
    *,
    method: str = "GET",
    root_path: str = "",
    kind: str = "http",
    extensions: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[dict[str, Any] | None, list[Any]]:
    app = Reached()
    scope = {"type": kind, "path": path, "root_path": root_path, "headers": fields, "extensions": extensions or {}}
    if kind == "http":
        scope["method"] = method
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    asyncio.run(SessionMiddleware(app, authenticator=RequestAuthenticator(verify), **options)(scope, receive, send))
    return app.scope, sent


def status(fields: Fields, path: str = "/x", **options: Any) -> int:
    return int(call(fields, path, **options)[1][0]["status"])


def test_a_principal_goes_into_the_scope_in_starlettes_words() -> None:
    scope, _ = call(GOOD)
    assert scope is not None
    assert scope["user"] is PRINCIPAL
    assert scope["user"].is_authenticated
    assert scope["auth"].scopes == {"orders:read", "authenticated"}


@pytest.mark.parametrize("fields", [[], OLD, STALE, [*GOOD, *GOOD]])
def test_by_itself_it_refuses_nothing_and_remembers_the_refusal(fields: Fields) -> None:
    scope, sent = call(fields)
    assert scope is not None
    assert sent[0]["status"] == 200
    assert scope["user"] is ANONYMOUS
    assert not bool(scope["user"]), "`if request.user:` must not take nobody for somebody"
    assert not scope["user"].is_authenticated
    assert isinstance(scope["auth"], AuthResult)
    assert (scope["auth"].refusal is None) is (fields == [])


def test_lifespan_passes_through_untouched() -> None:
    app = Reached()
    scope = {"type": "lifespan"}
    asyncio.run(SessionMiddleware(app, authenticator=RequestAuthenticator(verify), protect=["/"])(scope, None, None))  # type: ignore[arg-type]
    assert app.scope is scope
    assert scope == {"type": "lifespan"}


@pytest.mark.parametrize(
    ("fields", "invalid_status", "expected"),
    [
        ([], 401, 401),
        (OLD, 401, 401),
        (STALE, 401, 503),
        ([*GOOD, *GOOD], 401, 400),
        ([], 403, 401),
        (OLD, 403, 403),
        (STALE, 403, 503),
        (GOOD, 401, 200),
    ],
)
def test_a_protected_path_answers_by_itself(fields: Fields, invalid_status: int, expected: int) -> None:
    assert status(fields, "/api/orders", protect=["/api/"], invalid_status=invalid_status) == expected
    assert status(fields, "/public", protect=["/api/"], invalid_status=invalid_status) == 200


@pytest.mark.parametrize("prefix", ["/api/", "/api"])
@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/me",
        "/api/me/",
        "//api/me",
        "/api//me",
        "///api",
        "/API/me",
        "/Api/ME",
        "/api;x/me",
        "/api;x=1",
        "/;p/api/me",
        "/./api/me",
        "/x/../api/me",
        "/%61pi/me",
        "/%2561pi/me",
        "/api%2fme",
        "/\\api\\me",
        "\\api\\me",
        "/api/../api/me",
        "/api/../public",
        "/api/me\x00",
    ],
)
def test_c13_any_reading_of_a_protected_path_is_protected(prefix: str, path: str) -> None:
    scope, sent = call([], path, protect=[prefix])
    assert scope is None
    assert sent[0]["status"] == 401


@pytest.mark.parametrize("path", ["/", "", "/apix", "/public/api", "/apis/me", "/app"])
def test_what_only_looks_like_it_is_open(path: str) -> None:
    assert status([], path, protect=["/api"]) == 200


def test_the_root_protects_everything() -> None:
    for path in ("/", "", "/x", "*"):
        assert status([], path, protect=["/"]) == 401


def test_c13_under_a_mount_both_paths_are_read() -> None:
    assert status([], "/mounted/api/me", root_path="/mounted", protect=["/api/"]) == 401
    assert status([], "/mounted/api/me", root_path="/mounted", protect=["/mounted/"]) == 401
    assert status([], "/mounted//api/me", root_path="/mounted", protect=["/api/"]) == 401
    assert status([], "/api/me", root_path="/mounted", protect=["/api/"]) == 401  # a framework that strips (Litestar)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "TRACE", "get", "X"])
def test_c13_no_method_slips_past(method: str) -> None:
    scope, sent = call([], "/api/me", method=method, protect=["/api/"])
    assert scope is None
    assert sent[0]["status"] == 401
    assert (sent[1]["body"] == b"") is (method == "HEAD")


def test_c13_a_websocket_is_refused_before_it_is_accepted() -> None:
    scope, sent = call([], "/api/ws", kind="websocket", protect=["/api/"])
    assert scope is None
    assert sent == [{"type": "websocket.close", "code": 1008}]
    scope, sent = call([], "/api/ws", kind="websocket", extensions={"websocket.http.response": {}}, protect=["/api/"])
    assert scope is None
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == 401
    scope, sent = call(GOOD, "/api/ws", kind="websocket", protect=["/api/"])
    assert scope is not None
    assert not sent


def test_c12_host_decides_nothing() -> None:
    forged = [(b"host", b"x/public?"), (b"x-forwarded-host", b"evil"), (b"x-original-url", b"/public")]
    assert status(forged, "/api/me", protect=["/api/"]) == 401


@pytest.mark.parametrize("wrong", [{"protect": ["api/"]}, {"protect": [""]}, {"invalid_status": 200}])
def test_a_wrong_option_is_the_callers_mistake(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"protect|invalid_status"):
        SessionMiddleware(Reached(), authenticator=RequestAuthenticator(verify), **wrong)


def test_a_protected_path_may_need_scopes() -> None:
    protect = {"/api": [], "/api/orders": ["orders:read"], "/api/orders/all": ["orders:admin", "orders:write"]}
    assert status([], "/api/orders", protect=protect) == 401
    assert status(OLD, "/api/orders/all", protect=protect, invalid_status=403) == 403
    assert status(GOOD, "/api/x", protect=protect) == 200
    assert status(GOOD, "/api/orders", protect=protect) == 200
    assert status(GOOD, "/public", protect=protect) == 200
    scope, sent = call(GOOD, "/API/orders/../orders/all;x", protect=protect)
    assert scope is None
    assert sent[0]["status"] == 403
    assert b"insufficient_scope" in sent[1]["body"]
    challenge = dict(sent[0]["headers"])[b"www-authenticate"]
    assert challenge.endswith(b'scope="orders:read orders:admin orders:write"')


def test_a_websocket_without_the_scopes_is_refused() -> None:
    scope, sent = call(GOOD, "/ws", kind="websocket", protect={"/ws": ["chat"]})
    assert (scope, sent) == (None, [{"type": "websocket.close", "code": 1008}])


def test_one_prefix_may_stand_alone() -> None:
    assert status([], "/api/me", protect="/api/") == 401


def test_each_refusal_that_it_answers_is_told_once() -> None:
    told: list[SealringError] = []
    authenticator = RequestAuthenticator(verify, refused=told.append)

    async def send(_: Any) -> None:
        return None

    for fields in ([], OLD):
        for protect in ([], ["/"]):
            scope = {"type": "http", "method": "GET", "path": "/x", "headers": fields}
            asyncio.run(SessionMiddleware(Reached(), authenticator=authenticator, protect=protect)(scope, send, send))  # type: ignore[arg-type]
    scope = {"type": "http", "method": "GET", "path": "/x", "headers": GOOD}
    asyncio.run(SessionMiddleware(Reached(), authenticator=authenticator, protect={"/": ["admin"]})(scope, send, send))  # type: ignore[arg-type]
    assert [error.code for error in told] == ["missing_credential", "expired", "insufficient_scope"]


def test_it_stands_without_any_framework() -> None:
    graph = grimp.build_graph("sealring", include_external_packages=True)
    behind = graph.find_upstream_modules("sealring.http.middleware")
    assert "sealring.http.authenticate" in behind
    assert not behind & {"fastapi", "starlette", "pydantic", "uvicorn"}
