"""Deletes expired rows from SQLite, a few hundred in each transaction, so that no refresh waits for long (P9)."""

from __future__ import annotations

import sqlite3

from sealring.rate_limits.gcra import MICROSECONDS
from sealring.store.protocol import FINISHED_SESSION_SECONDS

PIECE = 500
"""Rows looked at in one transaction."""


def purge_revocations(db: sqlite3.Connection, now: int) -> bool:
    """Forget a piece of what has expired; whether there may be more."""
    deleted = db.execute(
        "DELETE FROM revocations WHERE number IN (SELECT number FROM revocations WHERE expires_at < ? LIMIT ?)",
        (now, PIECE),
    )
    return deleted.rowcount == PIECE


def purge_events(db: sqlite3.Connection, before: int) -> bool:
    """Forget a piece of the audit log's old end; whether there may be more."""
    deleted = db.execute(
        "DELETE FROM events WHERE at_ms < ? AND number IN (SELECT number FROM events ORDER BY number LIMIT ?)",
        (before * 1000, PIECE),
    )
    return deleted.rowcount == PIECE


def purge_sessions(db: sqlite3.Connection, after: str, now: int) -> str | None:
    """Forget the finished ones of the next piece of sessions by id; the cursor for the piece after, none at the end."""
    ids = db.execute("SELECT id FROM sessions WHERE id > ? ORDER BY id LIMIT ?", (after, PIECE)).fetchall()
    if not ids:
        return None
    last: str = ids[-1][0]
    db.execute(
        "DELETE FROM sessions WHERE id > :after AND id <= :last AND (ended_at <= :long_ago"
        " OR expires_at <= :long_ago OR last_seen_at + idle_seconds <= :long_ago)",
        {"after": after, "last": last, "long_ago": now - FINISHED_SESSION_SECONDS},
    )
    return last


def purge_buckets(db: sqlite3.Connection, after: bytes, now: int) -> bytes | None:
    """Forget the empty ones of the next piece of buckets; the cursor for the piece after, none at the end."""
    buckets = db.execute(
        "SELECT bucket FROM rate_limit_buckets WHERE bucket > ? ORDER BY bucket LIMIT ?", (after, PIECE)
    ).fetchall()
    if not buckets:
        return None
    last: bytes = buckets[-1][0]
    db.execute(
        "DELETE FROM rate_limit_buckets WHERE bucket > ? AND bucket <= ? AND empty_at_us <= ?",
        (after, last, now * MICROSECONDS),
    )
    return last
