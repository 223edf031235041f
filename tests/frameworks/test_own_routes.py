"""Log-in, registration and refresh from routes of one's own: counted by the caller's address, refused as by ours."""

# no postponed annotations: FastAPI cannot look up the local models in a string

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, WebSocket
from flask import Flask
from litestar import Litestar, get
from quart import Quart
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sealring import Sealring, SealringError
from sealring.errors import (
    ConfigurationError,
    KeyRefused,
    NoSuchAccount,
    RefreshReused,
    SessionEnded,
    Throttled,
    TokenTooLong,
    WrongCredentials,
)
from sealring.frameworks.litestar import SealringPlugin
from sealring.frameworks.starlette import answer_no_route
from sealring.rate_limits.rate import RateLimit
from tests.conformance.hosts import WSGI, transport_of
from tests.serving import PASSWORD, cheap_sealring, problem

pytestmark = pytest.mark.anyio


@pytest.fixture
async def auth() -> AsyncIterator[Sealring]:
    auth = cheap_sealring(account_rate=RateLimit(3, 300), throttle_address="5/1m", trusted_proxies="10.0.0.0/8")
    async with auth.lifespan():
        yield auth


def fastapi_app(auth: Sealring) -> Any:
    app = FastAPI()

    @app.post("/enter/{name}/{password}")
    async def enter(name: str, password: str, request: Request) -> str:
        return (await auth.log_in(name, password, request=request)).issued.access_token.text

    @app.post("/join/{name}/{password}")
    async def join(name: str, password: str, request: Request) -> str:
        return (await auth.register(name, password, request=request.scope)).account.name

    @app.post("/renew/{token}")
    async def renew(token: str, request: Request) -> str:
        return (await auth.refresh_session(token, request=request)).refresh_token

    @app.websocket("/talk/{when}")
    async def talk(websocket: WebSocket, when: str) -> None:
        if when == "accepted":
            await websocket.accept()
        await auth.log_in("ada", PASSWORD, request=websocket)

    @app.get("/broken/{what}")
    async def broken(what: str) -> None:
        raise KeyRefused("x") if what == "key" else ConfigurationError("x")

    app.add_exception_handler(SealringError, auth.problem_response)
    return app


def starlette_app(auth: Sealring) -> Any:
    async def enter(request: Request) -> Response:
        found = await auth.log_in(request.path_params["name"], request.path_params["password"], request=request)
        return JSONResponse(found.account.name)

    return Starlette(
        routes=[Route("/enter/{name}/{password}", enter, methods=["POST"])],
        exception_handlers={SealringError: auth.problem_response},
    )


def flask_app(auth: Sealring) -> Any:
    app = Flask(__name__)
    auth.init_app(app)
    return app, lambda rule, view: app.add_url_rule(rule, view_func=view)


def quart_app(auth: Sealring) -> Any:
    app = Quart(__name__)
    auth.init_app(app)
    return app, lambda rule, view: app.add_url_rule(rule, view_func=view)


REFUSALS: list[tuple[Exception, int, str]] = [
    (TokenTooLong(8192), 422, "token_too_long"),
    (NoSuchAccount("no account has this id"), 404, "no_such_account"),
]


@pytest.mark.parametrize(("error", "status", "code"), REFUSALS)
async def test_every_refusal_raised_in_ones_own_route_is_answered_as_the_table_says(
    auth: Sealring, error: Exception, status: int, code: str
) -> None:
    def view() -> str:
        raise error

    async def async_view(request: Any = None) -> Any:  # noqa: ARG001 - Starlette gives it
        raise error

    app = Starlette(routes=[Route("/own", async_view)], exception_handlers={SealringError: auth.problem_response})
    flask, add = flask_app(auth)
    add("/own", view)
    quart, add_async = quart_app(auth)
    add_async("/own", async_view)
    handler = get("/own", media_type="text/plain")(_litestar_view(error))
    litestar = Litestar([handler], plugins=[SealringPlugin(auth)], logging_config=None)
    for transport in map(transport_of, (app, WSGI(flask), quart, litestar)):
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            assert problem(await client.get("/own")) == (status, code)


