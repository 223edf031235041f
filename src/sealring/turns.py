"""One at a time, among all event loops of a process. A lock of asyncio belongs to one loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sealring.forks import watch_forks

LOOK_SECONDS = 0.1
"""How often a waiter looks whether the loop that it waits for has ended."""


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    loop: asyncio.AbstractEventLoop
    ended: Future[None] = field(default_factory=Future)


class Turns:
    """A lock that is held by an event loop; one that has ended holds it no more.

    >>> async def alone(turns: Turns) -> str:
    ...     async with turns.one():
    ...         return "alone"
    >>> asyncio.run(alone(Turns()))
    'alone'
    """

    def __init__(self) -> None:
        self.forked()
        watch_forks(self)

    def forked(self) -> None:
        """Begin with nobody in turn: in a child the holder's loop seems to run, its thread does not exist (N11)."""
        self._guard = threading.Lock()
        self._held: _Turn | None = None

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait until nobody else is in turn."""
        mine = _Turn(asyncio.get_running_loop())
        mine.ended.set_running_or_notify_cancel()  # a waiter that is cancelled does not cancel it
        while (held := self._take(mine)) is not None:
            await asyncio.wait({asyncio.wrap_future(held.ended)}, timeout=LOOK_SECONDS)
        try:
            yield
        finally:
            with self._guard:
                if self._held is mine:
                    self._held = None
            mine.ended.set_result(None)

    def _take(self, mine: _Turn) -> _Turn | None:
        """Be in turn, and return None; or return who is."""
        with self._guard:
            if self._held is not None and self._held.loop.is_running():
                return self._held
            self._held = mine
            return None
