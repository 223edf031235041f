"""Group commit: work that arrives while a batch is under way travels together in the next one.

Each flush of the disk then serves many callers. A batch holds one piece of work for each key, in order of the keys, so
that two batches that meet wait for each other in one direction. A batch that fails fails for all its callers as
StoreUnavailable: nobody knows whether it was kept, and a retry is safe (design D5). A caller that gives up leaves the
queue; work that has begun goes on to its end without it (D8).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

import psycopg

from sealring.errors import Overloaded, SealringError, StoreUnavailable
from sealring.store.postgres.database import BUDGET_SECONDS, unavailable

log = logging.getLogger("sealring.store")

T = TypeVar("T")
R = TypeVar("R")

BATCHES = 2
"""Under way at once: while the server flushes one, the next is made; and a row that another transaction holds locked
does not stop everybody."""
BATCH_SIZE = 128
"""More gains nothing and takes longer to be refused together."""
WAITING_LIMIT = 4096
"""About a quarter of a second of refreshes; callers beyond it get an error that says to try again."""


@dataclass(slots=True, eq=False)
class _Request(Generic[T, R]):
    item: T
    future: asyncio.Future[R]


@dataclass(slots=True, eq=False)
class Batcher(Generic[T, R]):
    """Gathers work into batches.

    Args:
        run: does a batch and returns one result for each item, in their order.
        key: of an item; two of one key never travel in one batch.
        what: the work, for the message of `Overloaded`.
        budget_seconds: how long one caller waits, and how long `close` does.
    """

    run: Callable[[Sequence[T]], Awaitable[Sequence[R]]]
    key: Callable[[T], str]
    what: str
    budget_seconds: float = BUDGET_SECONDS
    _waiting: dict[str, deque[_Request[T, R]]] = field(default_factory=dict, init=False)
    _count: int = field(default=0, init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def submit(self, item: T) -> R:
        """The item's own result, once its batch is done.

        Raises:
            Overloaded: too many are waiting.
            StoreUnavailable: the outcome is not known.
        """
        if self._count >= WAITING_LIMIT:
            raise Overloaded(f"too many {self.what} are waiting for the database")
        loop = asyncio.get_running_loop()
        request: _Request[T, R] = _Request(item, loop.create_future())
        self._waiting.setdefault(self.key(item), deque()).append(request)
        self._count += 1
        if len(self._tasks) < BATCHES:
            self._tasks.add(loop.create_task(self._run()))
        patience = loop.call_later(self.budget_seconds, _fail, (request,), TimeoutError())
        try:
            return await request.future
        finally:
            patience.cancel()

    async def close(self) -> bool:
        """Wait for what is under way, for as long as a caller may wait; then fail those that have not begun.

        Returns:
            Whether all is done. A batch that hangs is never cancelled: a server whose standby is gone would answer that
            by showing to all what nobody has acknowledged (F8). Its connection must be ended.
        """
        if not self._tasks:
            return True
        await asyncio.wait(self._tasks, timeout=self.budget_seconds)
        waiting = [request for queue in self._waiting.values() for request in queue]
        self._waiting.clear()
        self._count = 0
        _fail(waiting, StoreUnavailable("the store was closed"))
        return not self._tasks

    async def ended(self) -> None:
        """Wait for batches whose connections were ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        try:
            await self._run_batches()
        finally:
            # in the step that found nothing waiting: a caller who comes next must find the place free, or it waits for
            # a task that looks no more
            self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _run_batches(self) -> None:
        while self._waiting:
            batch = self._take()
            if not batch:
                continue
            try:
                results = await self.run([request.item for request in batch])
            except (psycopg.Error, SealringError) as error:
                _fail(batch, error)
            except BaseException as error:
                # an error of our own code: nobody may wait for an answer that never comes
                _fail(batch, error)
                if not isinstance(error, Exception):
                    raise
                log.exception("a batch failed", extra={"sealring": {"what": self.what}})
            else:
                for request, result in zip(batch, results, strict=True):
                    if not request.future.done():
                        request.future.set_result(result)

    def _take(self) -> list[_Request[T, R]]:
        """One request of each of the keys that have waited longest. Those whose callers have gone are dropped."""
        batch: dict[str, _Request[T, R]] = {}
        left: dict[str, deque[_Request[T, R]]] = {}
        for key in list(self._waiting)[:BATCH_SIZE]:
            queue = self._waiting.pop(key)
            while queue and key not in batch:
                request = queue.popleft()
                self._count -= 1
                if not request.future.done():
                    batch[key] = request
            if queue:
                left[key] = queue
        self._waiting.update(left)  # behind those that have had no turn yet
        return [batch[key] for key in sorted(batch)]


def _fail(requests: Sequence[_Request[T, R]], error: BaseException) -> None:
    for request in requests:
        if not request.future.done():
            answer = unavailable(error)
            answer.__cause__ = error
            request.future.set_exception(answer)
