"""Connections that stay open for a principal, and what ends them (design D23).

A connection is registered under its session and its subject. A revocation looks up those that it covers, so that it
costs what it ends, however many are open, and nobody polls. The entry itself ends a connection: long after the access
token has expired, when the entry is forgotten again, no look at the view could tell.

- a revocation of the session, the subject's epoch or the key: at the moment when it is in force on this node (I2);
- the end of the session, as the token says it: at that second;
- this node has read no revocations for longer than the bound: what was revoked elsewhere is unknown, so it ends
  all of them, as every check answers 503 then (I1);
- a full load took the place of what was followed: entries may have been forgotten between the two, so a connection
  stays only while its access token would still be accepted.

Each event loop has a set of its own, touched in its thread alone. Entries come from the loop of the follower and that
of the commit step: other loops are woken by `call_soon_threadsafe`. One timer a loop looks at the clock.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final, Literal, get_args

from sealring.errors import Expired, Revoked, Stale
from sealring.forks import leave_to_parent
from sealring.revocation.entry import Entry
from sealring.verifier.principal import Principal

if TYPE_CHECKING:
    from sealring.verifier.node_state import NodeState

EndedBy = Literal["session", "subject", "key", "expired", "reloaded", "stale"]
"""Why an open connection was ended: a revocation of that kind; the session's end; a full load after which nothing
proves that the session is live; a node whose data is out of date."""

OnEnd = Callable[[EndedBy], None]

LOOK_SECONDS: Final = 0.25
"""The timer looks at least so often: a loop's own timers do not count while the machine is suspended (F6)."""
ENDED_A_TURN: Final = 500
"""Connections ended before other tasks run, where all of them end at once."""


class OpenConnection:
    """One connection that is open for a principal."""

    __slots__ = (
        "_of",
        "_on_end",
        "ended",
        "ends_at",
        "epoch",
        "is_open",
        "kid",
        "session_id",
        "subject",
        "valid_until",
    )

    def __init__(self, principal: Principal, on_end: OnEnd, of: LoopConnections) -> None:
        self._on_end = on_end
        self._of = of
        self.session_id = principal.session_id
        # a token of another issuer has no session, no epoch and no key of ours: no revocation covers it, as on HTTP
        self.subject = principal.subject if principal.session_id else ""
        self.epoch = principal.epoch
        self.kid = principal.kid if principal.session_id else ""
        self.valid_until = principal.expires_at
        """Until then the token is accepted, and the view holds every entry that concerns it."""
        expiry = principal.session_expires_at
        self.ends_at = principal.expires_at if expiry is None else expiry
        self.is_open = True
        self.ended: EndedBy | None = None

    def end(self, cause: EndedBy) -> None:
        """End it, once; an end that comes after `close` changes nothing."""
        if self.is_open:
            self.ended = cause
            self._of.count(cause)
            self.close()
            self._on_end(cause)

    def close(self) -> None:
        """It is over by itself. May be called again."""
        if self.is_open:
            self.is_open = False
            self._of.discard(self)


class LoopConnections:
    """The open connections of one node in one event loop."""

    def __init__(
        self,
        node: NodeState,
        loop: asyncio.AbstractEventLoop,
        *,
        emptied: Callable[[], None],
        count: Callable[[EndedBy], None],
    ) -> None:
        self._node = node
        self._loop = loop
        self._emptied = emptied
        self.count = count
        """Called with each end that came from here."""
        self._by_session: dict[str, set[OpenConnection]] = {}
        self._by_subject: dict[str, set[OpenConnection]] = {}
        self._count = 0
        self._ends: list[tuple[int, int, OpenConnection]] = []
        """A heap. What was closed stays in it until it comes up, or until such entries are in the majority."""
        self._added = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return self._count

    def add(self, connection: OpenConnection) -> None:
        """Register it."""
        self._by_session.setdefault(connection.session_id, set()).add(connection)
        self._by_subject.setdefault(connection.subject, set()).add(connection)
        self._count += 1
        self._added += 1
        if len(self._ends) > 2 * self._count + ENDED_A_TURN:
            self._ends = [end for end in self._ends if end[2].is_open]
            heapify(self._ends)
        heappush(self._ends, (connection.ends_at, self._added, connection))
        if self._timer is None:
            self._arm()

    def discard(self, connection: OpenConnection) -> None:
        """It is open no longer."""
        _discard(self._by_session, connection.session_id, connection)
        _discard(self._by_subject, connection.subject, connection)
        self._count -= 1
        if not self._count:
            self._ends.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._emptied()

    def apply(self, entries: Sequence[Entry]) -> None:
        """End what these revocations cover. Only a revoked key looks at all connections."""
        for entry in entries:
            covered: Iterable[OpenConnection]
            match entry.kind:
                case "session":
                    covered = self._by_session.get(entry.target, ())
                case "subject":
                    of_subject = self._by_subject.get(entry.target, ())
                    covered = [connection for connection in of_subject if connection.epoch < entry.epoch]
                case "key":
                    covered = [connection for connection in self._all() if connection.kid == entry.target]
            for connection in tuple(covered):
                connection.end(entry.kind)

    def check_all(self, connections: Sequence[OpenConnection] | None = None) -> None:
        """After a full load: end what it covers, and all of which it cannot tell, since their tokens have expired."""
        waiting = self._all() if connections is None else connections
        now = self._now()
        cause = self._node.revocations.cause
        for connection in waiting[:ENDED_A_TURN]:
            if now >= connection.valid_until:
                connection.end("reloaded")
            elif by := cause(connection.session_id, connection.subject, connection.epoch, connection.kid):
                connection.end(by)
        if rest := waiting[ENDED_A_TURN:]:
            self._loop.call_soon(self.check_all, rest)

    def look(self) -> None:
        """End what the clock ends: everything when the node is stale, else the sessions that are over."""
        if not self._node.is_fresh:
            self._end_all("stale", self._all())
        else:
            now = self._now()
            while self._ends and self._ends[0][0] <= now:
                heappop(self._ends)[2].end("expired")

    def _look_again(self) -> None:
        self._timer = None
        self.look()
        if self._count:
            self._arm()

    def _arm(self) -> None:
        clock = self._node.clock
        until_stale = self._node.fresh_until - clock.steady()
        until_end = self._ends[0][0] - clock.now_ms() / 1000 if self._ends else LOOK_SECONDS
        # a millisecond more: the bound itself is still within the promise
        delay = max(0.0, min(LOOK_SECONDS, until_stale, until_end)) + 0.001
        # in a context of its own: the first connection's would be kept for as long as there is one
        self._timer = self._loop.call_later(delay, self._look_again, context=Context())

    def _end_all(self, cause: EndedBy, connections: Sequence[OpenConnection]) -> None:
        for connection in connections[:ENDED_A_TURN]:
            connection.end(cause)
        if rest := connections[ENDED_A_TURN:]:
            self._loop.call_soon(self._end_all, cause, rest)

    def _all(self) -> list[OpenConnection]:
        return [connection for several in self._by_session.values() for connection in several]

    def _now(self) -> int:
        return self._node.clock.now_ms() // 1000


