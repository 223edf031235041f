"""Lives of access tokens in SQLite: see `Store.declare_access_ttl`. Runs inside the writer's transaction."""

from __future__ import annotations

import sqlite3

from sealring.sessions.access_ttl import DeclaredTtl


def declare(db: sqlite3.Connection, seconds: int, *, now: int, until: int, lapsed: int) -> tuple[DeclaredTtl, ...]:
    """Drop what ended before `lapsed`, put this life in or renew it, and note the longest beside the counters."""
    db.execute("DELETE FROM access_ttls WHERE until < ?", (lapsed,))
    db.execute(
        "INSERT INTO access_ttls (seconds, since, until) VALUES (?, ?, ?)"
        " ON CONFLICT (seconds) DO UPDATE SET until = max(until, excluded.until)",
        (seconds, now, until),
    )
    rows = db.execute("SELECT seconds, since, until FROM access_ttls ORDER BY seconds DESC").fetchall()
    db.execute("UPDATE store SET longest_access_ttl = ?", (rows[0][0],))
    return tuple(DeclaredTtl(*row) for row in rows)
