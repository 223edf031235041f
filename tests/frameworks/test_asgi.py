"""The auth routes in front of any ASGI application: which requests are theirs, and whose lifespan runs when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from sealring import ConfigurationError, Sealring
from sealring.frameworks.lifespan import Lifespan
from tests.serving import PASSWORD, SECRET, bearer, cheap_sealring

pytestmark = pytest.mark.anyio

BASE = "http://127.0.0.1:8000"


async def answer(send: Any, text: bytes, status: int = 200) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def echo(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - the interface
    """Says who asks, and for what. It knows no lifespan."""
    assert scope["type"] == "http"
    user = scope["user"].subject if scope["user"] else "nobody"
    await answer(send, f"{user} {scope['path']}".encode())


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    auth = cheap_sealring()
    app = auth.asgi_health(auth.middleware(auth.asgi(echo)))
    async with auth.lifespan(), httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=BASE) as client:
        yield client


async def test_what_is_not_ours_is_the_applications(client: httpx2.AsyncClient) -> None:
    made = await client.post("/auth/register", json={"username": "ada", "password": PASSWORD})
    known = bearer(made.json()["access_token"])
    subject = made.json()["user"]["id"]
    for path in ("/", "/orders", "/authors", "/auth", "/auth/nothing", "/auth/sessions/a/b"):
        assert (await client.get(path, headers=known)).text == f"{subject} {path}"
    assert (await client.get("/orders", headers=bearer("x"))).text == "nobody /orders"
    assert (await client.put("/auth/login")).status_code == 405
    assert (await client.get("/healthz")).status_code == (await client.get("/readyz")).status_code == 200


@pytest.mark.parametrize("root", ["", "/shop", "/auth"])
async def test_n10_the_refresh_cookie_goes_to_the_auth_routes(root: str) -> None:
    auth = cheap_sealring()
    transport = httpx2.ASGITransport(auth.asgi(echo), root_path=root)
    async with auth.lifespan(), httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        body = {"username": "ada", "password": PASSWORD, "delivery": "cookie"}
        made = await client.post(f"{root}/auth/register", json=body)
        assert made.json()["refresh_path"] == f"{root}/auth"


async def test_a_websocket_is_the_applications_in_front_of_one_and_refused_alone() -> None:
    auth = cheap_sealring()
    reached: list[str] = []
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - the interface
        reached.append(scope["type"])

    async def send(message: Any) -> None:
        sent.append(message)

    await auth.asgi(app)({"type": "websocket", "path": "/auth/me"}, None, send)  # type: ignore[arg-type]
    assert (reached, sent) == (["websocket"], [])
    await auth.asgi()({"type": "websocket", "path": "/me"}, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


# the lifespan


class Server:
    """The half of a server that speaks of the lifespan."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.said: asyncio.Queue[Any] = asyncio.Queue()
        self.heard: asyncio.Queue[Any] = asyncio.Queue()

    async def start(self) -> dict[str, Any]:
        self.task = asyncio.create_task(self.app({"type": "lifespan"}, self.said.get, self.heard.put))
        return await self.tell("startup")

    async def tell(self, event: str) -> dict[str, Any]:
        await self.said.put({"type": f"lifespan.{event}"})
        listening = asyncio.create_task(self.heard.get())
        await asyncio.wait({listening, self.task}, return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            await asyncio.sleep(0)
        if listening.done():
            return dict(listening.result())
        listening.cancel()
        return {}


def with_lifespan(seen: list[str], auth: Sealring, *, fail: str = "") -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        for event in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{event}"
            seen.append(f"{event}, {'open' if auth._opening.is_open() else 'closed'}")
            if fail == f"raise in {event}":
                raise RuntimeError(fail)
            word = "failed" if fail == event else "complete"
            await send({"type": f"lifespan.{event}.{word}"})
            if word == "failed":
                return

    return app


async def test_the_store_is_open_while_the_application_starts_and_stops() -> None:
    auth = cheap_sealring()
    seen: list[str] = []
    server = Server(auth.middleware(auth.asgi(with_lifespan(seen, auth))))
    assert await server.start() == {"type": "lifespan.startup.complete"}
    assert auth._opening.is_open()
    assert await server.tell("shutdown") == {"type": "lifespan.shutdown.complete"}
    assert seen == ["startup, open", "shutdown, open"]
    assert not auth._opening.is_open(), "closed before the server may end the process"
    await server.task


async def test_an_application_that_knows_no_lifespan_gets_ours() -> None:
    auth = cheap_sealring()
    server = Server(auth.asgi(echo))
    assert await server.start() == {"type": "lifespan.startup.complete"}
    assert auth._opening.is_open()
    assert await server.tell("shutdown") == {"type": "lifespan.shutdown.complete"}
    assert not auth._opening.is_open()


async def test_an_application_that_fails_to_start_leaves_nothing_open() -> None:
    auth = cheap_sealring()
    server = Server(auth.asgi(with_lifespan([], auth, fail="startup")))
    assert await server.start() == {"type": "lifespan.startup.failed"}
    await server.task
    assert not auth._opening.is_open()


@pytest.mark.parametrize("fail", ["raise in startup", "raise in shutdown"])
async def test_an_error_of_the_application_is_its_servers(fail: str) -> None:
    auth = cheap_sealring()
    server = Server(auth.asgi(with_lifespan([], auth, fail=fail)))
    if await server.start():
        await server.tell("shutdown")
    with pytest.raises(RuntimeError, match=fail):
        await server.task
    assert not auth._opening.is_open()


async def test_a_store_that_cannot_open_stops_the_server_with_words() -> None:
    auth = Sealring(secret=SECRET, database_url="sqlite:////nowhere/sealring.db")
    seen: list[str] = []
    server = Server(auth.asgi(with_lifespan(seen, auth)))
    started = await server.start()
    assert started["type"] == "lifespan.startup.failed"
    assert "the folder of sealring.db does not exist" in started["message"]
    assert seen == []
    with pytest.raises(ConfigurationError):
        await server.task


async def test_a_mounted_application_says_whose_the_lifespan_is() -> None:
    with pytest.raises(TypeError, match="the outermost application needs"):
        await cheap_sealring().asgi()({"type": "lifespan"}, None, None)  # type: ignore[arg-type]


async def test_what_stands_around_is_entered_once_and_left_once() -> None:
    auth = cheap_sealring()
    server = Server(Lifespan(with_lifespan([], auth), auth.lifespan))
    await server.start()
    await server.tell("shutdown")
    await server.task
    assert auth._opening.loop is None