class OpenConnections:
    """The open connections of one node, in all event loops. `apply` and `check_all` may be called in any thread."""

    def __init__(self, node: NodeState) -> None:
        self._node = node
        self._loops: dict[asyncio.AbstractEventLoop, LoopConnections] = {}
        """Replaced as a whole, so that a thread may go through it while another adds a loop."""
        self._lock = threading.Lock()
        self.ends: dict[EndedBy, int] = dict.fromkeys(get_args(EndedBy), 0)
        """How many were ended, by cause; not those that closed by themselves."""

    def __len__(self) -> int:
        return sum(map(len, self._loops.values()))

    def _count(self, cause: EndedBy) -> None:
        with self._lock:  # each loop has its thread
            self.ends[cause] += 1

    def open(self, principal: Principal, on_end: OnEnd, *, leeway: int) -> OpenConnection:
        """Register a connection of the running loop, for a principal whose token would be accepted now.

        Raises:
            Stale, Expired, Revoked: it would not be.
        """
        node = self._node
        if not node.is_fresh:
            raise Stale(node.retry_after, node.last_error)
        now = node.clock.now_ms() // 1000
        if now >= principal.expires_at + leeway:
            raise Expired("the access token has expired; enter the block while it is good")
        here = self._here()
        connection = OpenConnection(principal, on_end, here)
        if now >= connection.ends_at:
            raise Expired("the session is over")
        here.add(connection)
        # registered first: what comes into force between the two in another thread finds it
        by = node.revocations.cause(connection.session_id, connection.subject, connection.epoch, connection.kid)
        if by is not None:
            connection.close()
            raise Revoked(by)
        return connection

    def apply(self, entries: Sequence[Entry]) -> None:
        """End what these revocations cover. They are in the node's view already."""
        if self._loops:
            self._everywhere(lambda connections: connections.apply(entries))

    def check_all(self) -> None:
        """A full load has taken the place of the node's view."""
        if self._loops:
            self._everywhere(LoopConnections.check_all)

    def forked(self) -> None:
        """In a child: all of them, and their loops, are the parent's."""
        leave_to_parent(self._loops)
        self._loops = {}
        self._lock = threading.Lock()

    def _here(self) -> LoopConnections:
        loop = asyncio.get_running_loop()
        here = self._loops.get(loop)
        if here is None:
            here = LoopConnections(self._node, loop, emptied=lambda: self._forget(loop), count=self._count)
            with self._lock:
                self._loops = {**self._loops, loop: here}
        return here

    def _forget(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._loops = {known: its for known, its in self._loops.items() if known is not loop}

    def _everywhere(self, work: Callable[[LoopConnections], None]) -> None:
        running = asyncio._get_running_loop()  # noqa: SLF001 - None where a thread without a loop writes
        for loop, connections in self._loops.items():
            if loop is running:
                work(connections)
                continue
            try:
                loop.call_soon_threadsafe(work, connections)
            except RuntimeError:  # that loop is closed, and its connections with it
                self._forget(loop)


def _discard(index: dict[str, set[OpenConnection]], key: str, connection: OpenConnection) -> None:
    several = index.get(key)
    if several is not None:
        several.discard(connection)
        if not several:
            del index[key]
