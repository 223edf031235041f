"""Subjects, the feed and the audit log in PostgreSQL. Every writing function runs inside a transaction.

Lock order, the same everywhere: the subject's row, then rows of sessions, then the counter row as the last statement.
The counter row stays locked until the commit is done, so numbers are given in commit order and without gaps (design D6,
F1, F2); it is locked for one statement and one flush, however long the transaction took before.
"""

# ruff: noqa: S608
# only column names and conditions of our own are put into statements; every value is a parameter

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from sealring.audit.event import Event
from sealring.errors import StoreUnavailable
from sealring.revocation.entry import Entry
from sealring.revocation.feed import FeedPage
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.sessions.refresh import renew
from sealring.sessions.session import EndCause
from sealring.store.postgres import outbox
from sealring.store.postgres.array_literals import number_array, text_array
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import execute_and_commit
from sealring.store.postgres.heartbeat import NOW_MS
from sealring.store.records import Committed
from sealring.store.revocation_log import COUNTER_COLUMNS, digest_of, draft_entry, feed_page, number_all
from sealring.store.rows import (
    ENTRY_COLUMNS,
    EVENT_COLUMNS,
    SESSION_COLUMNS,
    read_entry,
    read_event,
    read_session,
    set_moving,
    write_event,
    write_moving,
)

CHANNEL = "sealring"
"""NOTIFY carries the newest number here: a hint to poll, never the change itself (F12)."""

_NUMBERED = f"""
WITH counter AS (
  UPDATE store SET head = head + %(entries)s, last_event = last_event + %(events)s, digest = digest # %(digest)s
  RETURNING head, head - %(entries)s AS old_head, last_event - %(events)s AS old_event,
    greatest(%(now)s, {NOW_MS} / 1000) + longest_access_ttl + {LEEWAY_SECONDS} AS expires_at
), lines AS (
  INSERT INTO events ({EVENT_COLUMNS})
  SELECT counter.old_event + v.place, v.kind, v.at_ms, v.subject, v.session, v.address, v.cause, v.detail
  FROM counter, unnest(
    %(event_kinds)s::TEXT[], %(at_ms)s::BIGINT[], %(subjects)s::TEXT[], %(sessions)s::TEXT[], %(addresses)s::TEXT[],
    %(causes)s::TEXT[], %(details)s::TEXT[]
  ) WITH ORDINALITY AS v (kind, at_ms, subject, session, address, cause, detail, place)
), entries AS (
  INSERT INTO revocations ({ENTRY_COLUMNS})
  SELECT counter.old_head + v.place, v.id, v.kind, v.target, v.epoch, counter.expires_at
  FROM counter, unnest(
    %(ids)s::TEXT[], %(kinds)s::TEXT[], %(targets)s::TEXT[], %(epochs)s::BIGINT[]
  ) WITH ORDINALITY AS v (id, kind, target, epoch, place)
)
"""
_APPEND = f"{_NUMBERED} SELECT head, old_event, expires_at FROM counter"
_APPEND_AND_NOTIFY = f"""
{_NUMBERED} SELECT head, old_event, expires_at, CASE WHEN %(entries)s > 0 THEN pg_notify('{CHANNEL}', head::TEXT) END
FROM counter
"""


Result = TypeVar("Result")


async def append_and_commit(
    connection: Connection, drafts: Sequence[Entry], *events: Event, result: Result, now: int = 0
) -> Committed[Result]:
    """Number entries and audit lines by the counter row, write them, and commit: the end of the transaction.

    The end of the entries is `retained_until` of `revocation_log`, in SQL: this statement waits for the counter row,
    and only what it reads there after that is the longest life in use.

    Args:
        connection: inside a transaction.
        drafts: revocations.
        events: audit lines.
        result: of the method that the transaction carries out.
        now: the time of the revocation; with `drafts` only.
    """
    await outbox.put(connection, events)
    kinds, at_ms, subjects, sessions, addresses, causes, details = zip(*map(write_event, events), strict=True)
    rows = await execute_and_commit(
        connection,
        _APPEND_AND_NOTIFY if connection.can_notify else _APPEND,
        {
            "entries": len(drafts),
            "events": len(events),
            "digest": digest_of(drafts),
            "event_kinds": text_array(kinds),
            "at_ms": number_array(at_ms),
            "subjects": text_array(subjects),
            "sessions": text_array(sessions),
            "addresses": text_array(addresses),
            "causes": text_array(causes),
            "details": text_array(details),
            "ids": text_array(draft.id for draft in drafts),
            "kinds": text_array(draft.kind for draft in drafts),
            "targets": text_array(draft.target for draft in drafts),
            "epochs": number_array(draft.epoch for draft in drafts),
            "now": now,
        },
    )
    if not rows:
        raise StoreUnavailable("the store has lost its counter row")
    head, old_event, expires_at = rows[0][:3]
    return number_all(
        drafts, events, head=head - len(drafts), last_event=old_event, expires_at=expires_at, result=result
    )


