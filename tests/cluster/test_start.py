"""Nodes that start: many at once on an empty database, and one that is older than the schema (P8)."""

from __future__ import annotations

import asyncio

import pytest

from sealring.store.postgres import PostgresStore

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


async def test_p8_nodes_that_start_at_once_make_one_schema(postgres_dsn: str) -> None:
    stores = [PostgresStore(postgres_dsn) for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))
    assert len({(await store.load_feed(None)).incarnation for store in stores}) == 1
    for store in stores:
        await store.close()
