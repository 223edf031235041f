"""SQLite: all live revocations are read in pieces, between which others write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sealring.revocation.entry import Entry
from sealring.sessions.revocation import RefreshClaims
from sealring.store.sqlite import SqliteStore
from sealring.store.sqlite import store as sqlite_store
from sealring.testing.store_contract.samples import NOW, an_event

pytestmark = pytest.mark.anyio


async def make_stale(store: SqliteStore, subject: str) -> Entry:
    (entry,) = (await store.revoke(RefreshClaims(subject=subject), an_event("claims_refreshed"), now=NOW)).entries
    return entry


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sqlite_store, "PIECE", 3)
    store = SqliteStore(tmp_path / "sealring.db")
    await store.open()
    yield store
    await store.close()


@pytest.mark.parametrize("count", [0, 2, 3, 10])
async def test_a_full_load_in_pieces_is_whole(store: SqliteStore, count: int) -> None:
    written = [await make_stale(store, f"subject-{number}") for number in range(count)]
    page = await store.load_feed(None)
    assert list(page.entries) == written
    assert (page.head, page.complete) == (count, True)


async def test_what_is_revoked_between_two_pieces_is_in_the_load(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await make_stale(store, f"subject-{number}")
    read = store.writer.read
    reads = 0

    async def read_and_revoke(work: Any) -> Any:
        nonlocal reads
        reads += 1
        found = await read(work)
        if reads in {2, 4}:
            await make_stale(store, f"meanwhile-{reads}")
        return found

    monkeypatch.setattr(store.writer, "read", read_and_revoke)
    page = await store.load_feed(None)
    assert [entry.number for entry in page.entries] == list(range(1, page.head + 1))
    assert page.head == 7
    assert page.digest == (await store.load_feed(None)).digest


async def test_a_restore_between_two_pieces_begins_the_load_again(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await make_stale(store, f"subject-{number}")
    read = store.writer.read
    restored: list[bool] = []

    async def read_and_restore(work: Any) -> Any:
        found = await read(work)
        if not restored:
            restored.append(True)
            await store.reset_after_restore(an_event("store_restored"), now=NOW)
        return found

    monkeypatch.setattr(store.writer, "read", read_and_restore)
    page = await store.load_feed(None)
    assert page.incarnation == (await store.load_feed(0)).incarnation
    assert len(page.entries) == page.head
