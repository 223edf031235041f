"""The feed for other services: signed, from this node's memory. A waiting verifier costs the store nothing.

The node's own follower gives each page that it has accepted; from the newest come head, digest and time of everything
that is signed here. So a node that has lost its store signs no time that is newer than its last good poll, and a poll
that proved nothing (a store that acknowledges no writes, a clock that disagrees) is not published at all. What was
signed is shared by all who ask at the same place until the next poll: a thousand verifiers cost two signatures a
second.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from sealring import jwt
from sealring.errors import NotFound, Stale, Unavailable
from sealring.forks import leave_to_parent
from sealring.issuer.feed_segments import FeedSegments
from sealring.revocation.entry import Entry
from sealring.revocation.feed import FeedPage
from sealring.revocation.wire import MAX_PAGE_ENTRIES, FeedDocument, fingerprint, sign_document
from sealring.verifier.node_state import NodeState
from sealring.verifier.served_feed import LongPolls, PacedAnswers
from sealring.verifier.source import Source

TAIL_ENTRIES: Final = 4 * MAX_PAGE_ENTRIES
"""Newest entries that are kept as they are: about a megabyte."""
REMEMBERED_PAGES: Final = 32
"""Most verifiers ask at the same place; a stranger who asks everywhere fills no memory."""
KEEP_SEGMENTS_SECONDS: Final = 600.0
"""After the last reader of a snapshot."""
BUILD_SECONDS: Final = 300
ADDED_AT_ONCE: Final = 500
"""Entries of a full load that are added before requests are answered again."""
BEHIND_SECONDS: Final = 0.5
"""How long a node that knows less than the verifier who asks waits for its own next poll: another node of this issuer
told that verifier."""


class FeedPublisher:
    """Signs and serves this issuer's feed (`sealring.verifier.served_feed.ServesFeed`).

    Args:
        source: what this node follows, asked for a full load when somebody wants a snapshot.
        node: this node; what is stale is not served.
        issuer: `iss`.
        signing_key: gives the key that signs now.
        key_set: gives the JWK Set document that verifiers get now.
    """

    def __init__(
        self,
        source: Source,
        node: NodeState,
        *,
        issuer: str,
        signing_key: Callable[[], jwt.Key],
        key_set: Callable[[], bytes],
    ) -> None:
        self._source = source
        self._node = node
        self._issuer = issuer
        self._signing_key = signing_key
        self._key_set = key_set
        self._newest: FeedPage | None = None
        self._known_ms = self._read_ms = 0
        self._loads = 0
        self._tail: deque[Entry] = deque()
        self._signed: dict[int | None, bytes] = {}
        self._polls = LongPolls()
        self._turns = PacedAnswers()
        self._followed = asyncio.Event()
        self._segments: FeedSegments | None = None
        self._building: asyncio.Task[None] | None = None
        self._wanted_until = float("-inf")

    # by the follower

    def follow(self, page: FeedPage, known_ms: int, read_ms: int) -> None:
        """Serve what this node has just followed; see `sealring.verifier.follower.Publish`."""
        before, loads = self._newest, sum(self._node.reloads.values())
        self._signed.clear()
        if before is None or loads != self._loads:  # a full load: whatever was there before may be of another history
            self._loads = loads
            self._tail.clear()
            self._segments = None
            new = page.entries[-TAIL_ENTRIES:]
        else:
            new = page.entries
        self._newest = replace(page, entries=(), rest=None)
        self._known_ms, self._read_ms = known_ms, read_ms
        self._keep(new)
        followed, self._followed = self._followed, asyncio.Event()
        followed.set()
        self._polls.news(page.head)

    def _keep(self, new: Sequence[Entry]) -> None:
        for entry in new:
            if self._tail and entry.number != self._tail[-1].number + 1:
                self._tail.clear()  # of a full load some are gone; a page has all that come after its beginning
            self._tail.append(entry)
        while len(self._tail) > TAIL_ENTRIES:
            self._tail.popleft()
        if self._segments is not None:
            if self._node.clock.steady() > self._wanted_until:
                self._segments = None
            else:
                self._segments.add(new)
                self._segments.forget(self._node.clock.now_ms() // 1000)

    # by the routes

    async def page(self, after: int, wait: float) -> bytes:
        """See `ServesFeed.page`."""
        newest = self._check()
        self._refuse_secrets()
        if after == newest.head and wait > 0:
            await self._polls.wait(after, wait)
        elif after > newest.head:
            await self._wait_until_followed()
        else:
            await self._turns.take()
        newest = self._check()
        tail_begin = newest.head - len(self._tail) if self._is_gapless(newest) else newest.head
        within = tail_begin <= after <= newest.head and newest.head - after <= MAX_PAGE_ENTRIES
        return self._sign(newest, after if within else newest.head)

    async def snapshot(self) -> bytes:
        """See `ServesFeed.snapshot`."""
        self._check()
        self._refuse_secrets()
        await self._need_segments()
        await self._turns.take()
        return self._sign(self._check(), None)

    async def segment(self, name: str) -> bytes:
        """See `ServesFeed.segment`."""
        self._check()
        await self._turns.take()
        data = (await self._need_segments()).bytes_of(name)
        if data is None:
            raise NotFound("no such segment of the feed")
        return data

    def close(self) -> None:
        """Answer nobody from here on."""
        self._polls.close()
        self._turns.close()
        if self._building is not None:
            self._building.cancel()
        self.abandon()

    def abandon(self) -> None:
        """Let go of what belongs to an event loop that has ended."""
        self._polls = LongPolls()
        self._turns = PacedAnswers()
        self._followed = asyncio.Event()
        self._newest = self._building = self._segments = None

    def forked(self) -> None:
        """In a child the tasks of the parent do not run."""
        leave_to_parent(self._building, self._polls, self._turns)
        self.abandon()

    def _check(self) -> FeedPage:
        node = self._node
        if self._newest is None or not node.is_fresh:
            raise Stale(node.retry_after, node.last_error)
        return self._newest

    def _refuse_secrets(self) -> None:
        if self._signing_key().is_symmetric:
            raise NotFound("this issuer has no feed: its keys are secrets, which no other service may have")

    def _is_gapless(self, newest: FeedPage) -> bool:
        return bool(self._tail) and self._tail[-1].number == newest.head

    async def _wait_until_followed(self) -> None:
        """Until a poll is over that began after now, the second from here; but not for long."""
        try:
            async with asyncio.timeout(BEHIND_SECONDS):
                for _ in range(2):
                    await self._followed.wait()
        except TimeoutError:
            return

    def _sign(self, newest: FeedPage, after: int | None) -> bytes:
        """The page after a number, or the snapshot."""
        signed = self._signed.get(after)
        if signed is None:
            segments = self._segments
            if after is not None:
                entries = tuple(entry for entry in self._tail if entry.number > after)
            elif segments is None:  # between two turns of the event loop the store was restored
                raise Unavailable("the feed was restarted; ask again")
            else:
                entries = tuple(segments.open)
            document = FeedDocument(
                issuer=self._issuer,
                incarnation=newest.incarnation,
                after=after,
                head=newest.head,
                digest=newest.digest,
                keys=fingerprint(self._key_set()),
                time_ms=self._known_ms,
                read_ms=self._read_ms,
                longest_access_ttl=newest.longest_access_ttl,
                entries=entries,
                segments=() if after is not None or segments is None else segments.closed,
            )
            signed = sign_document(document, self._signing_key()).encode()
            if len(self._signed) >= REMEMBERED_PAGES:
                self._signed.clear()
            self._signed[after] = signed
        return signed

    async def _need_segments(self) -> FeedSegments:
        self._wanted_until = self._node.clock.steady() + KEEP_SEGMENTS_SECONDS
        if self._segments is None:
            if self._building is None or self._building.done():
                self._building = asyncio.create_task(self._build(), name="sealring feed segments")
            await asyncio.shield(self._building)  # who goes away stops it for nobody
        if self._segments is None:
            raise Unavailable("the feed was restarted; ask again")
        return self._segments

    async def _build(self) -> None:
        """Read all live entries, and then what this node has followed meanwhile, until both are at the same place."""
        segments = FeedSegments()
        position: int | None = None
        async with asyncio.timeout(BUILD_SECONDS):
            while True:
                page = await self._source.load(position)
                newest = self._check()
                if page.incarnation != newest.incarnation or not page.complete:
                    raise Unavailable("the feed was restarted; ask again")
                for start in range(0, len(page.entries), ADDED_AT_ONCE):
                    segments.add(page.entries[start : start + ADDED_AT_ONCE])
                    await asyncio.sleep(0)
                position = page.head
                while position > self._check().head:
                    await self._followed.wait()
                if position >= self._check().head - len(self._tail):
                    segments.add(entry for entry in self._tail if entry.number > position)
                    self._segments = segments
                    return
