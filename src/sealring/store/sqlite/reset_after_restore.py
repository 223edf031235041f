"""After a restore, in SQLite: see `Store.reset_after_restore`. Runs inside the writer's transaction."""

from __future__ import annotations

import secrets
import sqlite3

from sealring.audit.event import Event
from sealring.store.records import Committed
from sealring.store.revocation_log import draft_entry, retained_until
from sealring.store.sqlite.logs import append


def reset_after_restore(db: sqlite3.Connection, event: Event, *, now: int, store_now: int) -> Committed[None]:
    """End, revoke and raise everything."""
    db.execute("UPDATE store SET incarnation = ?, keys_version = keys_version + 1", (secrets.token_hex(16),))
    db.execute("UPDATE subjects SET epoch = epoch + 1")
    db.execute("UPDATE sessions SET ended_at = ?, ended_by = 'store_restored' WHERE ended_at IS NULL", (now,))
    db.execute("DELETE FROM one_time")
    db.execute("DELETE FROM outbox")
    (longest,) = db.execute("SELECT longest_access_ttl FROM store").fetchone()
    expires_at = retained_until(longest, now=now, store_now=store_now)
    kids = db.execute(
        "UPDATE signing_keys SET revoked_at = ?, verifies_until = ? WHERE revoked_at IS NULL RETURNING kid",
        (now, expires_at),
    ).fetchall()
    return append(db, [draft_entry("key", kid) for (kid,) in kids], event, result=None, now=now, store_now=store_now)
