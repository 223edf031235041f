"""Opens what an application needs once, and again: after `close`, and after an event loop that ended without it.

Tests open and close one application many times, and `TestClient` gives each opening a loop of its own; used without
`with`, it even gives each request one, and closes nothing. What belongs to a loop that has ended is abandoned and
made again. A loop that runs in another thread is alive: what is open there is open, and what it is opening now is
waited for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

from sealring.errors import SealringError
from sealring.turns import Turns

log = logging.getLogger("sealring")

PAUSE_SECONDS = 1.0
"""After an opening that a request asked for has failed, requests are refused at once for so long."""


class Opening:
    """Whether something is open, for the event loop that asks.

    Args:
        start: opens it in the running loop.
        stop: closes it in the loop that opened it.
        abandon: lets go of what a loop that has ended has left behind; needs no loop.
    """

    def __init__(
        self,
        *,
        start: Callable[[], Coroutine[Any, Any, None]],
        stop: Callable[[], Coroutine[Any, Any, None]],
        abandon: Callable[[], None],
    ) -> None:
        self._start = start
        self._stop = stop
        self._abandon = abandon
        self._loop: asyncio.AbstractEventLoop | None = None
        """Where it is open; None while it is not."""
        self._turns = Turns()
        self._asked: asyncio.Task[None] | None = None
        self._refused_until = float("-inf")

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop in which it is open, as long as that runs; may be asked from any thread."""
        loop = self._loop
        return loop if loop is not None and loop.is_running() else None

    def is_open(self) -> bool:
        """Whether it is open in an event loop that runs."""
        return self.loop is not None

    async def open(self) -> None:
        """Open it, unless it is open; several callers at once share one opening."""
        if self.is_open():
            return
        async with self._turns.one():
            if self.is_open():
                return
            if self._loop is not None:
                self._loop = None
                self._abandon()
            loop = asyncio.get_running_loop()
            # what goes on in the background must not hold the request that happened to be the first
            await loop.create_task(self._start(), context=Context())
            self._loop = loop

    async def close(self) -> None:
        """Close it, unless it is closed."""
        async with self._turns.one():
            loop, self._loop = self._loop, None
            if loop is None:
                return
            if loop is not asyncio.get_running_loop():
                self._abandon()
            await self._stop()

    def forked(self) -> None:
        """Start as closed in a child process, also while the parent is open."""
        self._loop = self._asked = None

    async def open_for_request(self) -> None:
        """As `open`, and a log line that says what the application lacks."""
        if not self.is_open():
            await self.open()
            log.warning("opened by a request: give the outermost application lifespan=auth.lifespan")

    async def try_for_request(self) -> bool:
        """As `open_for_request`, for those who may not fail: true when it is open. After a failure it waits a while."""
        if self.is_open():
            return True
        if time.monotonic() < self._refused_until:
            return False
        loop = asyncio.get_running_loop()
        if self._asked is None or self._asked.done() or self._asked.get_loop() is not loop:
            self._asked = loop.create_task(self._try(), name="sealring opening")
        await asyncio.wait({self._asked})  # who goes away stops nobody else's opening
        return self.is_open()

    async def _try(self) -> None:
        try:
            await self.open_for_request()
        except SealringError as error:
            self._refused_until = time.monotonic() + PAUSE_SECONDS
            fields = {"cause": str(error), "hint": getattr(error, "hint", None)}
            log.error("cannot open: every check answers 503", extra={"sealring": fields})  # noqa: TRY400 - no traceback
