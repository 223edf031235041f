"""One at a time in this process, over threads, tasks and event loops; the others wait for it to end.

No lock is held while anything is awaited: a mutex covers the choice of the one, for microseconds, and those who wait
hold nothing. They learn only that the one is done, and then look for themselves: it may have been canceled, or its
answer lost. A task whose loop was closed under it never ends; the next caller takes its place.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field

from sealring.forks import watch_forks


@dataclass(frozen=True, slots=True, eq=False)
class Flight:
    """The turn of one caller."""

    loop: asyncio.AbstractEventLoop | None
    """Where it runs; None in a thread."""
    done: Future[None] = field(default_factory=Future)


class SingleFlight:
    """A place that one caller holds between `join` and `leave`."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._running: Flight | None = None
        watch_forks(self)

    @property
    def is_running(self) -> bool:
        """Whether somebody holds the place now."""
        return self._running is not None

    def join(self) -> tuple[Flight, bool]:
        """Take the place if it is free; return who flies now, and whether that is the caller."""
        loop = _running_loop()
        with self._mutex:
            running = self._running
            if running is not None and not (running.loop is not None and running.loop.is_closed()):
                return running, False
            mine = self._running = Flight(loop)
        if running is not None:
            running.done.set_result(None)
        return mine, True

    def leave(self, flight: Flight) -> None:
        """Give the place up, and wake those who wait. From any thread; nothing when another has taken it over."""
        with self._mutex:
            if self._running is not flight:
                return
            self._running = None
        flight.done.set_result(None)

    def forked(self) -> None:
        """Free the place in a forked child: its holder is a thread of the parent."""
        self._mutex = threading.Lock()
        self._running = None


def wait_in_thread(flight: Flight, seconds: float) -> bool:
    """Wait at most so long; whether it is done."""
    return bool(wait([flight.done], seconds).done)


async def wait_in_loop(flight: Flight, seconds: float) -> bool:
    """Wait at most so long without blocking the loop; whether it is done.

    Not by `asyncio.wrap_future`: canceled there, one caller would cancel it for all.
    """
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()

    def wake(_: Future[None]) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(woken.set)

    flight.done.add_done_callback(wake)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()
    return flight.done.done()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
