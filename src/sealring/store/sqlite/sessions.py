"""Sessions in SQLite. Every function runs inside the writer's transaction, or reads by one statement."""

# ruff: noqa: S608
# only column names and conditions of our own are put into statements; every value is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import assert_never

from sealring.audit.event import Event
from sealring.sessions.revocation import EndSession, EndSubject, EndToken, RefreshClaims, Revocation
from sealring.sessions.session import EndCause, Session
from sealring.store.records import Committed, LoginGuard, SessionRecord, StatusIndexTaken
from sealring.store.revocation_log import draft_entry, session_ended
from sealring.store.rows import (
    ACCOUNT_COLUMNS_OF_A,
    SESSION_COLUMNS,
    SESSION_COLUMNS_OF_S,
    SESSION_NAMES,
    Row,
    read_session,
    read_session_record,
    set_moving,
    set_proof,
    write_moving,
    write_proof,
    write_session,
)
from sealring.store.sqlite import credentials, one_time
from sealring.store.sqlite.logs import append, end_subject, epoch_of, raise_epoch

_LIVE = "ended_at IS NULL AND expires_at > :now AND last_seen_at + idle_seconds > :now"
_UNMOVED = "id = ? AND generation = ? AND minted_ms = ? AND child_minted_ms IS ? AND ended_at IS NULL"
_ADVANCE = f"UPDATE sessions SET {set_moving('?')} WHERE {_UNMOVED}"
_PROVE = f"UPDATE sessions SET {set_proof('?')} WHERE id = ? AND subject = ? AND ended_at IS NULL"
_INSERT = f"INSERT INTO sessions ({SESSION_COLUMNS}) VALUES ({', '.join('?' for _ in SESSION_NAMES)})"


def _unmoved(session: Session) -> Row:
    return session.id, session.generation, session.minted_ms, session.child_minted_ms


def start(
    db: sqlite3.Connection,
    session: Session,
    event: Event,
    *,
    guard: LoginGuard | None,
    cap: int,
    replaces: str | None,
    store_now: int,
) -> Committed[int | None]:
    """Insert a session, and end what it replaces and what is one too many."""
    if not _may_start(db, session.subject, guard):
        return Committed(None)
    if session.status_index is not None and _is_taken(db, session.status_index):
        raise StatusIndexTaken
    use = None if guard is None else guard.use
    if use is not None:
        if not one_time.put(db, use.spent):
            return Committed(None)
        credentials.advance(db, use.before, use.after)
    now = session.created_at
    ended = _end(db, "id = :replaces", "replaced", {"replaces": replaces, "now": now})
    ended += _end(
        db,
        f"id IN (SELECT id FROM sessions WHERE subject = :subject AND {_LIVE}"
        " ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET :others)",
        "over_cap",
        {"subject": session.subject, "others": max(0, cap - 1), "now": now},
    )
    db.execute(_INSERT, write_session(session))
    return append(
        db,
        [draft_entry("session", sid) for sid, _, _ in ended],
        *(session_ended(event, session=sid, subject=subject, cause=cause) for sid, subject, cause in ended),
        *(() if use is None else use.events),
        event,
        result=epoch_of(db, session.subject),
        now=now,
        store_now=store_now,
    )


def _may_start(db: sqlite3.Connection, subject: str, guard: LoginGuard | None) -> bool:
    """Whether what was proved still holds; where nothing was, whether it is no account that is disabled or deleted."""
    if guard is None:
        inactive = db.execute(
            "SELECT 1 FROM subjects AS s LEFT JOIN accounts AS a ON a.id = s.subject"
            " WHERE s.subject = ? AND (s.deleted = 1 OR a.status = 'disabled')",
            (subject,),
        )
        return inactive.fetchone() is None
    proved = db.execute(
        "SELECT 1 FROM accounts AS a JOIN subjects AS s ON s.subject = a.id"
        " WHERE a.id = ? AND a.status = 'active' AND s.epoch = ?",
        (subject, guard.epoch),
    )
    return proved.fetchone() is not None


def _is_taken(db: sqlite3.Connection, status_index: int) -> bool:
    return db.execute("SELECT 1 FROM sessions WHERE status_index = ?", (status_index,)).fetchone() is not None


def ended_status_indexes(db: sqlite3.Connection) -> list[int]:
    """The status indexes of sessions that were ended."""
    rows = db.execute("SELECT status_index FROM sessions WHERE status_index IS NOT NULL AND ended_at IS NOT NULL")
    return [index for (index,) in rows]


