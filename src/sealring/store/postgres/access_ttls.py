"""Lives of access tokens in PostgreSQL: see `Store.declare_access_ttl`."""

from __future__ import annotations

from sealring.errors import StoreUnavailable
from sealring.sessions.access_ttl import DeclaredTtl
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.heartbeat import NOW_MS


async def declare(connection: Connection, seconds: int, *, now: int, until: int) -> tuple[DeclaredTtl, ...]:
    """Drop what has ended, put this life in or renew it, and note the longest beside the counters.

    The counter row is locked by a statement of its own first, so that the later statements see what every earlier
    declaration wrote, and every revocation that commits later sees the longest life (N1). A process does this twice an
    hour.
    """
    cursor = await connection.execute(f"SELECT {NOW_MS} / 1000 FROM store FOR UPDATE")  # noqa: S608 - a constant
    row = await cursor.fetchone()
    if row is None:
        raise StoreUnavailable("the store has lost its counter row")
    await connection.execute("DELETE FROM access_ttls WHERE until < %s", (min(now, row[0]),))
    await connection.execute(
        "INSERT INTO access_ttls AS t (seconds, since, until) VALUES (%s, %s, %s)"
        " ON CONFLICT (seconds) DO UPDATE SET until = greatest(t.until, excluded.until)",
        (seconds, now, until),
    )
    cursor = await connection.execute("SELECT seconds, since, until FROM access_ttls ORDER BY seconds DESC")
    rows = await cursor.fetchall()
    await connection.execute("UPDATE store SET longest_access_ttl = %s", (rows[0][0],))
    return tuple(DeclaredTtl(*row) for row in rows)
