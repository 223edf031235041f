"""One attempt: in what order it is bounded, counted and answered."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.accounts.argon2id import Argon2Profile
from sealring.authentication.client_info import ClientInfo
from sealring.errors import Overloaded, Throttled, WrongCredentials
from sealring.issuer.hashing import PasswordHasher
from sealring.issuer.login_attempts import LoginAttempts, _until_grid
from sealring.rate_limits.buckets import AccountBuckets, account_buckets
from sealring.rate_limits.rate import RateLimit
from sealring.store.memory import MemoryStore
from tests.nodes import committing

HOME = ClientInfo("192.0.2.1")


def attempts_over(store: MemoryStore, hasher: PasswordHasher) -> LoginAttempts:
    return LoginAttempts(
        committing(store),
        hasher,
        clock=lambda: 1_800_000_000_000,
        account_rate=RateLimit(4, 300),
        registration_rate=RateLimit(600, 60),
        address_rate=RateLimit(100, 60),
        answer_grid_ms=1,
    )


def buckets_of(owner: str) -> AccountBuckets:
    return account_buckets(owner, RateLimit(4, 300), purpose="login", device=None, network="192.0.2.0/24")


@given(st.floats(0, 10), st.sampled_from([0.001, 0.05, 0.5]))
def test_failures_end_on_the_grid_and_within_a_millisecond_after(elapsed: float, grid: float) -> None:
    end = elapsed + _until_grid(elapsed, grid)
    assert end >= elapsed
    steps = round((end - 0.0005) / grid)
    assert steps * grid - 1e-9 <= end < steps * grid + 0.001 + 1e-9


def test_an_attempt_is_counted_only_once_it_has_its_place() -> None:
    async def scenario() -> None:
        store = MemoryStore()
        hasher = PasswordHasher(profile=Argon2Profile(64, 1), threads=1, max_waiting=1)
        attempts = attempts_over(store, hasher)
        leave = asyncio.Event()
        inside = 0

        async def hold(bucket: str) -> None:
            nonlocal inside
            async with attempts.attempt(buckets_of(bucket), HOME):
                inside += 1
                await leave.wait()

        tasks = [asyncio.create_task(hold(bucket)) for bucket in ("a", "b", "c")]
        await asyncio.sleep(0)
        assert (inside, hasher.waiting) == (2, 1)
        with pytest.raises(Overloaded):
            async with attempts.attempt(buckets_of("d"), HOME):
                pass
        assert {owner for owner, _ in store._buckets} == {"a", "b"}
        leave.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())


def test_one_account_holds_a_quarter_of_its_bucket_at_most() -> None:
    async def scenario() -> None:
        hasher = PasswordHasher(profile=Argon2Profile(64, 1), threads=4)
        attempts = attempts_over(MemoryStore(), hasher)
        inside: list[int] = []

        async def one() -> None:
            async with attempts.attempt(buckets_of("a"), HOME) as attempt:
                inside.append(hasher.places - hasher.queue.free)
                await asyncio.sleep(0)
                await attempts.succeed(attempt, subject="a", methods=["password"])

        await asyncio.gather(*(one() for _ in range(20)))
        assert inside == [1] * 20

    asyncio.run(scenario())


def test_what_fails_pays_and_what_breaks_does_not() -> None:
    async def scenario() -> None:
        store = MemoryStore()
        attempts = attempts_over(store, PasswordHasher(profile=Argon2Profile(64, 1)))

        async def breaks() -> None:
            async with attempts.attempt(buckets_of("a"), HOME):
                raise ZeroDivisionError

        async def fails() -> None:
            async with attempts.attempt(buckets_of("a"), HOME):
                await attempts.fail(HOME, subject="", cause="wrong password")
                raise WrongCredentials

        with pytest.raises(ZeroDivisionError):
            await breaks()
        assert not any("192.0.2.1" in bucket for _, bucket in store._buckets)
        with pytest.raises(WrongCredentials):
            await fails()
        assert any("192.0.2.1" in bucket for _, bucket in store._buckets)

    asyncio.run(scenario())


def test_lifting_opens_the_bucket() -> None:
    async def scenario() -> None:
        store = MemoryStore()
        hasher = PasswordHasher(profile=Argon2Profile(64, 1))
        attempts = attempts_over(store, hasher)
        for _ in range(4):
            async with attempts.attempt(buckets_of("a"), HOME):
                pass
        with pytest.raises(Throttled):
            async with attempts.attempt(buckets_of("a"), HOME):
                pass
        await attempts.lift("a", subject="id")
        async with attempts_over(store, hasher).attempt(buckets_of("a"), HOME):  # another node, which remembers nothing
            pass
        assert [event.cause for event in await store.read_events()] == ["account bucket is full", "lifted by operator"]

    asyncio.run(scenario())
