"""F12: the hint that something may have changed. Where it exists it comes; nothing depends on it."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from sealring.errors import StoreUnavailable
from sealring.sessions.revocation import RefreshClaims
from sealring.store.memory import MemoryStore
from sealring.store.postgres import PostgresStore
from sealring.store.protocol import Store
from sealring.store.sqlite import SqliteStore
from sealring.testing.store_contract.samples import NOW, an_account, an_event

pytestmark = pytest.mark.anyio


async def revoke(store: Store) -> None:
    await store.revoke(RefreshClaims(subject="42"), an_event("claims_refreshed"), now=NOW)


async def test_f12_waiting_for_news_can_be_given_up_at_any_time(store: Store) -> None:
    for seconds in (0.0, 0.001, 0.2, 0.2):
        try:
            async with asyncio.timeout(seconds):
                await store.wait_for_change()
        except TimeoutError:
            pass
    await revoke(store)
    assert (await store.load_feed(None)).head == 1


async def test_f12_a_revocation_wakes_all_who_wait_beside_a_memory_store() -> None:
    store = MemoryStore()
    waiting = [asyncio.create_task(store.wait_for_change()) for _ in range(3)]
    await asyncio.sleep(0)
    await store.create_account(an_account(), an_event("account_created"))
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    await revoke(store)
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)


async def test_f12_nobody_tells_the_readers_of_a_file(tmp_path: object) -> None:
    store = SqliteStore(f"{tmp_path}/sealring.db")
    await store.open()
    waiting = asyncio.create_task(store.wait_for_change())
    await revoke(store)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await store.close()


@pytest.mark.postgres
async def test_f12_a_revocation_on_one_node_wakes_the_others(postgres_dsn: str) -> None:
    here, there = PostgresStore(postgres_dsn), PostgresStore(postgres_dsn)
    await here.open()
    await there.open()
    await there.wait_for_change()  # connects
    waiting = asyncio.create_task(there.wait_for_change())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await revoke(here)
    async with asyncio.timeout(20):
        await waiting
    await here.close()
    await there.close()


@pytest.mark.postgres
async def test_f12_an_engine_that_knows_no_notify_revokes_all_the_same(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as engine:  # functions belong to the test's own database
        engine.execute("SET allow_system_table_mods = on")
        engine.execute("ALTER FUNCTION pg_catalog.pg_notify(text, text) RENAME TO unknown_here")
    here, there = PostgresStore(postgres_dsn), PostgresStore(postgres_dsn)
    await here.open()
    await there.open()
    before = await there.load_feed(None)
    waiting = asyncio.create_task(there.wait_for_change())
    await revoke(here)
    page = await there.load_feed(before.head)
    assert [entry.target for entry in page.entries] == ["42"]
    await asyncio.sleep(0.05)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await here.close()
    await there.close()


@pytest.mark.postgres
async def test_f12_a_listener_whose_connection_is_killed_says_so_and_connects_again(postgres_dsn: str) -> None:
    store = PostgresStore(postgres_dsn)
    await store.open()
    await store.wait_for_change()
    waiting = asyncio.create_task(store.wait_for_change())
    await asyncio.sleep(0.05)
    with psycopg.connect(postgres_dsn, autocommit=True) as killer:
        killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
    async with asyncio.timeout(20):
        with pytest.raises(StoreUnavailable):
            await waiting
        await store.wait_for_change()
        waiting = asyncio.create_task(store.wait_for_change())
        await asyncio.sleep(0.05)
        await revoke(store)
        await waiting
    await store.close()
