"""A node's word of revocations: what it takes in, how fresh it is, and when it begins anew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from sealring.revocation.entry import Entry
from sealring.revocation.feed import FeedPage
from sealring.verifier.http_source import HttpSource
from sealring.verifier.source import VerifyingKeys
from tests.clocks import FrozenClock
from tests.feed_over_http import ISSUER, Issuer
from tests.feeds import Feed
from tests.nodes import follow

pytestmark = pytest.mark.anyio

LEEWAY = 5


def dead(number: int, target: str = "", *, id: str = "", kind: str = "session", epoch: int = 0) -> Entry:
    return Entry(number, id or f"entry-{number}", kind, target or f"sid-{number}", epoch, 2**40)  # type: ignore[arg-type]


class Node:
    """A node that follows a list of revocations."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.feed = Feed(self.clock)
        self.follower = follow(self.feed, self.clock, leeway=LEEWAY)

    def is_fresh(self) -> bool:
        return self.follower.node.is_fresh

    def refuses(self, session: str, subject: str = "somebody", epoch: int = 0, kid: str = "kid") -> str | None:
        return self.follower.node.revocations.cause(session, subject, epoch, kid)


class ThroughAnIssuer:
    """The same list, followed by the node of an issuer, which is polled first and asked over HTTP then."""

    def __init__(self, issuer: Issuer, source: HttpSource) -> None:
        self._issuer = issuer
        self._source = source

    async def load(self, after: int | None) -> FeedPage:
        await self._issuer.follower.poll()
        return await self._source.load(after)

    async def keys(self) -> VerifyingKeys:
        return await self._source.keys()

    async def wait_for_change(self) -> None:
        await self._source.wait_for_change()


