"""The connections of one uvicorn server: a bounded number, and deadlines for those that wait for their clients (N8)."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any, ClassVar, Protocol
from weakref import WeakKeyDictionary

from uvicorn.server import ServerState

from sealring.errors import Overloaded, SealringError
from sealring.http.connections import ConnectionLimits, Wait, choose_evictions, places_within

if sys.platform != "win32":
    import resource

log = logging.getLogger("sealring")

EVICTION_SHARE = 32
"""A 32nd of the places is freed at once, so that a flood does not make each new connection search them all."""


class Connection(Protocol):
    """What is asked of a connection."""

    @property
    def network(self) -> str:
        """Whose it is."""

    def wait(self) -> tuple[Wait, float] | None:
        """What the client is waited for, and since when; None while the application is at work."""

    def sweep(self, now: float) -> None:
        """Close it if its client has kept the server waiting for too long."""

    def drop(self, wait: Wait, error: SealringError) -> None:
        """Close it; `error` answers half a request."""

    def refuse(self, error: SealringError, *, linger: bool) -> None:
        """Answer with `error` and close."""


class Connections:
    """Those of one server.

    Args:
        open_now: uvicorn's own set of all that are open, WebSockets included.
        limits: how many, and how often to look at them.
        loop: where they live.
        backlog: how many may be accepted at once.
    """

    _by_server: ClassVar[WeakKeyDictionary[ServerState, Connections]] = WeakKeyDictionary()

    def __init__(
        self, open_now: set[Any], limits: ConnectionLimits, *, loop: asyncio.AbstractEventLoop, backlog: int
    ) -> None:
        self._open = open_now
        self._limits = limits
        self._loop = loop
        self._backlog = backlog
        self._swept: set[Connection] = set()
        self._sweeping = False

    @classmethod
    def of(
        cls, server: ServerState, limits: ConnectionLimits, *, loop: asyncio.AbstractEventLoop, backlog: int
    ) -> Connections:
        """Those of this server, made with its first connection."""
        found = cls._by_server.get(server)
        if found is None:
            found = cls._by_server[server] = cls(server.connections, limits, loop=loop, backlog=backlog)
        return found

    def admit(self, new: Connection) -> None:
        """Give a new connection a place: a free one, that of a connection that waits for its client, or none."""
        places = places_within(self._limits, file_limit=_file_limit(), backlog=self._backlog)
        if len(self._open) > places and not self._evict(new, max(1, places // EVICTION_SHARE)):
            self._open.discard(new)
            new.refuse(Overloaded("every connection is in use"), linger=False)
        self._swept.add(new)
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_later(self._limits.sweep_seconds, self._sweep)

    def forget(self, connection: Connection) -> None:
        """It has ended, or become a WebSocket."""
        self._swept.discard(connection)

    def _evict(self, new: Connection, count: int) -> bool:
        candidates = [
            (connection, waited_for)
            for connection in self._swept & self._open
            if connection is not new and (waited_for := connection.wait())
        ]
        chosen = choose_evictions([(connection.network, since) for connection, (_, since) in candidates], count)
        for index in chosen:
            connection, (wait, _) = candidates[index]
            self._open.discard(connection)  # now: a burst of new ones must not count it again
            connection.drop(wait, Overloaded("every connection is in use"))
        if chosen:
            log.warning("connections closed to make room", extra={"sealring": {"closed": len(chosen)}})
        return bool(chosen)

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in list(self._swept):
            connection.sweep(now)
        self._sweeping = bool(self._swept)
        if self._sweeping:
            self._loop.call_later(self._limits.sweep_seconds, self._sweep)


def raise_file_limit() -> None:
    """Allow this process as many open files as it needs and the system permits."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 4 * ConnectionLimits().most
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _file_limit() -> int:
    """How many files this process may have open."""
    if sys.platform != "win32":
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if limit != resource.RLIM_INFINITY:
            return limit
    return sys.maxsize
