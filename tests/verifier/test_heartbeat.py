"""F8: what a follower makes of the age of the last write that its store acknowledged."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from sealring.issuer.store_source import StoreSource
from sealring.revocation.entry import Entry
from sealring.revocation.feed import FeedPage
from sealring.settings import Settings
from sealring.store.protocol import Store
from sealring.verifier.follower import Follower
from sealring.verifier.node_state import UNACKNOWLEDGED
from tests import nodes
from tests.clocks import FrozenClock
from tests.nodes import NoKeys

pytestmark = pytest.mark.anyio


class Beating:
    """A store with a heartbeat, and nothing revoked; each question takes `latency` seconds."""

    def __init__(self, clock: FrozenClock, latency: float = 0.0) -> None:
        self.clock = clock
        self.latency = latency
        self.incarnation = ""
        self.put_back_ms = 0
        self.at_ms = 0
        self.writes = 0
        self.loads: list[int | None] = []
        self.acknowledges = True

    def now_ms(self) -> int:
        return self.clock.now_ms() - self.put_back_ms

    async def load_feed(self, after: int | None) -> FeedPage:
        self.loads.append(after)
        self.clock.pass_seconds(self.latency)
        return FeedPage(
            incarnation=self.incarnation,
            head=0,
            complete=True,
            entries=(),
            digest=0,
            keys_version=0,
            time_ms=self.now_ms(),
            longest_access_ttl=1800,
            acknowledged_ms=self.at_ms,
        )

    async def heartbeat(self, *, every_ms: int) -> bool:
        self.clock.pass_seconds(self.latency)
        if self.acknowledges and not self.now_ms() - every_ms <= self.at_ms <= self.now_ms():
            self.at_ms = self.now_ms()
            self.writes += 1
        return self.acknowledges

    async def wait_for_change(self) -> None:
        await asyncio.Event().wait()


def follow(store: Beating, *, staleness: float = 5, poll: float = 0.5, heartbeat_seconds: float = 1.0) -> Follower:
    source = StoreSource(cast("Store", store), NoKeys(), heartbeat_seconds=heartbeat_seconds)
    return nodes.follow(source, store.clock, max_staleness=staleness, poll_interval=poll)


@pytest.fixture
def store() -> Beating:
    return Beating(FrozenClock())


async def test_f8_a_node_is_as_fresh_as_the_last_heartbeat(store: Beating) -> None:
    follower = follow(store)
    assert await follower.poll()
    store.acknowledges = False
    for _ in range(5):
        store.clock.pass_seconds(1)
        assert await follower.poll()
        assert follower.node.is_fresh
    store.clock.pass_seconds(0.001)
    assert not follower.node.is_fresh
    assert not await follower.poll()
    assert follower.node.last_error == UNACKNOWLEDGED
    store.acknowledges = True
    assert await follower.poll()
    assert follower.node.is_fresh


async def test_f8_nothing_is_taken_from_a_store_that_acknowledges_no_writes(store: Beating) -> None:
    """It may be the old primary that a name or a proxy led back to: what we hold is newer."""
    follower = follow(store)
    assert await follower.poll()
    follower.node.apply_revocations([Entry(1, "id", "session", "dead", 0, 2**40)])
    store.acknowledges = False
    store.incarnation = "of before"
    store.at_ms -= 5001
    assert not await follower.poll()
    assert follower.node.revocations.cause("dead", "42", 0, "kid") == "session"
    assert follower.node.is_fresh


async def test_f8_an_older_heartbeat_than_the_last_makes_a_node_staler(store: Beating) -> None:
    """Of another server: that we were fresh on the one says nothing of what we have now taken from the other."""
    follower = follow(store)
    assert await follower.poll()
    store.acknowledges = False
    store.at_ms -= 4000
    assert await follower.poll()
    assert follower.node.lag == 4


async def test_f8_a_store_whose_clock_is_put_back_makes_no_heartbeat_younger(store: Beating) -> None:
    follower = follow(store)
    assert await follower.poll()
    store.acknowledges = False
    store.clock.pass_seconds(4)
    assert await follower.poll()
    store.put_back_ms = 3500
    assert await follower.poll()
    assert follower.node.lag == 4
    store.put_back_ms = 4500  # now it is ahead of its own clock
    assert await follower.poll()
    assert follower.node.lag == 4
    store.put_back_ms = 1000
    store.clock.pass_seconds(1.001)
    assert not await follower.poll()
    assert follower.node.last_error == UNACKNOWLEDGED


async def test_f8_a_heartbeat_ahead_of_its_own_clock_proves_nothing(store: Beating) -> None:
    follower = follow(store)
    assert await follower.poll()
    until = follower.node.fresh_until
    store.clock.pass_seconds(2)
    store.acknowledges = False
    store.at_ms = store.now_ms() + 1
    assert not await follower.poll()
    assert follower.node.fresh_until == until
    assert follower.node.is_fresh
    store.acknowledges = True
    assert await follower.poll()
    assert follower.node.lag == 0


async def test_f8_a_full_load_is_done_once_however_old_the_heartbeat(store: Beating) -> None:
    follower = follow(store)
    assert await follower.poll()
    assert store.loads == [None]
    assert follower.node.is_fresh


async def test_f8_a_page_is_asked_for_again_only_when_a_write_was_acknowledged(store: Beating) -> None:
    follower = follow(store)
    await follower.poll()
    store.clock.pass_seconds(1)
    await follower.poll()
    assert store.loads == [None, 0]
    store.clock.pass_seconds(0.001)
    await follower.poll()
    assert store.loads == [None, 0, 0, 0]
    store.acknowledges = False
    store.clock.pass_seconds(2)
    await follower.poll()
    assert store.loads == [None, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("staleness", "poll"), [(5, 0.5), (0.5, 0.05), (0.5, 0.4), (1, 0.2), (5, 4), (3600, 600), (700, 600)]
)
async def test_f8_no_node_of_a_healthy_cluster_is_ever_stale(staleness: float, poll: float) -> None:
    """Three nodes that poll by turns, each question taking a twentieth of what the bound leaves."""
    settings = Settings(max_staleness=staleness, poll_interval=poll)
    store = Beating(FrozenClock(), latency=(staleness - poll) / 20)
    followers = [
        follow(store, staleness=staleness, poll=poll, heartbeat_seconds=settings.heartbeat_seconds) for _ in range(3)
    ]
    for follower in followers:
        assert await follower.poll()
    began = store.clock.steady()
    store.writes = 0
    due = [began + poll * (place + 1) / 3 for place in range(3)]
    for _ in range(300):
        place = due.index(min(due))
        store.clock.pass_seconds(max(0.0, due[place] - store.clock.steady()))
        assert await followers[place].poll()
        assert all(follower.node.is_fresh for follower in followers)
        due[place] = store.clock.steady() + poll
    assert store.writes <= (store.clock.steady() - began) / settings.heartbeat_seconds + 1
    assert settings.heartbeat_seconds <= 1
