"""The fair lock: one at a time, each in its turn, and nobody who died holds it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sqlite3
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest

from sealring.store.sqlite.file_lock import FairLock
from sealring.store.sqlite.writer import SqliteWriter

CONTEXT = multiprocessing.get_context("spawn")
COMMITS = 1000


def test_one_at_a_time(tmp_path: Path) -> None:
    first, second = FairLock(tmp_path / "a.db"), FairLock(tmp_path / "a.db")
    assert first.step()
    assert first.step()
    assert not second.step()
    first.leave()
    assert second.step()
    first.close()
    second.close()


def test_who_waits_comes_before_who_just_wrote(tmp_path: Path) -> None:
    first, second = FairLock(tmp_path / "a.db"), FairLock(tmp_path / "a.db")
    assert first.step()
    assert not second.step()
    first.leave()
    assert not first.step()
    assert second.step()
    assert not first.step()
    second.leave()
    assert not second.step()
    assert first.step()
    first.close()
    second.close()


def test_who_gives_up_waiting_stands_in_nobodys_way(tmp_path: Path) -> None:
    first, second, third = (FairLock(tmp_path / "a.db") for _ in range(3))
    assert first.step()
    assert not second.step()
    assert not third.step()
    second.leave()
    first.leave()
    assert third.step()
    for lock in (first, second, third):
        lock.close()


def test_another_database_has_another_lock(tmp_path: Path) -> None:
    first, second = FairLock(tmp_path / "a.db"), FairLock(tmp_path / "b.db")
    assert first.step()
    assert second.step()
    first.close()
    second.close()


def hold(path: Path, parent: Connection) -> None:
    lock = FairLock(path)
    parent.send(lock.step())
    signal.pause()


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    here, there = CONTEXT.Pipe()
    holder = CONTEXT.Process(target=hold, args=(tmp_path / "a.db", there))
    holder.start()
    assert here.recv()
    lock = FairLock(tmp_path / "a.db")
    assert not lock.step()
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert lock.step()
    lock.close()


def write_until_someone_has_done_all(path: Path, who: int, barrier: Barrier, done: Event) -> None:
    asyncio.run(_write(path, who, barrier, done))


async def _write(path: Path, who: int, barrier: Barrier, done: Event) -> None:
    writer = SqliteWriter(path)
    await writer.open(lambda _: None)
    barrier.wait(60)
    for _ in range(COMMITS):
        if done.is_set():
            break
        await writer.write(lambda db: db.execute("UPDATE turns SET taken = taken + 1 WHERE who = ?", (who,)))
    done.set()
    await writer.close()


@pytest.mark.anyio
async def test_two_busy_processes_share_the_file_evenly(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE turns (who INTEGER PRIMARY KEY, taken INTEGER)")
        db.execute("INSERT INTO turns VALUES (0, 0), (1, 0)")
    db.close()
    barrier, done = CONTEXT.Barrier(2), CONTEXT.Event()
    writers = [
        CONTEXT.Process(target=write_until_someone_has_done_all, args=(path, who, barrier, done)) for who in (0, 1)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        await asyncio.to_thread(writer.join)
        assert writer.exitcode == 0
    db = sqlite3.connect(path)
    taken = sorted(row[0] for row in db.execute("SELECT taken FROM turns"))
    db.close()
    assert taken[1] == COMMITS
    assert taken[0] >= 0.4 * sum(taken)
