"""`Store` over PostgreSQL (13 and newer): each method is one transaction or one statement of the files beside."""

# ruff: noqa: D102
# what each method promises stands once, in the protocol

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TypeVar

import psycopg

from sealring.accounts.account import Account
from sealring.accounts.changes import AccountChange
from sealring.accounts.credential import Credential
from sealring.accounts.oauth_client import ClientChange, OAuthClient
from sealring.audit.event import Event
from sealring.audit.queued_mail import QueuedMail
from sealring.authentication.one_time import OneTime
from sealring.forks import leave_to_parent, stop_watching, watch_forks
from sealring.rate_limits.bucket import Bucket
from sealring.revocation.feed import FeedPage
from sealring.sessions.access_ttl import DeclaredTtl
from sealring.sessions.declared_settings import DeclaredSettings
from sealring.sessions.revocation import EndSession, Revocation
from sealring.sessions.session import Session
from sealring.signing_keys.key import KeyRing, SigningKey
from sealring.store.postgres import (
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
from sealring.store.postgres import keys as signing_keys
from sealring.store.postgres import one_time as one_time_rows
from sealring.store.postgres import reset_after_restore as reset
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import BUDGET_SECONDS, Database, Work, unavailable
from sealring.store.postgres.heartbeat import Heartbeat
from sealring.store.postgres.migration import migrate, read_version
from sealring.store.postgres.notify import ChangeListener
from sealring.store.postgres.refresh_batch import RefreshBatch
from sealring.store.postgres.revocation_batch import RevocationBatch
from sealring.store.protocol import Store
from sealring.store.records import Committed, LoginGuard, SessionRecord
from sealring.store.revocation_log import draft_entry
from sealring.store.rows import names_something, storable

T = TypeVar("T")


class PostgresStore(Store):
    """A store in PostgreSQL, for any number of nodes.

    Args:
        dsn: a libpq URL or connection string, with TLS as libpq has it (`sslmode=verify-full`).
        schema: where our tables are, made when it is missing; none means by the server's search path.

    Raises:
        ConfigurationError: the DSN cannot be read.
    """

    def __init__(self, dsn: str, schema: str | None = None) -> None:
        self._schema = schema
        self._database = Database(dsn, schema=schema)
        # the follower's questions go a way of their own: writers that wait for a locked row make no node stale (F5);
        # two connections, so that a heartbeat that hangs is not in its way
        self._following = Database(dsn, connections=2, schema=schema)
        self._loop: asyncio.AbstractEventLoop | None = None
        """Where it is open."""
        self._find_ways()

    def _find_ways(self) -> None:
        self._heartbeat = Heartbeat(self._following)
        self._refreshes = RefreshBatch(self._database)
        self._revocations = RevocationBatch(self._database)
        self._changes = ChangeListener(self._database)

    def forked(self) -> None:
        """Leave the connections to the parent: two processes on one socket would read each other's answers.

        The store is closed then, and can be opened. What is the parent's is kept, so that nothing is hung up.
        """
        leave_to_parent(self._heartbeat, self._refreshes, self._revocations, self._changes)
        self._database.forked()
        self._following.forked()
        self._loop = None
        self._find_ways()

    def _leave_ended_loop(self) -> None:
        """Give up what belongs to an event loop that ended without `close` (`TestClient` gives each request one)."""
        if self._loop is not None and self._loop is not asyncio.get_running_loop() and not self._loop.is_running():
            self._database.abandon()
            self._following.abandon()
            self._find_ways()

    @property
    def database(self) -> Database:
        """For an application that keeps tables of its own beside these."""
        return self._database

    async def open(self) -> None:
        self._leave_ended_loop()
        self._loop = asyncio.get_running_loop()
        await self._ask_once(lambda connection: migrate(connection, self._schema))
        await self._database.open()
        await self._following.open()
        watch_forks(self)

    async def schema_version(self) -> int:
        return await self._ask_once(lambda connection: read_version(connection, self._schema))

    async def _ask_once(self, work: Work[T]) -> T:
        """Do it on a connection of its own, which is closed afterwards."""
        connection = await self._database.connect()
        self.behind_pooler = connection.pooled
        try:
            await connection.check_transactions()
            return await work(connection)
        except psycopg.Error as error:
            raise unavailable(error) from error
        finally:
            await connection.close()

    async def close(self) -> None:
        stop_watching(self)
        self._leave_ended_loop()
        self._loop = None
        await self._changes.close()
        await asyncio.gather(self._refreshes.close(), self._revocations.close())
        await self._database.close()
        await self._following.close()

    # accounts

    async def create_account(
        self, account: Account, event: Event, *, invitation: str | None = None, credential: Credential | None = None
    ) -> Committed[None]:
        work = partial(accounts.create, account=account, event=event, invitation=invitation, credential=credential)
        return await self._database.transact(work)

    async def create_invitation(self, invitation: OneTime, event: Event) -> Committed[None]:
        return await self._database.transact(partial(accounts.invite, invitation=invitation, event=event))

    async def find_account(self, *, canonical_name: str | None = None, id: str | None = None) -> Account | None:
        if not storable(canonical_name, id):
            return None
        return await self._database.read(partial(accounts.find, canonical_name=canonical_name, id=id))

    async def list_accounts(self, *, after: str = "", limit: int = 1000) -> list[Account]:
        return await self._database.read(partial(accounts.list_after, after=after, limit=limit))

    async def find_accounts_by_email(self, canonical_email: str, *, limit: int) -> list[Account]:
        if not storable(canonical_email):
            return []
        work = partial(accounts.find_by_email, canonical_email=canonical_email, limit=limit)
        return await self._database.read(work)

    async def change_account(self, id: str, change: AccountChange, event: Event, *, now: int) -> Committed[bool]:
        return await self._database.transact(partial(accounts.change, id=id, change=change, event=event, now=now))

    # clients

    async def create_client(self, client: OAuthClient, event: Event) -> Committed[None]:
        return await self._database.transact(partial(clients.create, client=client, event=event))

    async def find_client(self, id: str) -> OAuthClient | None:
        if not storable(id):
            return None
        return await self._database.read(partial(clients.find, id=id))

    async def list_clients(self, *, after: str = "", limit: int = 1000) -> list[OAuthClient]:
        return await self._database.read(partial(clients.list_after, after=after, limit=limit))

    async def change_client(self, id: str, change: ClientChange, event: Event, *, now: int) -> Committed[bool]:
        if not storable(id):
            return Committed(result=False)
        return await self._database.transact(partial(clients.change, id=id, change=change, event=event, now=now))

    # credentials and what counts once

    async def find_credentials(self, *, account_id: str | None = None, id: str | None = None) -> list[Credential]:
        if not storable(account_id, id):
            return []
        return await self._database.read(partial(credentials.find, account_id=account_id, id=id))

    async def find_credential_owner(self, id: str) -> tuple[Account, Credential] | None:
        if not storable(id):
            return None
        return await self._database.read(partial(credentials.find_owner, id=id))

    async def advance_credential(self, before: Credential, after: Credential) -> bool:
        return await self._database.read(partial(credentials.advance, before=before, after=after))

    async def put_once(self, one_time: OneTime) -> bool:
        return await self._database.read(partial(one_time_rows.put, one_time=one_time))

    async def take_once(self, digest: str, *, purpose: str, now: int) -> OneTime | None:
        if not storable(digest, purpose):
            return None
        return await self._database.read(partial(one_time_rows.take, digest=digest, purpose=purpose, now=now))

    # mails

    async def claim_mails(self, *, now: int, limit: int) -> list[QueuedMail]:
        return await self._database.read(partial(outbox.claim, now=now, limit=limit))

    async def finish_mail(self, id: str) -> bool:
        return await self._database.read(partial(outbox.finish, id=id))

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
        return await self._database.transact(
            partial(
                sessions.start,
                session=session,
                event=event,
                guard=guard,
                cap=cap,
                replaces=replaces,
            )
        )

    async def reauthenticate_session(
        self, session: Session, event: Event, *, guard: LoginGuard | None
    ) -> Committed[bool]:
        return await self._database.transact(
            partial(sessions.reauthenticate, session=session, event=event, guard=guard)
        )

    async def read_session(self, id: str) -> SessionRecord | None:
        if not storable(id):
            return None
        return await self._database.read(partial(sessions.read, id=id))

    async def confirm_session(self, id: str) -> SessionRecord | None:
        if not storable(id):
            return None
        return await self._database.transact(partial(sessions.confirm, id=id))

    async def ended_status_indexes(self) -> list[int]:
        return await self._database.read(sessions.ended_status_indexes)

    async def read_epoch(self, subject: str) -> int:
        return await self._database.read(partial(sessions.read_epoch, subject=subject))

    async def advance_session(self, before: Session, after: Session) -> bool:
        return await self._refreshes.swap(before, after)

    async def bind_session(self, before: Session, after: Session, event: Event) -> Committed[bool]:
        return await self._database.transact(partial(sessions.bind, before=before, after=after, event=event))

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
        return await self._database.read(partial(sessions.list_live, whose=values, now=now, limit=limit))

    async def revoke(self, revocation: Revocation, event: Event, *, now: int) -> Committed[int | None]:
        if not names_something(revocation):
            return Committed(None)
        if isinstance(revocation, EndSession):
            return await self._revocations.end(revocation, event, now=now)
        return await self._database.transact(partial(sessions.revoke, revocation=revocation, event=event, now=now))

    # throttling

    async def count_attempt(self, buckets: Sequence[Bucket], *, now: int) -> int:
        if not buckets:
            return 0
        return await self._database.transact(partial(rate_limits.count_attempt, buckets=buckets, now=now))

    async def settle_attempt(self, owner: str, event: Event) -> Committed[None]:
        async def settle(connection: Connection) -> Committed[None]:
            if owner:
                await rate_limits.clear(connection, owner)
            return await logs.append_and_commit(connection, (), event, result=None)

        return await self._database.transact(settle)

    # the life of access tokens

    async def declare_access_ttl(self, seconds: int, *, now: int, signs_until: int) -> tuple[DeclaredTtl, ...]:
        return await self._database.transact(
            partial(access_ttls.declare, seconds=seconds, now=now, until=signs_until + seconds)
        )

    async def declare_settings(self, mine: DeclaredSettings, *, lease_seconds: int) -> tuple[DeclaredSettings, ...]:
        return await self._database.transact(partial(declared_settings.declare, mine=mine, lease_seconds=lease_seconds))

    async def list_settings(self) -> tuple[tuple[DeclaredSettings, int], ...]:
        return await self._database.transact(declared_settings.list_live)

    async def withdraw_settings(self, process: str) -> None:
        await self._database.transact(partial(declared_settings.withdraw, process=process))

    # keys

    async def read_keys(self) -> KeyRing:
        return await self._following.read(signing_keys.read_ring)

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
        return await self._database.transact(
            partial(signing_keys.write_ring, version=version, keys=keys, drafts=drafts, event=event, now=now)
        )

    # the feed, the audit log, housekeeping

    async def time_ms(self) -> int:
        return await self._following.read(logs.time_ms)

    async def load_feed(self, after: int | None) -> FeedPage:
        budget = logs.FULL_LOAD_SECONDS if after is None else BUDGET_SECONDS
        return await self._following.read(partial(logs.load_feed, after=after), budget_seconds=budget)

    async def heartbeat(self, *, every_ms: int) -> bool:
        return await self._heartbeat.write(every_ms)

    async def wait_for_change(self) -> None:
        await self._changes.wait()

    async def read_events(self, *, after: int = 0, limit: int = 1000) -> list[Event]:
        return await self._database.read(partial(logs.read_events, after=after, limit=limit))

    async def purge(self, *, now: int, audit_seconds: int) -> None:
        while await self._database.read(partial(purge.purge_revocations, now=now)):
            pass
        while await self._database.read(partial(purge.purge_events, before=now - audit_seconds)):
            pass
        while await self._database.read(partial(one_time_rows.purge, now=now)):
            pass
        while await self._database.read(partial(outbox.purge, now=now)):
            pass
        session: str | None = ""
        while session is not None:
            session = await self._database.read(partial(purge.purge_sessions, after=session, now=now))
        bucket: bytes | None = b""
        while bucket is not None:
            bucket = await self._database.read(partial(purge.purge_buckets, after=bucket, now=now))

    async def reset_after_restore(self, event: Event, *, now: int) -> Committed[None]:
        return await self._database.transact(
            partial(reset.reset_after_restore, event=event, now=now),
            budget_seconds=reset.BUDGET_SECONDS,
        )
