"""Sessions in PostgreSQL. Every writing function runs inside a transaction; every reading one is a statement."""

# ruff: noqa: S608
# only column names and conditions of our own are put into statements; every value is a parameter

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from psycopg.errors import UniqueViolation

from sealring.audit.event import Event
from sealring.sessions.revocation import EndSubject, EndToken, RefreshClaims
from sealring.sessions.session import EndCause, Session
from sealring.store.postgres import credentials, one_time
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import RollBack
from sealring.store.postgres.heartbeat import witness
from sealring.store.postgres.logs import append_and_commit, end_subject, ensure_subject, lock_subject, raise_epoch
from sealring.store.records import Committed, LoginGuard, SessionRecord, StatusIndexTaken
from sealring.store.revocation_log import draft_entry, session_ended
from sealring.store.rows import (
    ACCOUNT_COLUMNS_OF_A,
    SESSION_COLUMNS,
    SESSION_COLUMNS_OF_S,
    SESSION_NAMES,
    read_session,
    read_session_record,
    set_proof,
    write_proof,
    write_session,
)

_LIVE = "ended_at IS NULL AND expires_at > %(now)s AND last_seen_at + idle_seconds > %(now)s"
_PROVE = f"UPDATE sessions SET {set_proof('%s')} WHERE id = %s AND subject = %s AND ended_at IS NULL"
_INSERT = f"INSERT INTO sessions ({SESSION_COLUMNS}) VALUES ({', '.join('%s' for _ in SESSION_NAMES)})"


async def start(
    connection: Connection,
    session: Session,
    event: Event,
    *,
    guard: LoginGuard | None,
    cap: int,
    replaces: str | None,
) -> Committed[int | None]:
    """Insert a session, and end what it replaces and what is one too many.

    The subject's row is locked first and until the commit: a password change, a disable or an "end all" that commits
    before is seen by the guard and in the epoch, one that commits later sees this session (U13, R5).
    """
    if guard is None:
        await ensure_subject(connection, session.subject)
    epoch = await lock_subject(connection, session.subject)
    if epoch is None or not await _may_start(connection, session.subject, epoch, guard):
        raise RollBack(Committed(None))
    use = None if guard is None else guard.use
    if use is not None:
        if not await one_time.put(connection, use.spent):
            raise RollBack(Committed(None))
        await credentials.advance(connection, use.before, use.after)
    now = session.created_at
    ended = await _end(connection, "id = %(replaces)s", "replaced", {"replaces": replaces, "now": now})
    ended += await _end(
        connection,
        f"id IN (SELECT id FROM sessions WHERE subject = %(subject)s AND {_LIVE}"
        " ORDER BY created_at DESC, id DESC OFFSET %(others)s)",
        "over_cap",
        {"subject": session.subject, "others": max(0, cap - 1), "now": now},
    )
    try:
        await connection.execute(_INSERT, write_session(session))
    except UniqueViolation as taken:
        if taken.diag.constraint_name != "sessions_status_index":
            raise
        raise StatusIndexTaken from None
    return await append_and_commit(
        connection,
        [draft_entry("session", sid) for sid, _, _ in ended],
        *(session_ended(event, session=sid, subject=subject, cause=cause) for sid, subject, cause in ended),
        *(() if use is None else use.events),
        event,
        result=epoch,
        now=now,
    )


async def _may_start(connection: Connection, subject: str, epoch: int, guard: LoginGuard | None) -> bool:
    """Whether what was proved still holds; where nothing was, whether it is no account that is disabled or deleted."""
    if guard is not None:
        cursor = await connection.execute("SELECT 1 FROM accounts WHERE id = %s AND status = 'active'", (subject,))
        return epoch == guard.epoch and await cursor.fetchone() is not None
    cursor = await connection.execute(
        "SELECT 1 FROM subjects AS s LEFT JOIN accounts AS a ON a.id = s.subject"
        " WHERE s.subject = %s AND NOT s.deleted AND a.status IS DISTINCT FROM 'disabled'",
        (subject,),
    )
    return await cursor.fetchone() is not None


