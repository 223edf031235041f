"""The model: what every store must do, in plain dictionaries.

Nothing here awaits, so each method is one atomic step of the event loop; nothing outlives the process. Tests use it
where no database is wanted, and the contract suite holds the other stores to it.
"""

# ruff: noqa: D102
# what each method promises stands once, in the protocol

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
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
from sealring.accounts.oauth_client import ClientChange, ClientRemoval, OAuthClient
from sealring.audit.event import Event
from sealring.audit.queued_mail import QueuedMail
from sealring.authentication.one_time import INVITATION, OneTime
from sealring.errors import InvalidField, InvitationRequired, NameTaken
from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.gcra import MICROSECONDS, count, horizon_us, wait_seconds
from sealring.revocation.entry import Entry
from sealring.revocation.feed import FeedPage
from sealring.sessions.access_ttl import DeclaredTtl
from sealring.sessions.declared_settings import DeclaredSettings, conflict_of
from sealring.sessions.revocation import EndSession, EndSubject, EndToken, RefreshClaims, Revocation
from sealring.sessions.session import Session
from sealring.signing_keys.key import KeyRing, SigningKey
from sealring.store.memory.clients import MemoryClients
from sealring.store.memory.credentials import MemoryCredentials
from sealring.store.memory.logs import MemoryLogs
from sealring.store.memory.outbox import MemoryOutbox
from sealring.store.memory.sessions import MemorySessions
from sealring.store.protocol import Store
from sealring.store.records import Committed, LoginGuard, SessionRecord
from sealring.store.revocation_log import draft_entry, session_ended
from sealring.store.rows import names_something
from sealring.store.schema import read_migrations


def _clock() -> int:
    return time.time_ns() // 1_000_000


