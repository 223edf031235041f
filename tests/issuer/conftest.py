"""Stores on the frozen clock of the issuer under test: a node whose clock is not its store's writes no keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sealring.store.memory import MemoryStore
from sealring.store.protocol import Store
from sealring.store.sqlite import SqliteStore
from tests.clocks import FrozenClock


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    """An empty, open store of each kind, on that clock."""
    in_memory = request.param == "memory"
    opened: Store = MemoryStore(clock.now_ms) if in_memory else SqliteStore(tmp_path / "sealring.db", clock.now_ms)
    await opened.open()
    yield opened
    await opened.close()
