"""Mails to be sent, in SQLite. Every function runs inside the writer's transaction."""

# ruff: noqa: S608
# only column names and numbers of our own are put into statements; every value is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from sealring.audit.event import Event
from sealring.audit.queued_mail import FIRST_RETRY_SECONDS, MAX_DOUBLINGS, QueuedMail
from sealring.store.rows import MAIL_COLUMNS, read_mail, write_mail

PIECE = 500
"""Rows forgotten by one statement."""


def put(db: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Keep the mails of these audit lines."""
    mails = [write_mail(mail) for event in events for mail in event.mails]
    db.executemany(f"INSERT INTO outbox ({MAIL_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", mails)


def claim(db: sqlite3.Connection, now: int, limit: int) -> list[QueuedMail]:
    """Take those that are due."""
    rows = db.execute(
        f"UPDATE outbox SET due_at = :now + ({FIRST_RETRY_SECONDS} << min(tries, {MAX_DOUBLINGS})), tries = tries + 1"
        " WHERE id IN (SELECT id FROM outbox WHERE due_at <= :now ORDER BY due_at LIMIT :limit)"
        f" RETURNING {MAIL_COLUMNS}",
        {"now": now, "limit": limit},
    )
    return [read_mail(row) for row in rows.fetchall()]


def finish(db: sqlite3.Connection, id: str) -> bool:
    """Forget one."""
    return db.execute("DELETE FROM outbox WHERE id = ?", (id,)).rowcount == 1


def purge(db: sqlite3.Connection, now: int) -> bool:
    """Forget a piece of what is of no use any more; whether there may be more."""
    deleted = db.execute(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE expires_at <= ? LIMIT ?)", (now, PIECE)
    )
    return deleted.rowcount == PIECE
