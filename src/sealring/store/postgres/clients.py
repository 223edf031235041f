"""Registered clients in PostgreSQL. Writing functions run inside a transaction; reading ones are a statement."""

# ruff: noqa: S608
# only column names of our own are put into statements; every value is a parameter

from __future__ import annotations

from typing import assert_never

from psycopg.errors import UniqueViolation

from sealring.accounts.oauth_client import (
    ClientChange,
    ClientRemoval,
    ClientScopesChange,
    ClientSecretChange,
    OAuthClient,
)
from sealring.audit.event import Event
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import RollBack
from sealring.store.postgres.logs import append_and_commit, end_subject, lock_subject
from sealring.store.records import Committed
from sealring.store.rows import CLIENT_COLUMNS, CLIENT_COLUMNS_OF_C, read_client, write_client, write_scopes

_SELECT = f"SELECT {CLIENT_COLUMNS_OF_C}, s.epoch FROM clients AS c JOIN subjects AS s ON s.subject = c.id"


async def create(connection: Connection, client: OAuthClient, event: Event) -> Committed[None]:
    """Add a client and its subject; the unique index decides, so of many at once one succeeds."""
    try:
        await connection.execute(
            "INSERT INTO subjects (subject, epoch) VALUES (%s, %s)",
            (client.id, client.epoch),
        )
    except UniqueViolation:
        raise ValueError("a subject is never used again") from None
    await connection.execute(
        f"INSERT INTO clients ({CLIENT_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s)", write_client(client)
    )
    return await append_and_commit(connection, (), event, result=None)


async def find(connection: Connection, id: str) -> OAuthClient | None:
    """The client of an id."""
    cursor = await connection.execute(f"{_SELECT} WHERE c.id = %s", (id,))
    row = await cursor.fetchone()
    return None if row is None else read_client(row)


async def list_after(connection: Connection, after: str, limit: int) -> list[OAuthClient]:
    """Clients by id."""
    cursor = await connection.execute(f"{_SELECT} WHERE c.id > %s ORDER BY c.id LIMIT %s", (after, limit))
    return [read_client(row) for row in await cursor.fetchall()]


async def change(connection: Connection, id: str, change: ClientChange, event: Event, *, now: int) -> Committed[bool]:
    """Change a client and kill its tokens; false when there is none. The subject's row is locked first, as ever."""
    if await lock_subject(connection, id) is None:
        raise RollBack(Committed(result=False))
    match change:
        case ClientSecretChange():
            changed = await connection.execute(
                "UPDATE clients SET secret_digest = %s WHERE id = %s", (change.secret_digest, id)
            )
        case ClientScopesChange():
            changed = await connection.execute(
                "UPDATE clients SET scopes = %s WHERE id = %s", (write_scopes(change.scopes), id)
            )
        case ClientRemoval():
            changed = await connection.execute("DELETE FROM clients WHERE id = %s", (id,))
            if changed.rowcount == 1:
                await connection.execute("UPDATE subjects SET deleted = TRUE WHERE subject = %s", (id,))
        case _:
            assert_never(change)
    if changed.rowcount != 1:
        raise RollBack(Committed(result=False))
    draft, _ = await end_subject(connection, id, "subject_revoked", keep=None, now=now)
    return await append_and_commit(connection, [draft], event, result=True, now=now)
