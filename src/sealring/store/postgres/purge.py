"""Deletes expired rows from PostgreSQL, a few hundred with each statement, so that no refresh waits for long (P9)."""

from __future__ import annotations

from sealring.rate_limits.gcra import MICROSECONDS
from sealring.store.postgres.connection import Connection
from sealring.store.protocol import FINISHED_SESSION_SECONDS

PIECE = 500
"""Rows looked at in one statement."""


async def purge_revocations(connection: Connection, now: int) -> bool:
    """Forget a piece of what has expired; whether there may be more."""
    deleted = await connection.execute(
        "DELETE FROM revocations WHERE number IN (SELECT number FROM revocations WHERE expires_at < %s LIMIT %s)",
        (now, PIECE),
    )
    return deleted.rowcount == PIECE


async def purge_events(connection: Connection, before: int) -> bool:
    """Forget a piece of the audit log's old end; whether there may be more."""
    deleted = await connection.execute(
        "DELETE FROM events WHERE at_ms < %s AND number IN (SELECT number FROM events ORDER BY number LIMIT %s)",
        (before * 1000, PIECE),
    )
    return deleted.rowcount == PIECE


async def purge_sessions(connection: Connection, after: str, now: int) -> str | None:
    """Forget the finished ones of the next piece of sessions by id; the cursor for the piece after, none at the end."""
    cursor = await connection.execute(
        "SELECT max(id) FROM (SELECT id FROM sessions WHERE id > %s ORDER BY id LIMIT %s) AS piece", (after, PIECE)
    )
    ((last,),) = await cursor.fetchall()
    if last is not None:
        await connection.execute(
            "DELETE FROM sessions WHERE id > %(after)s AND id <= %(last)s AND (ended_at <= %(long_ago)s"
            " OR expires_at <= %(long_ago)s OR last_seen_at + idle_seconds <= %(long_ago)s)",
            {"after": after, "last": last, "long_ago": now - FINISHED_SESSION_SECONDS},
        )
    found: str | None = last
    return found


async def purge_buckets(connection: Connection, after: bytes, now: int) -> bytes | None:
    """Forget the empty ones of the next piece of buckets; the cursor for the piece after, none at the end."""
    cursor = await connection.execute(
        "SELECT bucket FROM rate_limit_buckets WHERE bucket > %s ORDER BY bucket LIMIT %s", (after, PIECE)
    )
    buckets = await cursor.fetchall()
    if not buckets:
        return None
    last: bytes = buckets[-1][0]
    await connection.execute(
        "DELETE FROM rate_limit_buckets WHERE bucket IN"
        " (SELECT bucket FROM rate_limit_buckets WHERE bucket > %s AND bucket <= %s AND empty_at_us <= %s"
        " ORDER BY bucket FOR UPDATE SKIP LOCKED)",
        (after, last, now * MICROSECONDS),
    )
    return last
