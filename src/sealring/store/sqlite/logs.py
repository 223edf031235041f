"""Subjects, the feed and the audit log in SQLite. Every function runs inside the writer's transaction."""

# ruff: noqa: S608
# only column names and conditions of our own are put into statements; every value is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, TypeVar

from sealring.audit.event import Event
from sealring.revocation.entry import Entry
from sealring.revocation.feed import FeedPage
from sealring.sessions.refresh import renew
from sealring.sessions.session import EndCause
from sealring.store.records import Committed
from sealring.store.revocation_log import (
    COUNTER_COLUMNS,
    digest_of,
    draft_entry,
    feed_page,
    number_all,
    retained_until,
)
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
from sealring.store.sqlite import outbox

Result = TypeVar("Result")


def append(
    db: sqlite3.Connection, drafts: Sequence[Entry], *events: Event, result: Result, now: int = 0, store_now: int = 0
) -> Committed[Result]:
    """Number entries and audit lines by the counter row, and write them. The end of every transaction that has any.

    Args:
        db: inside a transaction.
        drafts: revocations.
        events: audit lines.
        result: of the method that the transaction carries out.
        now: the time of the revocation; with `drafts` only, as the next.
        store_now: of the store.
    """
    # a ^ b is (a | b) - (a & b); SQLite has no XOR
    head, last_event, longest = db.execute(
        "UPDATE store SET head = head + :entries, last_event = last_event + :events,"
        " digest = (digest | :digest) - (digest & :digest) RETURNING head, last_event, longest_access_ttl",
        {"entries": len(drafts), "events": len(events), "digest": digest_of(drafts)},
    ).fetchone()
    expires_at = retained_until(longest, now=now, store_now=store_now)
    committed = number_all(
        drafts,
        events,
        head=head - len(drafts),
        last_event=last_event - len(events),
        expires_at=expires_at,
        result=result,
    )
    db.executemany(
        f"INSERT INTO revocations ({ENTRY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (entry.number, entry.id, entry.kind, entry.target, entry.epoch, entry.expires_at)
            for entry in committed.entries
        ],
    )
    db.executemany(
        f"INSERT INTO events ({EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(line.number, *write_event(line)) for line in committed.events],
    )
    outbox.put(db, events)
    return committed


def epoch_of(db: sqlite3.Connection, subject: str) -> int:
    """The subject's epoch; 0 for one whose epoch was never raised."""
    row: tuple[int] | None = db.execute("SELECT epoch FROM subjects WHERE subject = ?", (subject,)).fetchone()
    return 0 if row is None else row[0]


def raise_epoch(db: sqlite3.Connection, subject: str) -> Entry:
    """Raise the epoch, and the entry that says so."""
    (epoch,) = db.execute(
        "INSERT INTO subjects (subject, epoch) VALUES (?, 1)"
        " ON CONFLICT (subject) DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
        (subject,),
    ).fetchone()
    return draft_entry("subject", subject, epoch=epoch)


def end_subject(
    db: sqlite3.Connection, subject: str, cause: EndCause, *, keep: str | None, now: int
) -> tuple[Entry, int]:
    """Raise the epoch and end the subject's sessions, all but `keep`; the entry, and how many ended."""
    ended = db.execute(
        "UPDATE sessions SET ended_at = ?, ended_by = ? WHERE subject = ? AND ended_at IS NULL AND id IS NOT ?",
        (now, cause, subject, keep),
    )
    return raise_epoch(db, subject), ended.rowcount


def renew_session(db: sqlite3.Connection, subject: str, id: str, now: int) -> None:
    """Kill every refresh token of a session that goes on: see `sealring.sessions.refresh.renew`."""
    row = db.execute(f"SELECT {SESSION_COLUMNS} FROM sessions WHERE id = ? AND subject = ?", (id, subject)).fetchone()
    if row is not None and (renewed := renew(read_session(row), now * 1000)) is not None:
        db.execute(f"UPDATE sessions SET {set_moving('?')} WHERE id = ?", (*write_moving(renewed), id))


def load_feed(db: sqlite3.Connection, after: int | None, time_ms: int) -> FeedPage:
    """A page of the feed with its head, from one snapshot."""
    db.execute("BEGIN")
    counters = db.execute(f"SELECT {COUNTER_COLUMNS} FROM store").fetchone()
    entries = tuple(
        map(
            read_entry,
            db.execute(
                f"SELECT {ENTRY_COLUMNS} FROM revocations WHERE number > ? ORDER BY number",
                (-1 if after is None else after,),
            ),
        )
    )
    db.execute("COMMIT")
    return feed_page(counters, entries, after=after, time_ms=time_ms)


def read_incarnation(db: sqlite3.Connection) -> str:
    """Of the feed."""
    (found,) = db.execute("SELECT incarnation FROM store").fetchone()
    return str(found)


def read_entries(db: sqlite3.Connection, *, after: int, limit: int) -> list[Entry]:
    """Some entries after a number, in order."""
    query = f"SELECT {ENTRY_COLUMNS} FROM revocations WHERE number > ? ORDER BY number LIMIT ?"
    return list(map(read_entry, db.execute(query, (after, limit))))


def read_events(db: sqlite3.Connection, after: int, limit: int) -> list[Event]:
    """Audit lines in order."""
    rows: Any = db.execute(
        f"SELECT {EVENT_COLUMNS} FROM events WHERE number > ? ORDER BY number LIMIT ?", (after, limit)
    )
    return [read_event(row) for row in rows]
