"""The writer: groups of writes, bounded waiting, callers that go away, files that fail."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sealring.errors import ConfigurationError, Overloaded, StoreUnavailable
from sealring.store.sqlite import group_commit
from sealring.store.sqlite import writer as writer_module
from sealring.store.sqlite.file_lock import FairLock
from sealring.store.sqlite.writer import SqliteWriter

pytestmark = pytest.mark.anyio


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[SqliteWriter]:
    opened = SqliteWriter(tmp_path / "a.db")
    await opened.open(lambda db: db.execute("CREATE TABLE items (item INTEGER PRIMARY KEY, pad BLOB)"))
    yield opened
    await opened.close()


async def items(writer: SqliteWriter) -> list[int]:
    return await writer.read(lambda db: [row[0] for row in db.execute("SELECT item FROM items ORDER BY item")])


async def put(writer: SqliteWriter, item: int, size: int = 0) -> None:
    await writer.write(lambda db: db.execute("INSERT INTO items VALUES (?, zeroblob(?))", (item, size)))


class Gate:
    """A job that keeps the thread busy until it is let on."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, db: sqlite3.Connection) -> None:
        self.entered.set()
        assert self.open.wait(30)
        db.execute("SELECT 1")


async def test_many_writes_share_a_commit(writer: SqliteWriter) -> None:
    gate = Gate()
    held = asyncio.ensure_future(writer.read(gate))
    await asyncio.to_thread(gate.entered.wait, 30)
    commits = 0

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    writes = [asyncio.ensure_future(put(writer, item)) for item in range(100)]
    traced = asyncio.ensure_future(writer.read(lambda db: db.set_trace_callback(count)))
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(held, traced, *writes)
    await writer.read(lambda db: db.set_trace_callback(None))
    assert await items(writer) == list(range(100))
    assert commits == 1


