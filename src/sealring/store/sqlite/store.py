"""`Store` over one SQLite file: each method is one job for the writer, and the SQL stands in the files beside."""

# ruff: noqa: D102
# what each method promises stands once, in the protocol

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from sealring.accounts.account import Account
from sealring.accounts.changes import AccountChange
from sealring.accounts.credential import Credential
from sealring.accounts.oauth_client import ClientChange, OAuthClient
from sealring.audit.event import Event
from sealring.audit.queued_mail import QueuedMail
from sealring.authentication.one_time import OneTime
from sealring.rate_limits.bucket import Bucket
from sealring.revocation.entry import Entry
from sealring.revocation.feed import FeedPage
from sealring.sessions.access_ttl import DeclaredTtl
from sealring.sessions.declared_settings import DeclaredSettings
from sealring.sessions.revocation import Revocation
from sealring.sessions.session import Session
from sealring.signing_keys.key import KeyRing, SigningKey
from sealring.store.protocol import Store
from sealring.store.records import Committed, LoginGuard, SessionRecord
from sealring.store.revocation_log import draft_entry
from sealring.store.rows import names_something, storable
from sealring.store.schema import pending_migrations
from sealring.store.sqlite import (
    access_ttls,
    accounts,
    clients,
    credentials,
    declared_settings,
    logs,
    outbox,
    purge,
    rate_limits,
    sessions,
)
from sealring.store.sqlite import keys as signing_keys
from sealring.store.sqlite import one_time as one_time_rows
from sealring.store.sqlite import reset_after_restore as reset
from sealring.store.sqlite.file import check_name, read_version
from sealring.store.sqlite.writer import SqliteWriter


def _clock() -> int:
    return time.time_ns() // 1_000_000


PIECE = 5_000
"""Entries of a full load that are read at once: some ten milliseconds, in which nobody writes."""