def _litestar_view(error: Exception) -> Any:
    async def view() -> str:
        raise error

    return view


def client_of(app: Any, address: str = "192.0.2.1") -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app, client=(address, 1)), base_url="http://test")


@pytest.mark.parametrize("make_app", [fastapi_app, starlette_app])
async def test_a_refusal_in_a_route_of_ones_own_is_the_answer_that_our_route_gives(
    auth: Sealring, make_app: Any
) -> None:
    async with client_of(make_app(auth)) as client:
        for _ in range(3):
            refused = await client.post(f"/enter/ada/{PASSWORD}")
            assert problem(refused) == (401, "invalid_credentials")
            assert refused.headers["www-authenticate"] == 'Bearer realm="sealring"'
        refused = await client.post(f"/enter/ada/{PASSWORD}")
        assert problem(refused) == (429, "throttled")
        assert int(refused.headers["retry-after"]) > 1


async def test_refusals_name_the_field_and_the_name_taken(auth: Sealring) -> None:
    async with client_of(fastapi_app(auth)) as client:
        assert (await client.post(f"/join/ada/{PASSWORD}")).json() == "ada"
        assert problem(await client.post(f"/join/ada/{PASSWORD}")) == (409, "name_taken")
        refused = await client.post("/join/bob/short")
        assert problem(refused) == (422, "invalid_field")
        assert refused.json()["errors"][0]["field"] == "password"
        assert auth.verify((await client.post(f"/enter/ada/{PASSWORD}")).json()).client_id


async def test_u10_callers_are_counted_by_their_own_addresses(auth: Sealring) -> None:
    app = fastapi_app(auth)
    async with client_of(app) as client, client_of(app, "192.0.2.2") as other, client_of(app, "10.0.0.1") as proxy:
        statuses = [(await client.post(f"/enter/nobody{number}/{PASSWORD}")).status_code for number in range(8)]
        assert (statuses[:5], statuses[-1]) == ([401] * 5, 429)
        assert (await other.post(f"/enter/nobody/{PASSWORD}")).status_code == 401
        for number, status in ((1, 429), (3, 401)):
            through = await proxy.post(f"/enter/me/{PASSWORD}", headers={"X-Forwarded-For": f"192.0.2.{number}"})
            assert through.status_code == status, "the setting trusted_proxies holds here too"


async def test_refreshes_that_fail_are_counted_by_address_where_there_is_one(auth: Sealring) -> None:
    dead = await auth.start_session("42")
    await auth.revoke_session(dead.session.id)
    async with client_of(fastapi_app(auth)) as client, client_of(fastapi_app(auth), "192.0.2.2") as other:
        for _ in range(5):
            assert problem(await client.post(f"/renew/{dead.refresh_token}")) == (401, "session_ended")
        assert problem(await client.post(f"/renew/{dead.refresh_token}")) == (429, "throttled")
        assert problem(await other.post(f"/renew/{dead.refresh_token}")) == (401, "session_ended")
    for _ in range(6):
        with pytest.raises((SessionEnded, RefreshReused)):
            await auth.refresh_session(dead.refresh_token)
    with pytest.raises(Throttled):
        await auth.refresh_session(dead.refresh_token, address="192.0.2.1")


@pytest.mark.parametrize("kind", ["key", "setting"])
async def test_a_fault_of_the_server_is_no_refusal(auth: Sealring, kind: str) -> None:
    async with client_of(fastapi_app(auth)) as client:
        with pytest.raises(ValueError, match="x"):
            await client.get(f"/broken/{kind}")


