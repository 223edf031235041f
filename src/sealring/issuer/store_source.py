"""The store as a verifier's source: for the issuer's own process and every node of its application.

It only reads (design D18). What the ring lacks, `sealring.issuer.keys` makes in the maintenance of the issuer; a
heartbeat is the one thing that is written for a poll's sake, where a server might have been left behind (F8).
"""

from __future__ import annotations

from typing import Protocol

from sealring.revocation.feed import FeedPage
from sealring.store.protocol import FeedStore
from sealring.verifier.source import VerifyingKeys


class KeyReader(Protocol):
    """Reads the ring of signing keys."""

    async def read_verifying(self) -> VerifyingKeys:
        """The keys that verify now, as the store has them."""


class StoreSource:
    """The store as a source.

    Args:
        store: asked for the feed.
        keys: asked for the keys.
        heartbeat_seconds: how old the store's last acknowledged write may be before it is asked for another (F8).
    """

    def __init__(self, store: FeedStore, keys: KeyReader, *, heartbeat_seconds: float = 1.0) -> None:
        self._store = store
        self._keys = keys
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

    async def keys(self) -> VerifyingKeys:
        """See `Source.keys`."""
        return await self._keys.read_verifying()

    async def wait_for_change(self) -> None:
        """See `Source.wait_for_change`."""
        await self._store.wait_for_change()