class SqliteStore(Store):
    """A store in one SQLite file, for any number of processes on one machine.

    Args:
        path: the file; `open` makes it, readable by its owner only. Its folder must exist.
        clock: the store's own clock, in Unix milliseconds.
    """

    def __init__(self, path: str | Path, clock: Callable[[], int] = _clock) -> None:
        self.writer = SqliteWriter(check_name(path))
        self._clock = clock

    async def open(self) -> None:
        await self.writer.open(_migrate)

    async def schema_version(self) -> int:
        return await asyncio.to_thread(read_version, self.writer.path)

    async def close(self) -> None:
        await self.writer.close()

    # accounts

    async def create_account(
        self, account: Account, event: Event, *, invitation: str | None = None, credential: Credential | None = None
    ) -> Committed[None]:
        return await self.writer.write(lambda db: accounts.create(db, account, event, invitation, credential))

    async def create_invitation(self, invitation: OneTime, event: Event) -> Committed[None]:
        return await self.writer.write(lambda db: accounts.invite(db, invitation, event))

    async def find_account(self, *, canonical_name: str | None = None, id: str | None = None) -> Account | None:
        if not storable(canonical_name, id):
            return None
        return await self.writer.read(lambda db: accounts.find(db, canonical_name, id))

    async def list_accounts(self, *, after: str = "", limit: int = 1000) -> list[Account]:
        return await self.writer.read(lambda db: accounts.list_after(db, after, limit))

    async def find_accounts_by_email(self, canonical_email: str, *, limit: int) -> list[Account]:
        if not storable(canonical_email):
            return []
        return await self.writer.read(lambda db: accounts.find_by_email(db, canonical_email, limit))

    async def change_account(self, id: str, change: AccountChange, event: Event, *, now: int) -> Committed[bool]:
        store_now = self._now()
        return await self.writer.write(lambda db: accounts.change(db, id, change, event, now=now, store_now=store_now))

    # clients

    async def create_client(self, client: OAuthClient, event: Event) -> Committed[None]:
        return await self.writer.write(lambda db: clients.create(db, client, event))

    async def find_client(self, id: str) -> OAuthClient | None:
        if not storable(id):
            return None
        return await self.writer.read(lambda db: clients.find(db, id))

    async def list_clients(self, *, after: str = "", limit: int = 1000) -> list[OAuthClient]:
        return await self.writer.read(lambda db: clients.list_after(db, after, limit))

    async def change_client(self, id: str, change: ClientChange, event: Event, *, now: int) -> Committed[bool]:
        if not storable(id):
            return Committed(result=False)
        store_now = self._now()
        return await self.writer.write(lambda db: clients.change(db, id, change, event, now=now, store_now=store_now))

    # credentials and what counts once

    async def find_credentials(self, *, account_id: str | None = None, id: str | None = None) -> list[Credential]:
        if not storable(account_id, id):
            return []
        return await self.writer.read(lambda db: credentials.find(db, account_id, id))

    async def find_credential_owner(self, id: str) -> tuple[Account, Credential] | None:
        if not storable(id):
            return None
        return await self.writer.read(lambda db: credentials.find_owner(db, id))

    async def advance_credential(self, before: Credential, after: Credential) -> bool:
        return await self.writer.write(lambda db: credentials.advance(db, before, after))

    async def put_once(self, one_time: OneTime) -> bool:
        return await self.writer.write(lambda db: one_time_rows.put(db, one_time))

    async def take_once(self, digest: str, *, purpose: str, now: int) -> OneTime | None:
        if not storable(digest, purpose):
            return None
        return await self.writer.write(lambda db: one_time_rows.take(db, digest, purpose, now))

    # mails

    async def claim_mails(self, *, now: int, limit: int) -> list[QueuedMail]:
        return await self.writer.write(lambda db: outbox.claim(db, now, limit))

    async def finish_mail(self, id: str) -> bool:
        return await self.writer.write(lambda db: outbox.finish(db, id))

    # sessions

    async def start_session(
        self,
        session: Session,
        event: Event,
        *,
        guard: LoginGuard | None,
        cap: int,
        replaces: str | None,
    ) -> Committed[int | None]:
        store_now = self._now()
        return await self.writer.write(
            lambda db: sessions.start(db, session, event, guard=guard, cap=cap, replaces=replaces, store_now=store_now)
        )

    async def read_session(self, id: str) -> SessionRecord | None:
        if not storable(id):
            return None
        return await self.writer.read(lambda db: sessions.read(db, id))

    async def ended_status_indexes(self) -> list[int]:
        return await self.writer.read(sessions.ended_status_indexes)

    async def read_epoch(self, subject: str) -> int:
        return await self.writer.read(lambda db: logs.epoch_of(db, subject))

    async def reauthenticate_session(
        self, session: Session, event: Event, *, guard: LoginGuard | None
    ) -> Committed[bool]:
        return await self.writer.write(lambda db: sessions.reauthenticate(db, session, event, guard=guard))

    async def advance_session(self, before: Session, after: Session) -> bool:
        return await self.writer.write(lambda db: sessions.advance(db, before, after))

    async def bind_session(self, before: Session, after: Session, event: Event) -> Committed[bool]:
        return await self.writer.write(lambda db: sessions.bind(db, before, after, event))

    async def list_sessions(
        self,
        subject: str | None,
        *,
        now: int,
        limit: int = 1000,
        identity: str | None = None,
        provider_session: str | None = None,
    ) -> list[Session]:
        values = {"subject": subject, "identity": identity, "provider_session": provider_session}
        return await self.writer.read(lambda db: sessions.list_live(db, values, now=now, limit=limit))

    async def revoke(self, revocation: Revocation, event: Event, *, now: int) -> Committed[int | None]:
        if not names_something(revocation):
            return Committed(None)
        store_now = self._now()
        return await self.writer.write(lambda db: sessions.revoke(db, revocation, event, now=now, store_now=store_now))

    # throttling

    async def count_attempt(self, buckets: Sequence[Bucket], *, now: int) -> int:
        if not buckets:
            return 0
        return await self.writer.write(lambda db: rate_limits.count_attempt(db, buckets, now))

    async def settle_attempt(self, owner: str, event: Event) -> Committed[None]:
        def settle(db: sqlite3.Connection) -> Committed[None]:
            if owner:
                rate_limits.clear(db, owner)
            return logs.append(db, (), event, result=None)

        return await self.writer.write(settle)

    # the life of access tokens

    async def declare_access_ttl(self, seconds: int, *, now: int, signs_until: int) -> tuple[DeclaredTtl, ...]:
        lapsed = min(now, self._now())
        return await self.writer.write(
            lambda db: access_ttls.declare(db, seconds, now=now, until=signs_until + seconds, lapsed=lapsed)
        )

    async def declare_settings(self, mine: DeclaredSettings, *, lease_seconds: int) -> tuple[DeclaredSettings, ...]:
        now = self._now()
        return await self.writer.write(
            lambda db: declared_settings.declare(db, mine, now=now, until=now + lease_seconds)
        )

    async def list_settings(self) -> tuple[tuple[DeclaredSettings, int], ...]:
        now = self._now()
        return await self.writer.read(lambda db: declared_settings.list_live(db, now=now))

    async def withdraw_settings(self, process: str) -> None:
        await self.writer.write(lambda db: declared_settings.withdraw(db, process))

    # keys

    async def read_keys(self) -> KeyRing:
        return await self.writer.read(signing_keys.read_ring)

    async def write_keys(
        self,
        version: int,
        keys: Sequence[SigningKey],
        event: Event,
        *,
        revoked_kid: str | None = None,
        now: int,
    ) -> Committed[bool]:
        drafts = [] if revoked_kid is None else [draft_entry("key", revoked_kid)]
        store_now = self._now()

        def write(db: sqlite3.Connection) -> Committed[bool]:
            if not signing_keys.write_ring(db, version, keys):
                return Committed(result=False)
            return logs.append(db, drafts, event, result=True, now=now, store_now=store_now)

        return await self.writer.write(write)

    # the feed, the audit log, housekeeping

    async def time_ms(self) -> int:
        return self._clock()

    async def load_feed(self, after: int | None) -> FeedPage:
        if after is not None:
            return await self.writer.read(lambda db: logs.load_feed(db, after, self._clock()))
        while True:
            page = await self._load_all()
            if page is not None:
                return page

    async def _load_all(self) -> FeedPage | None:
        """All live entries, in pieces: in one, a million would keep writers waiting, and callers beyond their patience.

        What is revoked meanwhile has higher numbers, and so is in a later piece. None when a restore came in between.
        """
        entries: list[Entry] = []
        incarnation = await self.writer.read(logs.read_incarnation)
        while piece := await self.writer.read(partial(logs.read_entries, after=_last(entries), limit=PIECE)):
            entries += piece
        rest = await self.writer.read(lambda db: logs.load_feed(db, _last(entries), self._clock()))
        if rest.incarnation != incarnation:
            return None
        return replace(rest, entries=(*entries, *rest.entries), complete=True)

    async def wait_for_change(self) -> None:
        await asyncio.Event().wait()  # nobody tells another process; polling a file is cheap

    async def read_events(self, *, after: int = 0, limit: int = 1000) -> list[Event]:
        return await self.writer.read(lambda db: logs.read_events(db, after, limit))

    async def purge(self, *, now: int, audit_seconds: int) -> None:
        while await self.writer.write(lambda db: purge.purge_revocations(db, now)):
            pass
        while await self.writer.write(lambda db: purge.purge_events(db, now - audit_seconds)):
            pass
        while await self.writer.write(lambda db: one_time_rows.purge(db, now)):
            pass
        while await self.writer.write(lambda db: outbox.purge(db, now)):
            pass
        session: str | None = ""
        while session is not None:
            session = await self.writer.write(partial(purge.purge_sessions, after=session, now=now))
        bucket: bytes | None = b""
        while bucket is not None:
            bucket = await self.writer.write(partial(purge.purge_buckets, after=bucket, now=now))

    async def reset_after_restore(self, event: Event, *, now: int) -> Committed[None]:
        store_now = self._now()
        return await self.writer.write(lambda db: reset.reset_after_restore(db, event, now=now, store_now=store_now))

    def _now(self) -> int:
        return self._clock() // 1000


def _migrate(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, digest TEXT NOT NULL) STRICT")
    applied = dict(db.execute("SELECT version, digest FROM schema_version").fetchall())
    for step in pending_migrations("sqlite", applied):
        for statement in step.statements:
            db.execute(statement)
        db.execute("INSERT INTO schema_version VALUES (?, ?)", (step.number, step.digest))


def _last(entries: Sequence[Entry]) -> int:
    """The number of the last entry; below all where there is none."""
    return entries[-1].number if entries else -1