def _end(
    db: sqlite3.Connection, which: str, cause: EndCause, values: dict[str, object]
) -> list[tuple[str, str, EndCause]]:
    rows = db.execute(
        f"UPDATE sessions SET ended_at = :now, ended_by = :cause WHERE ended_at IS NULL AND {which}"
        " RETURNING id, subject",
        {**values, "cause": cause},
    ).fetchall()
    return [(sid, subject, cause) for sid, subject in rows]


def read(db: sqlite3.Connection, id: str) -> SessionRecord | None:
    """The session with its account and epoch, by one statement."""
    row = db.execute(
        f"SELECT {SESSION_COLUMNS_OF_S}, {ACCOUNT_COLUMNS_OF_A}, coalesce(u.epoch, 0) FROM sessions AS s"
        " LEFT JOIN accounts AS a ON a.id = s.subject LEFT JOIN subjects AS u ON u.subject = s.subject WHERE s.id = ?",
        (id,),
    ).fetchone()
    return None if row is None else read_session_record(row)


def advance(db: sqlite3.Connection, before: Session, after: Session) -> bool:
    """Compare-and-swap."""
    return db.execute(_ADVANCE, (*write_moving(after), *_unmoved(before))).rowcount == 1


def reauthenticate(
    db: sqlite3.Connection, session: Session, event: Event, *, guard: LoginGuard | None
) -> Committed[bool]:
    """Put what was proved, if it still holds and the session has not ended."""
    if not _may_start(db, session.subject, guard):
        return Committed(result=False)
    if not db.execute(_PROVE, (*write_proof(session), session.id, session.subject)).rowcount:
        return Committed(result=False)
    return append(db, [], event, result=True)


def bind(db: sqlite3.Connection, before: Session, after: Session, event: Event) -> Committed[bool]:
    """Compare-and-swap of the device key."""
    bound = db.execute(
        "UPDATE sessions SET device_jwk = ?, device_bound_at = ?"
        " WHERE id = ? AND device_bound_at IS ? AND ended_at IS NULL",
        (after.device_jwk, after.device_bound_at, before.id, before.device_bound_at),
    )
    return append(db, [], event, result=True) if bound.rowcount == 1 else Committed(result=False)


def list_live(db: sqlite3.Connection, whose: Mapping[str, str | None], *, now: int, limit: int) -> list[Session]:
    """Live sessions, newest first; those whose columns are so, of the columns that are given."""
    given = {name: value for name, value in whose.items() if value is not None}
    # the empty text is said, since the partial indexes leave it out
    wanted = "".join(f"{name} = :{name} AND {name} <> '' AND " for name in given)
    rows = db.execute(
        f"SELECT {SESSION_COLUMNS} FROM sessions WHERE {wanted}{_LIVE} ORDER BY created_at DESC, id DESC LIMIT :limit",
        {**given, "now": now, "limit": limit},
    )
    return [read_session(row) for row in rows]


def revoke(
    db: sqlite3.Connection, revocation: Revocation, event: Event, *, now: int, store_now: int
) -> Committed[int | None]:
    """Carry out a revocation."""
    match revocation:
        case EndSession():
            if not _end_one(db, revocation, now):
                return Committed(None)
            draft, ended = draft_entry("session", revocation.id), 1
        case EndSubject():
            draft, ended = end_subject(db, revocation.subject, revocation.cause, keep=revocation.keep, now=now)
        case RefreshClaims():
            draft, ended = raise_epoch(db, revocation.subject), 0
        case EndToken():
            draft, ended = draft_entry("session", revocation.id), 1
        case _:
            assert_never(revocation)
    return append(db, [draft], event, result=ended, now=now, store_now=store_now)


def _end_one(db: sqlite3.Connection, revocation: EndSession, now: int) -> bool:
    where, values = "id = ? AND ended_at IS NULL", [revocation.id]
    if revocation.unmoved is not None:
        where, values = f"id = ? AND {_UNMOVED}", [revocation.id, *_unmoved(revocation.unmoved)]
    if revocation.subject is not None:
        where, values = f"{where} AND subject = ?", [*values, revocation.subject]
    ended = db.execute(
        f"UPDATE sessions SET ended_at = ?, ended_by = ? WHERE {where}", (now, revocation.cause, *values)
    )
    return ended.rowcount > 0