class MemoryStore(MemoryCredentials, Store):
    """A store that forgets everything when its process ends.

    Args:
        clock: the store's own clock, in Unix milliseconds.
    """

    def __init__(self, clock: Callable[[], int] = _clock) -> None:
        super().__init__()
        self._clock = clock
        self._accounts: dict[str, Account] = {}
        self._deleted: set[str] = set()
        self._clients = MemoryClients()
        self._sessions = MemorySessions()
        self._buckets: dict[tuple[str, str], int] = {}
        self._declared: dict[str, tuple[DeclaredSettings, int]] = {}
        self._ring = KeyRing(0, ())
        self._outbox = MemoryOutbox()
        self._logs = MemoryLogs(clock, self._outbox)

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def schema_version(self) -> int:
        return read_migrations("sqlite")[-1].number

    async def close(self) -> None:
        """Nothing is to be closed."""

    # accounts

    async def create_account(
        self, account: Account, event: Event, *, invitation: str | None = None, credential: Credential | None = None
    ) -> Committed[None]:
        if account.id in self._accounts or account.id in self._deleted:
            raise ValueError("a subject is never used again")
        for other in self._accounts.values():
            if other.canonical_name == account.canonical_name:
                raise NameTaken
        for other in self._accounts.values():
            if account.email_verified and other.email_verified and other.canonical_email == account.canonical_email:
                raise InvalidField("email", "is taken")
        if credential is not None and credential.id in self._credentials:
            raise InvalidField("credential", "is registered already")
        if (
            invitation is not None
            and await self.take_once(invitation, purpose=INVITATION, now=account.created_at) is None
        ):
            raise InvitationRequired
        self._accounts[account.id] = account
        if credential is not None:
            self._credentials[credential.id] = credential
        self._sessions.epochs.setdefault(account.id, account.epoch)
        return self._logs.append([], event, result=None)

    async def find_credential_owner(self, id: str) -> tuple[Account, Credential] | None:
        credential = self._credentials.get(id)
        account = None if credential is None else self._accounts.get(credential.account_id)
        if credential is None or account is None:
            return None
        return self._with_epoch(account), credential

    async def create_invitation(self, invitation: OneTime, event: Event) -> Committed[None]:
        if not await self.put_once(invitation):
            raise ValueError("an invitation is made once")
        return self._logs.append([], event, result=None)

    async def find_account(self, *, canonical_name: str | None = None, id: str | None = None) -> Account | None:
        for account in self._accounts.values():
            if account.canonical_name == canonical_name or account.id == id:
                return self._with_epoch(account)
        return None

    async def list_accounts(self, *, after: str = "", limit: int = 1000) -> list[Account]:
        names = sorted((account.canonical_name, account.id) for account in self._accounts.values())
        return [self._with_epoch(self._accounts[own_id]) for name, own_id in names if name > after][:limit]

    async def find_accounts_by_email(self, canonical_email: str, *, limit: int) -> list[Account]:
        found = [account for account in self._accounts.values() if account.canonical_email == canonical_email]
        found.sort(key=lambda account: (not account.email_verified, account.created_at, account.id))
        return [self._with_epoch(account) for account in found[:limit]]

    async def change_account(self, id: str, change: AccountChange, event: Event, *, now: int) -> Committed[bool]:
        account = self._accounts.get(id)
        if account is None:
            return Committed(result=False)
        if not self._write_account(account, change):
            return Committed(result=False)
        return self._logs.append(self._revoke(id, consequence(change), now), event, result=True, now=now)

    # clients

    async def create_client(self, client: OAuthClient, event: Event) -> Committed[None]:
        if client.id in self._sessions.epochs or client.id in self._deleted:
            raise ValueError("a subject is never used again")
        self._clients.add(client)
        self._sessions.epochs[client.id] = client.epoch
        return self._logs.append([], event, result=None)

    async def find_client(self, id: str) -> OAuthClient | None:
        client = self._clients.find(id)
        return None if client is None else replace(client, epoch=self._sessions.epochs[id])

    async def list_clients(self, *, after: str = "", limit: int = 1000) -> list[OAuthClient]:
        found = self._clients.list_after(after, limit)
        return [replace(client, epoch=self._sessions.epochs[client.id]) for client in found]

    async def change_client(self, id: str, change: ClientChange, event: Event, *, now: int) -> Committed[bool]:
        if not self._clients.change(id, change):
            return Committed(result=False)
        if isinstance(change, ClientRemoval):
            self._deleted.add(id)
        draft, _ = self._sessions.end_subject(id, "subject_revoked", None, now)
        return self._logs.append([draft], event, result=True, now=now)

    # mails

    async def claim_mails(self, *, now: int, limit: int) -> list[QueuedMail]:
        return self._outbox.claim(now, limit)

    async def finish_mail(self, id: str) -> bool:
        return self._outbox.finish(id)

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
        use = None if guard is None else guard.use
        if not self._may_start(session.subject, guard) or (use is not None and use.spent.digest in self._one_time):
            return Committed(None)
        ended = self._sessions.start(session, cap=cap, replaces=replaces)
        if use is not None:
            self._one_time[use.spent.digest] = use.spent
            self._advance(use.before, use.after)
        return self._logs.append(
            [draft_entry("session", other.id) for other, _ in ended],
            *(session_ended(event, session=other.id, subject=other.subject, cause=cause) for other, cause in ended),
            *(() if use is None else use.events),
            event,
            result=self._sessions.epoch(session.subject),
            now=session.created_at,
        )

    async def reauthenticate_session(
        self, session: Session, event: Event, *, guard: LoginGuard | None
    ) -> Committed[bool]:
        if not self._may_start(session.subject, guard) or not self._sessions.reauthenticate(session):
            return Committed(result=False)
        return self._logs.append([], event, result=True)

    def _may_start(self, subject: str, guard: LoginGuard | None) -> bool:
        account = self._accounts.get(subject)
        if guard is None:
            return subject not in self._deleted and (account is None or account.status == "active")
        return account is not None and account.status == "active" and self._sessions.epochs[account.id] == guard.epoch

    async def read_session(self, id: str) -> SessionRecord | None:
        session = self._sessions.rows.get(id)
        if session is None:
            return None
        account = self._accounts.get(session.subject)
        epoch = self._sessions.epoch(session.subject)
        return SessionRecord(session, epoch, None if account is None else self._with_epoch(account))

    async def ended_status_indexes(self) -> list[int]:
        return self._sessions.ended_status_indexes()

    async def read_epoch(self, subject: str) -> int:
        return self._sessions.epoch(subject)

    async def advance_session(self, before: Session, after: Session) -> bool:
        return self._sessions.advance(before, after)

    async def bind_session(self, before: Session, after: Session, event: Event) -> Committed[bool]:
        if not self._sessions.bind(before, after):
            return Committed(result=False)
        return self._logs.append([], event, result=True)

    async def list_sessions(
        self,
        subject: str | None,
        *,
        now: int,
        limit: int = 1000,
        identity: str | None = None,
        provider_session: str | None = None,
    ) -> list[Session]:
        live = self._sessions.live(subject, now)
        if identity is not None:
            live = [session for session in live if session.identity == identity != ""]
        if provider_session is not None:
            live = [session for session in live if session.provider_session == provider_session != ""]
        return live[:limit]

    async def revoke(self, revocation: Revocation, event: Event, *, now: int) -> Committed[int | None]:
        if not names_something(revocation):
            return Committed(None)
        match revocation:
            case EndSession():
                if not self._sessions.end_one(revocation, now):
                    return Committed(None)
                draft, ended = draft_entry("session", revocation.id), 1
            case EndSubject():
                draft, ended = self._sessions.end_subject(revocation.subject, revocation.cause, revocation.keep, now)
            case RefreshClaims():
                draft, ended = self._sessions.raise_epoch(revocation.subject), 0
            case EndToken():
                draft, ended = draft_entry("session", revocation.id), 1
            case _:
                assert_never(revocation)
        return self._logs.append([draft], event, result=ended, now=now)

    # throttling

    async def count_attempt(self, buckets: Sequence[Bucket], *, now: int) -> int:
        if not buckets:
            return 0
        horizon = horizon_us(buckets, now)
        counted = {
            bucket.id: count(self._buckets.get(bucket.id, 0), bucket, now=now, horizon_us=horizon) for bucket in buckets
        }
        wait = max(wait_seconds(counted[bucket.id], bucket, now=now) for bucket in buckets)
        if wait == 0:
            self._buckets.update(counted)
        return wait

    async def settle_attempt(self, owner: str, event: Event) -> Committed[None]:
        if owner:
            self._buckets = {key: empty_at for key, empty_at in self._buckets.items() if key[0] != owner}
        return self._logs.append([], event, result=None)

    # the life of access tokens

    async def declare_access_ttl(self, seconds: int, *, now: int, signs_until: int) -> tuple[DeclaredTtl, ...]:
        return self._logs.declare_ttl(seconds, now=now, until=signs_until + seconds)

    async def declare_settings(self, mine: DeclaredSettings, *, lease_seconds: int) -> tuple[DeclaredSettings, ...]:
        now = self._clock() // 1000
        lives = {name: held for name, held in self._declared.items() if held[1] >= now and name != mine.process}
        others = tuple({held.anonymous: None for held, _ in lives.values()})
        if mine.process in self._declared or conflict_of(mine, others) is None:
            self._declared[mine.process] = (mine, now + lease_seconds)
        return others

    async def list_settings(self) -> tuple[tuple[DeclaredSettings, int], ...]:
        now = self._clock() // 1000
        return tuple((held, until - now) for held, until in self._declared.values() if until >= now)

    async def withdraw_settings(self, process: str) -> None:
        self._declared.pop(process, None)

    # keys

    async def read_keys(self) -> KeyRing:
        return replace(self._ring, longest_access_ttl=self._logs.longest_ttl())

    async def write_keys(
        self,
        version: int,
        keys: Sequence[SigningKey],
        event: Event,
        *,
        revoked_kid: str | None = None,
        now: int,
    ) -> Committed[bool]:
        if version != self._ring.version:
            return Committed(result=False)
        self._ring = KeyRing(version + 1, tuple(sorted(keys, key=lambda key: (key.published_at, key.kid))))
        drafts = [] if revoked_kid is None else [draft_entry("key", revoked_kid)]
        return self._logs.append(drafts, event, result=True, now=now)

    # the feed, the audit log, housekeeping

    async def time_ms(self) -> int:
        return self._clock()

    async def load_feed(self, after: int | None) -> FeedPage:
        return self._logs.page(after, keys_version=self._ring.version)

    async def wait_for_change(self) -> None:
        await self._logs.wait_for_change()

    async def read_events(self, *, after: int = 0, limit: int = 1000) -> list[Event]:
        return self._logs.events(after, limit)

    async def purge(self, *, now: int, audit_seconds: int) -> None:
        self._logs.purge(now, audit_seconds)
        self._buckets = {key: empty_at for key, empty_at in self._buckets.items() if empty_at > now * MICROSECONDS}
        self._purge_one_time(now)
        self._outbox.purge(now)
        self._sessions.purge(now)

    async def reset_after_restore(self, event: Event, *, now: int) -> Committed[None]:
        self._logs.reset_after_restore()
        self._sessions.end_all(now)
        self._one_time = {}
        self._outbox.clear()
        live = [key for key in self._ring.keys if key.revoked_at is None]
        until = self._logs.retained_until(now)
        keys = (
            key if key not in live else replace(key, revoked_at=now, verifies_until=until) for key in self._ring.keys
        )
        self._ring = KeyRing(self._ring.version + 1, tuple(keys))
        return self._logs.append([draft_entry("key", key.kid) for key in live], event, result=None, now=now)

    # steps

    def _write_account(self, account: Account, change: AccountChange) -> bool:
        """Whether the account was as the change expects."""
        match change:
            case PasswordChange():
                if account.password_hash != change.old_hash or not self._is_epoch(account, change.epoch):
                    return False
                self._accounts[account.id] = replace(account, password_hash=change.new_hash)
            case StatusChange():
                self._accounts[account.id] = replace(account, status=change.status)
            case ScopesChange():
                self._accounts[account.id] = replace(account, scopes=change.scopes)
            case EmailChange():
                return self._write_email(account, change)
            case Deletion():
                del self._accounts[account.id]
                self._deleted.add(account.id)
                self._forget_credentials(account.id)
            case CredentialAdded() | CredentialRemoved():
                return self._sessions.epochs[account.id] == change.epoch and self._change_credential(account.id, change)
            case _:
                assert_never(change)
        return True

    def _write_email(self, account: Account, change: EmailChange) -> bool:
        if not self._is_epoch(account, change.epoch):
            return False
        for other in self._accounts.values():
            if (
                change.verified_at is not None
                and other.id != account.id
                and other.email_verified
                and other.canonical_email == change.canonical_email
            ):
                raise InvalidField("email", "is taken")
        self._accounts[account.id] = replace(
            account,
            email=change.email,
            canonical_email=change.canonical_email,
            email_verified_at=change.verified_at,
            email_changed_at=change.changed_at,
        )
        return True

    def _is_epoch(self, account: Account, wanted: int | None) -> bool:
        return wanted is None or self._sessions.epochs[account.id] == wanted

    def _revoke(self, subject: str, consequence: Consequence, now: int) -> list[Entry]:
        match consequence:
            case EndAll(keep):
                self._sessions.renew(subject, keep, now)
                return [self._sessions.end_subject(subject, "subject_revoked", keep, now)[0]]
            case RaiseEpoch():
                return [self._sessions.raise_epoch(subject)]
            case Nothing():
                return []
            case _:
                assert_never(consequence)

    def _with_epoch(self, account: Account) -> Account:
        return replace(account, epoch=self._sessions.epochs[account.id])
