"""What counts once, in SQLite: put and taken by one statement each."""

# ruff: noqa: S608
# only column names of our own are put into statements; every value is a parameter

from __future__ import annotations

import sqlite3

from sealring.authentication.one_time import OneTime
from sealring.store.rows import ONE_TIME_COLUMNS, read_one_time, write_one_time

PIECE = 500
"""Rows forgotten by one statement."""


def put(db: sqlite3.Connection, one_time: OneTime) -> bool:
    """Keep it, unless its digest is there."""
    added = db.execute(
        f"INSERT INTO one_time ({ONE_TIME_COLUMNS}) VALUES (?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
        write_one_time(one_time),
    )
    return added.rowcount == 1


def take(db: sqlite3.Connection, digest: str, purpose: str, now: int) -> OneTime | None:
    """Take it, if it is for this purpose and has not expired."""
    row = db.execute(
        f"DELETE FROM one_time WHERE digest = ? AND purpose = ? AND expires_at > ? RETURNING {ONE_TIME_COLUMNS}",
        (digest, purpose, now),
    ).fetchone()
    return None if row is None else read_one_time(row)


def purge(db: sqlite3.Connection, now: int) -> bool:
    """Forget a piece of what has expired; whether there may be more."""
    deleted = db.execute(
        "DELETE FROM one_time WHERE digest IN (SELECT digest FROM one_time WHERE expires_at <= ? LIMIT ?)",
        (now, PIECE),
    )
    return deleted.rowcount == PIECE
