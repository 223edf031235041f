"""Relays: what they pass on is what the issuer signed, and a stranger cannot have them ask the issuer at will."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Sequence

import pytest

from sealring import jwt
from sealring.errors import NotFound, Stale, StoreUnavailable, Unavailable
from sealring.issuer import feed_publisher, feed_segments
from sealring.issuer.feed_publisher import FeedPublisher
from sealring.revocation.entry import Entry
from sealring.revocation.feed import FeedPage
from sealring.revocation.wire import FeedDocument, read_document, read_segment
from sealring.verifier import relay as relays
from sealring.verifier import served_feed
from sealring.verifier.relay import FeedRelay, SignedPage
from sealring.verifier.served_feed import ServesFeed
from sealring.verifier.source import VerifyingKeys
from tests.clocks import FrozenClock
from tests.feeds import Feed, answers_in_each_turn
from tests.nodes import follow

pytestmark = pytest.mark.anyio

KEY = jwt.Key.generate("ES256", kid="now")
KEYS = jwt.KeySet([KEY.public()])


def dead(number: int) -> Entry:
    return Entry(number, f"entry-{number}", "session", f"sid-{number}", 0, 2**40)


class Wire:
    """What a node asks, counted; it can be cut, and what comes over it changed."""

    def __init__(self, feed: ServesFeed) -> None:
        self._feed = feed
        self.asked: Counter[str] = Counter()
        self.is_cut = False
        self.spoil = False

    async def page(self, after: int, wait: float) -> bytes:
        return self._came("page", await self._feed.page(after, wait))

    async def snapshot(self) -> bytes:
        return self._came("snapshot", await self._feed.snapshot())

    async def segment(self, name: str) -> bytes:
        return self._came("segment", await self._feed.segment(name))

    def _came(self, what: str, data: bytes) -> bytes:
        self.asked[what] += 1
        if self.is_cut:
            raise StoreUnavailable("no way to the upstream")
        return data[:-9] + b"AAAAAAAAA" if self.spoil else data


class Downstream:
    """A source that reads a signed feed."""

    def __init__(self, feed: ServesFeed) -> None:
        self._feed = feed
        self.signed: SignedPage | None = None

    async def load(self, after: int | None) -> FeedPage:
        data = await (self._feed.snapshot() if after is None else self._feed.page(after, 0))
        read = read_document(data.decode(), KEYS, issuer="us")
        self.signed = None if after is None else SignedPage(after, data)
        return FeedPage(
            incarnation=read.incarnation,
            head=read.head,
            complete=after is None or read.after is None or read.after <= after,
            entries=tuple(entry for entry in read.entries if after is None or entry.number > after),
            digest=read.digest,
            keys_version=1,
            time_ms=read.time_ms,
            longest_access_ttl=read.longest_access_ttl,
            rest=self._segments(read) if read.segments else None,
        )

    async def _segments(self, read: FeedDocument) -> AsyncIterable[Sequence[Entry]]:
        for segment in read.segments:
            yield read_segment(await self._feed.segment(segment.name), segment)

    async def keys(self) -> VerifyingKeys:
        return VerifyingKeys(KEYS, 1)

    async def wait_for_change(self) -> None:
        await asyncio.Event().wait()


class RelayNode:
    """A node that passes the feed on."""

    def __init__(self, upstream: ServesFeed, clock: FrozenClock) -> None:
        self.wire = Wire(upstream)
        source = Downstream(self.wire)
        self.follower = follow(source, clock)
        self.feed = FeedRelay(self.wire, self.follower.node, issuer="us", signed=lambda: source.signed)
        self.follower._publish = self.feed.follow

    async def poll(self) -> None:
        assert await self.follower.poll(), self.follower.node.last_error

    async def page(self, after: int, wait: float = 0) -> FeedDocument:
        return read_document((await self.feed.page(after, wait)).decode(), KEYS, issuer="us")


class Tree:
    """An issuer and a chain of relays below it."""

    def __init__(self, depth: int) -> None:
        self.clock = FrozenClock()
        self.store = Feed(self.clock)
        self.issuer = follow(self.store, self.clock)
        self.published = FeedPublisher(
            self.store, self.issuer.node, issuer="us", signing_key=lambda: KEY, key_set=lambda: b"the keys"
        )
        self.issuer._publish = self.published.follow
        self.relays: list[RelayNode] = []
        upstream: ServesFeed = self.published
        for _ in range(depth):
            self.relays.append(RelayNode(upstream, self.clock))
            upstream = self.relays[-1].feed

    async def poll(self) -> None:
        assert await self.issuer.poll()
        for node in self.relays:
            await node.poll()

    async def revoke(self, *numbers: int) -> None:
        self.store.entries += map(dead, numbers)
        await self.poll()


@pytest.fixture
async def tree() -> AsyncIterator[Tree]:
    tree = Tree(1)
    await tree.poll()
    await tree.poll()  # the first was a full load
    yield tree
    tree.relays[0].feed.close()
    tree.published.close()


def numbers(document: FeedDocument) -> list[int]:
    return [entry.number for entry in document.entries]


async def test_a_reader_gets_what_the_relay_has_accepted_and_nobody_else_is_asked(tree: Tree) -> None:
    [relay] = tree.relays
    await tree.revoke(1, 2)
    asked = relay.wire.asked.copy()
    page = await relay.page(0)
    assert (numbers(page), page.head, page.time_ms) == ([1, 2], 2, tree.clock.now_ms())
    assert relay.wire.asked == asked


async def test_a_tree_of_five_passes_on_what_the_issuer_signed_byte_for_byte() -> None:
    tree = Tree(5)
    await tree.poll()
    await tree.poll()
    await tree.revoke(1, 2, 3)
    signed = await tree.published.page(0, 0)
    for node in tree.relays:
        assert await node.feed.page(0, 0) == signed
        assert node.follower.node.revocations.cause("sid-3", "", 0, "") is not None
        node.feed.close()
    tree.published.close()


async def test_those_who_wait_are_answered_when_the_relay_has_news(tree: Tree) -> None:
    [relay] = tree.relays
    waiting = [asyncio.create_task(relay.page(0, wait=20)) for _ in range(10)]
    await asyncio.sleep(0)
    await tree.poll()
    assert not any(one.done() for one in waiting)
    await tree.revoke(1)
    async with asyncio.timeout(5):
        assert [numbers(await one) for one in waiting] == [[1]] * 10


async def test_who_is_at_another_place_costs_the_issuer_one_question_for_all(tree: Tree) -> None:
    [relay] = tree.relays
    await tree.revoke(1)
    await tree.revoke(2)
    tree.clock.pass_seconds(2)
    await tree.revoke(3)  # the relay's pages for numbers 0 and 1 are too old by now
    asked = relay.wire.asked["page"]
    pages = await asyncio.gather(*(relay.page(1) for _ in range(20)))
    assert [numbers(page) for page in pages] == [[2, 3]] * 20
    assert relay.wire.asked["page"] == asked + 1


@pytest.mark.parametrize("what", ["snapshot", "page", "segment"])
async def test_many_who_come_at_the_same_moment_are_answered_in_turns(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(feed_segments, "SEGMENT_NUMBERS", 2)
    [relay] = tree.relays
    await tree.revoke(1, 2, 3)
    [segment] = read_document((await relay.feed.snapshot()).decode(), KEYS, issuer="us").segments
    await relay.feed.segment(segment.name)  # it is kept from here
    monkeypatch.setattr(served_feed, "BURST", 2)
    monkeypatch.setattr(served_feed, "TURN_ANSWERS", 3)
    monkeypatch.setattr(served_feed, "TURN_SECONDS", 0)
    relay.feed._turns = served_feed.PacedAnswers()
    ask = {
        "snapshot": relay.feed.snapshot,
        "page": lambda: relay.feed.page(3, 0),
        "segment": lambda: relay.feed.segment(segment.name),
    }[what]
    assert max(await answers_in_each_turn(10, ask)) <= 3


async def test_a_reader_a_little_behind_gets_a_page_of_a_moment_ago(tree: Tree) -> None:
    """It asks again at once, and is at the head: no question to the issuer, also where there is much to revoke."""
    [relay] = tree.relays
    await tree.revoke(1)
    await tree.revoke(2)
    asked = relay.wire.asked["page"]
    assert numbers(await relay.page(0)) == [1]
    assert numbers(await relay.page(1)) == [2]
    assert relay.wire.asked["page"] == asked


async def test_a_reader_that_another_relay_told_more_is_answered_from_above(tree: Tree) -> None:
    [relay] = tree.relays
    tree.store.entries.append(dead(1))
    assert await tree.issuer.poll()  # and the relay has not polled yet
    page = await relay.page(1)
    assert (page.after, page.head) == (1, 1)


async def test_a_failure_is_shared_with_nobody(tree: Tree) -> None:
    [relay] = tree.relays
    relay.wire.is_cut = True
    with pytest.raises(StoreUnavailable):
        await relay.feed.snapshot()
    relay.wire.is_cut = False
    assert await relay.feed.snapshot() == await tree.published.snapshot()


async def test_a_stranger_who_asks_everywhere_costs_the_issuer_no_more_than_so_many_questions(tree: Tree) -> None:
    [relay] = tree.relays
    await tree.revoke(*range(1, 200))
    tree.clock.pass_seconds(2)
    await tree.poll()
    asked = relay.wire.asked["page"]
    pages = await asyncio.gather(*(relay.page(after) for after in range(1, 100)))
    assert relay.wire.asked["page"] == asked + relays.MAX_PAGES_ASKED
    told_to_reload = [page for page in pages if page.after == page.head == 199]
    assert len(told_to_reload) == 99 - relays.MAX_PAGES_ASKED


async def test_f4_a_relay_that_is_out_of_date_passes_nothing_on(tree: Tree) -> None:
    [relay] = tree.relays
    relay.wire.is_cut = True
    time_ms = (await relay.page(0)).time_ms
    tree.clock.pass_seconds(4)
    assert (await relay.page(0)).time_ms == time_ms, "an old time is passed on as it is"
    tree.clock.pass_seconds(2)
    assert await tree.issuer.poll()  # the issuer is well: it is the relay that must not answer
    for work in (relay.feed.page(0, 0), relay.feed.page(7, 0), relay.feed.snapshot(), relay.feed.segment("x")):
        with pytest.raises(Stale):
            await work


async def test_f4_who_waits_at_a_relay_that_goes_out_of_date_is_answered_so(tree: Tree) -> None:
    [relay] = tree.relays
    waiting = asyncio.create_task(relay.feed.page(0, 0.05))
    await asyncio.sleep(0)
    tree.clock.pass_seconds(6)
    with pytest.raises(Stale):
        await waiting


async def test_what_was_there_before_a_restore_is_passed_on_no_more(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_publisher, "BEHIND_SECONDS", 0.01)
    [relay] = tree.relays
    await tree.revoke(1, 2)
    tree.store.incarnation, tree.store.entries = "second life", [dead(1)]
    await tree.poll()
    assert (await relay.page(1)).incarnation == "second life"
    assert (await relay.page(0)).incarnation == "second life"


class TestSegments:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(feed_segments, "SEGMENT_NUMBERS", 10)

    async def test_a_verifier_loads_all_through_a_relay_and_each_segment_is_fetched_once(self, tree: Tree) -> None:
        [relay] = tree.relays
        await tree.revoke(*range(1, 36))
        before = relay.wire.asked["segment"]
        readers = [RelayNode(relay.feed, tree.clock) for _ in range(3)]
        for reader in readers:
            await reader.poll()
            assert reader.follower.node.revocations.cause("sid-35", "", 0, "") is not None
            assert reader.follower.node.revocations.cause("sid-1", "", 0, "") is not None
            reader.feed.close()
        assert relay.wire.asked["segment"] == before + 3
        assert relay.wire.asked["snapshot"] <= 2

    async def test_a_segment_is_kept_longer_than_an_answer(self, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(relays, "SHARED_SECONDS", 0)
        [relay] = tree.relays
        await tree.revoke(*range(1, 36))
        read = read_document((await relay.feed.snapshot()).decode(), KEYS, issuer="us")
        first = await relay.feed.segment(read.segments[0].name)
        await asyncio.sleep(0.01)
        asked = relay.wire.asked.copy()
        assert await relay.feed.segment(read.segments[0].name) == first
        assert relay.wire.asked == asked

    async def test_a_name_that_no_snapshot_has_is_404_and_nobody_is_asked(self, tree: Tree) -> None:
        [relay] = tree.relays
        await relay.feed.snapshot()
        asked = relay.wire.asked.copy()
        with pytest.raises(NotFound):
            await relay.feed.segment("A" * 43)
        assert relay.wire.asked == asked

    async def test_what_is_not_what_the_issuer_signed_is_kept_for_nobody(self, tree: Tree) -> None:
        [relay] = tree.relays
        await tree.revoke(*range(1, 36))
        relay.wire.spoil = True
        with pytest.raises(Unavailable, match="the upstream's snapshot is refused"):
            await relay.feed.snapshot()
        relay.wire.spoil = False
        read = read_document((await relay.feed.snapshot()).decode(), KEYS, issuer="us")
        relay.wire.spoil = True
        with pytest.raises(Unavailable, match="the upstream's segment is refused"):
            await relay.feed.segment(read.segments[0].name)
        relay.wire.spoil = False
        assert read_segment(await relay.feed.segment(read.segments[0].name), read.segments[0])

    async def test_segments_are_forgotten_when_nobody_has_loaded_for_a_while(self, tree: Tree) -> None:
        [relay] = tree.relays
        await tree.revoke(*range(1, 36))
        read = read_document((await relay.feed.snapshot()).decode(), KEYS, issuer="us")
        await relay.feed.segment(read.segments[0].name)
        tree.clock.pass_seconds(relays.KEEP_SEGMENTS_SECONDS + 1)
        await tree.poll()
        with pytest.raises(NotFound):
            await relay.feed.segment(read.segments[0].name)


async def test_who_goes_away_stops_a_question_for_nobody(tree: Tree) -> None:
    [relay] = tree.relays
    first, second = (asyncio.create_task(relay.feed.snapshot()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == await tree.published.snapshot()
