"""The model: what every store must do, in plain dictionaries.

Nothing here awaits, so each method is one atomic step of the event loop; nothing outlives the process. Tests use it
where no database is wanted, and the contract suite holds the other stores to it.
"""

# ruff: noqa: D102
# what each method promises stands once, in the protocol

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar, assert_never

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
from sealring.audit.event import Event
from sealring.authentication.one_time import INVITATION, OneTime
from sealring.errors import InvalidField, InvitationRequired, NameTaken
from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.gcra import MICROSECONDS, count, horizon_us, wait_seconds
from sealring.revocation.entry import Entry
from sealring.revocation.feed import FeedPage
from sealring.sessions.access_ttl import DeclaredTtl
from sealring.sessions.refresh import renew
from sealring.sessions.revocation import EndSession, EndSubject, RefreshClaims, Revocation
from sealring.sessions.session import EndCause, Session
from sealring.signing_keys.key import KeyRing, SigningKey
from sealring.store.memory_credentials import MemoryCredentials
from sealring.store.protocol import FINISHED_SESSION_SECONDS, Store
from sealring.store.records import Committed, LoginGuard, SessionRecord
from sealring.store.revocation_log import (
    digest_of,
    draft_entry,
    is_complete,
    number_all,
    retained_until,
    session_ended,
)
from sealring.store.rows import MOVING_NAMES, names_something
from sealring.store.schema import read_migrations

