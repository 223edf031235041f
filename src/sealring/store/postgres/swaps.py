"""Refreshes in PostgreSQL: concurrent compare-and-swaps ride in one statement over arrays, and so in one commit.

Whoever comes first is sent at once; those who come while it is under way wait and travel together. A statement of its
own is a transaction: a lost answer is StoreUnavailable, for nobody knows whether it was kept, and a client's retry is
safe (D5). A deadlock or a serialization failure kept nothing and is tried again. In a batch each session stands once
and in order of id, so that two batches that meet wait for each other in one direction.
"""

# ruff: noqa: S608
# only column names of our own are put into statements; every value is a parameter

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from sealring.errors import Overloaded, StoreUnavailable
from sealring.sessions.session import Session
from sealring.store.postgres.arrays import number_array, text_array
from sealring.store.postgres.connection import Connection, check_alive
from sealring.store.postgres.database import ATTEMPTS, BUDGET_SECONDS, Database, unavailable
from sealring.store.rows import MOVING_NAMES, write_claims, write_moving, write_scopes, write_text

LINES = 2
"""Batches under way at once: while the server flushes one, the next is made; and a row that another transaction holds
locked does not stop everybody."""
BATCH = 128
"""Swaps in one statement; more gains nothing and takes longer to be refused together."""
WAITING_LIMIT = 4096
"""About a quarter of a second of swaps; what comes on top is told to try again."""

_TEXTS = ("scopes", "claims", "device", "address")
_NUMBERS = tuple(name for name in MOVING_NAMES if name not in _TEXTS)

_ONE = (
    f"UPDATE sessions SET {', '.join(f'{name} = %s' for name in MOVING_NAMES)} WHERE id = %s AND generation = %s"
    " AND minted_ms = %s AND child_minted_ms IS NOT DISTINCT FROM %s AND ended_at IS NULL"
)
_MANY = f"""
UPDATE sessions AS s SET
  {", ".join(f"{name} = coalesce(v.{name}, s.{name})" for name in _TEXTS)},
  {", ".join(f"{name} = v.{name}" for name in _NUMBERS)}
FROM unnest(
  %s::TEXT[], %s::BIGINT[], %s::BIGINT[], %s::BIGINT[],
  {", ".join("%s::TEXT[]" for _ in _TEXTS)}, {", ".join("%s::BIGINT[]" for _ in _NUMBERS)}
) AS v (id, old_generation, old_minted_ms, old_child_minted_ms, {", ".join(_TEXTS + _NUMBERS)})
WHERE s.id = v.id AND s.generation = v.old_generation AND s.minted_ms = v.old_minted_ms
  AND s.child_minted_ms IS NOT DISTINCT FROM v.old_child_minted_ms AND s.ended_at IS NULL
RETURNING s.id
"""


@dataclass(frozen=True, slots=True)
class _Swap:
    before: Session
    after: Session
    future: asyncio.Future[bool]


class Swaps:
    """Where compare-and-swaps gather.

    Args:
        database: where connections come from.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, list[_Swap]] = {}
        self._count = 0
        self._idle: list[Connection | None] = [None] * LINES
        self._tasks: set[asyncio.Task[None]] = set()

    async def swap(self, before: Session, after: Session) -> bool:
        """Put `after` where `before` still is; whether it was.

        Raises:
            Overloaded: too many are waiting.
            StoreUnavailable: the outcome is not known.
        """
        if self._count >= WAITING_LIMIT:
            raise Overloaded("too many refreshes are waiting for the database")
        loop = asyncio.get_running_loop()
        swap = _Swap(before, after, loop.create_future())
        self._waiting.setdefault(before.id, []).append(swap)
        self._count += 1
        if self._idle:
            task = loop.create_task(self._run(self._idle.pop()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        patience = loop.call_later(BUDGET_SECONDS, _fail, (swap,), TimeoutError())
        try:
            return await swap.future
        finally:
            patience.cancel()

    async def close(self) -> None:
        """Wait for what is under way and let go of the connections."""
        await asyncio.gather(*self._tasks)
        for place, connection in enumerate(self._idle):
            if connection is not None:
                await connection.close()
                self._idle[place] = None

    async def _run(self, connection: Connection | None) -> None:
        try:
            while self._waiting:
                batch = self._take()
                if not batch:
                    continue
                try:
                    connection = await self._connected(connection)
                    swapped = await _swap_all(connection, batch)
                except (psycopg.Error, StoreUnavailable) as error:
                    _fail(batch, error)
                else:
                    for swap in batch:
                        if not swap.future.done():
                            swap.future.set_result(swap.before.id in swapped)
        finally:
            self._idle.append(connection)

    def _take(self) -> list[_Swap]:
        """One swap of each of the sessions that have waited longest, by id."""
        batch = []
        for sid in list(self._waiting)[:BATCH]:
            queue = self._waiting.pop(sid)
            batch.append(queue.pop(0))
            if queue:
                self._waiting[sid] = queue
        self._count -= len(batch)
        return sorted((swap for swap in batch if not swap.future.done()), key=lambda swap: swap.before.id)

    async def _connected(self, connection: Connection | None) -> Connection:
        if connection is not None:
            try:
                await check_alive(connection)
            except psycopg.OperationalError:
                await connection.close()
            else:
                return connection
        return await self._database.connect()


async def _swap_all(connection: Connection, batch: Sequence[_Swap]) -> set[str]:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if len(batch) == 1:
                (swap,) = batch
                cursor = await connection.execute(_ONE, (*write_moving(swap.after), *_unmoved(swap.before)))
                return {swap.before.id} if cursor.rowcount else set()
            cursor = await connection.execute(_MANY, _arrays(batch))
            return {row[0] for row in await cursor.fetchall()}
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            if attempt == ATTEMPTS:
                raise
    raise AssertionError


def _unmoved(session: Session) -> tuple[str, int, int, int | None]:
    return session.id, session.generation, session.minted_ms, session.child_minted_ms


def _arrays(batch: Sequence[_Swap]) -> list[str]:
    changes = [(swap.before, swap.after) for swap in batch]
    return [
        text_array(before.id for before, _ in changes),
        number_array(before.generation for before, _ in changes),
        number_array(before.minted_ms for before, _ in changes),
        number_array(before.child_minted_ms for before, _ in changes),
        text_array(None if b.scopes == a.scopes else write_scopes(a.scopes) for b, a in changes),
        text_array(None if b.claims == a.claims else write_claims(a.claims) for b, a in changes),
        text_array(None if b.device == a.device else write_text(a.device) for b, a in changes),
        text_array(None if b.address == a.address else write_text(a.address) for b, a in changes),
        *(number_array(getattr(after, name) for _, after in changes) for name in _NUMBERS),
    ]


def _fail(batch: Sequence[_Swap], error: BaseException) -> None:
    for swap in batch:
        if not swap.future.done():
            answer = unavailable(error)
            answer.__cause__ = error
            swap.future.set_exception(answer)
