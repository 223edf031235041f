"""Refreshes per second at the store, as ratios to the bare database in the same run and with the same settings.

`scripts/bench store [sqlite|postgresql]…`; rounds alternate between what is compared, and medians of their ratios are
printed, so that a noisy neighbour slows both sides.
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import asyncio
import os
import re
import secrets
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import psycopg
import uvloop

from bench.report import Report, Table, add_json_option
from sealring.audit.event import Event
from sealring.sessions.revocation import RefreshClaims
from sealring.sessions.session import Session
from sealring.store.postgres import PostgresStore
from sealring.store.protocol import Store
from sealring.store.sqlite import SqliteStore
from sealring.store.sqlite.writer import SqliteWriter
from tests.store.postgres_cluster import own_cluster

NOW = 1_800_000_000
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "1"))
SESSIONS = 2000

Rates = dict[str, list[float]]


def a_session() -> Session:
    return Session(
        id=secrets.token_urlsafe(16),
        subject=secrets.token_urlsafe(16),
        client_id="http",
        scopes=("orders:read",),
        device="Firefox on Linux",
        address="192.0.2.1",
        created_at=NOW,
        auth_time=NOW,
        last_seen_at=NOW,
        idle_seconds=14 * 86_400,
        expires_at=NOW + 90 * 86_400,
        minted_ms=NOW * 1000,
        confirmed_ms=NOW * 1000,
    )


def refreshed(session: Session) -> Session:
    return replace(
        session,
        generation=session.generation + 1,
        minted_ms=session.minted_ms + 1000,
        parent_minted_ms=session.minted_ms,
        confirmed_ms=session.confirmed_ms + 1000,
        child_minted_ms=session.minted_ms + 1001,
        last_seen_at=session.last_seen_at + 1,
    )


async def fill(store: Store, number: int) -> list[Session]:
    sessions = [a_session() for _ in range(number)]
    for start in range(0, number, 50):
        begun = (
            store.start_session(session, Event(kind="login", at_ms=NOW * 1000), guard=None, cap=10, replaces=None)
            for session in sessions[start : start + 50]
        )
        await asyncio.gather(*begun)
    return sessions


async def refreshes(store: Store, sessions: list[Session], callers: int) -> float:
    """Refreshes per second, each caller with sessions of its own."""
    begin = time.perf_counter()

    async def call(first: int) -> int:
        done, place = 0, first
        while time.perf_counter() < begin + SECONDS:
            after = refreshed(sessions[place])
            if not await store.advance_session(sessions[place], after):
                raise RuntimeError("a refresh lost a race that nobody else ran")
            sessions[place] = after
            done, place = done + 1, (place + callers) % len(sessions)
            if place % callers != first:
                place = first
        return done

    done = await asyncio.gather(*(call(first) for first in range(callers)))
    return sum(done) / (time.perf_counter() - begin)


def show(report: Report, store: str, rates: Rates, ratios: list[tuple[str, str, str, float]]) -> None:
    median = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        print(f"| {name} | {median[name]:,.0f}/s ({min(values):,.0f}-{max(values):,.0f}) |")
    for label, over, under, target in ratios:
        each = [a / b for a, b in zip(rates[over], rates[under], strict=True)]
        print(f"| {label} | {statistics.median(each):.2f} (target {target}) |")
    title = f"{store}, one row and one commit each"
    report.add(Table.of(f"store-{store.lower()}", title, "a second", rates, less_is_better=False))


def bare_sqlite(db: sqlite3.Connection, ids: Iterator[str]) -> float:
    begin, done = time.perf_counter(), 0
    while time.perf_counter() < begin + SECONDS:
        db.execute("UPDATE sessions SET minted_ms = minted_ms + 1 WHERE id = ?", (next(ids),))
        done += 1
    return done / (time.perf_counter() - begin)


async def sqlite_rates(report: Report) -> None:
    print("## SQLite, synchronous=FULL\n| what | rate |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        store, other = SqliteStore(Path(folder) / "ours.db"), SqliteStore(Path(folder) / "bare.db")
        await store.open()
        await other.open()
        sessions = await fill(store, SESSIONS)
        bare_ids = cycle([session.id for session in await fill(other, SESSIONS)])
        await other.close()
        bare = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
        bare.execute("PRAGMA synchronous = FULL")
        rates: Rates = defaultdict(list)
        for _ in range(ROUNDS):
            rates["bare UPDATE, one row a commit"].append(bare_sqlite(bare, bare_ids))
            rates["refreshes, 1 caller"].append(await refreshes(store, sessions, 1))
            rates["refreshes, 32 callers"].append(await refreshes(store, sessions, 32))
        bare.close()
        await store.close()
        show(
            report,
            "SQLite",
            rates,
            [
                ("1 caller / bare", "refreshes, 1 caller", "bare UPDATE, one row a commit", 0.5),
                ("32 callers / 1 caller", "refreshes, 32 callers", "refreshes, 1 caller", 5),
            ],
        )


async def sqlite_sizes(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sizes.db"

        async def size_after(work: str, sessions: list[Session]) -> int:
            store = SqliteStore(path)
            await store.open()
            if work == "fill":
                sessions += await fill(store, 20_000)
            if work == "refresh":
                swaps = (store.advance_session(session, refreshed(session)) for session in sessions[:4000])
                await asyncio.gather(*swaps)
                sessions[:4000] = map(refreshed, sessions[:4000])
            if work == "purge":
                await store.purge(now=NOW + 1, audit_seconds=0)
                await store.close()
                db = sqlite3.connect(path)
                db.execute("VACUUM")
                db.close()
            await store.close()
            return path.stat().st_size

        sessions: list[Session] = []
        empty = await size_after("nothing", sessions)
        filled = await size_after("fill", sessions)
        first = later = await size_after("refresh", sessions)
        for _ in range(5):
            later = await size_after("refresh", sessions)
        alone = await size_after("purge", sessions)
        print(f"| bytes a session, with its audit line | {(filled - empty) / 20_000:.0f} |")
        print(f"| bytes a session, audit line purged | {(alone - empty) / 20_000:.0f} |")
        print(f"| bytes that a session's first refresh adds (nulls get values) | {(first - filled) / 4000:.1f} |")
        print(f"| bytes that each later refresh adds (20,000 of them) | {(later - first) / 20_000:.2f} (target 0) |")
        sizes = {
            "a session, with its audit line": (filled - empty) / 20_000,
            "a session, audit line purged": (alone - empty) / 20_000,
            "what its first refresh adds": (first - filled) / 4000,
            "what each later refresh adds": (later - first) / 20_000,
        }
        held = {name: [value] for name, value in sizes.items()}
        report.add(Table.of("sqlite-sizes", "a file of 20,000 sessions", "bytes", held, compared=False))


def taking_turns(folder: Path) -> None:
    """Two processes that write as fast as they can, for as long as one measurement."""
    path = folder / "turns.db"
    db = sqlite3.connect(path)
    with db:
        db.execute("CREATE TABLE turns (who INTEGER PRIMARY KEY, taken INTEGER, longest REAL)")
        db.execute("INSERT INTO turns VALUES (0, 0, 0), (1, 0, 0)")
    command = [sys.executable, __file__, "turns", str(path)]
    writers = [
        subprocess.Popen([*command, str(who)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for who in (0, 1)
    ]
    for writer in writers:
        assert writer.stdout is not None  # noqa: S101 - it was asked for
        writer.stdout.readline()
    for writer in writers:
        assert writer.stdin is not None  # noqa: S101 - it was asked for
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
    (few, _), (many, _) = sorted(db.execute("SELECT taken, longest FROM turns").fetchall())
    longest = db.execute("SELECT max(longest) FROM turns").fetchone()[0]
    db.close()
    print(f"| two processes: commits of both, share of the lesser | {few + many:,} in 3 s, {few / (few + many):.2f} |")
    print(f"| two processes: longest wait of a write | {longest * 1000:.0f} ms |")


async def take_turns(path: str, who: int) -> None:
    writer = SqliteWriter(Path(path))
    await writer.open(lambda _: None)
    print("ready", flush=True)
    sys.stdin.readline()
    start, longest = time.time(), 0.0
    while time.time() < start + 3:
        begin = time.perf_counter()
        await writer.write(lambda db: db.execute("UPDATE turns SET taken = taken + 1 WHERE who = ?", (who,)))
        longest = max(longest, time.perf_counter() - begin)
    await writer.write(lambda db: db.execute("UPDATE turns SET longest = ? WHERE who = ?", (longest, who)))
    await writer.close()


async def bare_postgres(connection: psycopg.AsyncConnection[tuple[object, ...]], ids: Iterator[str]) -> float:
    begin, done = time.perf_counter(), 0
    while time.perf_counter() < begin + SECONDS:
        await connection.execute("UPDATE sessions SET minted_ms = minted_ms + 1 WHERE id = %s", (next(ids),))
        done += 1
    return done / (time.perf_counter() - begin)


def pgbench(folder: Path, database: str) -> float:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
    program = shutil.which("pgbench") or str(installed[-1])
    script = folder / "update.sql"
    script.write_text(
        "\\set n random(1, 2000)\nUPDATE bare SET minted_ms = minted_ms + 1 WHERE id = 'session-' || :n;\n"
    )
    script.chmod(0o644)
    command = [
        program,
        *("-h", str(folder), "-U", "postgres", "-n", "-M", "prepared", "-c", "16", "-j", "2"),
        *("-T", str(max(1, round(SECONDS))), "-f", str(script), database),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"tps = ([0-9.]+) \(without", done.stdout)
    if found is None:
        raise RuntimeError(done.stdout)
    return float(found[1])


async def revocations(store: Store) -> float:
    begin = time.perf_counter()

    async def call(caller: int) -> int:
        done = 0
        while time.perf_counter() < begin + SECONDS:
            await store.revoke(
                RefreshClaims(subject=f"{caller}"),
                Event(kind="claims_refreshed", at_ms=NOW * 1000),
                now=NOW,
            )
            done += 1
        return done

    return sum(await asyncio.gather(*(call(caller) for caller in range(16)))) / (time.perf_counter() - begin)


@contextmanager
def durable_cluster() -> Iterator[tuple[Path, str, str]]:
    """A server with its durable defaults: fsync and synchronous_commit on."""
    with own_cluster(()) as cluster:
        dsn = cluster.create_database()
        yield cluster.folder, dsn, dsn.partition("@/")[2].partition("?")[0]


async def postgres_rates(report: Report) -> None:
    print("\n## PostgreSQL, fsync and synchronous_commit on\n| what | rate |\n|---|---|")
    with durable_cluster() as (folder, dsn, database):
        store = PostgresStore(dsn)
        await store.open()
        sessions = await fill(store, SESSIONS)
        bare_ids = cycle([session.id for session in await fill(store, SESSIONS)])
        bare = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
        await bare.execute(
            "CREATE TABLE bare WITH (fillfactor = 75) AS SELECT 'session-' || n AS id, 0::BIGINT AS minted_ms"
            " FROM generate_series(1, 2000) AS n"
        )
        await bare.execute("ALTER TABLE bare ADD PRIMARY KEY (id)")
        await bare.execute("VACUUM ANALYZE")
        rates: Rates = defaultdict(list)
        for _ in range(ROUNDS):
            rates["pgbench UPDATE, prepared, 16 connections"].append(pgbench(folder, database))
            rates["refreshes, 64 callers"].append(await refreshes(store, sessions, 64))
            rates["bare statement through psycopg, 1 connection"].append(await bare_postgres(bare, bare_ids))
            rates["refreshes, 1 caller"].append(await refreshes(store, sessions, 1))
            rates["revocations, 16 callers"].append(await revocations(store))
        growth = await (
            await bare.execute(
                "SELECT n_tup_hot_upd::FLOAT / n_tup_upd, pg_total_relation_size('sessions') FROM pg_stat_user_tables"
                " WHERE relname = 'sessions'"
            )
        ).fetchone()
        await bare.close()
        await store.close()
        print(f"| share of refreshes in their own page, bytes of {2 * SESSIONS} sessions afterwards | {growth} |")
        show(
            report,
            "PostgreSQL",
            rates,
            [
                ("64 callers / pgbench 16", "refreshes, 64 callers", "pgbench UPDATE, prepared, 16 connections", 1.0),
                (
                    "1 caller / bare statement",
                    "refreshes, 1 caller",
                    "bare statement through psycopg, 1 connection",
                    0.8,
                ),
            ],
        )


def run(measurement: Coroutine[Any, Any, None]) -> None:
    """On the loop that `serve` runs on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measurement)


def main(arguments: list[str]) -> None:
    """What was asked for, or everything."""
    if arguments[:1] == ["turns"]:
        run(take_turns(arguments[1], int(arguments[2])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="*", metavar="sqlite|postgresql")
    add_json_option(parser)
    asked = parser.parse_args(arguments)
    report = Report(asked.json)
    if not asked.stores or "sqlite" in asked.stores:
        run(sqlite_rates(report))
        with tempfile.TemporaryDirectory() as folder:
            taking_turns(Path(folder))
        run(sqlite_sizes(report))
    if not asked.stores or "postgresql" in asked.stores:
        run(postgres_rates(report))


if __name__ == "__main__":
    main(sys.argv[1:])
