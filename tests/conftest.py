"""Fixtures that more than one folder asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sealring.store.memory import MemoryStore
from sealring.store.protocol import Store
from sealring.store.sqlite import SqliteStore


@pytest.fixture
def anyio_backend() -> str:
    """Coroutines run on asyncio: the stores and uvicorn do."""
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty, open store of each kind."""
    opened: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "sealring.db")
    await opened.open()
    yield opened
    await opened.close()
