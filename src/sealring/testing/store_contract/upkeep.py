"""The audit log, purging, and a restore from a backup (P7)."""

from __future__ import annotations

import asyncio

from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.rate import RateLimit
from sealring.sessions.revocation import EndSession, RefreshClaims
from sealring.store.protocol import FINISHED_SESSION_SECONDS, Store
from sealring.store.revocation_log import digest_of
from sealring.testing.store_contract.contract import Contract
from sealring.testing.store_contract.samples import (
    NOW,
    RETAIN,
    a_key,
    a_session,
    an_account,
    an_event,
    declare_ttl,
    restored,
    revoke,
    start,
)


class UpkeepContract(Contract):
    """The tests of this part."""

    # the audit log

    async def test_audit_lines_are_numbered_in_order(self, store: Store) -> None:
        for number in range(5):
            await store.settle_attempt("", an_event("login_failed", detail={"n": number}, address="192.0.2.1"))
        events = await store.read_events()
        assert [event.number for event in events] == [1, 2, 3, 4, 5]
        assert [event.detail["n"] for event in events] == [0, 1, 2, 3, 4]
        assert events[0] == an_event("login_failed", detail={"n": 0}, address="192.0.2.1", number=1)
        assert [event.number for event in await store.read_events(after=2, limit=2)] == [3, 4]

    # housekeeping

    async def test_purge_forgets_what_nothing_can_ask_for(self, store: Store) -> None:
        live, idle, over, ended = a_session(), a_session(idle_seconds=9), a_session(expires_at=NOW + 9), a_session()
        for session in (live, idle, over, ended):
            await start(store, session)
        await revoke(store, EndSession(id=ended.id, cause="logout"))
        later = NOW + FINISHED_SESSION_SECONDS + 9
        await store.purge(now=later - 10, audit_seconds=10**6)
        assert all([await store.read_session(session.id) for session in (live, idle, over, ended)][:3])
        await store.purge(now=later, audit_seconds=10**6)
        found = [await store.read_session(session.id) for session in (live, idle, over, ended)]
        assert [record is not None for record in found] == [True, False, False, False]
        assert len(await store.read_events()) == 5
        await store.purge(now=later, audit_seconds=60)
        assert await store.read_events() == []
        await store.settle_attempt("", an_event())
        assert [event.number for event in await store.read_events()] == [6]

    async def test_purge_keeps_a_revocation_until_no_token_can_be_concerned(self, store: Store) -> None:
        await declare_ttl(store)
        await revoke(store, RefreshClaims(subject="42"))
        await store.purge(now=NOW + RETAIN, audit_seconds=0)
        assert len((await store.load_feed(None)).entries) == 1
        await store.purge(now=NOW + RETAIN + 1, audit_seconds=0)
        page = await store.load_feed(None)
        assert (page.entries, page.head) == ((), 1)
        record = await start(store, a_session())
        assert record is not None
        assert record.epoch == 1

    async def test_purge_forgets_idle_buckets_only(self, store: Store) -> None:
        full = Bucket(key="full", rate=RateLimit(1, 600))
        await store.count_attempt([full], now=NOW)
        await store.purge(now=NOW + 1, audit_seconds=0)
        assert await store.count_attempt([full], now=NOW + 1) == 599
        await store.purge(now=NOW + 601, audit_seconds=0)
        assert await store.count_attempt([full], now=NOW + 601) == 0

    async def test_purge_works_through_more_rows_than_one_piece(self, store: Store) -> None:
        for piece in range(0, 520, 104):
            subjects = [str(number) for number in range(piece, piece + 104)]
            await asyncio.gather(*(start(store, a_session(subject)) for subject in subjects))
            await asyncio.gather(*(revoke(store, RefreshClaims(subject=subject)) for subject in subjects))
        live = a_session("live", created_at=NOW + 100 * 86_400)
        await start(store, live)
        await store.purge(now=NOW + 100 * 86_400, audit_seconds=0)
        page = await store.load_feed(None)
        assert (page.head, page.entries) == (520, ())
        assert await store.list_sessions(None, now=NOW) == [live]
        assert await store.read_events() == []
        assert page.digest != digest_of(())

    async def test_p7_every_session_ends_and_every_epoch_rises(self, store: Store) -> None:
        account = an_account()
        await store.create_account(account, an_event("account_created"))
        sessions = [a_session(account.id), a_session("42"), a_session("43")]
        for session in sessions:
            await store.start_session(session, an_event(), guard=None, cap=9, replaces=None)
        await store.revoke(RefreshClaims(subject="42"), an_event(), now=NOW)
        before = {session.id: await store.read_session(session.id) for session in sessions}
        await restored(store)
        for session in sessions[:2]:
            record, earlier = await store.read_session(session.id), before[session.id]
            assert record is not None
            assert earlier is not None
            assert (record.session.ended_at, record.session.ended_by) == (NOW + 10, "store_restored")
            assert record.epoch == earlier.epoch + 1
        assert await store.list_sessions(None, now=NOW + 10) == []
        assert not await store.advance_session(sessions[0], sessions[0])
        assert (await store.read_events())[-1].kind == "store_restored"

    async def test_p7_every_key_is_revoked_and_the_incarnation_is_another(self, store: Store) -> None:
        await declare_ttl(store)
        await store.write_keys(0, [a_key("a"), a_key("b"), a_key("c", revoked_at=NOW - 5)], an_event(), now=NOW)
        before = await store.load_feed(None)
        assert sorted(await restored(store)) == ["a", "b"]
        after = await store.load_feed(None)
        assert after.incarnation != before.incarnation
        assert after.keys_version > before.keys_version
        assert (after.head, after.complete) == (2, True)
        ring = await store.read_keys()
        assert {key.kid: key.revoked_at for key in ring.keys} == {"a": NOW + 10, "b": NOW + 10, "c": NOW - 5}
        assert await restored(store) == []
