"""Design D23 on a real server: what the other end of an open connection sees when its session ends."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Literal

import pytest
from fastapi import FastAPI, Security, WebSocket
from fastapi.responses import StreamingResponse
from websockets.exceptions import ConnectionClosed, InvalidStatus, NegotiationError
from websockets.sync.client import ClientConnection, connect

from sealring import ConnectionEnded, Principal, Sealring
from sealring.frameworks.fastapi import guard, optional_guard
from tests.clocks import FrozenClock
from tests.serving import ServedThread, bearer, cheap_sealring, cookie_line, register, serve_in_thread

Token = str


class Site:
    """The server, and what its routes have seen."""

    def __init__(self, served: ServedThread, seen: list[str]) -> None:
        self.served = served
        self.auth: Sealring = served.auth
        self.seen = seen
        self.clients = served.client()

    def sign_up(self, **fields: Any) -> Any:
        return register(self.clients, **fields)

    def open(self, path: str, token: Token | None = None, **options: Any) -> ClientConnection:
        url = self.served.url.replace("http", "ws", 1) + path
        headers = bearer(token) if token is not None else {}
        options.setdefault("additional_headers", headers)
        opened: ClientConnection = connect(url, proxy=None, open_timeout=20, close_timeout=5, **options)
        return opened

    def revoke(self, token: Token) -> None:
        assert self.served.run(self.auth.revoke_session(self.auth.verify(token).session_id))

    def open_now(self) -> int:
        return len(self.auth.node.connections)


def add_sockets(app: FastAPI, auth: Sealring, seen: list[str]) -> None:
    required, optional = Security(guard(auth)), Security(optional_guard(auth))

    @app.websocket("/echo", dependencies=[required])
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            seen.append(text)
            await websocket.send_text(text)
        seen.append("left")

    @app.websocket("/push")
    async def push(websocket: WebSocket, user: Principal = required) -> None:
        await websocket.accept()
        try:
            async with auth.while_live(user):
                await websocket.send_text("first")
                await asyncio.Event().wait()
        except ConnectionEnded as ended:
            seen.append(ended.cause)
            raise

    @app.websocket("/public", dependencies=[optional])
    async def public(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)


def add_streams(app: FastAPI, auth: Sealring, seen: list[str]) -> None:
    required = Security(guard(auth))

    async def ticks() -> AsyncIterator[str]:
        try:
            yield "data: first\n\n"
            await asyncio.Event().wait()
        finally:
            seen.append("closed")

    @app.get("/events")
    async def events(user: Principal = required) -> StreamingResponse:
        chunks = auth.while_live(user).stream(ticks(), last=lambda ended: f"data: {ended.cause}\n\n")
        return StreamingResponse(chunks, media_type="text/event-stream")

    @app.get("/rows")
    async def rows(user: Principal = required) -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            async with auth.while_live(user):
                yield "row\n"
                await asyncio.Event().wait()

        return StreamingResponse(chunks(), media_type="text/csv")


Library = Literal["websockets-sansio", "wsproto"]


@pytest.fixture(params=["websockets-sansio", "wsproto"])
def library(request: pytest.FixtureRequest) -> Library:
    """What uvicorn serves WebSockets with."""
    chosen: Library = request.param
    return chosen


@pytest.fixture
def site(library: Library) -> Iterator[Site]:
    auth = cheap_sealring(poll_interval="4s")  # so that a test can put the clock past the bound
    seen: list[str] = []

    def add_routes(app: FastAPI) -> None:
        add_sockets(app, auth, seen)
        add_streams(app, auth, seen)

    with serve_in_thread(auth, ws=library, add_routes=add_routes) as served:
        here = Site(served, seen)
        with here.clients:
            yield here
        # a route that does not read waits on when its client has gone, and the server for it: end what is left
        assert isinstance(auth.clock, FrozenClock)
        served.loop.call_soon_threadsafe(auth.clock.pass_seconds, 60)


def closed(client: ClientConnection) -> tuple[int, str]:
    """The close frame of the server."""
    frame = None
    try:
        while True:
            client.recv(timeout=10)
    except ConnectionClosed as end:
        frame = end.rcvd
    assert frame is not None, "no close frame"
    return frame.code, frame.reason


HANDSHAKE = (
    b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer TOKEN\r\n\r\n"
)


def text_frame(text: bytes) -> bytes:
    """As a client sends it: masked, here with zeros (RFC 6455 §5.2)."""
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


def soon(is_so: Callable[[], bool]) -> bool:
    """What another thread does after the client has seen the end."""
    deadline = time.monotonic() + 10
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_so()


@pytest.mark.parametrize("path", ["/echo", "/push", "/public"])
def test_a_logout_closes_the_sockets_of_the_session_and_no_other(site: Site, path: str) -> None:
    mine, other = site.sign_up()["access_token"], site.sign_up()["access_token"]
    with site.open(path, mine) as first, site.open(path, mine) as second, site.open("/echo", other) as third:
        assert site.clients.post("/auth/logout", headers=bearer(mine)).status_code == 204
        assert closed(first) == closed(second) == (4401, "session ended")
        third.send("still here")
        assert third.recv(timeout=10) == "still here"
        assert soon(lambda: site.open_now() == 1)
    assert soon(lambda: site.open_now() == 0)
    if path == "/push":
        assert site.seen[:2] == ["session", "session"]


def test_the_route_sees_a_disconnect(site: Site) -> None:
    token = site.sign_up()["access_token"]
    with site.open("/echo", token) as client:
        client.send("a")
        assert client.recv(timeout=10) == "a"
        site.revoke(token)
        assert closed(client) == (4401, "session ended")
    assert soon(lambda: site.seen == ["a", "left"])


def test_changed_claims_send_the_client_to_refresh(site: Site) -> None:
    tokens = site.sign_up()
    with site.open("/push", tokens["access_token"]) as client:
        site.served.run(site.auth.refresh_claims(tokens["user"]["id"]))
        assert closed(client) == (4403, "refresh and connect again")
    body = {"refresh_token": tokens["refresh_token"]}
    token = site.clients.post("/auth/refresh", json=body).json()["access_token"]
    with site.open("/push", token) as client:
        assert client.recv(timeout=10) == "first"


def test_a_revoked_key_sends_the_client_to_refresh(site: Site) -> None:
    tokens = site.sign_up()
    with site.open("/echo", tokens["access_token"]) as client:
        site.served.run(site.auth.issuer.keys.revoke(site.auth.verify(tokens["access_token"]).kid))
        assert closed(client) == (4403, "refresh and connect again")


def test_a_socket_outlives_its_token_and_ends_with_the_session(site: Site) -> None:
    token = site.sign_up()["access_token"]
    user = site.auth.verify(token)
    with site.open("/echo", token) as client:
        site.served.pass_seconds(3 * 3600)
        assert site.clients.get("/auth/me", headers=bearer(token)).status_code == 401
        client.send("a")
        assert client.recv(timeout=10) == "a"
        site.served.run(site.auth.revoke_session(user.session_id))
        assert closed(client) == (4401, "session ended")


def test_i16_a_socket_ends_at_the_end_of_its_session(site: Site) -> None:
    token = site.sign_up()["access_token"]
    end = site.auth.verify(token).session_expires_at
    assert end is not None
    with site.open("/push", token) as client:
        site.served.pass_seconds(end - site.auth.clock.now_ms() // 1000)
        assert closed(client) == (4403, "refresh and connect again")


def test_i1_a_node_that_is_out_of_date_closes_all(site: Site) -> None:
    token = site.sign_up()["access_token"]
    clock = site.auth.clock
    assert isinstance(clock, FrozenClock)
    with site.open("/echo", token) as echo, site.open("/push", token) as push:
        site.served.loop.call_soon_threadsafe(clock.pass_seconds, 5.5)
        assert closed(echo) == closed(push) == (4503, "try again")


def test_a_client_that_does_not_answer_the_close_frame_reaches_no_route(site: Site) -> None:
    """It never closes, and goes on sending."""
    token = site.sign_up()["access_token"]
    host, _, port = site.served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(HANDSHAKE.replace(b"TOKEN", token.encode()))
        assert b" 101 " in raw.recv(4096)
        raw.sendall(text_frame(b"a"))
        assert raw.recv(4096) == b"\x81\x01a"
        site.revoke(token)
        assert raw.recv(4096)[:4] == b"\x88\x0f" + (4401).to_bytes(2, "big")
        for _ in range(20):
            raw.sendall(text_frame(b"late"))
        assert soon(lambda: site.seen == ["a", "left"])
        assert soon(lambda: site.open_now() == 0)
    assert site.seen == ["a", "left"]


def test_c2_another_sites_page_opens_no_socket_with_the_users_cookies(site: Site) -> None:
    with site.served.client() as browser:
        register(browser, delivery="cookie")
        cookies = cookie_line(dict(browser.cookies))
    for origin in (
        "https://evil.example",
        "null",
        f"{site.served.url}.evil.example",
        "http://127.0.0.1:8001",
        "http://user@127.0.0.1:8000",
        None,
    ):
        headers = cookies | ({} if origin is None else {"Origin": origin})
        with pytest.raises(InvalidStatus) as refused:
            site.open("/push", additional_headers=headers)
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body)["code"] == "csrf"
    with site.open("/push", additional_headers=cookies | {"Origin": "http://127.0.0.1:8000"}) as client:
        assert client.recv(timeout=10) == "first"


def test_a_socket_without_a_session_is_refused_before_it_is_open(site: Site) -> None:
    for token, status in ((None, 401), ("nonsense", 401)):
        with pytest.raises(InvalidStatus) as refused:
            site.open("/push", token)
        assert refused.value.response.status_code == status
    with site.open("/public") as client:
        client.send("a")
        assert client.recv(timeout=10) == "a"


def test_a_page_offers_its_token_as_a_subprotocol_and_the_server_never_selects_it(site: Site) -> None:
    token = site.sign_up()["access_token"]
    offered: list[Any]
    for offered in (["sealring.bearer", token], ["chat", "sealring.bearer", token]):
        with site.open("/push", subprotocols=offered) as client:
            assert client.subprotocol == "sealring.bearer"
            assert client.recv(timeout=10) == "first"
            assert token not in str(client.response)
    offered = ["sealring.bearer", "nonsense"]
    with pytest.raises(InvalidStatus) as refused:
        site.open("/push", subprotocols=offered)
    assert refused.value.response.status_code == 401
    with pytest.raises((InvalidStatus, NegotiationError)):
        site.open("/push", subprotocols=["sealring.bearer"])


def test_an_event_stream_ends_in_order_and_says_why(site: Site) -> None:
    token = site.sign_up()["access_token"]
    lines: list[str] = []
    with site.clients.stream("GET", "/events", headers=bearer(token)) as answer:
        for line in answer.iter_lines():
            lines.append(line)
            if line == "data: first":
                threading.Thread(target=site.revoke, args=(token,)).start()
    assert [line for line in lines if line] == ["data: first", "data: session"]
    assert site.seen == ["closed"]
    assert soon(lambda: site.open_now() == 0)


def test_a_download_is_broken_off(site: Site) -> None:
    """In order it would look complete."""
    token = site.sign_up()["access_token"]
    with site.clients.stream("GET", "/rows", headers=bearer(token)) as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"row\n"
        site.revoke(token)
        with pytest.raises(Exception, match="incomplete"):
            next(parts)
    assert soon(lambda: site.open_now() == 0)
