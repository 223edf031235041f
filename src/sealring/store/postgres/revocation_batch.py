"""Ends of single sessions in PostgreSQL: concurrent ones travel in one transaction.

Every revocation passes the counter row, one transaction after the other, so with a flush each the disk would be the
limit. Whether a session ends is decided by its row alone: one that has ended, moved or belongs to another subject
leaves no trace. A transaction that fails fails for all that are in it: each may try again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sealring.audit.event import Event
from sealring.sessions.revocation import EndSession
from sealring.store.postgres.batcher import Batcher
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import Database
from sealring.store.postgres.heartbeat import witness
from sealring.store.postgres.logs import append_and_commit
from sealring.store.records import Committed
from sealring.store.revocation_log import draft_entry

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
class _Ending:
    revocation: EndSession
    event: Event
    now: int


class RevocationBatch:
    """Ends of single sessions.

    Args:
        database: where transactions run.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batcher = Batcher(self._run, key=lambda ending: ending.revocation.id, what="ends of sessions")

    async def end(self, revocation: EndSession, event: Event, *, now: int) -> Committed[int | None]:
        """See `Store.revoke`.

        Raises:
            Overloaded: too many are waiting.
            StoreUnavailable: the outcome is not known.
        """
        return await self._batcher.submit(_Ending(revocation, event, now))

    async def close(self) -> None:
        """Wait for what is under way, for as long as a caller may wait; the database then ends its connections."""
        await self._batcher.close()

    async def _run(self, batch: Sequence[_Ending]) -> list[Committed[int | None]]:
        ended = await self._database.transact(partial(_end_all, endings=batch))
        return [ended.get(ending.revocation.id, Committed(None)) for ending in batch]


async def _end_all(connection: Connection, endings: Sequence[_Ending]) -> dict[str, Committed[int | None]]:
    """End those that can be ended, and number them; what was written for each, by the id of its session.

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
        await witness(connection)  # that there is nothing to end is an answer too: to a logout, that it is done (F8)
        return {}
    drafts = [draft_entry("session", ending.revocation.id) for ending in ended]
    now = max(ending.now for ending in ended)
    done = await append_and_commit(connection, drafts, *(ending.event for ending in ended), result=None, now=now)
    return {
        entry.target: Committed(1, entries=(entry,), events=(event,))
        for entry, event in zip(done.entries, done.events, strict=True)
    }
