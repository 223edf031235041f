"""Does it slow down as it fills: one session in the store, against a million sessions of a million users.

Two stores of a kind take turns, with their durable defaults: what a refresh, a login's session, the list of a user's
devices and a logout take, one after the other, from the caller's view (wall clock). The million is written by one
statement of the database, with ids as random as ours. `scripts/bench growth [sqlite|postgresql]…`
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import psycopg

from bench.report import Report, Table, add_json_option
from bench.store import NOW, a_session, fill, refreshed
from sealring.audit.event import Event
from sealring.sessions.revocation import EndSession
from sealring.sessions.session import Session
from sealring.store.postgres import PostgresStore
from sealring.store.protocol import Store
from sealring.store.sqlite import SqliteStore
from tests.store.postgres_cluster import own_cluster

REST = (
    f"'http', '[\"orders:read\"]', '{{}}', 'Firefox on Linux', '192.0.2.1', {NOW}, {NOW}, {NOW}, 1209600,"
    f" {NOW} + 7776000, 1, {NOW}000, NULL, {NOW}000, NULL, NULL, NULL, '[]', ''"
)
SQLITE = f"""
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
INSERT INTO sessions SELECT hex(randomblob(11)), hex(randomblob(11)), {REST} FROM numbers
"""  # noqa: S608 - constants of this file
POSTGRESQL = f"""
INSERT INTO sessions SELECT left(md5(random()::TEXT), 22), left(md5(random()::TEXT), 22), {REST}
FROM generate_series(1, %s)
"""  # noqa: S608 - constants of this file

Operation = Callable[[Store, list[Session]], Awaitable[None]]


async def refresh(store: Store, sessions: list[Session]) -> None:
    """Read the row, decide, swap: what a refresh asks of a store."""
    session = sessions[0]
    if await store.read_session(session.id) is None or not await store.advance_session(session, refreshed(session)):
        raise RuntimeError("the session is not there")
    sessions[0] = refreshed(session)


async def start(store: Store, _: list[Session]) -> None:
    session, event = a_session(), Event(kind="login", at_ms=NOW * 1000)
    await store.start_session(session, event, guard=None, cap=10, replaces=None)


async def devices(store: Store, sessions: list[Session]) -> None:
    if len(await store.list_sessions(sessions[0].subject, now=NOW)) != 1:
        raise RuntimeError("the session is not listed")


async def log_out(store: Store, sessions: list[Session]) -> None:
    ended = EndSession(id=sessions.pop().id, cause="logout")
    if not (await store.revoke(ended, Event(kind="session_ended", at_ms=0, session=ended.id), now=NOW)).result:
        raise RuntimeError("the session is not there")


OPERATIONS: Mapping[str, Operation] = {
    "refresh": refresh,
    "a new session": start,
    "list of one user's sessions": devices,
    "logout": log_out,
}


async def measure(report: Report, kind: str, few: Store, many: Store, *, rounds: int, calls: int, count: int) -> None:
    """Let both stores take turns."""
    own = {store: await fill(store, rounds * calls + 1) for store in (few, many)}
    for label, operation in OPERATIONS.items():
        found: dict[str, list[float]] = {"a few sessions": [], f"{count:,} sessions more": []}
        for turn in range(rounds):
            pairs = list(zip((few, many), found.values(), strict=True))
            for store, values in pairs if turn % 2 else reversed(pairs):
                began = time.perf_counter()
                for _ in range(calls):
                    await operation(store, own[store])
                values.append((time.perf_counter() - began) / calls * 1e3)
        table = Table.of(f"growth-{kind.lower()}-{label.replace(' ', '-')}", f"{kind}, {label}", "ms", found)
        report.add(table)
        first, second = table.rows
        ratio = second.ratio.median if second.ratio else 1
        print(f"{table.title:45} {first.values.median:8.3f} ms {second.values.median:8.3f} ms   ratio {ratio:.2f}")


async def sqlite(report: Report, rounds: int, calls: int, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stores = SqliteStore(Path(folder) / "few.db"), SqliteStore(Path(folder) / "many.db")
        for store in stores:
            await store.open()
        with sqlite3.connect(Path(folder) / "many.db") as db:
            db.execute(SQLITE, (count,))
        db.close()
        await measure(report, "SQLite", *stores, rounds=rounds, calls=calls, count=count)
        for store in stores:
            await store.close()


async def postgresql(report: Report, rounds: int, calls: int, count: int) -> None:
    with own_cluster(("-c shared_buffers=256MB", "-c max_wal_size=4GB")) as cluster:
        few, many = cluster.create_database(), cluster.create_database()
        stores = PostgresStore(few), PostgresStore(many)
        for store in stores:
            await store.open()
        async with await psycopg.AsyncConnection.connect(many, autocommit=True) as owner:
            await owner.execute("SET statement_timeout = 0")
            await owner.execute(POSTGRESQL.encode(), (count,))
            await owner.execute("VACUUM ANALYZE sessions")
            await owner.execute("CHECKPOINT")
        await measure(report, "PostgreSQL", *stores, rounds=rounds, calls=calls, count=count)
        for store in stores:
            await store.close()


KINDS = {"sqlite": sqlite, "postgresql": postgresql}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="*", metavar="|".join(KINDS), default=list(KINDS))
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=20, help="of each operation in each round")
    add_json_option(parser)
    asked = parser.parse_args()
    report = Report(asked.json)
    for name in asked.stores:
        asyncio.run(KINDS[name](report, asked.rounds, asked.calls, asked.count))


if __name__ == "__main__":
    main()
