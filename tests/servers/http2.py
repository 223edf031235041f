"""HTTP/2 for bodies of which a server may not read all: a client that reads the answer while it still sends.

A server may answer before it has the whole body, and then end the stream with NO_ERROR; a client must not discard the
answer for that (RFC 9113 §8.1). httpx2 2.16 does: it sends all of a body first, and gives up at the reset.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx2
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset

from tests.plain_http import TRUST_NOBODY

STREAM = 1
FIRST_WINDOW = 65_535
"""What a client may send before the server makes room for more (RFC 9113 §6.9.2)."""


class EarlyAnswers(httpx2.AsyncBaseTransport):
    """Sends bodies larger than the first window by itself, the others as httpx2 does."""

    def __init__(self, **options: Any) -> None:
        self._usual = httpx2.AsyncHTTPTransport(http1=False, http2=True, verify=TRUST_NOBODY, **options)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        if len(body) <= FIRST_WINDOW:
            return await self._usual.handle_async_request(request)
        async with asyncio.timeout(30):
            return await _ask(request, body)

    async def aclose(self) -> None:
        await self._usual.aclose()


class _Stream:
    """The only stream of a connection, without I/O: what is still to send, and what came."""

    def __init__(self, request: httpx2.Request, body: bytes) -> None:
        self.connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.connection.initiate_connection()
        url = request.url
        fields = [(name.lower(), value) for name, value in request.headers.raw if name.lower() != b"host"]
        self.connection.send_headers(
            STREAM,
            [
                (b":method", request.method.encode()),
                (b":scheme", url.raw_scheme),
                (b":authority", url.netloc),
                (b":path", url.raw_path),
                *((name, value) for name, value in fields if name not in {b"connection", b"transfer-encoding"}),
            ],
        )
        self._unsent = body
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.content = b""
        self.is_whole = False

    def to_send(self) -> bytes:
        """The next bytes: as much of the body as the server has room for."""
        while self._unsent and not self.is_whole:
            size = min(
                self.connection.local_flow_control_window(STREAM),
                self.connection.max_outbound_frame_size,
                len(self._unsent),
            )
            if size <= 0:
                break
            part, self._unsent = self._unsent[:size], self._unsent[size:]
            self.connection.send_data(STREAM, part, end_stream=not self._unsent)
        return self.connection.data_to_send()

    def receive(self, data: bytes) -> None:
        for event in self.connection.receive_data(data):
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, ResponseReceived):
            fields = [(bytes(name), bytes(value)) for name, value in event.headers]
            self.status = int(dict(fields)[b":status"])
            self.headers = [(name, value) for name, value in fields if not name.startswith(b":")]
        elif isinstance(event, DataReceived):
            self.content += event.data
        elif isinstance(event, StreamEnded):
            self.is_whole = True
        elif isinstance(event, (StreamReset, ConnectionTerminated)) and not self.is_whole:
            raise httpx2.RemoteProtocolError(f"ended before the answer was whole: {event}")


async def _ask(request: httpx2.Request, body: bytes) -> httpx2.Response:
    stream = _Stream(request, body)
    reader, writer = await asyncio.open_connection(request.url.host, request.url.port)
    try:
        while not stream.is_whole:
            with contextlib.suppress(ConnectionError):  # what it had sent before it closed can still be read
                writer.write(stream.to_send())
                await writer.drain()
            data = await reader.read(65_536)
            if not data:
                raise httpx2.RemoteProtocolError("closed before the answer was whole")
            stream.receive(data)
    finally:
        writer.close()
    return httpx2.Response(stream.status, headers=stream.headers, content=stream.content)
