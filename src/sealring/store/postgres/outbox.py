"""Mails to be sent, in PostgreSQL: taken and forgotten by one statement each."""

# ruff: noqa: S608
# only column names and numbers of our own are put into statements; every value is a parameter

from __future__ import annotations

from collections.abc import Iterable

from sealring.audit.event import Event
from sealring.audit.queued_mail import FIRST_RETRY_SECONDS, MAX_DOUBLINGS, QueuedMail
from sealring.store.postgres.connection import Connection
from sealring.store.rows import MAIL_COLUMNS, read_mail, write_mail

PIECE = 500
"""Rows forgotten by one statement."""


async def put(connection: Connection, events: Iterable[Event]) -> None:
    """Keep the mails of these audit lines, inside their transaction."""
    for event in events:
        for mail in event.mails:
            await connection.execute(
                f"INSERT INTO outbox ({MAIL_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", write_mail(mail)
            )


async def claim(connection: Connection, now: int, limit: int) -> list[QueuedMail]:
    """Take those that are due. A row that another node is taking is passed over."""
    cursor = await connection.execute(
        f"UPDATE outbox SET due_at = %s + ({FIRST_RETRY_SECONDS} << least(tries, {MAX_DOUBLINGS})::INTEGER),"
        " tries = tries + 1 WHERE id IN"
        " (SELECT id FROM outbox WHERE due_at <= %s ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)"
        f" RETURNING {MAIL_COLUMNS}",
        (now, now, limit),
    )
    return [read_mail(row) for row in await cursor.fetchall()]


async def finish(connection: Connection, id: str) -> bool:
    """Forget one."""
    return (await connection.execute("DELETE FROM outbox WHERE id = %s", (id,))).rowcount == 1


async def purge(connection: Connection, now: int) -> bool:
    """Forget a piece of what is of no use any more; whether there may be more."""
    deleted = await connection.execute(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE expires_at <= %s LIMIT %s)", (now, PIECE)
    )
    return deleted.rowcount == PIECE
