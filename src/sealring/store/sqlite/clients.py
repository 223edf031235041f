"""Registered clients in SQLite. Every writing function runs inside the writer's transaction."""

# ruff: noqa: S608
# only column names of our own are put into statements; every value is a parameter

from __future__ import annotations

import sqlite3
from typing import assert_never

from sealring.accounts.oauth_client import (
    ClientChange,
    ClientRemoval,
    ClientScopesChange,
    ClientSecretChange,
    OAuthClient,
)
from sealring.audit.event import Event
from sealring.store.records import Committed
from sealring.store.rows import CLIENT_COLUMNS, CLIENT_COLUMNS_OF_C, read_client, write_client, write_scopes
from sealring.store.sqlite.logs import append, end_subject

_SELECT = f"SELECT {CLIENT_COLUMNS_OF_C}, s.epoch FROM clients AS c JOIN subjects AS s ON s.subject = c.id"


def create(db: sqlite3.Connection, client: OAuthClient, event: Event) -> Committed[None]:
    """Add a client and its subject."""
    if db.execute("SELECT 1 FROM subjects WHERE subject = ?", (client.id,)).fetchone():
        raise ValueError("a subject is never used again")
    db.execute("INSERT INTO subjects (subject, epoch) VALUES (?, ?)", (client.id, client.epoch))
    db.execute(f"INSERT INTO clients ({CLIENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", write_client(client))
    return append(db, (), event, result=None)


def find(db: sqlite3.Connection, id: str) -> OAuthClient | None:
    """The client of an id."""
    row = db.execute(f"{_SELECT} WHERE c.id = ?", (id,)).fetchone()
    return None if row is None else read_client(row)


def list_after(db: sqlite3.Connection, after: str, limit: int) -> list[OAuthClient]:
    """Clients by id."""
    rows = db.execute(f"{_SELECT} WHERE c.id > ? ORDER BY c.id LIMIT ?", (after, limit))
    return [read_client(row) for row in rows]


def change(
    db: sqlite3.Connection, id: str, change: ClientChange, event: Event, *, now: int, store_now: int
) -> Committed[bool]:
    """Change a client and kill its tokens; false when there is none."""
    match change:
        case ClientSecretChange():
            changed = db.execute("UPDATE clients SET secret_digest = ? WHERE id = ?", (change.secret_digest, id))
        case ClientScopesChange():
            changed = db.execute("UPDATE clients SET scopes = ? WHERE id = ?", (write_scopes(change.scopes), id))
        case ClientRemoval():
            changed = db.execute("DELETE FROM clients WHERE id = ?", (id,))
            if changed.rowcount == 1:
                db.execute("UPDATE subjects SET deleted = 1 WHERE subject = ?", (id,))
        case _:
            assert_never(change)
    if changed.rowcount != 1:
        return Committed(result=False)
    draft, _ = end_subject(db, id, "subject_revoked", keep=None, now=now)
    return append(db, [draft], event, result=True, now=now, store_now=store_now)