Result = TypeVar("Result")


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
        self._incarnation = secrets.token_urlsafe(16)
        self._accounts: dict[str, Account] = {}
        self._epochs: dict[str, int] = {}
        self._deleted: set[str] = set()
        self._sessions: dict[str, Session] = {}
        self._buckets: dict[tuple[str, str], int] = {}
        self._ttls: dict[int, DeclaredTtl] = {}
        self._ring = KeyRing(0, ())
        self._entries: list[Entry] = []
        self._head = 0
        self._digest = 0
        self._events: list[Event] = []
        self._last_event = 0
        self._news = asyncio.Event()

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def schema_version(self) -> int:
        return read_migrations("sqlite")[-1].number

    async def close(self) -> None:
        """Nothing is to be closed."""

    # accounts

    async def create_account(self, account: Account, event: Event, *, invitation: str | None = None) -> Committed[None]:
        if account.id in self._epochs:
            raise ValueError("a subject is never used again")
        for other in self._accounts.values():
            if other.canonical_name == account.canonical_name:
                raise NameTaken
        for other in self._accounts.values():
            if account.canonical_email is not None and other.canonical_email == account.canonical_email:
                raise InvalidField("email", "is taken")
        if (
            invitation is not None
            and await self.take_once(invitation, purpose=INVITATION, now=account.created_at) is None
        ):
            raise InvitationRequired
        self._accounts[account.id] = account
        self._epochs[account.id] = account.epoch
        return self._append([], event, result=None)

    async def create_invitation(self, invitation: OneTime, event: Event) -> Committed[None]:
        if not await self.put_once(invitation):
            raise ValueError("an invitation is made once")
        return self._append([], event, result=None)

    async def find_account(self, *, canonical_name: str | None = None, id: str | None = None) -> Account | None:
        for account in self._accounts.values():
            if account.canonical_name == canonical_name or account.id == id:
                return self._with_epoch(account)
        return None

    async def list_accounts(self, *, after: str = "", limit: int = 1000) -> list[Account]:
        names = sorted((account.canonical_name, account.id) for account in self._accounts.values())
        return [self._with_epoch(self._accounts[own_id]) for name, own_id in names if name > after][:limit]

    async def change_account(self, id: str, change: AccountChange, event: Event, *, now: int) -> Committed[bool]:
        account = self._accounts.get(id)
        if account is None:
            return Committed(result=False)
        if not self._write_account(account, change):
            return Committed(result=False)
        return self._append(self._revoke(id, consequence(change), now), event, result=True, now=now)

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
        if not self._may_start(session.subject, guard):
            return Committed(None)
        now = session.created_at
        ended: list[tuple[Session, EndCause]] = []
        replaced = None if replaces is None else self._sessions.get(replaces)
        if replaced is not None and replaced.ended_at is None:
            ended.append((replaced, "replaced"))
        others = [other for other in self._live(session.subject, now) if other is not replaced]
        ended += [(other, "over_cap") for other in others[max(0, cap - 1) :]]
        self._sessions[session.id] = session
        for other, cause in ended:
            self._sessions[other.id] = replace(other, ended_at=now, ended_by=cause)
        return self._append(
            [draft_entry("session", other.id) for other, _ in ended],
            *(session_ended(event, session=other.id, subject=other.subject, cause=cause) for other, cause in ended),
            event,
            result=self._epochs.get(session.subject, 0),
            now=now,
        )

    def _may_start(self, subject: str, guard: LoginGuard | None) -> bool:
        account = self._accounts.get(subject)
        if guard is None:
            return subject not in self._deleted and (account is None or account.status == "active")
        return account is not None and account.status == "active" and self._epochs[account.id] == guard.epoch

    async def read_session(self, id: str) -> SessionRecord | None:
        session = self._sessions.get(id)
        if session is None:
            return None
        account = self._accounts.get(session.subject)
        epoch = self._epochs.get(session.subject, 0)
        return SessionRecord(session, epoch, None if account is None else self._with_epoch(account))

    async def read_epoch(self, subject: str) -> int:
        return self._epochs.get(subject, 0)

    async def advance_session(self, before: Session, after: Session) -> bool:
        if not self._unmoved(before):
            return False
        moved = {name: getattr(after, name) for name in MOVING_NAMES}
        self._sessions[before.id] = replace(self._sessions[before.id], **moved)
        return True

    async def list_sessions(self, subject: str | None, *, now: int, limit: int = 1000) -> list[Session]:
        return self._live(subject, now)[:limit]

    async def revoke(self, revocation: Revocation, event: Event, *, now: int) -> Committed[int | None]:
        if not names_something(revocation):
            return Committed(None)
        match revocation:
            case EndSession():
                session = self._sessions.get(revocation.id)
                if (
                    session is None
                    or session.ended_at is not None
                    or revocation.subject not in {None, session.subject}
                    or (revocation.unmoved is not None and not self._unmoved(revocation.unmoved))
                ):
                    return Committed(None)
                self._sessions[session.id] = replace(session, ended_at=now, ended_by=revocation.cause)
                draft, ended = draft_entry("session", session.id), 1
            case EndSubject():
                draft, ended = self._end_subject(revocation.subject, revocation.cause, revocation.keep, now)
            case RefreshClaims():
                draft, ended = self._raise_epoch(revocation.subject), 0
            case _:
                assert_never(revocation)
        return self._append([draft], event, result=ended, now=now)

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
        return self._append([], event, result=None)

    # the life of access tokens

    async def declare_access_ttl(self, seconds: int, *, now: int, signs_until: int) -> tuple[DeclaredTtl, ...]:
        lapsed = min(now, self._clock() // 1000)
        self._ttls = {ttl.seconds: ttl for ttl in self._ttls.values() if ttl.until >= lapsed}
        held = self._ttls.get(seconds, DeclaredTtl(seconds, now, 0))
        self._ttls[seconds] = replace(held, until=max(held.until, signs_until + seconds))
        return tuple(sorted(self._ttls.values(), key=lambda ttl: -ttl.seconds))

    # keys

    async def read_keys(self) -> KeyRing:
        return replace(self._ring, longest_access_ttl=self._longest_ttl())

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
        return self._append(drafts, event, result=True, now=now)

    # the feed, the audit log, housekeeping

    async def time_ms(self) -> int:
        return self._clock()

    async def load_feed(self, after: int | None) -> FeedPage:
        entries = tuple(entry for entry in self._entries if after is None or entry.number > after)
        return FeedPage(
            incarnation=self._incarnation,
            head=self._head,
            complete=is_complete(after, self._head, entries),
            entries=entries,
            digest=self._digest,
            keys_version=self._ring.version,
            time_ms=self._clock(),
            longest_access_ttl=self._longest_ttl(),
        )

    async def wait_for_change(self) -> None:
        await self._news.wait()

    async def read_events(self, *, after: int = 0, limit: int = 1000) -> list[Event]:
        return [event for event in self._events if event.number > after][:limit]

    async def purge(self, *, now: int, audit_seconds: int) -> None:
        self._entries = [entry for entry in self._entries if entry.expires_at >= now]
        self._events = [event for event in self._events if event.at_ms >= (now - audit_seconds) * 1000]
        self._buckets = {key: empty_at for key, empty_at in self._buckets.items() if empty_at > now * MICROSECONDS}
        self._purge_one_time(now)
        long_ago = now - FINISHED_SESSION_SECONDS
        self._sessions = {
            session.id: session
            for session in self._sessions.values()
            if _within_limits(session, long_ago) and (session.ended_at is None or session.ended_at > long_ago)
        }

    async def reset_after_restore(self, event: Event, *, now: int) -> Committed[None]:
        self._incarnation = secrets.token_urlsafe(16)
        self._epochs = {subject: epoch + 1 for subject, epoch in self._epochs.items()}
        for session in self._sessions.values():
            if session.ended_at is None:
                self._sessions[session.id] = replace(session, ended_at=now, ended_by="store_restored")
        self._one_time = {}
        live = [key for key in self._ring.keys if key.revoked_at is None]
        until = self._retained_until(now)
        keys = (
            key if key not in live else replace(key, revoked_at=now, verifies_until=until) for key in self._ring.keys
        )
        self._ring = KeyRing(self._ring.version + 1, tuple(keys))
        return self._append([draft_entry("key", key.kid) for key in live], event, result=None, now=now)

    # steps

    def _write_account(self, account: Account, change: AccountChange) -> bool:
        """Whether the account was as the change expects."""
        match change:
            case PasswordChange():
                if account.password_hash != change.old_hash:
                    return False
                self._accounts[account.id] = replace(account, password_hash=change.new_hash)
            case StatusChange():
                self._accounts[account.id] = replace(account, status=change.status)
            case ScopesChange():
                self._accounts[account.id] = replace(account, scopes=change.scopes)
            case EmailChange():
                for other in self._accounts.values():
                    if other.id != account.id and change.canonical_email in {other.canonical_email} - {None}:
                        raise InvalidField("email", "is taken")
                changed = replace(account, email=change.email, canonical_email=change.canonical_email)
                self._accounts[account.id] = changed
            case Deletion():
                del self._accounts[account.id]
                self._deleted.add(account.id)
                self._forget_credentials(account.id)
            case CredentialAdded() | CredentialRemoved():
                return self._epochs[account.id] == change.epoch and self._change_credential(account.id, change)
            case _:
                assert_never(change)
        return True

    def _revoke(self, subject: str, consequence: Consequence, now: int) -> list[Entry]:
        match consequence:
            case EndAll(keep):
                self._renew(subject, keep, now)
                return [self._end_subject(subject, "subject_revoked", keep, now)[0]]
            case RaiseEpoch():
                return [self._raise_epoch(subject)]
            case Nothing():
                return []
            case _:
                assert_never(consequence)

    def _longest_ttl(self) -> int:
        return max(self._ttls, default=0)

    def _retained_until(self, now: int) -> int:
        return retained_until(self._longest_ttl(), now=now, store_now=self._clock() // 1000)

    def _with_epoch(self, account: Account) -> Account:
        return replace(account, epoch=self._epochs[account.id])

    def _live(self, subject: str | None, now: int) -> list[Session]:
        live = (
            session
            for session in self._sessions.values()
            if subject in {None, session.subject} and session.ended_at is None and _within_limits(session, now)
        )
        return sorted(live, key=lambda session: (session.created_at, session.id), reverse=True)

    def _unmoved(self, before: Session) -> bool:
        row = self._sessions.get(before.id)
        return (
            row is not None
            and row.ended_at is None
            and (row.generation, row.minted_ms, row.child_minted_ms)
            == (before.generation, before.minted_ms, before.child_minted_ms)
        )

    def _raise_epoch(self, subject: str) -> Entry:
        epoch = self._epochs[subject] = self._epochs.get(subject, 0) + 1
        return draft_entry("subject", subject, epoch=epoch)

    def _end_subject(self, subject: str, cause: EndCause, keep: str | None, now: int) -> tuple[Entry, int]:
        theirs = [session for session in self._sessions.values() if session.subject == subject]
        ending = [session for session in theirs if session.ended_at is None and session.id != keep]
        for session in ending:
            self._sessions[session.id] = replace(session, ended_at=now, ended_by=cause)
        return self._raise_epoch(subject), len(ending)

    def _renew(self, subject: str, kept: str | None, now: int) -> None:
        session = None if kept is None else self._sessions.get(kept)
        if session is not None and session.subject == subject and (renewed := renew(session, now * 1000)) is not None:
            self._sessions[session.id] = renewed

    def _append(self, drafts: Sequence[Entry], *events: Event, result: Result, now: int = 0) -> Committed[Result]:
        committed = number_all(
            drafts,
            events,
            head=self._head,
            last_event=self._last_event,
            expires_at=self._retained_until(now),
            result=result,
        )
        self._entries += committed.entries
        self._head += len(drafts)
        self._digest ^= digest_of(drafts)
        self._events += committed.events
        self._last_event += len(events)
        if drafts:
            self._news.set()
            self._news = asyncio.Event()
        return committed


def _within_limits(session: Session, now: int) -> bool:
    return now < session.expires_at and now < session.last_seen_at + session.idle_seconds
