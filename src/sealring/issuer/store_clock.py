"""Whether our clock and the store's agree: asked before time alone decides something that cannot be taken back.

A node that runs a month ahead would drop the key that all others sign with, and end every session that it
meets as idle (T1). So a node checks the store's clock before it writes because of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sealring.errors import StoreUnavailable


class HasClock(Protocol):
    """A store, asked for its time alone."""

    async def time_ms(self) -> int:
        """See `Store.time_ms`."""


async def check_clock(store: HasClock, clock: Callable[[], int], *, leeway_seconds: int) -> None:
    """Compare our clock with the store's.

    Args:
        store: asked for its time.
        clock: ours, Unix milliseconds.
        leeway_seconds: how far they may differ.

    Raises:
        StoreUnavailable: they differ by more, or the store cannot be reached.
    """
    leeway_ms = leeway_seconds * 1000
    asked_ms = clock()
    time_ms = await store.time_ms()
    answered_ms = clock()
    if not asked_ms - leeway_ms <= time_ms <= answered_ms + leeway_ms:
        raise StoreUnavailable(f"this machine's clock is {answered_ms - time_ms} ms ahead of the store's")
