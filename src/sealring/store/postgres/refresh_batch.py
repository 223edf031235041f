"""Refreshes in PostgreSQL: concurrent compare-and-swaps travel in one statement over arrays, and so in one commit.

A statement of its own is a transaction: a lost answer is StoreUnavailable, because the outcome is not known, and a
client's retry is safe (design D5). A deadlock or a serialization failure kept nothing and is tried again.
"""

# ruff: noqa: S608
# only column names of our own are put into statements; every value is a parameter

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from sealring.sessions.session import Session
from sealring.store.postgres.array_literals import number_array, text_array
from sealring.store.postgres.batcher import Batcher
from sealring.store.postgres.connection import Connection, check_alive, hang_up
from sealring.store.postgres.database import ATTEMPTS, Database
from sealring.store.rows import MOVING_NAMES, set_moving, write_claims, write_moving, write_scopes, write_text

_TEXTS = ("scopes", "claims", "device", "address")
_NUMBERS = tuple(name for name in MOVING_NAMES if name not in _TEXTS)

_ONE = (
    f"UPDATE sessions SET {set_moving('%s')} WHERE id = %s AND generation = %s"
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


class RefreshBatch:
    """Compare-and-swaps of sessions, on connections of their own.

    Args:
        database: where connections come from.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._idle: list[Connection] = []
        self._in_use: set[Connection] = set()
        self._batcher = Batcher(self._run, key=lambda swap: swap.before.id, what="refreshes")

    async def swap(self, before: Session, after: Session) -> bool:
        """Put `after` where `before` still is; whether it was.

        Raises:
            Overloaded: too many are waiting.
            StoreUnavailable: the outcome is not known.
        """
        return await self._batcher.submit(_Swap(before, after))

    async def close(self) -> None:
        """Wait for what is under way, for as long as a caller may wait, then end the connections."""
        if not await self._batcher.close():
            for connection in self._in_use:
                hang_up(connection)
            await self._batcher.ended()
        while self._idle:
            await self._idle.pop().close()

    async def _run(self, batch: Sequence[_Swap]) -> list[bool]:
        connection = await self._connected()
        self._in_use.add(connection)
        try:
            swapped = await _swap_all(connection, batch)
        finally:
            self._in_use.discard(connection)
            self._idle.append(connection)
        return [swap.before.id in swapped for swap in batch]

    async def _connected(self) -> Connection:
        if self._idle:
            connection = self._idle.pop()
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
