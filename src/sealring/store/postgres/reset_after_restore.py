"""After a restore, in PostgreSQL: see `Store.reset_after_restore`."""

# ruff: noqa: S608
# only an expression of our own is put into a statement; every value is a parameter

from __future__ import annotations

from sealring.audit.event import Event
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.heartbeat import NOW_MS
from sealring.store.postgres.logs import append_and_commit
from sealring.store.records import Committed
from sealring.store.revocation_log import draft_entry, retained_until

BUDGET_SECONDS = 3600.0
"""It writes every row of subjects and sessions, once, while nothing else runs."""


async def reset_after_restore(connection: Connection, event: Event, *, now: int) -> Committed[None]:
    """In the same order of locks as `logs`: subjects, sessions, then the counter row."""
    await connection.execute("SET LOCAL statement_timeout = 0")
    await connection.execute("UPDATE subjects SET epoch = epoch + 1")
    await connection.execute(
        "UPDATE sessions SET ended_at = %s, ended_by = 'store_restored' WHERE ended_at IS NULL", (now,)
    )
    await connection.execute("DELETE FROM one_time")
    await connection.execute("DELETE FROM outbox")
    cursor = await connection.execute(
        "UPDATE store SET incarnation = replace(gen_random_uuid()::TEXT, '-', ''), keys_version = keys_version + 1"
        f" RETURNING longest_access_ttl, {NOW_MS} / 1000"
    )
    ((longest, store_now),) = await cursor.fetchall()
    cursor = await connection.execute(
        "UPDATE signing_keys SET revoked_at = %s, verifies_until = %s WHERE revoked_at IS NULL RETURNING kid",
        (now, retained_until(longest, now=now, store_now=store_now)),
    )
    kids = [kid for (kid,) in await cursor.fetchall()]
    return await append_and_commit(connection, [draft_entry("key", kid) for kid in kids], event, result=None, now=now)
