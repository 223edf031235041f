"""What a node knows of keys and revocations, and how fresh that is (design D6, D7).

The follower polls its source in the background and answers from memory. It is as fresh as the
*start* of its last good poll, on a clock that goes on counting while the machine is suspended, or as
the last write that the source is known to have acknowledged, if that is older: a primary that was
left behind still answers. A node without news for longer than the bound says `Stale` to every
question (503, never 401), and a new node says so until its first full load. A poll is good when the
source answers in time, its clock agrees with ours, and the running digest proves that no entry was
skipped; anything that does not fit (another incarnation, a head that went back, a digest that
differs) is answered by loading everything again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from sealring.errors import SealringError, Unavailable
from sealring.forks import FORKED, leave_to_parent, stop_watching, watch_forks
from sealring.revocation.entry import Entry, entry_digest
from sealring.revocation.feed import FeedPage
from sealring.revocation.view import RevocationView
from sealring.verifier.node_state import NOT_STARTED, UNACKNOWLEDGED, NodeState, ReloadCause
from sealring.verifier.source import HoldsConnections, Source

log = logging.getLogger("sealring.follower")

ENTRIES_A_TURN = 250
"""Entries taken in before requests are answered again, at most: half a millisecond."""
ENTRIES_AT_ONCE = 50
TURN_SECONDS = 0.001
"""After so long requests are answered again, however few were taken in: while the kernel gives a set its memory, each
entry may take ten times as long."""
FULL_LOAD_SECONDS = 300
"""A full load may take longer than the bound (a million entries, some ten seconds); the node stays stale until the poll
after it, which is short."""
HINT_PAUSE_SECONDS = 0.03
"""After a hint: many revocations, or a source that notifies without cause, cost at most 30 polls a second."""


Publish = Callable[[FeedPage, int, int], None]
"""With the page, two moments on the source's clock, in ms: up to the first, it has every revocation that was
acknowledged; by the second, the source had been read."""


class Follower:
    """Keeps a node's state in step with a source.

    Args:
        source: where revocations and keys come from.
        node: what it fills.
        poll_interval: seconds between polls.
        leeway: how far our clock and the source's may differ, seconds.
        publish: called with each page that was followed, where this node passes the feed on.
    """

    def __init__(
        self, source: Source, node: NodeState, *, poll_interval: float, leeway: float, publish: Publish | None = None
    ) -> None:
        self.node = node
        self._source = source
        self._clock = node.clock
        self._max_staleness = node.max_staleness
        self._poll_interval = poll_interval
        self._leeway_ms = leeway * 1000
        self._publish = publish
        self._heartbeat_ms: int | None = None
        self._acknowledged_at = float("-inf")
        """Up to here nobody can have revoked anything behind the source's back (F8)."""
        self._known_ms = self._read_ms = 0
        self._incarnation = ""
        self._digest = 0
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._wake = asyncio.Event()
        self._applied = asyncio.Event()
        self._logged_stale = False

    def wake(self) -> None:
        """Poll now: a hint says that something may have changed. Never needed for correctness (F12)."""
        self._wake.set()

    async def start(self) -> None:
        """Load everything once, if the source answers, and keep polling until `stop`, or until the event loop ends."""
        watch_forks(self)
        self._wake = asyncio.Event()  # the earlier one may belong to an event loop that has ended
        await self.poll()
        self._tasks = (
            asyncio.create_task(self._follow(), name="sealring follower"),
            asyncio.create_task(self._listen(), name="sealring listener"),
        )
        if self._publish is not None:
            self._applied = asyncio.Event()
            self.node.on_applied = self._applied.set
            self._tasks += (asyncio.create_task(self._listen_here(), name="sealring publisher"),)

    async def stop(self) -> None:
        """Stop polling; the node grows stale from here."""
        tasks, self._tasks = self._tasks, ()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(self._source, HoldsConnections):
            self._source.close()
        self.node.last_error = NOT_STARTED
        stop_watching(self)

    def abandon(self) -> None:
        """Forget tasks whose event loop has ended: they have ended with it, or end when it goes on."""
        for task in self._tasks:
            if not task.get_loop().is_closed():
                task.cancel()
        self._tasks = ()
        if isinstance(self._source, HoldsConnections):
            self._source.close()

    def forked(self) -> None:
        """The tasks are the parent's: this node is stale until it is started, and then loads everything."""
        leave_to_parent(*self._tasks)
        self._tasks = ()
        self._wake = asyncio.Event()
        if isinstance(self._source, HoldsConnections):
            self._source.forked()
        self.node.forget_position(f"not started: {FORKED}")

    async def poll(self) -> bool:
        """Ask the source once; true when this node is as fresh as the start of this call, or as the last heartbeat."""
        began = self._clock.steady()
        try:
            await self._catch_up()
        except (SealringError, TimeoutError, OSError) as error:
            self.node.last_error = cause = str(error) or type(error).__name__
            log.warning("poll failed", extra={"sealring": {"cause": cause, "lag_seconds": round(self.node.lag, 3)}})
        else:
            # The start, not the end: what was committed while the source answered may not be in the answer.
            self.node.know_until(min(began, self._acknowledged_at))
        self._log_freshness()
        return self.node.last_error is None

    async def _catch_up(self) -> None:
        node = self.node
        if node.cursor is None:
            page = await self._reload("first load")
        else:
            page = await self._ask(node.cursor)
            if cause := self._why_reload(page, node.cursor):
                page = await self._reload(cause)
            else:
                await self._feed(node.follow_revocations, page.entries)
                self._move_to(page)
        node.use_access_ttl(page.longest_access_ttl)
        if page.keys_version != node.keys_version:
            async with asyncio.timeout(self._max_staleness):
                read = await self._source.keys()
            node.use_keys(read.keys, read.version)
        node.revocations.forget(self._clock.now_ms() // 1000)
        if self._publish is not None:
            self._publish(page, self._known_ms, self._read_ms)

    async def _ask(self, after: int | None) -> FeedPage:
        """A page of the feed, from a source whose clock agrees with ours (T1) and that acknowledges writes (F8)."""
        self._clock.adjust()
        asked = self._clock.steady()
        asked_ms = self._clock.now_ms()
        async with asyncio.timeout(FULL_LOAD_SECONDS if after is None else self._max_staleness):
            page = await self._source.load(after)
        answered_ms = self._clock.now_ms()
        if not asked_ms - self._leeway_ms <= page.time_ms <= answered_ms + self._leeway_ms:
            raise Unavailable(f"this node's clock is {answered_ms - page.time_ms} ms ahead of its source's")
        self._acknowledged_at = self._acknowledged(page, asked)
        # as for `know_until`: the source read its clock at some time between our question and its answer
        self._known_ms = page.time_ms - (answered_ms - asked_ms)
        self._read_ms = page.time_ms + (answered_ms - asked_ms)
        if page.acknowledged_ms is not None:
            self._known_ms = min(self._known_ms, page.acknowledged_ms)
        if self._acknowledged_at + self._max_staleness < asked:
            raise Unavailable(UNACKNOWLEDGED)
        return page

    def _acknowledged(self, page: FeedPage, asked: float) -> float:
        """When the source's newest acknowledged write was made, on our steady clock.

        One that was seen before proves nothing new, however young it looks since the source's clock was put back; and
        nothing is proved by one ahead of that clock.
        """
        if page.acknowledged_ms is None:
            return asked
        if page.acknowledged_ms == self._heartbeat_ms:
            return self._acknowledged_at
        if page.acknowledged_ms > page.time_ms:
            raise Unavailable("the source's clock is behind its own last heartbeat")
        self._heartbeat_ms = page.acknowledged_ms
        return asked - (page.time_ms - page.acknowledged_ms) / 1000

    def _why_reload(self, page: FeedPage, cursor: int) -> ReloadCause | None:
        """Why this page does not continue what we hold; None when it does."""
        if page.incarnation != self._incarnation:
            return "incarnation"
        if page.head < cursor:
            return "went back"
        if not page.complete:
            return "forgotten"
        digest = self._digest
        for entry in page.entries:
            digest ^= entry_digest(entry.id)
        return None if digest == page.digest else "digest"

    async def _reload(self, cause: ReloadCause) -> FeedPage:
        """Build a new view from everything that is live and put it in the old one's place.

        The old one goes whole: after a restore it may hold epochs that the store does not know. What
        this node committed while the snapshot was under way is not in it, and is carried over (I2).
        """
        if cause != "first load":
            log.error(
                "following again from a full load", extra={"sealring": {"cause": cause, "cursor": self.node.cursor}}
            )
        self.node.begin_reload()
        try:
            page = await self._ask(None)
            view = RevocationView()
            await self._feed(view.add, page.entries)
            if page.rest is not None:
                async with asyncio.timeout(FULL_LOAD_SECONDS):
                    async for entries in page.rest:
                        await self._feed(view.add, entries)
            self.node.finish_reload(view, cause)
        finally:
            self.node.end_reload()
        self._move_to(page)
        return page

    async def _feed(self, take: Callable[[Sequence[Entry]], None], entries: Sequence[Entry]) -> None:
        taken, began = 0, self._clock.steady()
        for start in range(0, len(entries), ENTRIES_AT_ONCE):
            take(entries[start : start + ENTRIES_AT_ONCE])
            taken += ENTRIES_AT_ONCE
            if taken >= ENTRIES_A_TURN or self._clock.steady() - began >= TURN_SECONDS:
                await asyncio.sleep(0)
                taken, began = 0, self._clock.steady()

    def _move_to(self, page: FeedPage) -> None:
        self._incarnation = page.incarnation
        self.node.cursor = page.head
        self._digest = page.digest

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._poll_interval):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            await self.poll()

    async def _listen(self) -> None:
        """Wake the poll when the source hints at news."""
        while True:
            try:
                await self._source.wait_for_change()
            except Exception as error:  # noqa: BLE001 - a hint is never needed, so nothing that it does may stop anything
                log.debug("no hints", extra={"sealring": {"cause": type(error).__name__}})
                await asyncio.sleep(self._poll_interval)
            else:
                self.wake()
                await asyncio.sleep(HINT_PAUSE_SECONDS)

    async def _listen_here(self) -> None:
        """Wake the poll when this node has revoked something: others wait for it."""
        while True:
            await self._applied.wait()
            self._applied.clear()
            self.wake()
            await asyncio.sleep(HINT_PAUSE_SECONDS)

    def _log_freshness(self) -> None:
        """One log line when the node goes stale, one when it is fresh again."""
        stale = not self.node.is_fresh
        if stale and not self._logged_stale:
            fields = {"bound_seconds": self._max_staleness, "cause": self.node.last_error}
            log.error("stale: every check answers 503 until a poll is good", extra={"sealring": fields})
        elif not stale and self._logged_stale:
            log.warning("fresh again")
        self._logged_stale = stale
