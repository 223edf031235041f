"""What counts once, in PostgreSQL: put and taken by one statement each."""

# ruff: noqa: S608
# only column names of our own are put into statements; every value is a parameter

from __future__ import annotations

from sealring.authentication.one_time import OneTime
from sealring.store.postgres.connection import Connection
from sealring.store.rows import ONE_TIME_COLUMNS, read_one_time, write_one_time

PIECE = 500
"""Rows forgotten by one statement."""


async def put(connection: Connection, one_time: OneTime) -> bool:
    """Keep it, unless its digest is there."""
    added = await connection.execute(
        f"INSERT INTO one_time ({ONE_TIME_COLUMNS}) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (digest) DO NOTHING",
        write_one_time(one_time),
    )
    return added.rowcount == 1


async def take(connection: Connection, digest: str, purpose: str, now: int) -> OneTime | None:
    """Take it, if it is for this purpose and has not expired."""
    cursor = await connection.execute(
        f"DELETE FROM one_time WHERE digest = %s AND purpose = %s AND expires_at > %s RETURNING {ONE_TIME_COLUMNS}",
        (digest, purpose, now),
    )
    row = await cursor.fetchone()
    return None if row is None else read_one_time(row)


async def purge(connection: Connection, now: int) -> bool:
    """Forget a piece of what has expired; whether there may be more."""
    deleted = await connection.execute(
        "DELETE FROM one_time WHERE digest IN (SELECT digest FROM one_time WHERE expires_at <= %s LIMIT %s)",
        (now, PIECE),
    )
    return deleted.rowcount == PIECE
