"""Accounts in SQLite. Every function runs inside the writer's transaction, or reads by one statement."""

# ruff: noqa: S608
# only column names and conditions of our own are put into statements; every value is a parameter

from __future__ import annotations

import sqlite3
from typing import assert_never

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
from sealring.store.records import Committed
from sealring.store.rows import ACCOUNT_COLUMNS, ACCOUNT_COLUMNS_OF_A, read_account, write_account, write_scopes
from sealring.store.sqlite import credentials, one_time
from sealring.store.sqlite.logs import append, end_subject, raise_epoch, renew_session

_SELECT = f"SELECT {ACCOUNT_COLUMNS_OF_A}, s.epoch FROM accounts AS a JOIN subjects AS s ON s.subject = a.id"

_IS_EPOCH = "EXISTS (SELECT 1 FROM subjects AS s WHERE s.subject = accounts.id AND s.epoch = coalesce(?, s.epoch))"


def create(
    db: sqlite3.Connection, account: Account, event: Event, invitation: str | None, credential: Credential | None
) -> Committed[None]:
    """Add an account and its subject with its first credential, and use up its invitation."""
    used = "SELECT 1 FROM subjects AS s LEFT JOIN accounts AS a ON a.id = s.subject WHERE s.subject = ?"
    if db.execute(f"{used} AND (s.deleted = 1 OR a.id IS NOT NULL)", (account.id,)).fetchone():
        raise ValueError("a subject is never used again")
    if db.execute("SELECT 1 FROM accounts WHERE canonical_name = ?", (account.canonical_name,)).fetchone():
        raise NameTaken
    if account.email_verified and _is_taken(db, account.canonical_email, account.id):
        raise InvalidField("email", "is taken")
    if invitation is not None and one_time.take(db, invitation, INVITATION, account.created_at) is None:
        raise InvitationRequired
    db.execute(
        "INSERT INTO subjects (subject, epoch) VALUES (?, ?) ON CONFLICT (subject) DO NOTHING",
        (account.id, account.epoch),
    )
    row = write_account(account)
    db.execute(f"INSERT INTO accounts ({ACCOUNT_COLUMNS}) VALUES ({', '.join('?' * len(row))})", row)
    if credential is not None:
        credentials.add_first(db, credential)
    return append(db, (), event, result=None)


def invite(db: sqlite3.Connection, invitation: OneTime, event: Event) -> Committed[None]:
    """Keep an invitation."""
    if not one_time.put(db, invitation):
        raise ValueError("an invitation is made once")
    return append(db, (), event, result=None)


def find(db: sqlite3.Connection, canonical_name: str | None, id: str | None) -> Account | None:
    """The account of that name or id."""
    column, value = ("a.id", id) if canonical_name is None else ("a.canonical_name", canonical_name)
    row = db.execute(f"{_SELECT} WHERE {column} = ?", (value,)).fetchone()
    return None if row is None else read_account(row)


def find_by_email(db: sqlite3.Connection, canonical_email: str, limit: int) -> list[Account]:
    """Accounts that have this address: the one that has it verified, then the oldest."""
    order = "a.email_verified_at IS NULL, a.created_at, a.id"
    rows = db.execute(f"{_SELECT} WHERE a.canonical_email = ? ORDER BY {order} LIMIT ?", (canonical_email, limit))
    return [read_account(row) for row in rows]


def list_after(db: sqlite3.Connection, after: str, limit: int) -> list[Account]:
    """Accounts by canonical name."""
    rows = db.execute(f"{_SELECT} WHERE a.canonical_name > ? ORDER BY a.canonical_name LIMIT ?", (after, limit))
    return [read_account(row) for row in rows]


def change(
    db: sqlite3.Connection, id: str, change: AccountChange, event: Event, *, now: int, store_now: int
) -> Committed[bool]:
    """Change an account and revoke what that makes invalid; false when it was not as the change expects."""
    if not _write(db, id, change):
        return Committed(result=False)
    drafts = _revoke(db, id, consequence(change), now)
    return append(db, drafts, event, result=True, now=now, store_now=store_now)


def _write(db: sqlite3.Connection, id: str, change: AccountChange) -> bool:
    """Write the change; whether the account was as it expects."""
    match change:
        case PasswordChange():
            changed = db.execute(
                f"UPDATE accounts SET password_hash = ? WHERE id = ? AND password_hash IS ? AND {_IS_EPOCH}",
                (change.new_hash, id, change.old_hash, change.epoch),
            )
        case StatusChange():
            changed = db.execute("UPDATE accounts SET status = ? WHERE id = ?", (change.status, id))
        case ScopesChange():
            changed = db.execute("UPDATE accounts SET scopes = ? WHERE id = ?", (write_scopes(change.scopes), id))
        case EmailChange():
            changed = _write_email(db, id, change)
        case Deletion():
            credentials.forget(db, id)
            db.execute(
                "UPDATE subjects SET deleted = 1"
                " WHERE subject = ? AND EXISTS (SELECT 1 FROM accounts WHERE id = subject)",
                (id,),
            )
            changed = db.execute("DELETE FROM accounts WHERE id = ?", (id,))
        case CredentialAdded() | CredentialRemoved():
            changed = credentials.change(db, id, change)
        case _:
            assert_never(change)
    return changed.rowcount == 1


def _write_email(db: sqlite3.Connection, id: str, change: EmailChange) -> sqlite3.Cursor:
    if change.verified_at is not None and _is_taken(db, change.canonical_email, id):
        raise InvalidField("email", "is taken")
    return db.execute(
        "UPDATE accounts SET email = ?, canonical_email = ?, email_verified_at = ?, email_changed_at = ?"
        f" WHERE id = ? AND {_IS_EPOCH}",
        (change.email, change.canonical_email, change.verified_at, change.changed_at, id, change.epoch),
    )


def _is_taken(db: sqlite3.Connection, canonical_email: str | None, id: str) -> bool:
    """Whether another account has this address verified."""
    taken = "SELECT 1 FROM accounts WHERE canonical_email = ? AND email_verified_at IS NOT NULL AND id <> ?"
    return db.execute(taken, (canonical_email, id)).fetchone() is not None


def _revoke(db: sqlite3.Connection, id: str, consequence: Consequence, now: int) -> list[Entry]:
    match consequence:
        case EndAll(keep):
            if keep is not None:
                renew_session(db, id, keep, now)
            return [end_subject(db, id, "subject_revoked", keep=keep, now=now)[0]]
        case RaiseEpoch():
            return [raise_epoch(db, id)]
        case Nothing():
            return []
        case _:
            assert_never(consequence)
