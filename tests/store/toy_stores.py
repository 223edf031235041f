"""Stores as other people write them: one that delegates, and wrong ones, each with the tests that must notice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

from sealring.accounts.changes import AccountChange, PasswordChange
from sealring.audit.event import Event
from sealring.authentication.one_time import OneTime
from sealring.rate_limits.bucket import Bucket
from sealring.revocation.feed import FeedPage
from sealring.sessions.revocation import Revocation
from sealring.sessions.session import Session
from sealring.signing_keys.key import SigningKey
from sealring.store.memory import MemoryStore
from sealring.store.protocol import Store
from sealring.store.records import Committed, LoginGuard


class Delegating:
    """Does all by another store, and counts what it is asked."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        return getattr(self._store, name)


class SwapsBlindly(MemoryStore):
    async def advance_session(self, before: Session, after: Session) -> bool:
        held = self._sessions.rows.get(before.id)
        return held is not None and await super().advance_session(held, after)


class ForgetsTheGuard(MemoryStore):
    async def start_session(
        self, session: Session, event: Event, *, guard: LoginGuard | None, cap: int, replaces: str | None
    ) -> Committed[int | None]:
        return await super().start_session(session, event, guard=guard and None, cap=cap, replaces=replaces)


class ForgetsTheGuardOfAnotherProof(MemoryStore):
    async def reauthenticate_session(
        self, session: Session, event: Event, *, guard: LoginGuard | None
    ) -> Committed[bool]:
        return await super().reauthenticate_session(session, event, guard=guard and None)


class ReadsThenCounts(MemoryStore):
    async def count_attempt(self, buckets: Sequence[Bucket], *, now: int) -> int:
        before = dict(self._buckets)
        wait = await super().count_attempt(buckets, now=now)
        counted, self._buckets = self._buckets, before
        await asyncio.sleep(0)
        self._buckets = counted
        return wait


class ReadsThenTakes(MemoryStore):
    async def take_once(self, digest: str, *, purpose: str, now: int) -> OneTime | None:
        found = self._one_time.get(digest)
        taken = await super().take_once(digest, purpose=purpose, now=now)
        if found is not None and taken is not None:
            self._one_time[digest] = found
            await asyncio.sleep(0)
            self._one_time.pop(digest, None)
        return taken


class ReplacesAnyRing(MemoryStore):
    async def write_keys(
        self, version: int, keys: Sequence[SigningKey], event: Event, *, revoked_kid: str | None = None, now: int
    ) -> Committed[bool]:
        del version
        return await super().write_keys(self._ring.version, keys, event, revoked_kid=revoked_kid, now=now)


class WritesAnOldHash(MemoryStore):
    async def change_account(self, id: str, change: AccountChange, event: Event, *, now: int) -> Committed[bool]:
        held = self._accounts.get(id)
        if isinstance(change, PasswordChange) and held is not None and held.password_hash is not None:
            change = replace(change, old_hash=held.password_hash)
        return await super().change_account(id, change, event, now=now)


class HidesRevocations(MemoryStore):
    async def load_feed(self, after: int | None) -> FeedPage:
        return replace(await super().load_feed(after), entries=())


class ReturnsNoRevocations(MemoryStore):
    async def revoke(self, revocation: Revocation, event: Event, *, now: int) -> Committed[int | None]:
        return replace(await super().revoke(revocation, event, now=now), entries=())


class PurgesEarly(MemoryStore):
    async def purge(self, *, now: int, audit_seconds: int) -> None:
        await super().purge(now=now, audit_seconds=audit_seconds)
        self._logs.purge(now + 1_000_000, audit_seconds + 1_000_000)


class LeavesTheKeysAfterARestore(MemoryStore):
    async def reset_after_restore(self, event: Event, *, now: int) -> Committed[None]:
        ring = self._ring
        done = await super().reset_after_restore(event, now=now)
        self._ring = replace(ring, version=self._ring.version)
        return done


class Toy(NamedTuple):
    """A store, and tests of the contract that must fail with it: none for a good one."""

    make: Any
    fails: tuple[str, ...]

    def opened(self) -> Store:
        return cast("Store", self.make())


TOYS: dict[str, Toy] = {
    toy.make.__name__: toy
    for toy in (
        Toy(Delegating, ()),
        Toy(SwapsBlindly, ("test_r1_of_fifty_swaps_of_one_row_one_succeeds",)),
        Toy(ForgetsTheGuard, ("test_a_guard_for_nobody_does_not_hold",)),
        Toy(ForgetsTheGuardOfAnotherProof, ("test_u13_what_overtakes_another_proof_keeps_it_from_being_put",)),
        Toy(ReadsThenCounts, ("test_u9_of_a_hundred_attempts_at_once_ten_pass",)),
        Toy(ReadsThenTakes, ("test_of_fifty_puts_and_of_fifty_takes_one_wins",)),
        Toy(ReplacesAnyRing, ("test_k6_of_two_that_create_the_first_key_one_wins",)),
        Toy(WritesAnOldHash, ("test_u14_the_old_hash_is_never_written_back",)),
        Toy(HidesRevocations, ("test_k2_a_revoked_key_stands_in_the_feed",)),
        Toy(ReturnsNoRevocations, ("test_a_session_ends_once", "test_j18_a_stale_subject_keeps_its_sessions")),
        Toy(PurgesEarly, ("test_purge_keeps_a_revocation_until_no_token_can_be_concerned",)),
        Toy(LeavesTheKeysAfterARestore, ("test_p7_every_key_is_revoked_and_the_incarnation_is_another",)),
    )
}
