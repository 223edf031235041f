"""P2: the power is cut while the store writes, on the disk that `tests/store/power_cut.py` plays.

What was promised before the cut holds and all is whole. Each round of storms begins on what a cut of the round before
has left, so recovery is cut too. Planted faults show that the check can fail.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
import pytest

from sealring.store import open_store
from tests.store.postgres_cluster import Cluster, required_binaries
from tests.store.power_cut import Cut, play_to_the_end, power_cuts, put_back, worst_power_cut
from tests.store.recording import Recording, compile_recorder, read_tree
from tests.store.storm import check_promises, check_whole

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


class Database(Protocol):
    """A database whose files lie in the folder `data` of a folder."""

    journaled: bool
    script: str
    """What the storm's connections are told besides."""

    def make(self, folder: Path) -> None:
        """Make the files for the first time."""

    def serve(self, folder: Path, recording: Recording | None = None) -> AbstractContextManager[str]:
        """The URL, while it can be used."""

    def checkpoint(self, url: str) -> None:
        """Have the log written to where it belongs; called again and again while a storm rages."""


class Sqlite:
    journaled = False
    script = "PRAGMA wal_autocheckpoint = 50"
    """So that the log starts anew many times in a storm."""

    def make(self, folder: Path) -> None:
        (folder / "data").mkdir()

    @contextmanager
    def serve(self, folder: Path, recording: Recording | None = None) -> Iterator[str]:
        del recording  # SQLite writes in the storm's own process
        yield f"sqlite:///{folder}/data/sealring.db"

    def checkpoint(self, url: str) -> None:
        """The store's own connection does, by the script: a stranger's must not (sqlite/writer.py)."""


class Postgres:
    journaled = True
    script = ""
    settings = (
        "-c synchronous_commit=off",  # the store must know better
        "-c wal_recycle=off",
        "-c wal_init_zero=off",
        "-c wal_writer_delay=10s",
        "-c wal_writer_flush_after=1GB",
    )
    """Every segment of the log is a new file, and nobody syncs it for others."""

    def make(self, folder: Path) -> None:
        Cluster(required_binaries(), folder).make("--wal-segsize=1")

    @contextmanager
    def serve(self, folder: Path, recording: Recording | None = None) -> Iterator[str]:
        cluster = Cluster(required_binaries(), folder, self.settings)
        cluster.adopt()
        (folder / "data/postmaster.pid").unlink(missing_ok=True)  # of a boot that is over
        cluster.start(recording.environment if recording else None)
        try:
            yield cluster.dsn
        finally:
            cluster.stop()

    def checkpoint(self, url: str) -> None:
        with psycopg.connect(url, autocommit=True) as operator:
            operator.execute("CHECKPOINT")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket, and which PostgreSQL's user may pass through."""
    with tempfile.TemporaryDirectory(prefix="sealring-cut-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def record_storms(database: Database, place: Path, storms: int, promises: int, script: str | None = None) -> Recording:
    """Let so many processes at once make so many promises each; without checkpoints when the script is the test's."""
    recorder = compile_recorder(place.parent)
    recording = Recording(place / "data", recorder, place.with_suffix(".log"), journaled=database.journaled)
    with database.serve(place, recording) as url, recording.promises.open("ab") as output:
        line = [
            sys.executable,
            "-m",
            "tests.store.storm",
            url,
            str(promises),
            database.script if script is None else script,
        ]
        environment = os.environ | recording.environment
        raging = [subprocess.Popen(line, stdout=output, cwd=ROOT, env=environment) for _ in range(storms)]
        while script is None and any(storm.poll() is None for storm in raging):
            database.checkpoint(url)
            with contextlib.suppress(subprocess.TimeoutExpired):
                raging[0].wait(0.2)
        assert [storm.wait(120) for storm in raging] == [0] * storms
    recording.promises.unlink()
    assert play_to_the_end(recording) == read_tree(recording.folder)
    return recording


def restore(cut: Cut, recording: Recording, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    put_back(cut[0], recording, place / "data")


async def check(database: Database, place: Path, promised: list[bytes]) -> None:
    with database.serve(place) as url:
        store = open_store(url)
        await store.open()
        try:
            await check_promises(store, [json.loads(line) for line in promised])
            await check_whole(store)
        finally:
            await store.close()


async def rage_and_cut(database: Database, folder: Path, *, rounds: int, storms: int, promises: int, cuts: int) -> None:
    dice = random.Random(rounds)  # noqa: S311 - no secret
    place, after = folder / "life", folder / "after"
    place.mkdir()
    database.make(place)
    promised: list[bytes] = []
    for _ in range(rounds):
        recording = record_storms(database, place, storms, promises)
        made = list(power_cuts(recording, cuts, dice))
        for cut in made:
            restore(cut, recording, after)
            await check(database, after, promised + cut[1])
        last = dice.choice(made)
        restore(last, recording, place)
        promised += last[1]


@pytest.mark.parametrize("storms", [1, 2])
async def test_p2_what_sqlite_acknowledged_survives_power_cuts(folder: Path, storms: int) -> None:
    await rage_and_cut(Sqlite(), folder, rounds=2, storms=storms, promises=100, cuts=6)


@pytest.mark.slow
@pytest.mark.parametrize("storms", [1, 2])
async def test_p2_what_sqlite_acknowledged_survives_hundreds_of_power_cuts(folder: Path, storms: int) -> None:
    await rage_and_cut(Sqlite(), folder, rounds=8, storms=storms, promises=600, cuts=40)


@pytest.mark.postgres
async def test_p2_what_postgres_acknowledged_survives_power_cuts(folder: Path) -> None:
    await rage_and_cut(Postgres(), folder, rounds=1, storms=1, promises=300, cuts=3)


@pytest.mark.slow
@pytest.mark.postgres
async def test_p2_what_postgres_acknowledged_survives_dozens_of_power_cuts(folder: Path) -> None:
    await rage_and_cut(Postgres(), folder, rounds=5, storms=2, promises=300, cuts=12)


PLANTED = [
    pytest.param(Sqlite(), "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0", id="sqlite-normal"),
    pytest.param(Sqlite(), "PRAGMA synchronous = OFF", id="sqlite-off"),
    pytest.param(Postgres(), "SET synchronous_commit = off", id="postgres-off", marks=pytest.mark.postgres),
]


@pytest.mark.parametrize(("database", "script"), PLANTED)
async def test_p2_a_store_that_does_not_wait_for_the_disk_is_found_out(
    folder: Path, database: Database, script: str
) -> None:
    place, after = folder / "life", folder / "after"
    place.mkdir()
    database.make(place)
    recording = record_storms(database, place, 1, 40, script)
    cut = worst_power_cut(recording)
    restore(cut, recording, after)
    with pytest.raises(AssertionError, match="was promised"):
        await check(database, after, cut[1])
