"""Ends of single sessions in PostgreSQL: concurrent ones ride in one transaction.

Every revocation passes the counter row, one transaction after the other, so with a flush each the disk would be the
limit. Whoever comes while a transaction is under way waits and travels with the others in the next. Each session
stands once in it, and whether it ends is asked of its row alone: one that has ended, moved or is somebody else's
leaves no trace. A transaction that fails fails for all that are in it: each may try again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sealring.audit.event import Event
from sealring.errors import Overloaded, SealringError
from sealring.revocation.entry import Entry
from sealring.sessions.revocation import EndSession
from sealring.store.ledger import draft_entry
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import BUDGET_SECONDS, Database, Undo, unavailable
from sealring.store.postgres.ledger import append_and_commit

LINES = 2
"""Transactions under way at once: a session's row that somebody holds locked must not stop every log-out."""
BATCH = 128
WAITING_LIMIT = 4096

_END = """
UPDATE sessions AS s SET ended_at = v.now, ended_by = v.cause FROM unnest(
  %s::TEXT[], %s::BIGINT[], %s::TEXT[], %s::TEXT[], %s::BIGINT[], %s::BIGINT[], %s::BIGINT[]
) AS v (id, now, cause, subject, generation, minted_ms, child_minted_ms)
WHERE s.id = v.id AND s.ended_at IS NULL AND (v.subject IS NULL OR s.subject = v.subject)
  AND (v.generation IS NULL OR s.generation = v.generation AND s.minted_ms = v.minted_ms
    AND s.child_minted_ms IS NOT DISTINCT FROM v.child_minted_ms)
RETURNING s.id
"""


@dataclass(frozen=True, slots=True)
class Ending:
    """One session to end, and who waits for it."""

    revocation: EndSession
    event: Event
    now: int
    future: asyncio.Future[tuple[Entry, ...]]


class Endings:
    """Where ends of sessions gather.

    Args:
        database: where transactions run.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[Ending] = []
        self._lines: set[asyncio.Task[None]] = set()

    async def end(self, revocation: EndSession, event: Event, *, now: int) -> tuple[Entry, ...]:
        """See `Store.revoke`.

        Raises:
            Overloaded: too many are waiting.
            StoreUnavailable: the outcome is not known.
        """
        if len(self._waiting) >= WAITING_LIMIT:
            raise Overloaded("too many sessions are waiting to be ended")
        loop = asyncio.get_running_loop()
        ending = Ending(revocation, event, now, loop.create_future())
        self._waiting.append(ending)
        if len(self._lines) < LINES:
            line = loop.create_task(self._run())
            self._lines.add(line)
            line.add_done_callback(self._lines.discard)
        try:
            async with asyncio.timeout(BUDGET_SECONDS):
                return await ending.future
        except TimeoutError as error:
            raise unavailable(error) from error

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._lines)

    async def _run(self) -> None:
        while batch := self._take():
            try:
                entries = await self._database.transact(partial(end_all, endings=batch))
            except SealringError as error:
                for ending in batch:
                    if not ending.future.done():
                        ending.future.set_exception(unavailable(error))
            else:
                ended = {entry.target: entry for entry in entries}
                for ending in batch:
                    if not ending.future.done():
                        entry = ended.get(ending.revocation.id)
                        ending.future.set_result(() if entry is None else (entry,))

    def _take(self) -> list[Ending]:
        """Those that have waited longest, each session once. Where the caller has gone, nothing has begun."""
        batch: dict[str, Ending] = {}
        left = []
        for ending in self._waiting:
            if ending.future.done():
                continue
            if len(batch) < BATCH and ending.revocation.id not in batch:
                batch[ending.revocation.id] = ending
            else:
                left.append(ending)
        self._waiting = left
        return sorted(batch.values(), key=lambda ending: ending.revocation.id)


async def end_all(connection: Connection, endings: Sequence[Ending]) -> tuple[Entry, ...]:
    """End those that can be ended, and number them.

    It locks their rows only: a refresh of one waits there and finds it ended, or has moved it before; and which subject
    a session belongs to never changes.
    """
    revocations = [ending.revocation for ending in endings]
    unmoved = [revocation.unmoved for revocation in revocations]
    cursor = await connection.execute(
        _END,
        (
            [revocation.id for revocation in revocations],
            [ending.now for ending in endings],
            [revocation.cause for revocation in revocations],
            [revocation.subject for revocation in revocations],
            [None if before is None else before.generation for before in unmoved],
            [None if before is None else before.minted_ms for before in unmoved],
            [None if before is None else before.child_minted_ms for before in unmoved],
        ),
    )
    ids = {sid for (sid,) in await cursor.fetchall()}
    ended = [ending for ending in endings if ending.revocation.id in ids]
    if not ended:
        raise Undo(())
    drafts = [draft_entry("session", ending.revocation.id) for ending in ended]
    now = max(ending.now for ending in ended)
    return await append_and_commit(connection, drafts, *(ending.event for ending in ended), now=now)
