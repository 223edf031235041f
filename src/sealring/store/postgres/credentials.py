"""Credentials in PostgreSQL. What makes or removes one runs inside a transaction that has locked the subject."""

# ruff: noqa: S608
# only column names and conditions of our own are put into statements; every value is a parameter

from __future__ import annotations

from typing import Any

from psycopg import AsyncCursor

from sealring.accounts.account import Account
from sealring.accounts.changes import CredentialAdded, CredentialRemoved
from sealring.accounts.credential import Credential
from sealring.errors import InvalidField
from sealring.store.postgres.connection import Connection
from sealring.store.rows import (
    ACCOUNT_COLUMNS_OF_A,
    CREDENTIAL_COLUMNS,
    CREDENTIAL_COLUMNS_OF_C,
    read_credential,
    read_credential_owner,
    write_credential,
    write_text,
)

_OWNER = (
    f"SELECT {CREDENTIAL_COLUMNS_OF_C}, {ACCOUNT_COLUMNS_OF_A}, s.epoch FROM credentials AS c"
    " JOIN accounts AS a ON a.id = c.account_id JOIN subjects AS s ON s.subject = a.id"
)


async def find(connection: Connection, account_id: str | None, id: str | None) -> list[Credential]:
    """Those of an account, or the one of an id."""
    column, value = ("id", id) if account_id is None else ("account_id", account_id)
    cursor = await connection.execute(
        f"SELECT {CREDENTIAL_COLUMNS} FROM credentials WHERE {column} = %s ORDER BY created_at, id", (value,)
    )
    return [read_credential(row) for row in await cursor.fetchall()]


async def find_owner(connection: Connection, id: str) -> tuple[Account, Credential] | None:
    """The one of an id with its account, by one statement."""
    cursor = await connection.execute(f"{_OWNER} WHERE c.id = %s", (id,))
    row = await cursor.fetchone()
    return None if row is None else read_credential_owner(row)


async def change(
    connection: Connection, account_id: str, change: CredentialAdded | CredentialRemoved
) -> AsyncCursor[Any]:
    """Add one to an account that is there, unless its id is taken; or remove one that is the account's.

    Nothing is changed when the account's epoch has moved; the caller has locked its row.
    """
    if isinstance(change, CredentialRemoved):
        return await connection.execute(
            "DELETE FROM credentials WHERE id = %s AND account_id = %s"
            " AND EXISTS (SELECT 1 FROM subjects WHERE subject = credentials.account_id AND epoch = %s)",
            (change.credential_id, account_id, change.epoch),
        )
    own = change.credential
    return await connection.execute(
        f"INSERT INTO credentials ({CREDENTIAL_COLUMNS}) SELECT %s, a.id, %s, %s, %s, %s, %s, %s, %s FROM accounts AS a"
        " JOIN subjects AS s ON s.subject = a.id WHERE a.id = %s AND a.id = %s AND s.epoch = %s"
        " ON CONFLICT (id) DO NOTHING",
        (own.id, *write_credential(own)[2:], account_id, own.account_id, change.epoch),
    )


async def add_first(connection: Connection, credential: Credential) -> None:
    """Add the first one of an account that is made in the same transaction; the index decides, as of many at once."""
    added = await connection.execute(
        f"INSERT INTO credentials ({CREDENTIAL_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (id) DO NOTHING",
        write_credential(credential),
    )
    if added.rowcount == 0:
        raise InvalidField("credential", "is registered already")


async def forget(connection: Connection, account_id: str) -> None:
    """Remove all of an account."""
    await connection.execute("DELETE FROM credentials WHERE account_id = %s", (account_id,))


async def advance(connection: Connection, before: Credential, after: Credential) -> bool:
    """Compare-and-swap, by one statement."""
    cursor = await connection.execute(
        "UPDATE credentials SET counter = %s, label = %s, last_used_at = %s"
        " WHERE id = %s AND counter = %s AND label = %s AND last_used_at IS NOT DISTINCT FROM %s",
        (
            *(after.counter, write_text(after.label), after.last_used_at),
            *(before.id, before.counter, write_text(before.label), before.last_used_at),
        ),
    )
    return cursor.rowcount == 1
