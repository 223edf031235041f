"""A WebSocket between server and application: closed at the end of its session, its token kept secret."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import pytest

from sealring.errors import SealringError, Stale
from sealring.http.authenticate import RequestAuthenticator
from sealring.http.close_codes import ENDINGS, close_code
from sealring.http.middleware import SessionMiddleware
from sealring.http.origins import Origins
from sealring.verifier.open_connections import EndedBy, OnEnd, OpenConnection
from sealring.verifier.principal import Principal
from tests.clocks import START, FrozenClock
from tests.nodes import a_node

pytestmark = pytest.mark.anyio

USER = Principal(
    subject="42", session_id="sid", client_id="http", scopes=frozenset(), epoch=3, kid="k1", token_id="t",
    issued_at=START, expires_at=START + 1800, auth_time=START, session_expires_at=START + 86_400, claims={},
)  # fmt: skip
Fields = list[tuple[bytes, bytes]]
BEARER = [(b"authorization", b"Bearer good")]


class Server:
    """What an ASGI server is to an application: a queue of what the client sends, a list of what it is sent."""

    def __init__(self, app: Callable[..., Awaitable[None]], fields: Fields, offered: Sequence[str] = ()) -> None:
        self.clock = FrozenClock()
        self.node = a_node(self.clock)
        self.node.know_until(self.clock.steady())
        self.told: list[SealringError] = []
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[MutableMapping[str, Any]] = []
        self.hold: asyncio.Event | None = None
        self.is_gone = False
        self.scope: dict[str, Any] = {
            "type": "websocket", "path": "/ws", "headers": fields, "extensions": {}, "subprotocols": offered,
        }  # fmt: skip
        authenticator = RequestAuthenticator(
            self.verify,
            access_cookie=b"c",
            origins=Origins.of(["https://example.com"]),
            watch=self.watch,
            refused=self.told.append,
        )
        middleware = SessionMiddleware(app, authenticator=authenticator)
        self.task = asyncio.create_task(middleware(self.scope, self.receive, self.send))
        self.inbox.put_nowait({"type": "websocket.connect"})

    def verify(self, token: str) -> Principal:
        if token != "good":
            raise Stale
        return USER

    def watch(self, user: Principal, on_end: OnEnd) -> OpenConnection:
        return self.node.connections.open(user, on_end, leeway=5)

    async def receive(self) -> MutableMapping[str, Any]:
        return await self.inbox.get()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self.is_gone:
            self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})
            raise RuntimeError("websocket.close after websocket.close")
        if self.hold is not None:
            await self.hold.wait()
        self.sent.append(message)
        if message["type"] == "websocket.close":
            self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def end(self, cause: EndedBy) -> None:
        for connections in self.node.connections._loops.values():
            for connection in connections._all():
                connection.end(cause)

    def types(self) -> list[str]:
        return [message["type"].removeprefix("websocket.") for message in self.sent]


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    """As applications are written: it knows of no session, and ends with the disconnect."""
    while (message := await receive())["type"] != "websocket.disconnect":
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "websocket.send", "text": message["text"]})


@pytest.mark.parametrize("cause", list(ENDINGS))
async def test_d23_it_is_closed_with_the_code_of_the_cause(cause: EndedBy) -> None:
    server = Server(echo, BEARER)
    server.inbox.put_nowait({"type": "websocket.receive", "text": "a"})
    await turns()
    server.end(cause)
    await asyncio.wait_for(server.task, 5)
    assert server.types() == ["accept", "send", "close"]
    assert tuple(server.sent[-1][name] for name in ("code", "reason")) == ENDINGS[cause].close_code
    assert len(server.node.connections) == 0


def test_the_codes_are_for_private_use_and_say_what_to_do() -> None:
    """RFC 6455 §7.4.2; and a reason fits into a close frame (§5.5: 125 bytes with the code)."""
    codes = {ending.close_code for ending in ENDINGS.values()}
    assert {code.code for code in codes} == {4401, 4403, 4503}
    assert all(4000 <= code.code < 5000 and len(code.reason.encode()) <= 123 for code in codes)
    assert close_code(Stale()).code == 1008


async def test_nothing_passes_after_the_end_in_either_direction() -> None:
    """Whatever the application does: it swallows, it goes on, it sends."""
    got: list[Any] = []

    async def stubborn(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for _ in range(3):
            got.append(await receive())
            try:
                await send({"type": "websocket.send", "text": "secret"})
            except OSError:
                got.append("refused")
        await send({"type": "websocket.close", "code": 1000})

    server = Server(stubborn, BEARER)
    await turns()
    server.inbox.put_nowait({"type": "websocket.receive", "text": "from the client"})  # it came, and was not yet read
    server.end("session")
    await asyncio.wait_for(server.task, 5)
    assert got == [{"type": "websocket.disconnect", "code": 4401, "reason": "session ended"}, "refused"] * 3
    assert server.types() == ["accept", "close"]


async def test_it_ends_before_it_was_accepted() -> None:
    async def slow(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["code"] == 4401
        await send({"type": "websocket.accept"})  # a route that has not looked

    server = Server(slow, BEARER)
    await turns()
    server.end("session")
    await asyncio.wait_for(server.task, 5)
    assert server.types() == ["close"]  # a server answers 403


@pytest.mark.parametrize("by", ["application", "client"])
async def test_what_was_closed_before_is_not_closed_again(by: str) -> None:
    go_on = asyncio.Event()

    async def closing(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        if by == "application":
            await send({"type": "websocket.close", "code": 1000})
        else:
            assert (await receive())["type"] == "websocket.disconnect"
        await go_on.wait()

    server = Server(closing, BEARER)
    if by == "client":
        server.inbox.put_nowait({"type": "websocket.disconnect", "code": 1005})
    await turns()
    server.end("session")
    go_on.set()
    await asyncio.wait_for(server.task, 5)
    assert server.types() == (["accept", "close"] if by == "application" else ["accept"])


async def test_the_close_frame_is_sent_before_the_server_is_let_go() -> None:
    """A server drops the connection when the application returns."""
    server = Server(echo, BEARER)
    await turns()
    server.hold = asyncio.Event()
    server.inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})
    server.end("session")
    await turns()
    assert not server.task.done()
    server.hold.set()
    await asyncio.wait_for(server.task, 5)
    assert server.types() == ["accept", "close"]


async def test_a_client_that_has_gone_is_no_error() -> None:
    server = Server(echo, BEARER)
    await turns()

    server.is_gone = True
    server.end("session")
    await asyncio.wait_for(server.task, 5)


async def test_a_session_that_ended_since_it_was_verified_is_refused() -> None:
    server = Server(echo, BEARER)
    server.clock.pass_seconds(6)
    await asyncio.wait_for(server.task, 5)
    assert server.sent == [{"type": "websocket.close", "code": 1008}]
    assert [type(error) for error in server.told] == [Stale]


async def test_without_a_principal_nothing_is_watched() -> None:
    server = Server(echo, [])
    await turns()
    assert server.types() == ["accept"]
    assert len(server.node.connections) == 0
    server.inbox.put_nowait({"type": "websocket.disconnect", "code": 1005})
    await server.task


@pytest.mark.parametrize(
    ("offered", "left"),
    [
        (["sealring.bearer", "good"], []),
        (["chat", "sealring.bearer", "good"], ["chat"]),
        (["sealring.bearer", "good", "chat.v1", "chat.v2"], ["chat.v1", "chat.v2"]),
    ],
)
async def test_a_token_among_the_subprotocols_is_taken_out_of_the_scope(offered: list[str], left: list[str]) -> None:
    field = (b"sec-websocket-protocol", ", ".join(offered).encode())
    for fields in ([(b"host", b"x"), field], [(b"host", b"x")]):  # wsproto does not show it
        server = Server(echo, fields, offered)
        await turns()
        assert server.scope["user"] == USER
        assert server.scope["subprotocols"] == left
        assert server.scope["headers"] == [(b"host", b"x")]
        assert server.sent == [{"type": "websocket.accept", "subprotocol": "sealring.bearer"}]
        server.end("session")
        await server.task


async def test_the_application_may_select_one_of_its_own() -> None:
    async def chat(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "chat"})

    server = Server(chat, [], ["chat", "sealring.bearer", "good"])
    await server.task
    assert server.sent == [{"type": "websocket.accept", "subprotocol": "chat"}]


async def test_without_our_subprotocol_the_scope_stays_as_it_was() -> None:
    fields, offered = [(b"sec-websocket-protocol", b"chat, good")], ["chat", "good"]
    server = Server(echo, fields, offered)
    await turns()
    assert server.scope["headers"] is fields
    assert server.scope["subprotocols"] is offered
    assert server.sent == [{"type": "websocket.accept"}]
    server.inbox.put_nowait({"type": "websocket.disconnect", "code": 1005})
    await server.task


async def test_a_refused_token_is_hidden_too() -> None:
    """A route that is open to all is reached all the same: what was wrong with it is not its business."""
    offered = ["sealring.bearer", "s3cret", "sealring.bearer", "s3cret2", "chat"]
    server = Server(echo, [(b"sec-websocket-protocol", ", ".join(offered).encode())], offered)
    await turns()
    assert not server.scope["user"]
    assert "s3cret" not in repr((server.scope["headers"], server.scope["subprotocols"]))
    assert server.scope["subprotocols"] == ["chat"]
    server.inbox.put_nowait({"type": "websocket.disconnect", "code": 1005})
    await server.task
