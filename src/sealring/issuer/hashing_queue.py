"""The queue for places in the hasher: shared fairly by network, bounded, and open to latecomers (design D13, N7).

First come, first served would give a flood from one network everything: it is always there first. So each network has
a queue of its own, and free places go to the networks in turn. The bound on all that wait is shared in the same way:
where the queue is full, somebody of the network that waits most makes room for a network that waits less. A flood from
one network then costs others the time of one hash, and no 503. Values in, futures out; it knows no password and no
clock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sealring.errors import Overloaded

RETRY_AFTER_SECONDS = 2


@dataclass(slots=True, eq=False)
class _Waiter:
    share: str
    width: int
    granted: asyncio.Future[None]


class HashingQueue:
    """Places, and who waits for one.

    Args:
        places: logins under way at once.
        max_waiting: logins that may wait.
    """

    def __init__(self, places: int, max_waiting: int) -> None:
        self.free = places
        """Places that nobody holds."""
        self.max_waiting = max_waiting
        self.waiting = 0
        """Logins that wait now."""
        self._queues: dict[str, deque[_Waiter]] = {}
        self._held: dict[str, int] = {}

    def refuse_when_full(self, network: str, share: str = "", width: int = 0) -> None:
        """Refuse a login that would have to wait, where the queue is full and its network waits as much as any.

        Raises:
            Overloaded: try again later.
        """
        if self.waiting >= self.max_waiting and not self._has_room(share, width):
            own = self._queues.get(network, ())
            # a copy, made in one step: a synchronous server asks from the thread of the request
            longest = max(map(len, list(self._queues.values())), default=0)
            if longest <= len(own) + 1:
                raise _too_many()

    @asynccontextmanager
    async def place(self, network: str, *, share: str = "", width: int = 0) -> AsyncIterator[None]:
        """Wait for a place and hold it.

        Args:
            network: whose turn it is; networks take turns.
            share: what must not take all places: an account.
            width: places that the share may hold at once; 0 for no limit.

        Raises:
            Overloaded: too many wait, or a network that waits less needed this one's room in the queue.
        """
        self.refuse_when_full(network, share, width)
        if self._has_room(share, width):  # those who wait all wait for their share, or they would have gone before
            self._take(share)
        else:
            await self._wait(network, _Waiter(share, width, asyncio.get_running_loop().create_future()))
        try:
            yield
        finally:
            self._give_back(share)

    async def _wait(self, network: str, waiter: _Waiter) -> None:
        if self.waiting >= self.max_waiting:
            self._send_one_away()
        self._queues.setdefault(network, deque()).append(waiter)
        self.waiting += 1
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.cancelled():
                self._remove(network, waiter)
            elif waiter.granted.exception() is None:  # the place came in the same moment
                self._give_back(waiter.share)
            raise

    def _send_one_away(self) -> None:
        """The last of the longest queue: those who have waited longest keep what the waiting was for."""
        network, queue = max(self._queues.items(), key=lambda named: len(named[1]))
        waiter = queue[-1]
        self._remove(network, waiter)
        if not waiter.granted.done():
            waiter.granted.set_exception(_too_many())

    def _has_room(self, share: str, width: int) -> bool:
        return self.free > 0 and (not width or self._held.get(share, 0) < width)

    def _take(self, share: str) -> None:
        self.free -= 1
        self._held[share] = self._held.get(share, 0) + 1

    def _give_back(self, share: str) -> None:
        self.free += 1
        self._held[share] -= 1
        if not self._held[share]:
            del self._held[share]
        while self.free and self._grant_next():
            pass

    def _grant_next(self) -> bool:
        """Give a place to the first who may have one, of the network whose turn it is."""
        for network, queue in self._queues.items():
            for waiter in queue:
                if not waiter.granted.done() and self._has_room(waiter.share, waiter.width):
                    self._remove(network, waiter)
                    if queue:  # to the end of the turn
                        self._queues[network] = self._queues.pop(network)
                    self._take(waiter.share)
                    waiter.granted.set_result(None)
                    return True
        return False

    def _remove(self, network: str, waiter: _Waiter) -> None:
        self._queues[network].remove(waiter)
        self.waiting -= 1
        if not self._queues[network]:
            del self._queues[network]


def _too_many() -> Overloaded:
    return Overloaded("too many logins wait to be hashed", retry_after=RETRY_AFTER_SECONDS)