@pytest.fixture(params=["store", "http"])
async def node(request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    """Over each source: its promises are the same."""
    node = Node()
    if request.param == "store":
        yield node
        return
    issuer = Issuer(node.clock, node.feed)
    async with issuer.served() as url:
        source = HttpSource(url, issuer=ISSUER, clock=node.clock, max_staleness=5)
        node.follower = follow(ThroughAnIssuer(issuer, source), node.clock, leeway=LEEWAY)
        yield node
        source.close()


@pytest.fixture
def plain() -> Node:
    """Over a list, for what is asked of it and when."""
    return Node()


async def test_f10_a_new_node_is_stale_until_its_first_full_load(node: Node) -> None:
    assert not node.is_fresh()
    node.feed.broken = True
    assert not await node.follower.poll()
    assert not node.is_fresh()
    node.feed.broken = False
    node.clock.pass_seconds(1)  # an issuer over HTTP asks for so much patience
    node.feed.entries = [dead(1)]
    assert await node.follower.poll()
    assert node.is_fresh()
    assert node.refuses("sid-1") == "session"


async def test_only_what_came_after_the_cursor_is_asked_for(plain: Node) -> None:
    plain.feed.entries = [dead(1), dead(2)]
    await plain.follower.poll()
    plain.feed.entries.append(dead(3))
    await plain.follower.poll()
    await plain.follower.poll()
    assert plain.feed.asked == [None, 2, 3]
    assert plain.follower.node.cursor == 3
    assert plain.refuses("sid-3") == "session"


async def test_each_kind_of_entry_is_in_force(node: Node) -> None:
    node.feed.entries = [dead(1, "s"), dead(2, "u", kind="subject", epoch=3), dead(3, "k", kind="key")]
    await node.follower.poll()
    assert node.refuses("s") == "session"
    assert node.refuses("other", "u", 2) == "subject"
    assert node.refuses("other", "u", 3) is None
    assert node.refuses("other", kid="k") == "key"


async def test_f5_freshness_counts_from_the_start_of_the_poll(plain: Node) -> None:
    """What is committed while the source answers may not be in the answer."""
    plain.feed.while_answering = lambda: plain.clock.pass_seconds(3)
    await plain.follower.poll()
    plain.clock.pass_seconds(2)
    assert plain.is_fresh()
    plain.clock.pass_seconds(0.001)
    assert not plain.is_fresh()


async def test_f4_a_cut_off_node_goes_stale_and_heals_without_a_restart(node: Node) -> None:
    await node.follower.poll()
    node.feed.broken = True
    node.feed.entries = [dead(1)]
    node.clock.pass_seconds(5)
    await node.follower.poll()
    assert node.is_fresh()  # the bound itself is still within the promise
    node.clock.pass_seconds(0.1)
    assert not node.is_fresh()
    node.feed.broken = False
    await node.follower.poll()
    assert node.is_fresh()
    assert node.refuses("sid-1") == "session"


async def test_f6_a_suspended_machine_wakes_up_stale(node: Node) -> None:
    await node.follower.poll()
    node.clock.pass_seconds(60)
    assert not node.is_fresh()


async def test_t2_a_wall_clock_that_steps_does_not_move_freshness(node: Node) -> None:
    await node.follower.poll()
    node.clock.step(-3600)
    assert node.is_fresh()
    node.clock.pass_seconds(5.1)
    assert not node.is_fresh()


@pytest.mark.parametrize(("ahead_ms", "good"), [(4999, True), (-4999, True), (5001, False), (-5001, False)])
async def test_t1_a_clock_that_disagrees_beyond_the_leeway_stops_the_node(
    node: Node, ahead_ms: int, *, good: bool
) -> None:
    node.feed.ahead_ms = ahead_ms
    assert await node.follower.poll() is good
    assert node.is_fresh() is good


async def test_f7_a_store_that_went_back_and_used_a_number_again_is_loaded_anew(node: Node) -> None:
    node.feed.entries = [dead(number) for number in range(1, 6)]
    await node.follower.poll()
    node.feed.entries = [dead(1), dead(2), dead(3), dead(4, "other", id="another life's 4"), dead(5), dead(6)]
    await node.follower.poll()
    assert node.follower.node.reloads == {"first load": 1, "digest": 1}
    assert node.refuses("other") == "session"
    assert node.refuses("sid-4") is None
    assert node.follower.node.cursor == 6


async def test_f7_a_head_that_went_back_is_loaded_anew(node: Node) -> None:
    node.feed.entries = [dead(number) for number in range(1, 6)]
    await node.follower.poll()
    del node.feed.entries[3:]
    node.clock.pass_seconds(0.001)  # over HTTP it must be newer than what it contradicts
    await node.follower.poll()
    assert node.follower.node.reloads == {"first load": 1, "went back": 1}
    assert node.follower.node.cursor == 3


async def test_f7_the_same_head_with_another_last_entry_is_noticed(node: Node) -> None:
    node.feed.entries = [dead(1), dead(2)]
    await node.follower.poll()
    node.feed.entries[1] = dead(2, "other", id="another life's 2")
    await node.follower.poll()
    assert node.follower.node.reloads["digest"] == 1
    assert node.refuses("other") == "session"


async def test_p7_another_incarnation_is_loaded_anew_with_its_keys(plain: Node) -> None:
    await plain.follower.poll()
    plain.feed.incarnation = "restored"
    await plain.follower.poll()
    assert plain.follower.node.reloads == {"first load": 1, "incarnation": 1}
    assert plain.feed.keys_read == 2


async def test_f9_a_node_away_for_longer_than_the_retention_takes_the_snapshot(node: Node) -> None:
    await node.follower.poll()
    node.feed.entries = [dead(number) for number in range(1, 9)]
    node.feed.forgotten = 4
    await node.follower.poll()
    assert node.follower.node.reloads == {"first load": 1, "forgotten": 1}
    assert node.refuses("sid-8") == "session"


async def test_f14_an_entry_that_was_skipped_is_found_by_the_digest(plain: Node) -> None:
    await plain.follower.poll()
    plain.feed.entries = [dead(1), dead(2)]
    honest = plain.feed.page
    plain.feed.page = lambda after: replace(honest(after), entries=honest(after).entries[1:])  # type: ignore[method-assign]
    await plain.follower.poll()
    assert plain.follower.node.reloads["digest"] == 1


async def test_i2_what_is_applied_here_is_in_force_before_any_poll(node: Node) -> None:
    await node.follower.poll()
    node.follower.node.apply_revocations([dead(1)])
    assert node.refuses("sid-1") == "session"
    assert node.follower.node.cursor == 0


async def test_i2_what_is_applied_during_a_reload_survives_it(plain: Node) -> None:
    await plain.follower.poll()
    plain.feed.incarnation = "restored"
    plain.feed.while_answering = lambda: plain.follower.node.apply_revocations([dead(1)])
    await plain.follower.poll()
    assert plain.refuses("sid-1") == "session"


async def test_f3_pages_that_repeat_are_harmless(node: Node) -> None:
    node.feed.entries = [dead(1)]
    node.follower.node.apply_revocations([dead(1)])
    await node.follower.poll()
    node.follower.node.apply_revocations([dead(1)])
    await node.follower.poll()
    assert node.refuses("sid-1") == "session"
    assert node.follower.node.reloads == {"first load": 1}


async def test_keys_are_asked_for_when_their_version_moved_and_only_then(plain: Node) -> None:
    await plain.follower.poll()
    await plain.follower.poll()
    assert plain.feed.keys_read == 1
    plain.feed.keys_version = 2
    await plain.follower.poll()
    assert plain.feed.keys_read == 2


async def test_f5_a_source_that_hangs_is_given_up(plain: Node) -> None:
    follower = follow(plain.feed, plain.clock, max_staleness=0.05, poll_interval=0.01)

    assert await follower.poll()

    async def hang(_: int | None) -> FeedPage:
        await asyncio.Event().wait()
        raise AssertionError

    plain.feed.load = hang  # type: ignore[method-assign,assignment]
    assert not await follower.poll()
    assert follower.node.last_error == "TimeoutError"


async def test_f11_a_full_load_may_take_longer_than_the_bound(plain: Node) -> None:
    follower = follow(plain.feed, plain.clock, max_staleness=0.02, poll_interval=0.01)
    load = plain.feed.load

    async def load_slowly(after: int | None) -> FeedPage:
        await asyncio.sleep(0.1)
        return await load(after)

    plain.feed.load = load_slowly  # type: ignore[method-assign]
    assert await follower.poll()
    assert not await follower.poll()


@pytest.mark.parametrize(("seconds_each", "pieces"), [(0, [250, 250, 100]), (0.002, [50] * 12)])
async def test_a_large_page_is_taken_in_between_requests(plain: Node, seconds_each: float, pieces: list[int]) -> None:
    """In pieces of so many entries, and of fewer where each takes long."""
    taken = [0]

    def take(entries: Sequence[Entry]) -> None:
        taken[-1] += len(entries)
        plain.clock.pass_seconds(seconds_each)

    async def requests() -> None:
        while True:
            await asyncio.sleep(0)
            taken.append(0)

    others = asyncio.create_task(requests())
    await asyncio.sleep(0)
    await plain.follower._feed(take, [dead(number) for number in range(600)])
    others.cancel()
    assert [piece for piece in taken if piece] == pieces


async def test_the_loop_polls_and_a_hint_wakes_it(plain: Node) -> None:
    plain.follower = follow(plain.feed, plain.clock, poll_interval=600)
    await plain.follower.start()
    try:
        plain.feed.entries = [dead(1)]
        plain.follower.wake()
        async with asyncio.timeout(5):
            while plain.refuses("sid-1") is None:  # noqa: ASYNC110 - the follower is a task beside us
                await asyncio.sleep(0)
    finally:
        await plain.follower.stop()
    assert plain.feed.asked == [None, 0]


async def test_a_poll_without_news_leaves_what_is_trusted_as_it_is(node: Node) -> None:
    await node.follower.poll()
    trusted = node.follower.node.trusted
    await node.follower.poll()
    assert node.follower.node.trusted is trusted  # the cache of verified tokens hangs on this object
    node.feed.longest_access_ttl = 3600
    await node.follower.poll()
    assert node.follower.node.trusted is not trusted


async def test_a_node_logs_once_that_it_is_stale_and_once_that_it_is_fresh_again(
    plain: Node, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "sealring.follower")

    async def logged(*, passed: float = 0) -> list[str]:
        plain.clock.pass_seconds(passed)
        caplog.clear()
        await plain.follower.poll()
        return [record.message for record in caplog.records if record.message != "poll failed"]

    assert await logged() == []
    plain.feed.broken = True
    assert await logged() == []
    assert await logged(passed=6) == ["stale: every check answers 503 until a poll is good"]
    assert await logged(passed=6) == []
    plain.feed.broken = False
    assert await logged() == ["fresh again"]
    assert await logged() == []


async def test_only_a_full_load_that_was_not_planned_is_logged(plain: Node, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "sealring.follower")
    await plain.follower.poll()
    assert caplog.records == []
    plain.feed.incarnation = "second life"
    await plain.follower.poll()
    assert [(record.message, record.sealring["cause"]) for record in caplog.records] == [  # type: ignore[attr-defined]
        ("following again from a full load", "incarnation")
    ]


async def test_f5_freshness_counts_from_the_start_of_a_poll_that_had_to_load_everything(plain: Node) -> None:
    await plain.follower.poll()
    plain.feed.incarnation = "second life"
    plain.feed.while_answering = lambda: plain.clock.pass_seconds(2)
    assert await plain.follower.poll()
    assert plain.feed.asked == [None, 0, None]
    assert plain.follower.node.lag == 4


async def test_n11_a_follower_whose_event_loop_goes_on_without_it_polls_no_more(node: Node) -> None:
    await node.follower.start()
    tasks = node.follower._tasks
    node.follower.abandon()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [task.cancelled() for task in tasks] == [True, True]
    await node.follower.stop()
