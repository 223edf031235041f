"""The feed as an issuer serves it to other services: from memory, and never fresher than its own last good poll."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sealring import Sealring, jwt
from sealring.errors import NotFound, Stale
from sealring.issuer import feed_publisher, feed_segments
from sealring.issuer.feed_publisher import FeedPublisher
from sealring.revocation.entry import Entry
from sealring.revocation.wire import FeedDocument, fingerprint, read_document, read_segment
from sealring.verifier import served_feed
from tests.clocks import FrozenClock
from tests.feeds import Feed, answers_in_each_turn
from tests.nodes import follow
from tests.serving import SECRET, cheap_sealring

pytestmark = pytest.mark.anyio

KEY = jwt.Key.generate("ES256", kid="now")
KEYS = jwt.KeySet([KEY.public()])


def dead(number: int, *, expires_at: int = 2**40) -> Entry:
    return Entry(number, f"entry-{number}", "session", f"sid-{number}", 0, expires_at)


class Issuer:
    """A node that publishes what it follows."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.feed = Feed(self.clock)
        self.key = KEY
        self.follower = follow(self.feed, self.clock)
        self.published = FeedPublisher(
            self.feed,
            self.follower.node,
            issuer="us",
            signing_key=lambda: self.key,
            key_set=lambda: b"the keys",
        )
        self.follower._publish = self.published.follow

    async def revoke(self, *numbers: int) -> None:
        self.feed.entries += map(dead, numbers)
        assert await self.follower.poll()

    async def page(self, after: int, wait: float = 0) -> FeedDocument:
        return read_document((await self.published.page(after, wait)).decode(), KEYS, issuer="us")

    async def snapshot(self) -> FeedDocument:
        return read_document((await self.published.snapshot()).decode(), KEYS, issuer="us")


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.published.close()


def numbers(document: FeedDocument) -> list[int]:
    return [entry.number for entry in document.entries]


async def test_a_page_has_what_came_after_a_number(issuer: Issuer) -> None:
    await issuer.revoke(1, 2, 3)
    for after, found in ((0, [1, 2, 3]), (1, [2, 3]), (3, [])):
        page = await issuer.page(after)
        assert (page.after, numbers(page), page.head) == (after, found, 3)
        assert page.incarnation == "first life"
        assert page.digest == issuer.feed.page(None).digest
        assert page.keys == fingerprint(b"the keys")
        assert page.longest_access_ttl == 1800


async def test_f10_nothing_is_served_before_the_first_load(issuer: Issuer) -> None:
    for work in (issuer.published.page(0, 0), issuer.published.snapshot(), issuer.published.segment("x")):
        with pytest.raises(Stale):
            await work


async def test_f4_a_node_without_its_store_hands_out_no_newer_time_and_then_nothing(issuer: Issuer) -> None:
    await issuer.revoke(1)
    time_ms = issuer.clock.now_ms()
    issuer.feed.broken = True
    issuer.clock.pass_seconds(4)
    assert not await issuer.follower.poll()
    assert (await issuer.page(0)).time_ms == time_ms
    assert (await issuer.page(1)).time_ms == time_ms, "signed now, of what was known then"
    issuer.clock.pass_seconds(2)
    with pytest.raises(Stale):
        await issuer.published.page(0, 0)
    with pytest.raises(Stale):
        await issuer.published.snapshot()


async def test_f5_the_time_of_a_page_is_that_before_the_store_was_asked(issuer: Issuer) -> None:
    """What is committed while the store answers may not be in the answer, whenever it reads its clock."""
    issuer.feed.while_answering = lambda: issuer.clock.pass_seconds(2)
    asked_ms = issuer.clock.now_ms()
    await issuer.revoke(1)
    # the store read its clock at once; it might as well have done so after two seconds
    assert (await issuer.page(0)).time_ms <= asked_ms


async def test_a_waiting_reader_is_answered_when_there_is_something(issuer: Issuer) -> None:
    await issuer.revoke(1)
    waiting = asyncio.create_task(issuer.page(1, wait=20))
    await asyncio.sleep(0)
    await issuer.follower.poll()
    await asyncio.sleep(0)
    assert not waiting.done()
    await issuer.revoke(2)
    assert numbers(await asyncio.wait_for(waiting, 5)) == [2]


async def test_a_reader_waits_no_longer_than_it_said(issuer: Issuer) -> None:
    await issuer.revoke(1)
    assert numbers(await asyncio.wait_for(issuer.page(1, wait=0.01), 5)) == []


async def test_many_waiting_readers_are_answered_in_turns_in_the_order_in_which_they_came(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_feed, "BURST", 2)
    monkeypatch.setattr(served_feed, "TURN_ANSWERS", 3)
    monkeypatch.setattr(served_feed, "TURN_SECONDS", 0)
    await issuer.revoke(1)
    answered: list[int] = []

    async def wait(number: int) -> None:
        await issuer.page(1, wait=20)
        answered.append(number)

    waiting = [asyncio.create_task(wait(number)) for number in range(10)]
    await asyncio.sleep(0)
    issuer.feed.entries.append(dead(2))
    await issuer.follower.poll()
    assert len(answered) < 10
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert answered == list(range(10))


