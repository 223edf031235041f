"""F12: the hint wakes a follower and does nothing else, whether it comes, stays away, lies or fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import pytest

from sealring import jwt
from sealring.revocation.entry import Entry, entry_digest
from sealring.revocation.feed import FeedPage
from sealring.verifier.clock import SystemClock
from sealring.verifier.follower import Follower
from sealring.verifier.source import VerifyingKeys
from tests.nodes import follow

pytestmark = pytest.mark.anyio


class Feed:
    """A source with one revocation to tell, once there is news."""

    def __init__(self, wait: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.wait_for_change = wait
        self.polls = 0
        self.news = asyncio.Event()

    async def load(self, after: int | None) -> FeedPage:
        self.polls += 1
        number = 1 if self.news.is_set() else 0
        entries = (Entry(1, "random", "subject", "42", 1, 2**40),) if number and after != 1 else ()
        digest = entry_digest("random") if number else 0
        return FeedPage(
            incarnation="",
            head=number,
            complete=True,
            entries=entries,
            digest=digest,
            keys_version=0,
            time_ms=time.time_ns() // 1_000_000,
            longest_access_ttl=1800,
        )

    async def keys(self) -> VerifyingKeys:
        return VerifyingKeys(jwt.KeySet([]), 0)


async def never() -> None:
    await asyncio.Event().wait()


async def lying() -> None:
    """There is always news, it says."""


async def raising() -> NoReturn:
    raise RuntimeError("whatever goes wrong in somebody's source")


def a_follower(feed: Feed, poll_interval: float) -> Follower:
    return follow(feed, SystemClock(5), max_staleness=30, poll_interval=poll_interval)


async def until_refused(follower: Follower) -> None:
    async with asyncio.timeout(20):
        while follower.node.revocations.cause("sid", "42", 0, "kid") is None:  # noqa: ASYNC110 - the follower is a task beside us
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("wait", [never, lying, raising])
async def test_f12_following_works_whatever_the_hint_does(wait: Callable[[], Coroutine[Any, Any, None]]) -> None:
    feed = Feed(wait)
    follower = a_follower(feed, poll_interval=0.05)
    await follower.start()
    feed.news.set()
    await until_refused(follower)
    assert follower.node.is_fresh
    await follower.stop()


async def test_f12_a_hint_wakes_a_follower_that_would_poll_in_ten_minutes() -> None:
    feed = Feed(never)
    feed.wait_for_change = feed.news.wait  # type: ignore[assignment]
    follower = a_follower(feed, poll_interval=600)
    await follower.start()
    feed.news.set()
    await until_refused(follower)
    await follower.stop()


async def test_f12_a_source_that_cries_wolf_is_polled_thirty_times_a_second_at_most() -> None:
    feed = Feed(lying)
    follower = a_follower(feed, poll_interval=0.4)
    await follower.start()
    began = time.monotonic()
    while feed.polls < 8:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.01)
    assert time.monotonic() - began > 0.15  # without a pause eight polls would be over at once
    await follower.stop()


async def test_f11_a_first_load_that_takes_longer_than_the_bound_is_not_given_up() -> None:
    """A million entries take longer than S: the node is stale until the short poll after it, not for ever."""
    feed = Feed(never)
    feed.news.set()
    whole = feed.load

    async def slowly(after: int | None) -> FeedPage:
        if after is None:
            await asyncio.sleep(1.3)
        return await whole(after)

    feed.load = slowly  # type: ignore[method-assign]
    follower = a_follower(feed, poll_interval=600)
    follower.node.max_staleness = follower._max_staleness = 1.0
    assert await follower.poll()
    assert follower.node.cursor == 1
    assert not follower.node.is_fresh
    assert await follower.poll()
    assert follower.node.is_fresh
