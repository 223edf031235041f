"""The life of access tokens, the ring of keys, the feed (design D19, K2, K6, F8)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sealring.accounts.changes import (
    ScopesChange,
)
from sealring.sessions.access_ttl import DeclaredTtl
from sealring.sessions.declared_settings import DeclaredSettings
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.sessions.revocation import EndSubject, RefreshClaims
from sealring.store.protocol import Store
from sealring.testing.store_contract.contract import Contract
from sealring.testing.store_contract.samples import (
    NOW,
    RETAIN,
    TTL,
    a_key,
    a_session,
    an_account,
    an_event,
    declare_ttl,
    entries_of,
    revoke,
    start,
)


def declared(process: str) -> DeclaredSettings:
    return DeclaredSettings(
        process=process, issuer="https://shop.example", audience="shop", algorithm="ES256", cookie_name="shop"
    )


class FeedContract(Contract):
    """The tests of this part."""

    # the life of access tokens

    async def test_n1_d19_every_revocation_is_kept_for_the_longest_declared_life(self, store: Store) -> None:
        account = an_account()
        await store.create_account(account, an_event("account_created"))
        replaced = a_session(account.id)
        await start(store, replaced)
        assert (await store.load_feed(None)).longest_access_ttl == (await store.read_keys()).longest_access_ttl == 0
        for seconds in (600, TTL, 20):
            await declare_ttl(store, seconds)
        assert (await store.load_feed(None)).longest_access_ttl == (await store.read_keys()).longest_access_ttl == TTL
        (killed,) = (await store.write_keys(0, [a_key()], an_event(), revoked_kid="k1", now=NOW)).entries
        started = await start(store, a_session(account.id), replaces=replaced.id)
        assert started is not None
        (stale,) = await revoke(store, RefreshClaims(subject="42"))
        (ended,) = await revoke(store, EndSubject(subject="42", cause="logout"))
        (changed,) = (await store.change_account(account.id, ScopesChange(scopes=()), an_event(), now=NOW)).entries
        (anew,) = (await store.reset_after_restore(an_event("store_restored"), now=NOW)).entries
        for entry in (killed, *started.entries, stale, ended, changed, anew):
            assert entry.expires_at == NOW + RETAIN
        assert {entry.expires_at for entry in (await store.load_feed(None)).entries} == {NOW + RETAIN}
        assert [key.verifies_until for key in (await store.read_keys()).keys] == [NOW + RETAIN]

    async def test_n1_a_life_lapses_when_nobody_renews_it_and_not_before(self, store: Store) -> None:
        first = await store.declare_access_ttl(600, now=1000, signs_until=2000)
        assert first == (DeclaredTtl(600, since=1000, until=2600),)
        assert await store.declare_access_ttl(600, now=1500, signs_until=1900) == first, "never sooner than it was"
        renewed = await store.declare_access_ttl(600, now=1600, signs_until=2100)
        assert renewed == (DeclaredTtl(600, since=1000, until=2700),)
        both = await store.declare_access_ttl(20, now=2700, signs_until=3000)
        assert both == (DeclaredTtl(600, since=1000, until=2700), DeclaredTtl(20, since=2700, until=3020))
        assert (await store.load_feed(None)).longest_access_ttl == 600
        left = await store.declare_access_ttl(20, now=2701, signs_until=3000)
        assert left == (DeclaredTtl(20, since=2700, until=3020),)
        assert (await store.load_feed(None)).longest_access_ttl == 20

    async def test_n1_t1_a_clock_that_is_fast_makes_no_life_lapse(self, store: Store) -> None:
        at = (await store.load_feed(None)).time_ms // 1000
        await store.declare_access_ttl(600, now=at, signs_until=at + 3600)
        await store.declare_access_ttl(20, now=at + 86_400, signs_until=at + 90_000)
        assert (await store.load_feed(None)).longest_access_ttl == 600

    async def test_n1_t1_a_clock_that_is_slow_keeps_a_revocation_no_shorter(self, store: Store) -> None:
        at = (await store.load_feed(None)).time_ms // 1000
        (entry,) = (await store.revoke(RefreshClaims(subject="42"), an_event(), now=at - 86_400)).entries
        assert entry.expires_at >= at + LEEWAY_SECONDS

    async def test_n1_lives_declared_at_once_are_all_counted(self, store: Store) -> None:
        await asyncio.gather(*(declare_ttl(store, seconds) for seconds in range(1, 21)))
        assert (await store.load_feed(None)).longest_access_ttl == 20

    # what processes are set to

    async def test_a_process_with_another_issuer_declares_nothing(self, store: Store) -> None:
        first = declared("first")
        assert await store.declare_settings(first, lease_seconds=60) == ()
        assert await store.declare_settings(first, lease_seconds=60) == (), "your own is none of the others"
        other = replace(declared("other"), issuer="https://other.example")
        for _ in range(2):
            assert await store.declare_settings(other, lease_seconds=60) == (first.anonymous,)
            assert await store.declare_settings(first, lease_seconds=60) == (), "what was contradicted is not written"
        successor = replace(other, process="successor", previous_issuer=first.issuer)
        assert await store.declare_settings(successor, lease_seconds=60) == (first.anonymous,)
        old_again = declared("old again")
        said = await store.declare_settings(old_again, lease_seconds=60)
        assert set(said) == {first.anonymous, successor.anonymous}
        assert set(await store.declare_settings(first, lease_seconds=60)) == {first.anonymous, successor.anonymous}

    async def test_what_a_process_declared_counts_until_it_is_withdrawn_or_over(self, store: Store) -> None:
        other = replace(declared("other"), issuer="https://other.example")
        await store.declare_settings(declared("first"), lease_seconds=60)
        await store.withdraw_settings("nobody")
        assert await store.declare_settings(other, lease_seconds=60) == (declared("").anonymous,)
        [(first, seconds)] = await store.list_settings()
        assert first == declared("first")
        assert 50 <= seconds <= 60
        await store.withdraw_settings("first")
        assert await store.declare_settings(other, lease_seconds=-10) == ()
        assert await store.list_settings() == (), "its time is over"
        assert await store.declare_settings(declared("first"), lease_seconds=60) == (), "its time was over at once"
        assert await store.declare_settings(replace(declared("third"), algorithm="EdDSA"), lease_seconds=60) == (
            declared("").anonymous,
        )

    async def test_of_processes_that_contradict_each_other_at_once_one_declares(self, store: Store) -> None:
        each = [replace(declared(str(at)), issuer=f"https://{at}.example") for at in range(5)]
        said = await asyncio.gather(*(store.declare_settings(one, lease_seconds=60) for one in each))
        assert sorted(map(len, said)) == [0, 1, 1, 1, 1]

    # keys

    async def test_the_ring_comes_back_as_it_was_written(self, store: Store) -> None:
        assert (await store.read_keys()).keys == ()
        keys = [a_key("a"), a_key("b", public_jwk=None, verifies_until=NOW, revoked_at=NOW, published_at=NOW + 1)]
        ring = await store.read_keys()
        written = entries_of(await store.write_keys(ring.version, keys, an_event("key_published"), now=NOW))
        assert written == ()
        changed = await store.read_keys()
        assert changed.keys == tuple(keys)
        assert changed.version != ring.version
        assert (await store.load_feed(None)).keys_version == changed.version

    async def test_k6_of_two_that_create_the_first_key_one_wins(self, store: Store) -> None:
        version = (await store.read_keys()).version
        writes = [
            store.write_keys(version, [a_key(kid)], an_event("key_published"), now=NOW) for kid in ("a", "b", "c")
        ]
        outcomes = await asyncio.gather(*writes)
        assert sorted(outcome.result for outcome in outcomes) == [False, False, True]
        (key,) = (await store.read_keys()).keys
        assert key.kid == "abc"[[outcome.result for outcome in outcomes].index(True)]
        assert len(await store.read_events()) == 1

    async def test_k2_a_revoked_key_stands_in_the_feed(self, store: Store) -> None:
        version = (await store.read_keys()).version
        entries = entries_of(
            await store.write_keys(version, [a_key("b")], an_event("key_revoked"), revoked_kid="a", now=NOW)
        )
        assert entries is not None
        assert [(entry.kind, entry.target) for entry in entries] == [("key", "a")]
        assert (await store.load_feed(None)).entries == entries

    async def test_f8_what_can_be_read_was_acknowledged_or_says_when_the_last_write_was(self, store: Store) -> None:
        began = (await store.load_feed(None)).time_ms
        acknowledged = await store.heartbeat(every_ms=60_000)
        page = await store.load_feed(None)
        assert acknowledged == (page.acknowledged_ms is not None)
        if page.acknowledged_ms is not None:
            assert began <= page.acknowledged_ms <= page.time_ms
            assert await store.heartbeat(every_ms=60_000)
            assert (await store.load_feed(None)).acknowledged_ms == page.acknowledged_ms, (
                "it is young: nothing was written"
            )
