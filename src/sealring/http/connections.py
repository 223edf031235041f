"""Limits of one connection, and which connections to close (attack N8). Pure: the time is an argument.

A server without a proxy in front has clients that send a head one byte at a time, pipeline without reading, or
open connections and send nothing. Each limit bounds the cost of one such client. `choose_evictions` selects the
connections to close when there are too many.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sealring.http.limits import MAX_FIELDS, MAX_FIELDS_BYTES, MAX_TARGET_BYTES

_PUNCTUATION_BYTES = 1_024 + 4 * MAX_FIELDS
"""Method, version, and the colon, space and line break of each field."""

Wait = Literal["idle", "head", "body", "rest of body", "slow reader", "closing"]
"""What a connection waits for its client to do. The first five may be closed when there are too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What one connection may hold, and for how long it may keep the server waiting."""

    head_bytes: int = MAX_FIELDS_BYTES + MAX_TARGET_BYTES + _PUNCTUATION_BYTES
    """Counted before the parser sees them: httptools takes quadratic time to read one endless field."""
    framing_bytes: int = 8_192
    """Of a chunked body, between two bytes of content: sizes, extensions, trailer fields; counted before the parser."""
    held_bytes: int = 65_536
    """Pipelined requests kept while a response is under way; with more, the connection closes after it."""
    head_seconds: float = 10.0
    """From the first byte of a head to its last, like the deadline for bodies of our own routes."""
    body_seconds: float = 20.0
    """Between two reads of a body that the application awaits."""
    reader_seconds: float = 30.0
    """Time in which a client must read 48 KiB of a pending response: 1.6 KB/s."""
    closing_seconds: float = 5.0
    """Time to read the last bytes; then the connection is aborted."""
    sweep_seconds: float = 1.0
    """How often the deadlines are checked."""
    most: int = 1_024
    """Connections at once: at a quarter of a MiB each in the worst case, so 256 MiB."""

    def seconds(self, wait: Wait, idle_seconds: float) -> float:
        """How long a wait of that kind may last."""
        return {
            "idle": idle_seconds,
            "head": self.head_seconds,
            "body": self.body_seconds,
            "rest of body": self.head_seconds,
            "slow reader": self.reader_seconds,
            "closing": self.closing_seconds,
        }[wait]


def places_within(limits: ConnectionLimits, *, file_limit: int, backlog: int) -> int:
    """How many connections fit below the process' limit of open files.

    A burst of `backlog` connections is accepted before the first of them can be refused, and the store, the log and
    the event loop have files of their own.

    >>> places_within(ConnectionLimits(), file_limit=1024, backlog=512), places_within(
    ...     ConnectionLimits(), file_limit=65536, backlog=512
    ... )
    (448, 1024)
    """
    own_files = 64
    return max(16, min(limits.most, file_limit - min(backlog, file_limit // 2) - own_files))


def choose_evictions(waiting: Sequence[tuple[str, float]], count: int) -> list[int]:
    """Choose which of the connections that wait for their clients to close.

    Each is a network and the time since when it waits. The network with the most connections loses its oldest first:
    a client with a thousand half heads closes its own, and a new client still has time to send its head.

    Args:
        waiting: network and start of the wait of each connection.
        count: how many to close.

    Returns:
        Indexes into `waiting`, at most `count`.

    >>> choose_evictions([("a", 5.0), ("b", 1.0), ("a", 3.0)], 1)
    [2]
    """
    oldest_first: dict[str, deque[int]] = defaultdict(deque)
    for index in sorted(range(len(waiting)), key=lambda index: waiting[index][1]):
        oldest_first[waiting[index][0]].append(index)
    held = Counter({network: len(indexes) for network, indexes in oldest_first.items()})
    chosen: list[int] = []
    while len(chosen) < min(count, len(waiting)):
        network = max(held, key=held.__getitem__)
        chosen.append(oldest_first[network].popleft())
        held[network] -= 1
    return chosen
