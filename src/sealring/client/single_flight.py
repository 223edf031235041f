"""One at a time in this process, over threads, tasks and event loops; the others wait for it to end.

No lock is held while anything is awaited: a mutex covers the choice of the one, for microseconds, and those who wait
hold nothing. They learn only that the one is done, and then look for themselves: it may have been canceled, or its
answer lost.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, wait
from contextlib import suppress

from sealring.forks import watch_forks


class SingleFlight:
    """A place that one caller holds between `join` and `leave`."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._running: Future[None] | None = None
        watch_forks(self)

    @property
    def is_running(self) -> bool:
        """Whether somebody holds the place now."""
        return self._running is not None

    def join(self) -> Future[None] | None:
        """Take the place and return None; or return what is done when its holder leaves."""
        with self._mutex:
            if self._running is None:
                self._running = Future()
                return None
            return self._running

    def leave(self) -> None:
        """Give the place up, and wake those who wait. Called by its holder, from any thread."""
        with self._mutex:
            done, self._running = self._running, None
        if done is not None:
            done.set_result(None)

    def forked(self) -> None:
        """Free the place in a forked child: its holder is a thread of the parent."""
        self._mutex = threading.Lock()
        self._running = None


def wait_in_thread(running: Future[None], seconds: float) -> bool:
    """Wait at most so long; whether it is done."""
    return bool(wait([running], seconds).done)


async def wait_in_loop(running: Future[None], seconds: float) -> bool:
    """Wait at most so long without blocking the loop; whether it is done.

    Not by `asyncio.wrap_future`: canceled there, one caller would cancel it for all.
    """
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()

    def wake(_: Future[None]) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(woken.set)

    running.add_done_callback(wake)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()
    return running.done()
