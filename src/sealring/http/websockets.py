"""A WebSocket that is closed when its session ends, and a handshake whose token stays secret (design D23).

It stands between server and application. At the end of the session it closes the connection at once, and from then on
the application reads a disconnect and can send nothing: what is sent to the client, and what is taken from it, ends
whatever the application does, and it ends in the way that it knows. Nothing of it is canceled; `while_live` does that.

A token that was offered as a subprotocol (`find_websocket_credential`) is taken out of the scope, so that no
application selects it, which would write it into the answer, or logs it. A browser gives up unless the server selects
one of those that were offered: where the application selects none, ours is.
"""

from __future__ import annotations

import asyncio
import logging

from sealring.errors import SealringError
from sealring.http.asgi_types import App, Message, Receive, Scope, Send
from sealring.http.authenticate import RequestAuthenticator
from sealring.http.close_codes import ENDINGS
from sealring.http.credentials import BEARER_SUBPROTOCOL
from sealring.http.problems import answer, send_answer
from sealring.verifier.open_connections import EndedBy

_log = logging.getLogger("sealring")


async def serve_websocket(
    app: App, scope: Scope, receive: Receive, send: Send, authenticator: RequestAuthenticator
) -> None:
    """Serve an authenticated WebSocket; with a principal, until the session ends, where the authenticator can watch."""
    if hide_token(scope):
        send = _selecting(send)
    principal, watch = scope["auth"].principal, authenticator.watch
    if principal is None or watch is None:
        await app(scope, receive, send)
        return
    socket = _EndingSocket(receive, send)
    try:
        connection = watch(principal, socket.end)
    except SealringError as error:  # since it was verified
        authenticator.report(error, scope)
        await send_answer(answer(error), scope, send)
        return
    try:
        await app(scope, socket.receive, socket.send)
    finally:
        connection.close()
        await socket.closed()


def hide_token(scope: Scope) -> bool:
    """Take our subprotocol and the token out of the scope; whether they were there."""
    offered = scope.get("subprotocols", ())
    if BEARER_SUBPROTOCOL not in offered:
        return False
    kept: list[str] = []
    is_secret = False
    for part in offered:
        if part == BEARER_SUBPROTOCOL:
            is_secret = True
        elif is_secret:
            is_secret = False
        else:
            kept.append(part)
    # servers differ in whether the field is there, too: what is kept stands in `subprotocols`
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"sec-websocket-protocol"]
    scope["subprotocols"] = kept
    return True


def _selecting(send: Send) -> Send:
    async def send_selecting(message: Message) -> None:
        if message["type"] == "websocket.accept" and message.get("subprotocol") is None:
            message = {**message, "subprotocol": BEARER_SUBPROTOCOL}
        await send(message)

    return send_selecting


class _EndingSocket:
    """`receive` and `send` of one WebSocket, until it is ended."""

    __slots__ = ("_closing", "_is_over", "_receive", "_send", "ended")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._is_over = False
        """Closed by the client or the application."""
        self.ended: EndedBy | None = None
        self._closing: asyncio.Task[None] | None = None

    def end(self, cause: EndedBy) -> None:
        """The session has ended."""
        self.ended = cause
        if not self._is_over:
            self._closing = asyncio.get_running_loop().create_task(self._close(cause), name="sealring close")

    async def receive(self) -> Message:
        """As ASGI's; a disconnect from the end on."""
        if self.ended is None:
            message = await self._receive()
            self._is_over |= message["type"] == "websocket.disconnect"
            if self.ended is None:
                return message
        code, reason = ENDINGS[self.ended].close_code
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    async def send(self, message: Message) -> None:
        """As ASGI's.

        Raises:
            OSError: something is sent after the end, as servers do when the client has gone (ASGI 2.4).
        """
        if self.ended is None:
            self._is_over |= message["type"] == "websocket.close"
            await self._send(message)
        elif message["type"] == "websocket.send":
            raise ConnectionResetError("the connection was closed: its session has ended")

    async def closed(self) -> None:
        """Wait until the close frame is sent, if there is one: a server may drop it once the application returns."""
        if self._closing is not None:
            await self._closing

    async def _close(self, cause: EndedBy) -> None:
        code, reason = ENDINGS[cause].close_code
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except Exception as error:  # noqa: BLE001 - the client has gone, in the words of any server
            _log.debug("not closed", extra={"sealring": {"cause": type(error).__name__}})
