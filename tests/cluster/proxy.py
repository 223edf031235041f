"""A TCP proxy that breaks networks on purpose: one stands between each node and PostgreSQL, or an issuer.

Cut: connections are closed and new ones refused. Silent: bytes vanish both ways and nobody is told (half-open).
Deaf: what the node says arrives, what it is answered does not (one-way). Slow: every answer is late by `delay` seconds.
When a silent or deaf spell ends, connections that lost bytes are closed, as a router that forgot them would do.
"""

from __future__ import annotations

import asyncio
from typing import Literal

Fault = Literal["none", "cut", "silent", "deaf", "slow"]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
CHUNK = 65_536


class Proxy:
    """Listens on a loopback port and forwards to a server, as long as it is allowed to.

    Args:
        target: path of its Unix socket, or its port on loopback.
    """

    def __init__(self, target: str | int) -> None:
        self._target = target
        self._fault: Fault = "none"
        self._writers: set[asyncio.StreamWriter] = set()
        self._lossy: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.delay = 0.0
        self.port = 0

    async def open(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop, and drop everybody."""
        if self._server is not None:
            self._server.close()
        self._drop(self._writers)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def break_by(self, fault: Fault, delay: float = 0.0) -> None:
        """From now on, this."""
        self._fault = fault
        self.delay = delay
        if fault == "cut":
            self._drop(self._writers)
        elif fault in {"none", "slow"}:
            self._drop(self._lossy)

    def _drop(self, writers: set[asyncio.StreamWriter]) -> None:
        for writer in set(writers):
            writer.transport.abort()
        self._lossy.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if self._fault == "cut":
                return
            await self._join((reader, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            self._lossy.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _join(self, node: Streams) -> None:
        if isinstance(self._target, int):
            server = await asyncio.open_connection("127.0.0.1", self._target)
        else:
            server = await asyncio.open_unix_connection(self._target)
        self._writers.add(server[1])
        ways = [
            asyncio.create_task(self._pump(node[0], server[1], node[1], answers=False)),
            asyncio.create_task(self._pump(server[0], node[1], node[1], answers=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._writers.discard(server[1])
            server[1].transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, node: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        while data := await source.read(CHUNK):
            if self._fault == "slow" and answers:
                await asyncio.sleep(self.delay)
            if self._fault == "silent" or (self._fault == "deaf" and answers):
                self._lossy.add(node)
                continue
            sink.write(data)
            await sink.drain()
