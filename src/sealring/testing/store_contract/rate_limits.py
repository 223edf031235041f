"""Buckets of rate limits: counted in one step, or not at all (design D13, U9)."""

from __future__ import annotations

import asyncio

from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.rate import RateLimit
from sealring.store.protocol import Store
from sealring.testing.store_contract.contract import Contract
from sealring.testing.store_contract.samples import (
    NOW,
    an_event,
)

BUCKET = Bucket(key="account:ada", rate=RateLimit(10, 300))


class RateLimitContract(Contract):
    """The tests of this part."""

    async def test_u9_of_a_hundred_attempts_at_once_ten_pass(self, store: Store) -> None:
        waits = await asyncio.gather(*(store.count_attempt([BUCKET], now=NOW) for _ in range(100)))
        assert waits.count(0) == 10
        assert set(waits) == {0, 30}

    async def test_a_full_bucket_opens_when_it_said(self, store: Store) -> None:
        for _ in range(10):
            assert await store.count_attempt([BUCKET], now=NOW) == 0
        assert await store.count_attempt([BUCKET], now=NOW) == 30
        assert await store.count_attempt([BUCKET], now=NOW + 29) == 1
        assert await store.count_attempt([BUCKET], now=NOW + 30) == 0
        assert await store.count_attempt([BUCKET], now=NOW + 30) == 30
        passed = [await store.count_attempt([BUCKET], now=NOW + 330) for _ in range(11)]
        assert passed == [0] * 10 + [30]

    async def test_when_one_bucket_is_full_nothing_is_counted_in_any(self, store: Store) -> None:
        wide = Bucket(key="address", rate=RateLimit(3, 60))
        narrow = Bucket(key="account", rate=RateLimit(1, 600))
        assert await store.count_attempt([wide, narrow], now=NOW) == 0
        for _ in range(5):
            assert await store.count_attempt([narrow, wide], now=NOW) == 600
        assert await store.count_attempt([wide], now=NOW) == 0
        assert await store.count_attempt([wide], now=NOW) == 0
        assert await store.count_attempt([wide], now=NOW) == 20

    async def test_success_empties_every_bucket_of_its_owner_and_no_other(self, store: Store) -> None:
        def bucket(key: str, owner: str = "") -> Bucket:
            return Bucket(key=key, rate=RateLimit(1, 60), owner=owner)

        own = [bucket(key, "ann") for key in ("here", "there", "", "\0", "\ud800", "x" * 5000)]
        others = [
            bucket("here"),
            bucket("ann"),
            bucket("here", "bob"),
            bucket("ann", "bob"),
            bucket("", "annn"),
            bucket("n", "an"),
        ]
        for one in own + others:
            assert await store.count_attempt([one], now=NOW) == 0
        await store.settle_attempt("", an_event("login_failed"))
        assert [await store.count_attempt([one], now=NOW) for one in own + others] == [60] * len(own + others)
        await store.settle_attempt("ann", an_event("login"))
        assert [await store.count_attempt([one], now=NOW) for one in own] == [0] * len(own)
        assert [await store.count_attempt([one], now=NOW) for one in others] == [60] * len(others)
        assert [event.kind for event in await store.read_events()] == ["login_failed", "login"]

    async def test_t2_a_clock_that_steps_back_does_not_freeze_a_bucket(self, store: Store) -> None:
        for _ in range(10):
            await store.count_attempt([BUCKET], now=NOW)
        assert await store.count_attempt([BUCKET], now=NOW - 3600) == 0

    async def test_no_buckets_are_never_full(self, store: Store) -> None:
        assert await store.count_attempt([], now=NOW) == 0
