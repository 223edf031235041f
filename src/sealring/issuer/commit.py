"""The one step between "committed in the store" and "done": in force on this node, published, returned (design D17).

Use cases hold a `CommittingStore` and no other. It has the reading methods of `Store` as they are; each writing method
gives back the result alone, after the revocations that the store wrote are in force here (I2) and the audit events are
published, with what the store itself wrote beside them (the session that had to make room, with its own subject). A
use case cannot forget it, and a method that the store gains is of no use until it stands here.

What is published has happened: an operation that was refused, or did nothing, publishes nothing. A listener is a
courtesy to the application; what it raises is logged, and changes nothing of what was committed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from sealring.accounts.account import Account
from sealring.accounts.changes import AccountChange
from sealring.accounts.credential import Credential
from sealring.accounts.oauth_client import ClientChange, OAuthClient
from sealring.audit.event import EVENTS, Event
from sealring.audit.queued_mail import QueuedMail
from sealring.authentication.one_time import OneTime
from sealring.forks import leave_to_parent
from sealring.rate_limits.bucket import Bucket
from sealring.revocation.entry import Entry
from sealring.sessions.access_ttl import DeclaredTtl
from sealring.sessions.declared_settings import DeclaredSettings
from sealring.sessions.revocation import Revocation
from sealring.sessions.session import Session
from sealring.signing_keys.key import KeyRing, SigningKey
from sealring.store.protocol import Store
from sealring.store.records import Committed, LoginGuard, SessionRecord
from sealring.verifier.node_state import NodeState

log = logging.getLogger("sealring.audit")

OnEvent = Callable[[Event], None]
Result = TypeVar("Result")


class CommittingStore:
    """A store whose every write is in force here, and published, before it returns.

    Args:
        store: where it is written.
        node: where revocations come into force.
        listeners: given each event, in the order of the audit log of one write.
    """

    def __init__(self, store: Store, node: NodeState, listeners: Sequence[OnEvent] = ()) -> None:
        self._store = store
        self._node = node
        self._listeners = listeners
        self._under_way: set[asyncio.Task[Any]] = set()
        self.mail_queued: Callable[[], None] = _nobody_waits
        """Called when a mail was put into the outbox here: who sends it need not wait for the next look."""

    # the step

    async def _commit(self, write: Coroutine[Any, Any, Committed[Result]]) -> Result:
        """Write, put in force, publish.

        In a task of its own: a caller may be canceled while the commit is under way (its client hung up), and what is
        committed then must be in force here no later than if it had stayed.
        """
        task = asyncio.create_task(self._carry_out(write), name="sealring commit")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(_take_exception)
        return await asyncio.shield(task)

    async def _carry_out(self, write: Coroutine[Any, Any, Committed[Result]]) -> Result:
        committed = await write
        self._node.apply_revocations(committed.entries)
        for event in committed.events:
            self._publish(event)
            if event.mails:
                self.mail_queued()
        return committed.result

    def _publish(self, event: Event) -> None:
        fields = {"subject": event.subject, "session": event.session, "address": event.address, "cause": event.cause}
        log.log(
            getattr(logging, EVENTS[event.kind].severity.upper()),
            event.kind,
            extra={"sealring": {name: value for name, value in fields.items() if value} | dict(event.detail)},
        )
        for listen in self._listeners:
            try:
                listen(event)
            except Exception:
                log.exception("the application's on_event raised", extra={"sealring": {"kind": event.kind}})

    def apply_here(self, entries: Sequence[Entry]) -> None:
        """Put in force on this node what it has found revoked by another, before its own poll would find it."""
        self._node.apply_revocations(entries)

    async def finish(self) -> None:
        """Wait for the writes of callers that have gone. Call before the store is closed."""
        loop = asyncio.get_running_loop()
        if mine := [task for task in self._under_way if task.get_loop() is loop]:
            await asyncio.wait(mine)

    def forked(self) -> None:
        """In a child: what was under way is the parent's."""
        leave_to_parent(self._under_way)
        self._under_way = set()

    # writes; what each promises stands in `Store`

    async def create_account(
        self, account: Account, event: Event, *, invitation: str | None = None, credential: Credential | None = None
    ) -> None:
        """See `Store.create_account`."""
        return await self._commit(
            self._store.create_account(account, event, invitation=invitation, credential=credential)
        )

    async def create_client(self, client: OAuthClient, event: Event) -> None:
        """See `Store.create_client`."""
        return await self._commit(self._store.create_client(client, event))

    async def change_client(self, id: str, change: ClientChange, event: Event, *, now: int) -> bool:
        """See `Store.change_client`."""
        return await self._commit(self._store.change_client(id, change, event, now=now))

    async def create_invitation(self, invitation: OneTime, event: Event) -> None:
        """See `Store.create_invitation`."""
        return await self._commit(self._store.create_invitation(invitation, event))

    async def change_account(self, id: str, change: AccountChange, event: Event, *, now: int) -> bool:
        """See `Store.change_account`."""
        return await self._commit(self._store.change_account(id, change, event, now=now))

    async def start_session(
        self, session: Session, event: Event, *, guard: LoginGuard | None, cap: int, replaces: str | None
    ) -> int | None:
        """See `Store.start_session`."""
        return await self._commit(self._store.start_session(session, event, guard=guard, cap=cap, replaces=replaces))

    async def reauthenticate_session(self, session: Session, event: Event, *, guard: LoginGuard | None) -> bool:
        """See `Store.reauthenticate_session`."""
        return await self._commit(self._store.reauthenticate_session(session, event, guard=guard))

    async def bind_session(self, before: Session, after: Session, event: Event) -> bool:
        """See `Store.bind_session`."""
        return await self._commit(self._store.bind_session(before, after, event))

    async def revoke(self, revocation: Revocation, event: Event, *, now: int) -> int | None:
        """See `Store.revoke`."""
        return await self._commit(self._store.revoke(revocation, event, now=now))

    async def settle_attempt(self, owner: str, event: Event) -> None:
        """See `Store.settle_attempt`."""
        return await self._commit(self._store.settle_attempt(owner, event))

    async def write_keys(
        self, version: int, keys: Sequence[SigningKey], event: Event, *, revoked_kid: str | None = None, now: int
    ) -> bool:
        """See `Store.write_keys`."""
        return await self._commit(self._store.write_keys(version, keys, event, revoked_kid=revoked_kid, now=now))

    async def reset_after_restore(self, event: Event, *, now: int) -> None:
        """See `Store.reset_after_restore`."""
        return await self._commit(self._store.reset_after_restore(event, now=now))

    # what revokes nothing and leaves no audit line

    async def advance_session(self, before: Session, after: Session) -> bool:
        """See `Store.advance_session`."""
        return await self._store.advance_session(before, after)

    async def count_attempt(self, buckets: Sequence[Bucket], *, now: int) -> int:
        """See `Store.count_attempt`."""
        return await self._store.count_attempt(buckets, now=now)

    async def declare_access_ttl(self, seconds: int, *, now: int, signs_until: int) -> tuple[DeclaredTtl, ...]:
        """See `Store.declare_access_ttl`."""
        return await self._store.declare_access_ttl(seconds, now=now, signs_until=signs_until)

    async def declare_settings(self, mine: DeclaredSettings, *, lease_seconds: int) -> tuple[DeclaredSettings, ...]:
        """See `Store.declare_settings`."""
        return await self._store.declare_settings(mine, lease_seconds=lease_seconds)

    async def withdraw_settings(self, process: str) -> None:
        """See `Store.withdraw_settings`."""
        await self._store.withdraw_settings(process)

    async def purge(self, *, now: int, audit_seconds: int) -> None:
        """See `Store.purge`."""
        await self._store.purge(now=now, audit_seconds=audit_seconds)

    async def advance_credential(self, before: Credential, after: Credential) -> bool:
        """See `Store.advance_credential`."""
        return await self._store.advance_credential(before, after)

    async def put_once(self, one_time: OneTime) -> bool:
        """See `Store.put_once`."""
        return await self._store.put_once(one_time)

    async def claim_mails(self, *, now: int, limit: int) -> list[QueuedMail]:
        """See `Store.claim_mails`."""
        return await self._store.claim_mails(now=now, limit=limit)

    async def finish_mail(self, id: str) -> bool:
        """See `Store.finish_mail`."""
        return await self._store.finish_mail(id)

    async def take_once(self, digest: str, *, purpose: str, now: int) -> OneTime | None:
        """See `Store.take_once`."""
        return await self._store.take_once(digest, purpose=purpose, now=now)

    # reads

    async def find_credentials(self, *, account_id: str | None = None, id: str | None = None) -> list[Credential]:
        """See `Store.find_credentials`."""
        return await self._store.find_credentials(account_id=account_id, id=id)

    async def find_credential_owner(self, id: str) -> tuple[Account, Credential] | None:
        """See `Store.find_credential_owner`."""
        return await self._store.find_credential_owner(id)

    async def find_client(self, id: str) -> OAuthClient | None:
        """See `Store.find_client`."""
        return await self._store.find_client(id)

    async def list_clients(self, *, after: str = "", limit: int = 1000) -> list[OAuthClient]:
        """See `Store.list_clients`."""
        return await self._store.list_clients(after=after, limit=limit)

    async def find_account(self, *, canonical_name: str | None = None, id: str | None = None) -> Account | None:
        """See `Store.find_account`."""
        return await self._store.find_account(canonical_name=canonical_name, id=id)

    async def find_accounts_by_email(self, canonical_email: str, *, limit: int) -> list[Account]:
        """See `Store.find_accounts_by_email`."""
        return await self._store.find_accounts_by_email(canonical_email, limit=limit)

    async def list_accounts(self, *, after: str = "", limit: int = 1000) -> list[Account]:
        """See `Store.list_accounts`."""
        return await self._store.list_accounts(after=after, limit=limit)

    async def read_session(self, id: str) -> SessionRecord | None:
        """See `Store.read_session`."""
        return await self._store.read_session(id)

    async def confirm_session(self, id: str) -> SessionRecord | None:
        """See `Store.confirm_session`."""
        return await self._store.confirm_session(id)

    async def ended_status_indexes(self) -> list[int]:
        """See `Store.ended_status_indexes`."""
        return await self._store.ended_status_indexes()

    async def read_epoch(self, subject: str) -> int:
        """See `Store.read_epoch`."""
        return await self._store.read_epoch(subject)

    async def list_sessions(
        self,
        subject: str | None,
        *,
        now: int,
        limit: int = 1000,
        identity: str | None = None,
        provider_session: str | None = None,
    ) -> list[Session]:
        """See `Store.list_sessions`."""
        return await self._store.list_sessions(
            subject, now=now, limit=limit, identity=identity, provider_session=provider_session
        )

    async def read_keys(self) -> KeyRing:
        """See `Store.read_keys`."""
        return await self._store.read_keys()

    async def read_events(self, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """See `Store.read_events`."""
        return await self._store.read_events(after=after, limit=limit)

    async def time_ms(self) -> int:
        """See `Store.time_ms`."""
        return await self._store.time_ms()


def _nobody_waits() -> None:
    pass


def _take_exception(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:  # its caller has it too, if there is one left
        log.debug("a write failed", extra={"sealring": {"cause": type(error).__name__}})