async def lock_subject(connection: Connection, subject: str) -> int | None:
    """Lock the subject's row and return its epoch; none when there is no such row.

    FOR UPDATE and not FOR SHARE: who starts a session must also wait for another that starts one, or two would each
    count the subject's sessions without the other's and leave more than the cap.
    """
    cursor = await connection.execute("SELECT epoch FROM subjects WHERE subject = %s FOR UPDATE", (subject,))
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def ensure_subject(connection: Connection, subject: str) -> None:
    """Give a subject of the application's own a row, so that there is something to lock."""
    await connection.execute(
        "INSERT INTO subjects (subject, epoch) VALUES (%s, 0) ON CONFLICT (subject) DO NOTHING", (subject,)
    )


async def raise_epoch(connection: Connection, subject: str) -> Entry:
    """Raise the epoch, which locks the subject's row, and the entry that says so."""
    cursor = await connection.execute(
        "INSERT INTO subjects AS u (subject, epoch) VALUES (%s, 1)"
        " ON CONFLICT (subject) DO UPDATE SET epoch = u.epoch + 1 RETURNING epoch",
        (subject,),
    )
    (row,) = await cursor.fetchall()
    return draft_entry("subject", subject, epoch=row[0])


async def end_subject(
    connection: Connection, subject: str, cause: EndCause, *, keep: str | None, now: int
) -> tuple[Entry, int]:
    """Raise the epoch and end the subject's sessions, all but `keep`; the entry, and how many ended.

    The epoch first: it locks the subject, so the second statement sees every session that had started before, and a
    login that starts one later waits and finds the raised epoch. A refresh does not lock the subject: it and this wait
    for each other at the session's row, and whichever comes second finds what the first one left there.
    """
    draft = await raise_epoch(connection, subject)
    ended = await connection.execute(
        "UPDATE sessions SET ended_at = %s, ended_by = %s WHERE ended_at IS NULL AND id IN (SELECT id FROM sessions"
        " WHERE subject = %s AND ended_at IS NULL AND id IS DISTINCT FROM %s ORDER BY id FOR UPDATE)",
        (now, cause, subject, keep),
    )
    return draft, ended.rowcount


async def renew_session(connection: Connection, subject: str, id: str, now: int) -> None:
    """Kill every refresh token of a session that goes on: see `sealring.sessions.refresh.renew`.

    All rows of the subject are locked, by id: the others end next, and are locked in that order too.
    """
    cursor = await connection.execute(
        f"SELECT {SESSION_COLUMNS} FROM sessions WHERE subject = %s AND ended_at IS NULL ORDER BY id FOR UPDATE",
        (subject,),
    )
    kept = next((session for session in map(read_session, await cursor.fetchall()) if session.id == id), None)
    if kept is not None and (renewed := renew(kept, now * 1000)) is not None:
        await connection.execute(f"UPDATE sessions SET {set_moving('%s')} WHERE id = %s", (*write_moving(renewed), id))


async def time_ms(connection: Connection) -> int:
    """The server's clock."""
    cursor = await connection.execute(f"SELECT {NOW_MS}")
    ((now_ms,),) = await cursor.fetchall()
    return int(now_ms)


async def load_feed(connection: Connection, after: int | None) -> FeedPage:
    """A page of the feed with its head and the last heartbeat that was acknowledged, from one snapshot (F8).

    Raises:
        StoreUnavailable: this server is a standby, which may lag or have been left behind (F8).
    """
    async with connection.snapshot():
        cursor = await connection.execute(
            f"SELECT {COUNTER_COLUMNS}, pg_is_in_recovery(), at_ms, {NOW_MS} FROM store CROSS JOIN heartbeat"
        )
        rows = await cursor.fetchall()
        if not rows:
            raise StoreUnavailable("the store has lost its counter row or its heartbeat")
        ((*counters, standby, acknowledged_ms, time_ms),) = rows
        if standby:
            raise StoreUnavailable("this PostgreSQL is a standby; the feed is read from the primary only")
        entries = await (_read_all(connection) if after is None else _read_after(connection, after))
    return feed_page(tuple(counters), entries, after=after, time_ms=time_ms, acknowledged_ms=acknowledged_ms)


async def _read_after(connection: Connection, after: int) -> tuple[Entry, ...]:
    cursor = await connection.execute(
        f"SELECT {ENTRY_COLUMNS} FROM revocations WHERE number > %s ORDER BY number", (after,)
    )
    return tuple(map(read_entry, await cursor.fetchall()))


async def _read_all(connection: Connection) -> tuple[Entry, ...]:
    """By a cursor on the server, piece by piece: this process answers requests in between."""
    await connection.execute(f"SET LOCAL statement_timeout = {FULL_LOAD_SECONDS * 1000}")
    entries: list[Entry] = []
    async with connection.cursor(name="sealring_feed") as cursor:
        await cursor.execute(f"SELECT {ENTRY_COLUMNS} FROM revocations ORDER BY number")
        while rows := await cursor.fetchmany(PIECE):
            entries.extend(map(read_entry, rows))
    return tuple(entries)


FULL_LOAD_SECONDS = 300
"""A million entries take some ten seconds; a tail never does."""
PIECE = 2_000
"""Entries of a full load that are read at once: some five milliseconds."""


async def read_events(connection: Connection, after: int, limit: int) -> list[Event]:
    """Audit lines in order."""
    cursor = await connection.execute(
        f"SELECT {EVENT_COLUMNS} FROM events WHERE number > %s ORDER BY number LIMIT %s", (after, limit)
    )
    return [read_event(row) for row in await cursor.fetchall()]
