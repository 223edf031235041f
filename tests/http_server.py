"""An HTTP/1.1 server of a few lines, for tests that say byte by byte what a verifier is answered."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answers = Callable[["Asked"], Awaitable[bytes | None]]
"""From a request to the bytes of its answer; None to say nothing and end the connection."""


@dataclass(frozen=True)
class Asked:
    """A request."""

    path: str
    fields: dict[str, str]
    writer: asyncio.StreamWriter = field(repr=False)
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set once its connection has ended."""


def ok(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    """An answer with its length."""
    head = "".join(f"{one}\r\n" for one in (f"Content-Length: {len(body)}", *fields))
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


@asynccontextmanager
async def http_server(answer: Answers, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve until the block ends, over TLS where a context is given; its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = asyncio.Event()
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").split("\r\n")
                fields = dict(line.lower().split(": ", 1) for line in lines if line)
                said = await answer(Asked(first.split()[1], fields, writer, ended))
                if said is None:
                    return
                writer.write(said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            ended.set()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    tasks = asyncio.all_tasks()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in asyncio.all_tasks() - tasks - {asyncio.current_task()}:
            if "serve" in repr(task.get_coro()):
                task.cancel()
        await server.wait_closed()
