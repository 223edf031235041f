"""Accounts in PostgreSQL. Every writing function runs inside a transaction; every reading one is a statement."""

# ruff: noqa: S608
# only column names and conditions of our own are put into statements; every value is a parameter

from __future__ import annotations

from typing import Any, assert_never

from psycopg import AsyncCursor
from psycopg.errors import UniqueViolation

from sealring.accounts.account import Account
from sealring.accounts.changes import (
    AccountChange,
    CredentialAdded,
    CredentialRemoved,
    Deletion,
    EmailChange,
    PasswordChange,
    ScopesChange,
    StatusChange,
)
from sealring.accounts.consequences import Consequence, EndAll, Nothing, RaiseEpoch, consequence
from sealring.accounts.credential import Credential
from sealring.audit.event import Event
from sealring.authentication.one_time import INVITATION, OneTime
from sealring.errors import InvalidField, InvitationRequired, NameTaken
from sealring.revocation.entry import Entry
from sealring.store.postgres import credentials, one_time
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import RollBack
from sealring.store.postgres.logs import append_and_commit, end_subject, lock_subject, raise_epoch, renew_session
from sealring.store.records import Committed
from sealring.store.rows import ACCOUNT_COLUMNS, ACCOUNT_COLUMNS_OF_A, read_account, write_account, write_scopes

_SELECT = f"SELECT {ACCOUNT_COLUMNS_OF_A}, s.epoch FROM accounts AS a JOIN subjects AS s ON s.subject = a.id"

_IS_EPOCH = (
    "EXISTS (SELECT 1 FROM subjects AS s WHERE s.subject = accounts.id AND s.epoch = coalesce(%s::BIGINT, s.epoch))"
)


async def create(
    connection: Connection,
    account: Account,
    event: Event,
    invitation: str | None = None,
    credential: Credential | None = None,
) -> Committed[None]:
    """Add an account and its subject with its first credential, and use up its invitation.

    The unique indexes decide, so of many at once one succeeds (U3).
    """
    added = await connection.execute(
        "INSERT INTO subjects (subject, epoch) VALUES (%s, %s) ON CONFLICT (subject) DO NOTHING",
        (account.id, account.epoch),
    )
    if added.rowcount == 0:  # a subject of the application's own may become an account
        known = await connection.execute("SELECT deleted FROM subjects WHERE subject = %s FOR UPDATE", (account.id,))
        if (True,) in await known.fetchall():
            raise ValueError("a subject is never used again")
    row = write_account(account)
    try:
        await connection.execute(
            f"INSERT INTO accounts ({ACCOUNT_COLUMNS}) VALUES ({', '.join(['%s'] * len(row))})", row
        )
    except UniqueViolation as taken:
        if taken.diag.constraint_name == "accounts_pkey":
            raise ValueError("a subject is never used again") from None
        if taken.diag.constraint_name == "accounts_verified_email":
            raise InvalidField("email", "is taken") from None
        raise NameTaken from None
    if invitation is not None and await one_time.take(connection, invitation, INVITATION, account.created_at) is None:
        raise InvitationRequired
    if credential is not None:
        await credentials.add_first(connection, credential)
    return await append_and_commit(connection, (), event, result=None)


async def invite(connection: Connection, invitation: OneTime, event: Event) -> Committed[None]:
    """Keep an invitation."""
    if not await one_time.put(connection, invitation):
        raise ValueError("an invitation is made once")
    return await append_and_commit(connection, (), event, result=None)


async def find(connection: Connection, canonical_name: str | None, id: str | None) -> Account | None:
    """The account of that name or id."""
    column, value = ("a.id", id) if canonical_name is None else ("a.canonical_name", canonical_name)
    cursor = await connection.execute(f"{_SELECT} WHERE {column} = %s", (value,))
    row = await cursor.fetchone()
    return None if row is None else read_account(row)


async def find_by_email(connection: Connection, canonical_email: str, limit: int) -> list[Account]:
    """Accounts that have this address: the one that has it verified, then the oldest."""
    order = "a.email_verified_at IS NULL, a.created_at, a.id"
    cursor = await connection.execute(
        f"{_SELECT} WHERE a.canonical_email = %s ORDER BY {order} LIMIT %s", (canonical_email, limit)
    )
    return [read_account(row) for row in await cursor.fetchall()]


async def list_after(connection: Connection, after: str, limit: int) -> list[Account]:
    """Accounts by canonical name."""
    cursor = await connection.execute(
        f"{_SELECT} WHERE a.canonical_name > %s ORDER BY a.canonical_name LIMIT %s", (after, limit)
    )
    return [read_account(row) for row in await cursor.fetchall()]


async def change(connection: Connection, id: str, change: AccountChange, event: Event, *, now: int) -> Committed[bool]:
    """Change an account and revoke what that makes invalid; false when it was not as the change expects.

    The subject's row is locked first, as a login does: whichever of the two commits second sees the first (U13, I7).
    """
    if await lock_subject(connection, id) is None:
        raise RollBack(Committed(result=False))
    if not await _write(connection, id, change):
        raise RollBack(Committed(result=False))
    drafts = await _revoke(connection, id, consequence(change), now)
    return await append_and_commit(connection, drafts, event, result=True, now=now)


async def _write(connection: Connection, id: str, change: AccountChange) -> bool:
    """Write the change; whether the account was as it expects."""
    match change:
        case PasswordChange():
            changed = await connection.execute(
                "UPDATE accounts SET password_hash = %s WHERE id = %s AND password_hash IS NOT DISTINCT FROM %s"
                f" AND {_IS_EPOCH}",
                (change.new_hash, id, change.old_hash, change.epoch),
            )
        case StatusChange():
            changed = await connection.execute("UPDATE accounts SET status = %s WHERE id = %s", (change.status, id))
        case ScopesChange():
            changed = await connection.execute(
                "UPDATE accounts SET scopes = %s WHERE id = %s", (write_scopes(change.scopes), id)
            )
        case EmailChange():
            changed = await _write_email(connection, id, change)
        case Deletion():
            await credentials.forget(connection, id)
            changed = await connection.execute("DELETE FROM accounts WHERE id = %s", (id,))
            if changed.rowcount == 1:
                await connection.execute("UPDATE subjects SET deleted = TRUE WHERE subject = %s", (id,))
        case CredentialAdded() | CredentialRemoved():
            changed = await credentials.change(connection, id, change)
        case _:
            assert_never(change)
    return changed.rowcount == 1


async def _write_email(connection: Connection, id: str, change: EmailChange) -> AsyncCursor[tuple[Any, ...]]:
    try:
        return await connection.execute(
            "UPDATE accounts SET email = %s, canonical_email = %s, email_verified_at = %s, email_changed_at = %s"
            f" WHERE id = %s AND {_IS_EPOCH}",
            (change.email, change.canonical_email, change.verified_at, change.changed_at, id, change.epoch),
        )
    except UniqueViolation:
        raise InvalidField("email", "is taken") from None


async def _revoke(connection: Connection, id: str, consequence: Consequence, now: int) -> list[Entry]:
    match consequence:
        case EndAll(keep):
            if keep is not None:
                await renew_session(connection, id, keep, now)
            return [(await end_subject(connection, id, "subject_revoked", keep=keep, now=now))[0]]
        case RaiseEpoch():
            return [await raise_epoch(connection, id)]
        case Nothing():
            return []
        case _:
            assert_never(consequence)