@pytest.mark.parametrize(
    ("when", "extensions", "sent_last"),
    [
        ("accepted", {}, {"type": "websocket.close", "code": 1008}),
        ("accepted", {"websocket.http.response": {}}, {"type": "websocket.close", "code": 1008}),
        ("not accepted", {}, {"type": "websocket.close", "code": 1008}),
        ("not accepted", {"websocket.http.response": {}}, {"type": "websocket.http.response.body"}),
    ],
)
async def test_a_refused_websocket_is_closed_or_denied(
    auth: Sealring, when: str, extensions: dict[str, Any], sent_last: dict[str, Any]
) -> None:
    path = f"/talk/{when}"
    scope = {
        "type": "websocket", "http_version": "1.1", "scheme": "ws", "path": path, "raw_path": path.encode(),
        "root_path": "", "query_string": b"", "headers": [], "client": ("192.0.2.1", 1), "subprotocols": [],
        "extensions": extensions,
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await fastapi_app(auth)(scope, receive, send)
    assert (sent[0]["type"] == "websocket.accept") is (when == "accepted")
    assert sent[-1].items() >= sent_last.items()
    assert len([message for message in sent if message["type"] == "websocket.close"]) == ("code" in sent_last)


async def test_the_list_of_sessions_says_from_where(auth: Sealring) -> None:
    scope = {"type": "http", "client": ("192.0.2.9", 1), "headers": [(b"user-agent", b"curl/8.0")]}
    issued = await auth.start_session("42", request=scope)
    assert (issued.session.address, issued.session.device) == ("192.0.2.9", "curl")


async def test_an_attempt_without_an_address_is_the_callers_mistake(auth: Sealring) -> None:
    scope = {"type": "http", "client": ("192.0.2.9", 1), "headers": []}
    for call in (auth.log_in, auth.register):
        with pytest.raises(TypeError, match="give request="):
            await call("ada", PASSWORD)
        with pytest.raises(TypeError, match="not both"):
            await call("ada", PASSWORD, request=scope, address="192.0.2.7")
        with pytest.raises(TypeError, match="ASGI scope or its WSGI environ, not str"):
            await call("ada", PASSWORD, request="192.0.2.7")  # type: ignore[arg-type]
        for address in ("", "unknown", "192.0.2.7, 192.0.2.8"):
            with pytest.raises(ValueError, match="address must be an IP address"):
                await call("ada", PASSWORD, address=address)
    with pytest.raises(WrongCredentials):
        await auth.log_in("ada", PASSWORD, address="[2001:db8::1]:80")
    event = (await auth.store.read_events())[-1]
    assert (event.kind, event.address) == ("login_failed", "2001:db8::1")


@pytest.mark.parametrize("kind", [FastAPI, Starlette])
async def test_what_no_route_takes_is_refused_in_the_same_form(kind: type[Starlette]) -> None:
    async def orders(_: Request) -> Response:
        raise HTTPException(418)

    app = kind(exception_handlers={404: answer_no_route, 405: answer_no_route})
    app.add_route("/orders", orders, methods=["POST", "PUT"])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000") as client:
        assert problem(await client.get("/nowhere")) == (404, "not_found")
        refused = await client.get("/orders")
        assert problem(refused) == (405, "method_not_allowed")
        assert sorted(refused.headers["allow"].split(", ")) == ["POST", "PUT"]
        assert (await client.post("/orders")).status_code == 418, "the application's own refusals stay its own"


def litestar_own(auth: Sealring) -> Any:
    return Litestar([get("/auth/own", media_type="text/plain")(_own)], plugins=[SealringPlugin(auth)])


async def _own() -> str:
    return "own"


def werkzeug_own(kind: Any) -> Any:
    def make(auth: Sealring) -> Any:
        app = kind(__name__)
        auth.init_app(app)
        app.add_url_rule("/auth/own", view_func=lambda: "own", endpoint="own")
        return WSGI(app) if kind is Flask else app

    return make


@pytest.mark.parametrize("make", [litestar_own, werkzeug_own(Flask), werkzeug_own(Quart)])
async def test_a_wrong_method_on_a_route_of_ones_own_below_the_auth_path_is_answered_by_the_framework(
    auth: Sealring, make: Any
) -> None:
    transport = transport_of(make(auth))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        assert (await client.get("/auth/own")).text == "own"
        answer = await client.post("/auth/own")
        assert answer.status_code == 405
        assert "GET" in answer.headers["allow"]
        assert problem(await client.put("/auth/login")) == (405, "method_not_allowed")