@pytest.mark.parametrize("what", ["snapshot", "page", "segment"])
async def test_many_who_come_at_the_same_moment_are_answered_in_turns(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Ten thousand verifiers restart together. This node's own poll needs turns of the event loop in between."""
    monkeypatch.setattr(feed_segments, "SEGMENT_NUMBERS", 2)
    await issuer.revoke(1, 2, 3)
    name = (await issuer.snapshot()).segments[0].name
    monkeypatch.setattr(served_feed, "BURST", 2)
    monkeypatch.setattr(served_feed, "TURN_ANSWERS", 3)
    monkeypatch.setattr(served_feed, "TURN_SECONDS", 0)
    issuer.published._turns = served_feed.PacedAnswers()
    ask = {
        "snapshot": issuer.published.snapshot,
        "page": lambda: issuer.published.page(3, 0),
        "segment": lambda: issuer.published.segment(name),
    }[what]
    assert max(await answers_in_each_turn(10, ask)) <= 3


async def test_who_went_away_takes_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_feed, "BURST", 0)
    monkeypatch.setattr(served_feed, "TURN_ANSWERS", 1)
    turns = served_feed.PacedAnswers()
    gone, here = asyncio.create_task(turns.take()), asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    turns._begin()
    await asyncio.wait_for(here, 60)
    turns.close()


async def test_those_whose_turn_has_not_come_are_let_go_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_feed, "BURST", 0)
    monkeypatch.setattr(served_feed, "TURN_SECONDS", 3600)
    turns = served_feed.PacedAnswers()
    waiting = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    turns.close()
    await asyncio.wait_for(waiting, 60)


async def test_no_more_readers_wait_than_there_is_room_for(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_feed, "MAX_WAITING", 1)
    await issuer.revoke(1)
    waiting = asyncio.create_task(issuer.page(1, wait=20))
    await asyncio.sleep(0)
    assert numbers(await asyncio.wait_for(issuer.page(1, wait=20), 5)) == []
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.sleep(0)
    assert len(issuer.published._polls) == 0


async def test_one_signature_serves_all_who_ask_at_the_same_place_until_the_next_poll(issuer: Issuer) -> None:
    await issuer.revoke(1)
    first = await issuer.published.page(1, 0)
    assert await issuer.published.page(1, 0) is first
    await issuer.follower.poll()
    assert await issuer.published.page(1, 0) is not first


async def test_a_stranger_who_asks_everywhere_fills_no_memory(issuer: Issuer) -> None:
    await issuer.revoke(*range(1, 200))
    for after in range(199):
        await issuer.page(after)
    assert len(issuer.published._signed) <= feed_publisher.REMEMBERED_PAGES


async def test_who_is_too_far_behind_is_told_where_the_feed_is(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_publisher, "TAIL_ENTRIES", 3)
    await issuer.revoke(1, 2, 3)
    await issuer.revoke(4, 5)
    assert (await issuer.page(2)).after == 2
    far = await issuer.page(1)
    assert (far.after, far.head, far.entries) == (5, 5, ())


async def test_a_page_is_bounded(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_publisher, "MAX_PAGE_ENTRIES", 2)
    await issuer.revoke(1, 2, 3)
    assert numbers(await issuer.page(1)) == [2, 3]
    assert (await issuer.page(0)).after == 3


async def test_what_expired_before_the_first_load_leaves_no_gap_in_a_page(issuer: Issuer) -> None:
    issuer.feed.entries = [dead(1), dead(2), dead(4)]  # 3 has been purged
    await issuer.follower.poll()
    assert (await issuer.page(3)).after == 3
    assert (await issuer.page(1)).after == 4, "a page without number 3 is none"


async def test_a_reader_ahead_of_this_node_is_answered_after_a_poll_of_its_own(issuer: Issuer) -> None:
    """Another node of the same issuer told it: this one must not answer as a store that went back."""
    await issuer.revoke(1)
    waiting = asyncio.create_task(issuer.page(2))
    await asyncio.sleep(0)
    await issuer.revoke(2)
    await asyncio.sleep(0)
    assert not waiting.done(), "that poll may have begun before"
    await issuer.follower.poll()
    assert (await asyncio.wait_for(waiting, 5)).head == 2


async def test_f7_after_a_restore_the_feed_begins_anew(issuer: Issuer) -> None:
    await issuer.revoke(1, 2, 3)
    await issuer.snapshot()
    issuer.feed.entries = [dead(1)]
    issuer.feed.incarnation = "second life"
    await issuer.follower.poll()
    page = await issuer.page(0)
    assert (page.incarnation, page.head, numbers(page)) == ("second life", 1, [1])
    snapshot = await issuer.snapshot()
    assert (snapshot.incarnation, snapshot.head, numbers(snapshot)) == ("second life", 1, [1])


