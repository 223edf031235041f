"""Where a verifier hears of keys and revocations: two questions and a hint, whatever stands behind them.

A source is asked in the background only, never while a request waits. The store is one; an issuer
over HTTP can be another without a line of change elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from sealring import jwt
from sealring.revocation.feed import FeedPage
from sealring.store.protocol import FeedStore


class Source(Protocol):
    """What a follower asks."""

    async def load(self, after: int | None) -> FeedPage:
        """Revocations after the cursor, or all live ones.

        Raises:
            Unavailable: no answer; the node's lag grows.
        """

    async def keys(self) -> jwt.KeySet:
        """The keys that verify now. Asked when `FeedPage.keys_version` has moved.

        Raises:
            Unavailable: no answer.
        """

    async def wait_for_change(self) -> None:
        """Return when a poll may find something: soon after a revocation, for no reason, or never.

        Only ever a hurry: a node that is never told, told lies or given errors here keeps every promise (F12).

        Raises:
            Unavailable: whoever hints cannot be reached.
        """


class StoreSource:
    """The store itself as the source: for the issuer's own process and every node of its application.

    Args:
        store: asked for the feed.
        load_keys: reads the ring and gives the verifying keys.
        heartbeat_seconds: how old the store's last acknowledged write may be before it is asked for another (F8).
    """

    def __init__(
        self, store: FeedStore, load_keys: Callable[[], Awaitable[jwt.KeySet]], *, heartbeat_seconds: float = 1.0
    ) -> None:
        self._store = store
        self._load_keys = load_keys
        self._heartbeat_ms = max(1, int(heartbeat_seconds * 1000))

    async def load(self, after: int | None) -> FeedPage:
        """See `Source.load`."""
        if after is None:  # before it, not after: a full load is not to be done twice
            await self._store.heartbeat(every_ms=self._heartbeat_ms)
            return await self._store.load_feed(None)
        page = await self._store.load_feed(after)
        if self._is_due(page) and await self._store.heartbeat(every_ms=self._heartbeat_ms):
            page = await self._store.load_feed(after)
        return page

    def _is_due(self, page: FeedPage) -> bool:
        # what is ahead of the store's clock was written before that clock was put back
        return page.acknowledged_ms is not None and not 0 <= page.time_ms - page.acknowledged_ms <= self._heartbeat_ms

    async def keys(self) -> jwt.KeySet:
        """See `Source.keys`."""
        return await self._load_keys()

    async def wait_for_change(self) -> None:
        """See `Source.wait_for_change`."""
        await self._store.wait_for_change()
