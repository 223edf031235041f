"""uvicorn's HTTP/1.1 protocol with limits below ASGI, as `sealring serve` runs it (attack N8).

    uvicorn --http sealring.frameworks.uvicorn:LimitedProtocol --no-proxy-headers app:app

The application gets a request only when its head is complete, so it cannot limit the head. Measured without these
limits: pipelining without reading took 1.3 GB, one endless header or trailer field took a core, and 1,100 half heads
took the service down. Here bytes of a head and of a chunked body's framing are counted before they are parsed, one
request at a time goes to the parser, slow clients have a deadline, and connections stay below the limit of open
files.
Parsing, keep-alive, responses and the WebSocket upgrade are uvicorn's own.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from sealring.errors import SealringError
from sealring.frameworks.uvicorn_connections import Connections
from sealring.http.connections import ConnectionLimits, Wait
from sealring.http.problems import answer, report
from sealring.http.request_errors import HeadersTooLarge, RequestRefused, RequestTimeout, TargetTooLong
from sealring.rate_limits.networks import network_of

END_OF_HEAD = b"\r\n\r\n"
"""RFC 9112 §2.1. httptools refuses a bare LF, so it never finds an earlier end."""

SHORTEST_HEAD = len(b"GET / HTTP/1.1\r\n\r\n")


class LimitedProtocol(HttpToolsProtocol):
    """One connection. Its limits are `limits`; a subclass may set others.

    Args:
        config: of the server, which gives all four.
        server_state: what its connections share.
        app_state: what the application's lifespan has left.

    >>> from sealring.http.connections import ConnectionLimits
    >>> from uvicorn import Config
    >>> class FewConnections(LimitedProtocol):
    ...     limits = ConnectionLimits(most=100)
    >>> config = Config("app:app", http=FewConnections, proxy_headers=False)
    """

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._of_server = Connections.of(server_state, self.limits, loop=self.loop, backlog=config.backlog)
        self._head_bytes = 0
        self._head_tail = b""
        self._receiving = False  # from the end of a head to the end of its body
        self._answering = False  # from there to the end of the response
        self._body_left: int | None = None
        self._chunked = False
        self._framing_bytes = 0  # of a chunked body, since its last byte of content
        self._content_bytes = 0  # of a chunked body, in what the parser was given last
        self._held = b""
        self._reading_ended = False  # nothing more is read from this client
        self._overrun = False
        self._since = self.loop.time()
        self._unread_since: float | None = None
        self._closing_since: float | None = None

    # from the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by asyncio."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self)
        self._since = self.loop.time()
        self._of_server.admit(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio: give the parser one request at a time, and at most the limit of its head."""
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        while not self._reading_ended:
            if self._answering:
                self._hold(data)
                return
            part = self._part_of_body(data) if self._receiving else self._part_of_head(data)
            if not self._parse(part) or len(part) == len(data):
                return
            data = data[len(part) :]

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._held = b""
        self._reading_ended = True
        self._of_server.forget(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Called by asyncio: the client reads more slowly than the application writes."""
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Called by asyncio: the client has read most of the pending bytes."""
        self._unread_since = None
        super().resume_writing()

    # from the parser

    def on_message_begin(self) -> None:
        """Called by httptools. Another head can follow only a chunked body, whose end is not known beforehand."""
        if self._answering:
            self._overrun = True
            raise RequestRefused("pipelined behind a chunked body")
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by httptools, for trailer fields too, which are not merged into the header (RFC 9110 §6.5.1).

        uvicorn would add them to the fields that the application has already checked.
        """
        if not self._receiving:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Called by httptools."""
        self._content_bytes += len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Called by httptools."""
        self._head_bytes = 0
        self._head_tail = b""
        if self.parser.should_upgrade() and not self._should_upgrade() and self._has_body():
            # httptools would read the body as the next request (request smuggling, RFC 9112 §11.2)
            raise RequestRefused("a body after an upgrade that is not accepted")
        self._receiving = True
        self._body_left = None
        self._chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
        self._framing_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Called by httptools."""
        self._receiving = False
        cycle = self._current
        self._answering = cycle is not None and not cycle.response_complete
        super().on_message_complete()

    # from the response

    def on_response_complete(self) -> None:
        """Called by uvicorn: continue with the bytes that the client sent meanwhile."""
        self._answering = False
        self._since = self.loop.time()
        held, self._held = self._held, b""
        super().on_response_complete()
        if held and not self.transport.is_closing():
            self.data_received(held)

    # limits

    @property
    def _current(self) -> RequestResponseCycle | None:
        """The request under way, with its response, or the last one."""
        return self.cycle

    def _hold(self, data: bytes) -> None:
        """Keep pipelined bytes until the response is complete, and read no more until then."""
        if len(self._held) + len(data) <= self.limits.held_bytes:
            self._held += data
        else:
            self._end_after_response()
        self.flow.pause_reading()

    def is_holding(self) -> bool:
        """Return whether reading must wait: it would only bring more pipelined bytes."""
        return bool(self._held) or self._reading_ended

    def _end_after_response(self) -> None:
        self._held = b""
        self._reading_ended = True
        self.cycle.keep_alive = False

    def _has_body(self) -> bool:
        return any(name in {b"content-length", b"transfer-encoding"} and value != b"0" for name, value in self.headers)

    def _part_of_body(self, data: bytes) -> bytes:
        """Return `data` up to the end of the body (the parser has checked its length); empty past the limit."""
        if self._chunked:
            return self._part_of_chunks(data)
        left = self._body_left
        if left is None:
            left = next((int(value) for name, value in self.headers if name == b"content-length"), 0)
        part = data[:left] or data
        self._body_left = max(0, left - len(part))
        return part

    def _part_of_chunks(self, data: bytes) -> bytes:
        """Return at most what the framing limit still allows. The parser finds the end of the chunked body.

        httptools takes quadratic time to read one endless trailer field, as in the head.
        """
        allowed = self.limits.framing_bytes - self._framing_bytes
        if allowed <= 0:
            self.refuse(RequestRefused("endless framing of a chunked body"))
            return b""
        self._content_bytes = 0
        return data[:allowed]

    def _count_framing(self, part: bytes) -> None:
        """Count the bytes of a part that were not content; restart after each byte of content."""
        before = 0 if self._content_bytes else self._framing_bytes
        self._framing_bytes = before + len(part) - self._content_bytes

    def _part_of_head(self, data: bytes) -> bytes:
        """Return `data` up to the end of the head; empty when that is past the limit."""
        seen = self._head_bytes
        limit = self.limits.head_bytes
        if not seen and SHORTEST_HEAD <= len(data) <= limit and data.find(END_OF_HEAD) == len(data) - len(END_OF_HEAD):
            return data  # a complete head and nothing else, the usual case
        end = (self._head_tail + data).find(END_OF_HEAD)
        part = data if end < 0 else data[: end + len(END_OF_HEAD) - len(self._head_tail)]
        if seen + len(part) > limit:
            in_target = not seen and b"\n" not in part[:limit]
            self.refuse(TargetTooLong("endless target") if in_target else HeadersTooLarge("endless head"))
            return b""
        if end < 0 and not seen:
            self._since = self.loop.time()
        self._head_bytes = seen + len(part)
        self._head_tail = (self._head_tail + part)[1 - len(END_OF_HEAD) :]
        return part

    def _parse(self, part: bytes) -> bool:
        """Feed the parser; return whether it accepts more."""
        if not part:
            return False
        try:
            self.parser.feed_data(part)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self._of_server.forget(self)
                self.handle_websocket_upgrade()
                return False
        except httptools.HttpParserError:
            if self._overrun:
                self._end_after_response()
            else:
                self.refuse(RequestRefused("malformed HTTP"))
            return False
        if self._receiving and self._chunked:
            self._count_framing(part)
        if self._receiving and (cycle := self._current) is not None and not cycle.response_complete:
            self._since = self.loop.time()  # a client that keeps sending an unwanted body gets no new deadline
        return True

    def refuse(self, error: SealringError, *, linger: bool = True) -> None:
        """Answer with `error` if an answer is still possible, and close.

        A socket that is closed with bytes unread is reset, and the client may lose the answer (RFC 9112 §9.6): so the
        rest is read and dropped for a while.
        """
        self._reading_ended = True
        cycle = self._current
        answered = self._receiving and cycle is not None and cycle.response_complete
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        report(error, where="")
        if not answered:  # in the rest of a body that was answered early
            self.transport.write(self._response_to(error))
        if linger and self.transport.can_write_eof():
            self._closing_since = self.loop.time()
            self.transport.write_eof()
        else:
            self.transport.close()

    def _response_to(self, error: SealringError) -> bytes:
        reply = answer(error)
        fields = [*self.server_state.default_headers, *reply.headers, (b"connection", b"close")]
        lines = [b"HTTP/1.1 %d %s" % (reply.status, HTTPStatus(reply.status).phrase.encode())]
        lines += [name + b": " + value for name, value in fields]
        return b"\r\n".join([*lines, b"", reply.body])

    @property
    def network(self) -> str:
        """The client's network."""
        return network_of(self.client[0] if self.client else "")

    def wait(self) -> tuple[Wait, float] | None:
        """What the connection waits for, and since when; None while the application works."""
        cycle = self._current
        if self._closing_since is not None:
            return "closing", self._closing_since
        if self._unread_since is not None:
            return "slow reader", self._unread_since
        if cycle is None or cycle.response_complete:
            return ("rest of body" if self._receiving else "head" if self._head_bytes else "idle"), self._since
        if self._receiving and not self.flow.read_paused and not cycle.waiting_for_100_continue:
            return "body", self._since
        return None

    def sweep(self, now: float) -> None:
        """Close the connection if its client is past a deadline."""
        if self._closing_since is None and self.transport.is_closing():
            self._closing_since = now
        wait = self.wait()
        if wait is not None and now - wait[1] > self.limits.seconds(wait[0], self.timeout_keep_alive):
            self.drop(wait[0], RequestTimeout("the request did not arrive in time"))

    def drop(self, wait: Wait, error: SealringError) -> None:
        """Close a waiting connection; `error` answers an incomplete request."""
        if wait in {"head", "body"}:
            self.refuse(error, linger=False)
        elif wait == "idle":
            self.transport.close()
        else:
            self.transport.abort()


class _Flow(FlowControl):
    """uvicorn's flow control; an application that awaits the client's disconnect does not resume reading."""

    def __init__(self, transport: asyncio.Transport, connection: LimitedProtocol) -> None:
        super().__init__(transport)
        self._connection = connection

    def resume_reading(self) -> None:
        """Resume reading, unless pipelined requests are waiting."""
        if self.read_paused and not self._connection.is_holding():
            super().resume_reading()
