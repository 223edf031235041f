"""A clock as a plain value: it stands where it was put, and moves when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from sealring.revocation.feed import FeedPage
from sealring.store.protocol import Store

START = 1_900_000_000


class FrozenClock:
    """Unix time and steady time, apart, so that a step of the one can be told from the passing of both."""

    def __init__(self, now: float = START) -> None:
        self.steady_seconds = 1000.0
        self.offset = now - self.steady_seconds

    def steady(self) -> float:
        return self.steady_seconds

    def now_ms(self) -> int:
        return round((self.offset + self.steady_seconds) * 1000)

    def adjust(self) -> None:
        """Nothing to look at."""

    def pass_seconds(self, seconds: float) -> None:
        self.steady_seconds += seconds

    def step(self, seconds: float) -> None:
        self.offset += seconds


def on_clock(store: Store, now_ms: Callable[[], int]) -> Store:
    """The same store telling another time as its own: a database's clock cannot be set."""
    return cast("Store", _OnClock(store, now_ms))


class _OnClock:
    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def time_ms(self) -> int:
        return self._now_ms()

    async def load_feed(self, after: int | None) -> FeedPage:
        return replace(await self._store.load_feed(after), time_ms=self._now_ms())
