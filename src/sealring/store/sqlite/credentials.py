"""Credentials in SQLite. Every writing function runs inside the writer's transaction."""

# ruff: noqa: S608
# only column names and conditions of our own are put into statements; every value is a parameter

from __future__ import annotations

import sqlite3

from sealring.accounts.account import Account
from sealring.accounts.changes import CredentialAdded, CredentialRemoved
from sealring.accounts.credential import Credential
from sealring.errors import InvalidField
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


def find(db: sqlite3.Connection, account_id: str | None, id: str | None) -> list[Credential]:
    """Those of an account, or the one of an id."""
    column, value = ("id", id) if account_id is None else ("account_id", account_id)
    rows = db.execute(
        f"SELECT {CREDENTIAL_COLUMNS} FROM credentials WHERE {column} = ? ORDER BY created_at, id", (value,)
    )
    return [read_credential(row) for row in rows]


def find_owner(db: sqlite3.Connection, id: str) -> tuple[Account, Credential] | None:
    """The one of an id with its account, by one statement."""
    row = db.execute(f"{_OWNER} WHERE c.id = ?", (id,)).fetchone()
    return None if row is None else read_credential_owner(row)


def change(db: sqlite3.Connection, account_id: str, change: CredentialAdded | CredentialRemoved) -> sqlite3.Cursor:
    """Add one to an account that is there, unless its id is taken; or remove one that is the account's.

    Nothing is changed when the account's epoch has moved.
    """
    if isinstance(change, CredentialRemoved):
        return db.execute(
            "DELETE FROM credentials WHERE id = ? AND account_id = ?"
            " AND EXISTS (SELECT 1 FROM subjects WHERE subject = credentials.account_id AND epoch = ?)",
            (change.credential_id, account_id, change.epoch),
        )
    own = change.credential
    return db.execute(
        f"INSERT INTO credentials ({CREDENTIAL_COLUMNS}) SELECT ?, a.id, ?, ?, ?, ?, ?, ?, ? FROM accounts AS a"
        " JOIN subjects AS s ON s.subject = a.id WHERE a.id = ? AND a.id = ? AND s.epoch = ?"
        " ON CONFLICT (id) DO NOTHING",
        (own.id, *write_credential(own)[2:], account_id, own.account_id, change.epoch),
    )


def add_first(db: sqlite3.Connection, credential: Credential) -> None:
    """Add the first one of an account that is made in the same transaction."""
    taken = db.execute("SELECT 1 FROM credentials WHERE id = ?", (credential.id,)).fetchone()
    if taken is not None:
        raise InvalidField("credential", "is registered already")
    db.execute(
        f"INSERT INTO credentials ({CREDENTIAL_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        write_credential(credential),
    )


def forget(db: sqlite3.Connection, account_id: str) -> None:
    """Remove all of an account."""
    db.execute("DELETE FROM credentials WHERE account_id = ?", (account_id,))


def advance(db: sqlite3.Connection, before: Credential, after: Credential) -> bool:
    """Compare-and-swap."""
    return (
        db.execute(
            "UPDATE credentials SET counter = ?, label = ?, last_used_at = ?"
            " WHERE id = ? AND counter = ? AND label = ? AND last_used_at IS ?",
            (
                *(after.counter, write_text(after.label), after.last_used_at),
                *(before.id, before.counter, write_text(before.label), before.last_used_at),
            ),
        ).rowcount
        == 1
    )