async def test_a_snapshot_and_its_segments_hold_every_live_entry(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_segments, "SEGMENT_NUMBERS", 4)
    await issuer.revoke(*range(1, 11))

    async def all_numbers() -> list[int]:
        snapshot = await issuer.snapshot()
        assert snapshot.after is None
        found = []
        for segment in snapshot.segments:
            found += [entry.number for entry in read_segment(await issuer.published.segment(segment.name), segment)]
        return found + numbers(snapshot)

    assert await all_numbers() == list(range(1, 11))
    assert [(one.first, one.last) for one in (await issuer.snapshot()).segments] == [(1, 4), (5, 8)]
    asked = len(issuer.feed.asked)
    await issuer.revoke(11, 12, 13)
    before = (await issuer.snapshot()).segments
    assert await all_numbers() == list(range(1, 14))
    assert [one.name for one in before][:2] == [one.name for one in (await issuer.snapshot()).segments][:2]
    assert issuer.feed.asked[asked:] == [10], "the store was not asked for all of it again"


async def test_segments_are_forgotten_with_their_last_entry(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_segments, "SEGMENT_NUMBERS", 2)
    now = issuer.clock.now_ms() // 1000
    issuer.feed.entries = [dead(1, expires_at=now + 60), dead(2, expires_at=now + 50), dead(3), dead(4), dead(5)]
    await issuer.follower.poll()
    (first, second) = (await issuer.snapshot()).segments
    issuer.clock.pass_seconds(60)
    await issuer.follower.poll()
    assert (await issuer.snapshot()).segments == (first, second), "it counts in its last second"
    issuer.clock.pass_seconds(1)
    await issuer.follower.poll()
    assert (await issuer.snapshot()).segments == (second,)
    with pytest.raises(NotFound):
        await issuer.published.segment(first.name)


async def test_segments_are_dropped_when_nobody_asks_for_them(issuer: Issuer) -> None:
    await issuer.revoke(1)
    await issuer.snapshot()
    issuer.clock.pass_seconds(feed_publisher.KEEP_SEGMENTS_SECONDS + 1)
    await issuer.follower.poll()
    assert issuer.published._segments is None
    assert numbers(await issuer.snapshot()) == [1]


async def test_what_is_revoked_while_a_snapshot_is_read_is_in_it(issuer: Issuer) -> None:
    await issuer.revoke(1)
    reading: list[asyncio.Task[bool]] = []

    def meanwhile() -> None:
        issuer.feed.while_answering = lambda: None
        issuer.feed.entries.append(dead(2))
        reading.append(asyncio.create_task(issuer.follower.poll()))

    issuer.feed.while_answering = meanwhile
    assert numbers(await issuer.snapshot()) == [1, 2]
    assert all(await asyncio.gather(*reading))


async def test_a_snapshot_that_is_ahead_of_this_node_waits_for_its_poll(issuer: Issuer) -> None:
    await issuer.revoke(1)
    issuer.feed.entries.append(dead(2))  # the node does not know it yet
    waiting = asyncio.create_task(issuer.snapshot())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    await issuer.follower.poll()
    assert numbers(await asyncio.wait_for(waiting, 5)) == [1, 2]


async def test_many_who_want_a_snapshot_share_one_load(issuer: Issuer) -> None:
    await issuer.revoke(1)
    issuer.feed.asked.clear()
    await asyncio.gather(*(issuer.snapshot() for _ in range(20)))
    assert issuer.feed.asked == [None]


async def test_an_issuer_whose_keys_are_secrets_has_no_feed() -> None:
    issuer = Issuer()
    issuer.key = jwt.Key.generate("HS256")
    await issuer.revoke(1)
    for work in (issuer.published.page(0, 0), issuer.published.page(0, 20), issuer.published.snapshot()):
        with pytest.raises(NotFound):
            await work


async def test_a_sealring_publishes_what_it_revokes() -> None:
    auth: Sealring = cheap_sealring()
    async with auth.lifespan():
        await auth.start_session(subject="42")
        await auth.revoke_subject("42")
        assert await auth.follower.poll()
        keys = jwt.KeySet.from_jwks(auth.issuer.keys.jwks())
        page = read_document((await auth.parts.feed.page(0, 0)).decode(), keys, issuer=auth.settings.issuer)
        assert [(one.kind, one.target) for one in page.entries] == [("subject", "42")]
        assert page.keys == fingerprint(auth.issuer.keys.key_set_document())
        waiting = asyncio.create_task(auth.parts.feed.page(1, 20))
        await asyncio.sleep(0)
    with pytest.raises(Stale):  # a server that ends keeps nobody waiting
        await asyncio.wait_for(waiting, 5)


async def test_what_a_node_revokes_is_published_before_its_next_poll_is_due(tmp_path: Path) -> None:
    auth = Sealring(
        secret=SECRET, database_url=f"sqlite:///{tmp_path}/sealring.db", poll_interval="60s", max_staleness="10m"
    )
    async with auth.lifespan():
        await auth.start_session(subject="42")
        waiting = asyncio.create_task(auth.parts.feed.page(0, 20))
        await asyncio.sleep(0)
        await auth.revoke_subject("42")
        async with asyncio.timeout(5):
            assert await waiting
