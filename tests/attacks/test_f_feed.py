"""F: the feed, as far as the store makes it. Gapless numbers in commit order, and a digest that betrays a lost one."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from sealring.errors import NameTaken, StoreUnavailable
from sealring.revocation.entry import Entry, entry_digest
from sealring.revocation.feed import FeedPage
from sealring.sessions.revocation import RefreshClaims
from sealring.store import open_store
from sealring.store.protocol import Store
from sealring.store.revocation_log import digest_of
from sealring.store.sqlite import SqliteStore
from sealring.testing.store_contract.samples import NOW, RETAIN, an_account, an_event
from tests.store.postgres_cluster import own_cluster

pytestmark = pytest.mark.anyio


async def make_stale(store: Store, subject: str = "42", *, now: int = NOW) -> Entry:
    (entry,) = (await store.revoke(RefreshClaims(subject=subject), an_event("claims_refreshed"), now=now)).entries
    return entry


class Node:
    """A follower as short as it can be: it takes what is given after its cursor and adds up the digest."""

    def __init__(self) -> None:
        self.cursor: int | None = None
        self.taken: list[Entry] = []
        self.digest = 0
        self.full_loads = 0

    async def poll(self, store: Store) -> FeedPage:
        page = await store.load_feed(self.cursor)
        if self.cursor is None or not page.complete:
            page = await store.load_feed(None)
            self.taken, self.digest, self.full_loads = list(page.entries), page.digest, self.full_loads + 1
        else:
            self.taken += page.entries
            self.digest ^= digest_of(page.entries)
        self.cursor = page.head
        return page


async def test_f1_a_node_that_polls_while_many_write_skips_nothing(store: Store) -> None:
    node = Node()
    await node.poll(store)
    written: list[Entry] = []

    async def write(subject: str) -> None:
        for _ in range(20):
            entry = await make_stale(store, subject)
            written.append(entry)

    async def poll() -> None:
        while len(written) < 160:
            page = await node.poll(store)
            assert [entry.number for entry in node.taken] == list(range(1, page.head + 1))
            assert node.digest == page.digest
            await asyncio.sleep(0)

    await asyncio.gather(poll(), *(write(str(subject)) for subject in range(8)))
    await node.poll(store)
    assert sorted(node.taken, key=lambda entry: entry.number) == sorted(written, key=lambda entry: entry.number)
    assert node.full_loads == 1


async def test_f1_an_acknowledged_revocation_is_in_the_next_page(store: Store) -> None:
    for _ in range(20):
        head = (await store.load_feed(None)).head
        entry = await make_stale(store)
        page = await store.load_feed(head)
        assert entry in page.entries
        assert page.complete


async def test_f2_a_writer_that_rolls_back_leaves_no_hole(store: Store) -> None:
    await store.create_account(an_account(), an_event("account_created"))
    await make_stale(store)
    outcomes = await asyncio.gather(
        *(store.create_account(an_account(), an_event("account_created")) for _ in range(5)),
        *(make_stale(store) for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, NameTaken) for outcome in outcomes) == 5
    page = await store.load_feed(0)
    assert [entry.number for entry in page.entries] == list(range(1, 7))
    assert page.complete
    assert [event.number for event in await store.read_events()] == list(range(1, 8))


async def test_f3_the_same_page_asked_twice_is_the_same_page(store: Store) -> None:
    for _ in range(4):
        await make_stale(store)
    first, second = await store.load_feed(1), await store.load_feed(1)
    assert first.entries == second.entries
    assert [entry.number for entry in first.entries] == [2, 3, 4]
    assert (await store.load_feed(4)).entries == ()
    assert (await store.load_feed(4)).complete


async def test_f7_a_cursor_ahead_of_the_store_is_not_complete(store: Store) -> None:
    await make_stale(store)
    page = await store.load_feed(5)
    assert not page.complete
    assert page.head == 1


async def test_f7_a_store_that_went_back_and_used_a_number_again_has_another_digest(tmp_path: Path) -> None:
    live, backup = tmp_path / "live.db", tmp_path / "backup.db"
    store = SqliteStore(live)
    await store.open()
    node = Node()
    for subject in ("a", "b"):
        await make_stale(store, subject)
    await store.close()
    shutil.copy(live, backup)
    await store.open()
    await make_stale(store, "lost")
    await node.poll(store)
    await store.close()
    shutil.copy(backup, live)
    await store.open()
    await make_stale(store, "other")
    page = await store.load_feed(node.cursor)
    assert page.complete
    assert page.head == node.cursor
    assert page.digest != node.digest
    await store.close()


async def test_f7_every_store_has_an_incarnation_of_its_own_that_stays(store: Store, tmp_path: Path) -> None:
    other = SqliteStore(tmp_path / "other.db")
    await other.open()
    first, second = (await store.load_feed(None)).incarnation, (await store.load_feed(0)).incarnation
    assert first == second
    assert first != (await other.load_feed(None)).incarnation
    await other.close()


async def test_f9_a_node_away_for_longer_than_the_retention_is_told(store: Store) -> None:
    for age in (0, 10, 5000):
        await make_stale(store, str(age), now=NOW + age)
    await store.purge(now=NOW + 5000, audit_seconds=0)
    assert not (await store.load_feed(0)).complete
    assert not (await store.load_feed(1)).complete
    tail = await store.load_feed(2)
    assert tail.complete
    assert [entry.target for entry in tail.entries] == ["5000"]
    whole = await store.load_feed(None)
    assert whole.complete
    assert [entry.target for entry in whole.entries] == ["5000"]
    assert whole.head == 3


async def test_f14_the_digest_covers_every_number_ever_given(store: Store) -> None:
    entries = [await make_stale(store) for _ in range(5)]
    await store.purge(now=NOW + 10 * RETAIN, audit_seconds=0)
    digest = 0
    for entry in entries:
        digest ^= entry_digest(entry.id)
    assert (await store.load_feed(None)).digest == digest
    assert digest not in {0, digest ^ entry_digest(entries[2].id)}


@pytest.mark.postgres
async def test_f8_a_standby_is_never_asked() -> None:
    with own_cluster() as cluster:
        dsn = cluster.create_database()
        store = open_store(dsn)
        await store.open()
        await make_stale(store)
        await store.close()
        cluster.stop("fast")
        (cluster.folder / "data" / "standby.signal").touch()
        cluster.start()
        await store.open()
        with pytest.raises(StoreUnavailable, match="standby"):
            await store.load_feed(None)
        with pytest.raises(StoreUnavailable):
            await make_stale(store)
        await store.close()