async def test_a_write_that_fails_rolls_back_alone(writer: SqliteWriter) -> None:
    def fail(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO items VALUES (1000, NULL)")
        raise LookupError

    writes = [put(writer, item) for item in range(20)]
    writes.insert(7, writer.write(fail))
    outcomes = await asyncio.gather(*writes, put(writer, 3), return_exceptions=True)
    failed = [outcome for outcome in outcomes if outcome is not None]
    assert [type(outcome) for outcome in failed] == [LookupError, sqlite3.IntegrityError]
    assert await items(writer) == list(range(20))


async def test_a_caller_who_left_before_its_turn_leaves_nothing(writer: SqliteWriter) -> None:
    gate = Gate()
    held = asyncio.ensure_future(writer.read(gate))
    await asyncio.to_thread(gate.entered.wait, 30)
    leaving, staying = asyncio.ensure_future(put(writer, 1)), asyncio.ensure_future(put(writer, 2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(held, staying)
    assert leaving.cancelled()
    assert await items(writer) == [2]


async def test_d8_a_write_whose_caller_left_in_the_middle_is_completed(writer: SqliteWriter) -> None:
    gate = Gate()

    def insert(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO items VALUES (1, NULL)")
        gate(db)
        db.execute("INSERT INTO items VALUES (2, NULL)")

    leaving = asyncio.ensure_future(writer.write(insert))
    await asyncio.to_thread(gate.entered.wait, 30)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    gate.open.set()
    assert await items(writer) == [1, 2]


async def test_p3_a_disk_that_hangs_keeps_nobody_waiting(writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "ANSWER_SECONDS", 0.1)
    gate = Gate()
    held = asyncio.ensure_future(writer.read(gate))
    await asyncio.to_thread(gate.entered.wait, 30)
    with pytest.raises(StoreUnavailable):
        await put(writer, 1)
    gate.open.set()
    await asyncio.gather(held, return_exceptions=True)
    monkeypatch.undo()
    assert await items(writer) == []


async def test_a_full_queue_is_overloaded(writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "QUEUE_LIMIT", 3)
    gate = Gate()
    held = asyncio.ensure_future(writer.read(gate))
    await asyncio.to_thread(gate.entered.wait, 30)
    waiting = [asyncio.ensure_future(put(writer, item)) for item in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await put(writer, 3)
    gate.open.set()
    await asyncio.gather(held, *waiting)
    await put(writer, 4)
    assert await items(writer) == [0, 1, 2, 4]


async def test_p3_a_full_disk_fails_writes_and_not_reads_and_heals_by_itself(writer: SqliteWriter) -> None:
    await put(writer, 1)
    pages = await writer.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await writer.read(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 2}").fetchone())
    outcomes = await asyncio.gather(*(put(writer, item, 100_000) for item in (2, 3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable, StoreUnavailable]
    assert await items(writer) == [1]
    await writer.read(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchone())
    await put(writer, 4, 100_000)
    assert await items(writer) == [1, 4]
    assert await writer.read(lambda db: db.execute("PRAGMA integrity_check").fetchone()[0]) == "ok"


async def test_p4_a_file_that_others_hold_locked_is_waited_for_and_then_unavailable(
    writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = sqlite3.connect(writer.path, isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(put(writer, 1))
    for _ in range(5):
        assert await items(writer) == []
    assert not waiting.done()
    stranger.execute("COMMIT")
    await waiting
    monkeypatch.setattr(group_commit, "BUDGET_SECONDS", 0.3)
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await put(writer, 2)
    assert await items(writer) == [1]
    stranger.execute("COMMIT")
    stranger.close()
    await put(writer, 3)
    assert await items(writer) == [1, 3]


async def test_p4_a_turn_that_never_comes_is_unavailable(writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "BUDGET_SECONDS", 0.2)
    stranger = FairLock(writer.path)
    assert stranger.step()
    with pytest.raises(StoreUnavailable):
        await put(writer, 1)
    assert await items(writer) == []
    stranger.close()
    await put(writer, 2)
    assert await items(writer) == [2]


async def test_p3_a_failing_file_is_opened_anew(writer: SqliteWriter) -> None:
    def break_it(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO items VALUES (1, NULL)")
        error = sqlite3.DatabaseError("disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    outcomes = await asyncio.gather(writer.write(break_it), put(writer, 2), return_exceptions=True)
    assert StoreUnavailable in {type(outcome) for outcome in outcomes}
    await put(writer, 3)
    assert 1 not in await items(writer)
    assert 3 in await items(writer)


async def test_p3_a_file_that_fails_while_only_read_is_opened_anew(writer: SqliteWriter) -> None:
    await put(writer, 1)

    def fail(_: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
        raise error

    with pytest.raises(StoreUnavailable):
        await writer.read(fail)
    assert await items(writer) == [1]


async def test_a_mistake_in_a_statement_is_the_callers_own(writer: SqliteWriter) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await writer.read(lambda db: db.execute("SELECT * FROM nowhere"))
    outcomes = await asyncio.gather(
        writer.write(lambda db: db.execute("INSERT INTO nowhere VALUES (1)")), put(writer, 1), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [sqlite3.OperationalError, type(None)]
    assert await items(writer) == [1]


async def test_a_read_that_leaves_a_transaction_open_disturbs_nobody(writer: SqliteWriter) -> None:
    await writer.read(lambda db: db.execute("BEGIN"))
    await put(writer, 1)
    assert await items(writer) == [1]


async def test_what_is_not_open_is_unavailable(tmp_path: Path) -> None:
    writer = SqliteWriter(tmp_path / "a.db")
    with pytest.raises(StoreUnavailable):
        await writer.read(lambda _: None)
    await writer.close()
    await writer.open(lambda _: None)
    await writer.open(lambda _: pytest.fail("opened twice"))
    await writer.close()
    await writer.close()
    with pytest.raises(StoreUnavailable):
        await writer.write(lambda _: None)
    await writer.open(lambda _: None)
    await writer.close()


async def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    writer = SqliteWriter(tmp_path / "a.db")
    await writer.open(lambda db: db.execute("CREATE TABLE items (item INTEGER PRIMARY KEY, pad BLOB)"))
    writes = [asyncio.ensure_future(put(writer, item)) for item in range(600)]
    await asyncio.sleep(0)
    await writer.close()
    await asyncio.gather(*writes)
    assert [name for name in os.listdir(tmp_path) if name.endswith("-wal")] == []  # noqa: PTH208 - a name is enough
    db = sqlite3.connect(writer.path)
    assert db.execute("SELECT count(*) FROM items").fetchone() == (600,)
    db.close()


async def test_an_error_while_preparing_leaves_it_closed(tmp_path: Path) -> None:
    def refuse(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE half (a)")
        raise ConfigurationError("no")

    writer = SqliteWriter(tmp_path / "a.db")
    with pytest.raises(ConfigurationError):
        await writer.open(refuse)
    await writer.open(lambda db: db.execute("CREATE TABLE half (a)"))
    await writer.close()


async def test_d8_opening_is_completed_though_its_caller_left(tmp_path: Path) -> None:
    writer = SqliteWriter(tmp_path / "a.db")
    leaving = asyncio.ensure_future(
        writer.open(lambda db: db.execute("CREATE TABLE items (item INTEGER PRIMARY KEY, pad BLOB)"))
    )
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await writer.open(lambda _: pytest.fail("opened twice"))
    await put(writer, 1)
    assert await items(writer) == [1]
    await writer.close()


async def test_p2_every_commit_is_flushed(writer: SqliteWriter) -> None:
    full = 2
    assert await writer.read(lambda db: db.execute("PRAGMA synchronous").fetchone()[0]) == full
    assert await writer.read(lambda db: db.execute("PRAGMA journal_mode").fetchone()[0]) == "wal"
