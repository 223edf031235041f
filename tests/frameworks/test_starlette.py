"""Starlette: the authentication backend under `@requires`, and what its refusals become."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from sealring import ConfigurationError, Sealring, SealringError
from tests.serving import bearer, cheap_sealring, cookie_line, problem

pytestmark = pytest.mark.anyio


@requires("orders:read")
async def orders(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.user.subject} {request.user.is_authenticated} {sorted(request.auth.scopes)}")


@requires("authenticated", status_code=401)
def mine(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.user.display_name)


@requires("authenticated", redirect="login")
async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.user.identity)


async def login(_: Request) -> PlainTextResponse:
    return PlainTextResponse("log in")


async def everybody(request: Request) -> PlainTextResponse:
    return PlainTextResponse("somebody" if request.user else "nobody")


async def closed(_: Request) -> PlainTextResponse:
    raise HTTPException(403, "closed on Sundays", {"X-Open": "Monday"})


@requires("orders:read")
async def news(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.user.subject)
    await websocket.close()


def site(auth: Sealring) -> Starlette:
    routes = [
        Mount("/auth", auth.asgi()),
        *(Route(f"/{view.__name__}", view) for view in (orders, mine, page, login, everybody, closed)),
        WebSocketRoute("/news", news),
    ]
    return Starlette(
        routes=routes,
        lifespan=auth.lifespan,
        middleware=[Middleware(AuthenticationMiddleware, backend=auth.backend)],
        exception_handlers=dict.fromkeys((SealringError, 401, 403), auth.problem_response),
    )


@pytest.fixture
async def auth() -> AsyncIterator[Sealring]:
    auth = cheap_sealring()
    async with auth.lifespan():
        yield auth


@pytest.fixture
async def client(auth: Sealring) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(site(auth))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client


async def token(auth: Sealring, *scopes: str) -> str:
    return (await auth.start_session("42", scopes=scopes)).access_token.text


async def test_requires_and_the_user_are_as_in_any_starlette_application(
    auth: Sealring, client: httpx2.AsyncClient
) -> None:
    good = bearer(await token(auth, "orders:read"))
    assert (await client.get("/orders", headers=good)).text == "42 True ['authenticated', 'orders:read']"
    assert (await client.get("/mine", headers=good)).text == "42"
    assert (await client.get("/page", headers=good)).text == "42"
    assert (await client.get("/everybody", headers=good)).text == "somebody"
    assert (await client.get("/everybody")).text == "nobody"


async def test_who_is_not_logged_in_is_told_so_and_may_be_sent_to_a_login(client: httpx2.AsyncClient) -> None:
    for path in ("/orders", "/mine"):
        answer = await client.get(path)
        assert problem(answer) == (401, "missing_credential")
        assert answer.headers["www-authenticate"] == 'Bearer realm="sealring"'
    sent = await client.get("/page")
    assert (sent.status_code, sent.headers["location"].partition("?")[0]) == (303, "http://127.0.0.1:8000/login")


async def test_a_missing_scope_is_403_and_names_none(auth: Sealring, client: httpx2.AsyncClient) -> None:
    answer = await client.get("/orders", headers=bearer(await token(auth)))
    assert problem(answer) == (403, "insufficient_scope")
    assert "scope=" not in answer.headers["www-authenticate"]


async def test_a_reason_of_the_applications_own_stays(auth: Sealring, client: httpx2.AsyncClient) -> None:
    for headers in ({}, bearer(await token(auth, "orders:read")), bearer("x")):
        answer = await client.get("/closed", headers=headers)
        assert (answer.status_code, answer.text, answer.headers["x-open"]) == (403, "closed on Sundays", "Monday")


async def test_a_dead_cookie_keeps_nobody_from_logging_in(auth: Sealring, client: httpx2.AsyncClient) -> None:
    await auth.accounts.create("ada", "seven blue otters sing")
    dead = cookie_line({"sealring_access": "x.y.z"})
    body = {"username": "ada", "password": "seven blue otters sing"}
    assert (await client.post("/auth/login", json=body, headers=dead)).status_code == 200


async def test_a_refusal_is_reported_once_with_its_cause(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "sealring"):
        await client.get("/orders", headers=bearer("x"))
    [record] = [one for one in caplog.records if one.message == "request refused"]
    fields: Any = record.__dict__["sealring"]
    assert fields["code"] == "malformed"


def test_a_websocket_is_for_those_who_have_the_scope() -> None:
    auth = cheap_sealring()
    with TestClient(site(auth)) as client:
        assert client.portal is not None
        issued = client.portal.call(lambda: auth.start_session("42", scopes=["orders:read"]))
        with client.websocket_connect("/news", headers=bearer(issued.access_token.text)) as socket:
            assert socket.receive_text() == "42"
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/news"):
            pass


def test_without_a_lifespan_the_first_request_opens_the_store() -> None:
    auth = cheap_sealring()
    app = Starlette(
        routes=[Route("/orders", orders)], middleware=[Middleware(AuthenticationMiddleware, backend=auth.backend)]
    )
    with TestClient(app) as client:
        assert client.portal is not None
        issued = client.portal.call(lambda: auth.start_session("42", scopes=["orders:read"]))
        client.portal.call(auth.close)
        assert client.get("/orders", headers=bearer(issued.access_token.text)).status_code == 200


def test_a_cors_middleware_inside_of_protected_paths_is_refused_at_the_start() -> None:
    auth = cheap_sealring()
    cors = Middleware(CORSMiddleware, allow_origins=["https://app.example"])
    wrong = Starlette(middleware=[Middleware(auth.middleware, protect=["/api"]), cors])
    with pytest.raises(ConfigurationError, match="must stand outside"), TestClient(wrong):
        pass
    right = Starlette(middleware=[cors, Middleware(auth.middleware, protect=["/api"])])
    with TestClient(right) as client:
        asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
        assert client.options("/api", headers=asks).status_code == 200
    with TestClient(Starlette(middleware=[Middleware(auth.middleware), cors])):
        """Without protect it refuses nothing."""
