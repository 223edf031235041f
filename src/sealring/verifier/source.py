"""Where a verifier hears of keys and revocations: two questions and a hint, whatever stands behind them.

A source is asked in the background only, never while a request waits. The store is one; an issuer
over HTTP can be another without a line of change elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from sealring import jwt
from sealring.store.protocol import Store
from sealring.store.records import FeedPage


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

    async def wait_for_news(self) -> None:
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
    """

    def __init__(self, store: Store, load_keys: Callable[[], Awaitable[jwt.KeySet]]) -> None:
        self._store = store
        self._load_keys = load_keys

    async def load(self, after: int | None) -> FeedPage:
        """See `Source.load`."""
        return await self._store.load_feed(after)

    async def keys(self) -> jwt.KeySet:
        """See `Source.keys`."""
        return await self._load_keys()

    async def wait_for_news(self) -> None:
        """See `Source.wait_for_news`."""
        await self._store.wait_for_news()