async def reauthenticate(
    connection: Connection, session: Session, event: Event, *, guard: LoginGuard | None
) -> Committed[bool]:
    """Put what was proved, if it still holds and the session has not ended. The subject is locked, as in `start`."""
    epoch = await lock_subject(connection, session.subject)
    if epoch is None or not await _may_start(connection, session.subject, epoch, guard):
        raise RollBack(Committed(result=False))
    cursor = await connection.execute(_PROVE, (*write_proof(session), session.id, session.subject))
    if not cursor.rowcount:
        raise RollBack(Committed(result=False))
    return await append_and_commit(connection, [], event, result=True)


async def ended_status_indexes(connection: Connection) -> list[int]:
    """The status indexes of sessions that were ended."""
    cursor = await connection.execute(
        "SELECT status_index FROM sessions WHERE status_index IS NOT NULL AND ended_at IS NOT NULL"
    )
    return [index for (index,) in await cursor.fetchall()]


async def _end(
    connection: Connection, which: str, cause: EndCause, values: dict[str, object]
) -> list[tuple[str, str, EndCause]]:
    cursor = await connection.execute(
        f"UPDATE sessions SET ended_at = %(now)s, ended_by = %(cause)s WHERE ended_at IS NULL AND {which}"
        " RETURNING id, subject",
        {**values, "cause": cause},
    )
    return [(sid, subject, cause) for sid, subject in await cursor.fetchall()]


async def read(connection: Connection, id: str) -> SessionRecord | None:
    """The session with its account and epoch, by one statement."""
    cursor = await connection.execute(
        f"SELECT {SESSION_COLUMNS_OF_S}, {ACCOUNT_COLUMNS_OF_A}, coalesce(u.epoch, 0) FROM sessions AS s"
        " LEFT JOIN accounts AS a ON a.id = s.subject LEFT JOIN subjects AS u ON u.subject = s.subject WHERE s.id = %s",
        (id,),
    )
    row = await cursor.fetchone()
    return None if row is None else read_session_record(row)


async def confirm(connection: Connection, id: str) -> SessionRecord | None:
    """Read, then write without a change: the commit proves of this very server that it was not left behind (F8)."""
    record = await read(connection, id)
    cursor = await connection.execute("UPDATE sessions SET last_seen_at = last_seen_at WHERE id = %s", (id,))
    if not cursor.rowcount:
        await witness(connection)
    return record


async def read_epoch(connection: Connection, subject: str) -> int:
    """The subject's epoch."""
    cursor = await connection.execute("SELECT epoch FROM subjects WHERE subject = %s", (subject,))
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def bind(connection: Connection, before: Session, after: Session, event: Event) -> Committed[bool]:
    """Compare-and-swap of the device key."""
    bound = await connection.execute(
        "UPDATE sessions SET device_jwk = %s, device_bound_at = %s"
        " WHERE id = %s AND device_bound_at IS NOT DISTINCT FROM %s AND ended_at IS NULL",
        (after.device_jwk, after.device_bound_at, before.id, before.device_bound_at),
    )
    if bound.rowcount != 1:
        raise RollBack(Committed(result=False))
    return await append_and_commit(connection, [], event, result=True)


async def list_live(connection: Connection, *, whose: Mapping[str, str | None], now: int, limit: int) -> list[Session]:
    """Live sessions, newest first; those whose columns are so, of the columns that are given."""
    given = {name: value for name, value in whose.items() if value is not None}
    # the empty text is said, since the partial indexes leave it out
    wanted = "".join(f"{name} = %({name})s AND {name} <> '' AND " for name in given)
    cursor = await connection.execute(
        f"SELECT {SESSION_COLUMNS} FROM sessions WHERE {wanted}{_LIVE}"
        " ORDER BY created_at DESC, id DESC LIMIT %(limit)s",
        {**given, "now": now, "limit": limit},
    )
    return [read_session(row) for row in await cursor.fetchall()]


async def revoke(
    connection: Connection, revocation: EndSubject | RefreshClaims | EndToken, event: Event, *, now: int
) -> Committed[int | None]:
    """Carry out the revocation of a subject, or of a client's token. Single sessions end in `revocation_batch`."""
    match revocation:
        case EndSubject():
            draft, ended = await end_subject(
                connection, revocation.subject, revocation.cause, keep=revocation.keep, now=now
            )
        case RefreshClaims():
            draft, ended = await raise_epoch(connection, revocation.subject), 0
        case EndToken():
            draft, ended = draft_entry("session", revocation.id), 1
        case _:
            assert_never(revocation)
    return await append_and_commit(connection, [draft], event, result=ended, now=now)
