"""Serves the feed on to other verifiers, as it came: a tree of any depth, and none of its nodes need be trusted.

What is passed on was signed by the issuer (`sealring.revocation.wire`), so a relay can delay it and nothing else. It
serves what its own follower has accepted: one page for all who wait. Who is at another place is answered by a question
to where the feed came from, one for all who ask the same at that time. Segments are kept by their names, and only those
that a snapshot of the issuer names are asked for: a stranger's guesses cost nobody a request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from sealring.errors import NotFound, Stale, TokenError, Unavailable
from sealring.forks import leave_to_parent
from sealring.revocation.feed import FeedPage
from sealring.revocation.wire import Segment, read_document, read_segment
from sealring.verifier.node_state import NodeState
from sealring.verifier.served_feed import LongPolls, PacedAnswers, ServesFeed

SHARED_SECONDS: Final = 1.0
"""How long an answer serves others who ask the same. A reader that gets an older page asks again at once."""
MAX_PAGES_ASKED: Final = 32
"""Questions for pages at one time. Who comes after them gets a page that leads to a snapshot, one for all."""
MAX_PAGES_KEPT: Final = 64
"""Accepted within that time: more only where revocations come faster than they are polled."""
KEEP_SEGMENTS_SECONDS: Final = 600.0
"""After the last reader of a snapshot."""


@dataclass(frozen=True, slots=True)
class SignedPage:
    """A page as it came."""

    after: int
    """It has all that came after this number."""
    document: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A page that this node's follower has accepted, and when, on the steady clock."""

    after: int
    head: int
    signed: bytes
    at: float


class FeedRelay:
    """The feed as this node passes it on (`sealring.verifier.served_feed.ServesFeed`).

    Args:
        upstream: where this node's feed comes from.
        node: this node; while it is stale, nothing is passed on.
        issuer: `iss` of the feed that this node follows.
        signed: gives the page that this node's source has read last; None where that was a full load.
    """

    def __init__(
        self, upstream: ServesFeed, node: NodeState, *, issuer: str, signed: Callable[[], SignedPage | None]
    ) -> None:
        self._upstream = upstream
        self._node = node
        self._issuer = issuer
        self._signed = signed
        self.begin()

    def begin(self) -> None:
        """Know nothing: a new process, or a new event loop."""
        self._pages: deque[_Accepted] = deque()
        self._polls = LongPolls()
        self._turns = PacedAnswers()
        self._questions: dict[int | str, asyncio.Task[bytes]] = {}
        self._named: dict[str, Segment] = {}
        self._segments: dict[str, bytes] = {}
        self._wanted_until = float("-inf")

    # by this node's own follower

    def follow(self, page: FeedPage, _known_ms: int, _read_ms: int) -> None:
        """This node has accepted what its source read last; see `sealring.verifier.follower.Publish`."""
        now = self._node.clock.steady()
        signed = self._signed()
        if signed is None:  # a full load: what was there before may be of another history
            self._pages.clear()
        else:
            self._pages.append(_Accepted(signed.after, page.head, signed.document, now))
        while len(self._pages) > 1 and (self._pages[0].at < now - SHARED_SECONDS or len(self._pages) > MAX_PAGES_KEPT):
            self._pages.popleft()
        if now > self._wanted_until:
            self._named, self._segments = {}, {}
        self._polls.news(page.head)

    # by the routes

    async def page(self, after: int, wait: float) -> bytes:
        """See `ServesFeed.page`."""
        self._check()
        if after == self._node.cursor and wait > 0:
            await self._polls.wait(after, wait)
        else:
            await self._turns.take()
        self._check()
        for page in reversed(self._pages):
            if page.after <= after <= page.head:
                return page.signed
        if after not in self._questions and self._pages_asked() >= MAX_PAGES_ASKED and self._pages:
            return self._pages[-1].signed
        return await self._ask(after, lambda: self._upstream.page(after, 0.0))

    async def snapshot(self) -> bytes:
        """See `ServesFeed.snapshot`."""
        await self._turns.take()
        self._check()
        return await self._ask("snapshot", self._read_snapshot)

    async def segment(self, name: str) -> bytes:
        """See `ServesFeed.segment`."""
        await self._turns.take()
        self._check()
        kept = self._segments.get(name)
        if kept is not None:
            return kept
        segment = self._named.get(name)
        if segment is None:
            raise NotFound("no such segment of the feed")
        return await self._ask(name, lambda: self._read_segment(segment))

    async def _read_snapshot(self) -> bytes:
        signed = await self._upstream.snapshot()
        try:
            read = read_document(signed.decode("latin-1"), self._node.trusted.keys, issuer=self._issuer)
        except TokenError as error:
            raise Unavailable(f"the upstream's snapshot is refused: {error}") from None
        self._named = {segment.name: segment for segment in read.segments}
        self._segments = {name: data for name, data in self._segments.items() if name in self._named}
        self._wanted_until = self._node.clock.steady() + KEEP_SEGMENTS_SECONDS
        return signed

    async def _read_segment(self, segment: Segment) -> bytes:
        data = await self._upstream.segment(segment.name)
        try:
            read_segment(data, segment)
        except TokenError as error:
            raise Unavailable(f"the upstream's segment is refused: {error}") from None
        if segment.name in self._named:  # else another snapshot came meanwhile
            self._segments[segment.name] = data
        return data

    def _check(self) -> None:
        node = self._node
        if not node.is_fresh:
            raise Stale(node.retry_after, node.last_error)

    def _pages_asked(self) -> int:
        return sum(isinstance(what, int) for what in self._questions)

    async def _ask(self, what: int | str, question: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        """Ask the upstream; who asks the same a moment later shares the answer."""
        asked = self._questions.get(what)
        if asked is None:
            asked = asyncio.get_running_loop().create_task(question(), name="sealring relay")
            self._questions[what] = asked
            asked.add_done_callback(partial(self._share, what))
        return await asyncio.shield(asked)  # who goes away stops it for nobody

    def _share(self, what: int | str, asked: asyncio.Task[bytes]) -> None:
        """Keep an answer for a moment, and no failure."""
        if asked.cancelled() or asked.exception() is not None:
            self._forget(what, asked)
        else:
            asked.get_loop().call_later(SHARED_SECONDS, self._forget, what, asked)

    def _forget(self, what: int | str, asked: asyncio.Task[bytes]) -> None:
        if self._questions.get(what) is asked:
            del self._questions[what]

    # life

    def close(self) -> None:
        """Answer nobody from here on."""
        self._polls.close()
        self._turns.close()
        for asked in self._questions.values():
            asked.cancel()
        self.begin()

    def forked(self) -> None:
        """In a child the tasks of the parent do not run."""
        leave_to_parent(self._polls, self._turns, *self._questions.values())
        self.begin()
