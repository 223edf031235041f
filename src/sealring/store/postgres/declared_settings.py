"""Settings of processes in PostgreSQL: see `Store.declare_settings`."""

from __future__ import annotations

from sealring.sessions.declared_settings import DeclaredSettings, conflict_of
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.heartbeat import NOW_MS


async def declare(
    connection: Connection, mine: DeclaredSettings, *, lease_seconds: int
) -> tuple[DeclaredSettings, ...]:
    """Renew the declaration, or make it unless one contradicts; what others have declared.

    To renew locks one row that nobody else writes. A new one locks the counter row first, in a statement of its own: of
    two that start at once with different issuers, the second sees the first.
    """
    cursor = await connection.execute(
        f"UPDATE declared_settings SET until = {NOW_MS} / 1000 + %s WHERE process = %s",  # noqa: S608 - a constant
        (lease_seconds, mine.process),
    )
    is_new = cursor.rowcount == 0
    if is_new:
        await connection.execute("SELECT one FROM store FOR UPDATE")
    cursor = await connection.execute(
        "SELECT DISTINCT issuer, previous_issuer, audience, algorithm, cookie_name FROM declared_settings"  # noqa: S608 - as above
        f" WHERE process <> %s AND until >= {NOW_MS} / 1000",
        (mine.process,),
    )
    others = tuple(
        DeclaredSettings(
            process="", issuer=row[0], previous_issuer=row[1], audience=row[2], algorithm=row[3], cookie_name=row[4]
        )
        for row in await cursor.fetchall()
    )
    if is_new and conflict_of(mine, others) is None:
        await connection.execute(f"DELETE FROM declared_settings WHERE until < {NOW_MS} / 1000")  # noqa: S608 - as above
        await connection.execute(
            "INSERT INTO declared_settings"  # noqa: S608 - as above
            " (process, issuer, previous_issuer, audience, algorithm, cookie_name, until)"
            f" VALUES (%s, %s, %s, %s, %s, %s, {NOW_MS} / 1000 + %s)",
            (
                mine.process, mine.issuer, mine.previous_issuer, mine.audience, mine.algorithm, mine.cookie_name,
                lease_seconds,
            ),
        )  # fmt: skip
    return others


async def list_live(connection: Connection) -> tuple[tuple[DeclaredSettings, int], ...]:
    """Every declaration whose time is not over, and the seconds that are left."""
    cursor = await connection.execute(
        f"SELECT process, issuer, previous_issuer, audience, algorithm, cookie_name, until - {NOW_MS} / 1000"  # noqa: S608 - a constant
        f" FROM declared_settings WHERE until >= {NOW_MS} / 1000 ORDER BY process"
    )
    return tuple(
        (
            DeclaredSettings(
                process=row[0],
                issuer=row[1],
                previous_issuer=row[2],
                audience=row[3],
                algorithm=row[4],
                cookie_name=row[5],
            ),
            row[6],
        )
        for row in await cursor.fetchall()
    )


async def withdraw(connection: Connection, process: str) -> None:
    """Forget what that process has declared."""
    await connection.execute("DELETE FROM declared_settings WHERE process = %s", (process,))
