"""P: persistence. What was acknowledged stays, what was not is whole or absent, and failures pass by themselves."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sealring.errors import ConfigurationError, StoreUnavailable
from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.rate import RateLimit
from sealring.sessions.revocation import EndSession, EndSubject, RefreshClaims
from sealring.store import open_store
from sealring.store.postgres import PostgresStore
from sealring.store.protocol import FINISHED_SESSION_SECONDS, Store
from sealring.testing.store_contract.samples import NOW, a_key, a_session, an_account, an_event, entries_of
from tests.store.cutting_proxy import CuttingProxy
from tests.store.postgres_cluster import Cluster, own_cluster
from tests.store.storm import check_promises, check_whole

pytestmark = pytest.mark.anyio

KILLS = [pytest.param(5, id="5"), pytest.param(200, id="200", marks=pytest.mark.slow)]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "postgres":
        yield request.getfixturevalue("postgres_dsn")
    else:
        yield f"sqlite:///{tmp_path}/sealring.db"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    store = open_store(url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def begin_storm(url: str) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[2]
    return subprocess.Popen([sys.executable, "-m", "tests.store.storm", url], stdout=subprocess.PIPE, cwd=root)


def read_promises(storm: subprocess.Popen[bytes], promises: int) -> list[dict[str, Any]]:
    """So many promises, as they are made."""
    assert storm.stdout is not None
    return [json.loads(storm.stdout.readline()) for _ in range(promises)]


def kill_after(storm: subprocess.Popen[bytes], promises: int) -> list[dict[str, Any]]:
    """Let so many promises be made, kill -9, and read the ones that were still made."""
    assert storm.stdout is not None
    read = read_promises(storm, promises)
    storm.kill()
    lines = storm.stdout.readlines()
    storm.wait()
    storm.stdout.close()
    return read + [json.loads(line) for line in lines if line.endswith(b"\n")]


@pytest.mark.long
@pytest.mark.parametrize("rounds", KILLS)
async def test_p1_every_acknowledged_write_survives_kill_9(url: str, rounds: int) -> None:
    dice = random.Random(rounds)  # noqa: S311 - no secret
    for _ in range(rounds):
        storm = begin_storm(url)
        promises = await asyncio.to_thread(kill_after, storm, dice.randrange(2, 120))
        async with opened(url) as store:
            await check_promises(store, promises)
            await check_whole(store)


async def test_p1_another_process_goes_on_when_one_is_killed(url: str) -> None:
    killed, other = begin_storm(url), begin_storm(url)
    promises = await asyncio.to_thread(kill_after, killed, 100)
    promises += await asyncio.to_thread(kill_after, other, 200)
    async with opened(url) as store:
        await check_promises(store, promises)
        await check_whole(store)


async def one_of_each(store: Store) -> None:
    """Ask every question once."""
    account = replace(an_account(), canonical_name=an_account().id)
    session = a_session()
    await store.create_account(account, an_event("account_created"))
    await store.start_session(session, an_event(), guard=None, cap=5, replaces=None)
    assert await store.advance_session(session, replace(session, generation=1))
    assert await store.read_session(session.id)
    assert entries_of(await store.revoke(EndSession(id=session.id, cause="logout"), an_event(), now=NOW))
    assert await store.count_attempt([Bucket(key=account.id, rate=RateLimit(1, 1))], now=NOW) == 0
    await store.load_feed(None)


async def test_p9_a_purge_does_not_disturb_refreshes(url: str) -> None:
    async with opened(url) as store:
        sessions = [a_session(str(number)) for number in range(60)]
        finished = [a_session("gone", created_at=NOW - 2 * FINISHED_SESSION_SECONDS, idle_seconds=1) for _ in range(60)]
        for session in sessions + finished:
            await store.start_session(session, an_event(), guard=None, cap=99, replaces=None)
        for generation in range(5):
            moved = [replace(session, generation=generation + 1) for session in sessions]
            swaps = [store.advance_session(*step) for step in zip(sessions, moved, strict=True)]
            purge = asyncio.ensure_future(store.purge(now=NOW, audit_seconds=0))
            assert all(await asyncio.gather(*swaps))
            await purge
            sessions = moved
        assert len(await store.list_sessions(None, now=NOW)) == 60
        assert await store.read_session(finished[0].id) is None


# PostgreSQL only


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server of the test's own, to be stopped and started."""
    with own_cluster() as server:
        yield server


@pytest.fixture
def proxy(postgres_cluster: Cluster, tmp_path: Path) -> Iterator[CuttingProxy]:
    """Before the server of this run; `behind` leads there."""
    with CuttingProxy(postgres_cluster.folder / ".s.PGSQL.5432", tmp_path) as cutting:
        yield cutting


@pytest.fixture
async def behind(proxy: CuttingProxy, postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Store]:
    """A store that reaches its server through the proxy."""
    assert proxy.cuts == 0
    async with opened(postgres_dsn.partition("?")[0] + f"?host={tmp_path}") as store:
        yield store


async def make_stale(store: Store) -> int:
    (entry,) = (await store.revoke(RefreshClaims(subject="42"), an_event(), now=NOW)).entries
    return entry.epoch


@pytest.mark.postgres
@pytest.mark.parametrize("answered", [True, False])
async def test_p5_a_commit_whose_answer_is_lost_is_never_success(
    behind: Store, proxy: CuttingProxy, *, answered: bool
) -> None:
    proxy.cut_at(b"COMMIT\0", answered=answered)
    with pytest.raises(StoreUnavailable):
        await make_stale(behind)
    assert proxy.cuts == 1
    page = await behind.load_feed(None)
    assert [entry.epoch for entry in page.entries] == ([1] if answered else [])
    assert await make_stale(behind) == page.head + 1


@pytest.mark.postgres
@pytest.mark.parametrize("word", [b"BEGIN", b"INSERT INTO subjects"])
@pytest.mark.parametrize("answered", [True, False])
async def test_p5_a_connection_lost_before_commit_is_tried_again(
    behind: Store, proxy: CuttingProxy, word: bytes, *, answered: bool
) -> None:
    proxy.cut_at(word, answered=answered)
    assert await make_stale(behind) == 1
    assert proxy.cuts == 1
    assert (await behind.load_feed(None)).head == 1


@pytest.mark.postgres
@pytest.mark.parametrize("answered", [True, False])
async def test_p5_a_refresh_whose_answer_is_lost_is_never_success_and_its_retry_is_safe(
    behind: Store, proxy: CuttingProxy, *, answered: bool
) -> None:
    session = a_session()
    await behind.start_session(session, an_event(), guard=None, cap=5, replaces=None)
    proxy.cut_at(b"UPDATE sessions", answered=answered)
    after = replace(session, generation=1)
    with pytest.raises(StoreUnavailable):
        await behind.advance_session(session, after)
    assert proxy.cuts == 1
    assert await behind.advance_session(session, after) != answered
    record = await behind.read_session(session.id)
    assert record is not None
    assert record.session == after


@pytest.mark.postgres
async def test_p5_connections_that_an_operator_ends_cost_nobody_an_answer(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as store:
        await one_of_each(store)
        async with await psycopg.AsyncConnection.connect(postgres_dsn, autocommit=True) as operator:
            await operator.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await one_of_each(store)


@pytest.mark.long
@pytest.mark.postgres
@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_p5_a_restart_of_the_server_loses_nothing_and_heals_by_itself(cluster: Cluster, mode: str) -> None:
    dsn = cluster.create_database()
    storm = begin_storm(dsn)
    promises = await asyncio.to_thread(read_promises, storm, 20)
    reading = asyncio.create_task(asyncio.to_thread(kill_after, storm, 300))
    async with opened(dsn) as store:
        await one_of_each(store)
        await asyncio.to_thread(cluster.stop, mode)
        with pytest.raises(StoreUnavailable):
            await store.load_feed(0)
        with pytest.raises(StoreUnavailable):
            await store.advance_session(a_session(), a_session())
        await asyncio.to_thread(cluster.start)
        await one_of_each(store)
        await check_promises(store, promises + await reading)


def wait_for_a_lock(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as looker:
        locked = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while looker.execute(locked).fetchone() is None:
            time.sleep(0.005)


@pytest.mark.postgres
async def test_p6_a_deadlock_is_tried_again(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as store:
        session = a_session()
        await store.start_session(session, an_event(), guard=None, cap=5, replaces=None)
        async with await psycopg.AsyncConnection.connect(postgres_dsn, autocommit=True) as stranger:
            await stranger.execute("SET deadlock_timeout = '30s'")
            await stranger.execute("BEGIN")
            await stranger.execute("UPDATE sessions SET device = 'x' WHERE id = %s", (session.id,))
            end = EndSubject(subject="42", cause="ended_by_user")
            revoking = asyncio.ensure_future(store.revoke(end, an_event(), now=NOW))
            await asyncio.to_thread(wait_for_a_lock, postgres_dsn)
            await stranger.execute("UPDATE subjects SET epoch = epoch WHERE subject = '42'")
            await stranger.execute("COMMIT")
            (entry,) = (await revoking).entries
        assert entry.number == 1
        record = await store.read_session(session.id)
        assert record is not None
        assert (record.session.ended_by, record.session.device, record.epoch) == ("ended_by_user", "x", 1)


@pytest.mark.postgres
async def test_p2_commits_are_flushed_though_the_server_is_told_otherwise(postgres_dsn: str) -> None:
    store = PostgresStore(postgres_dsn)
    async with await psycopg.AsyncConnection.connect(postgres_dsn) as plain:
        assert await (await plain.execute("SHOW synchronous_commit")).fetchone() == ("off",)
    ours = await store._database.connect()
    assert await (await ours.execute("SHOW synchronous_commit")).fetchone() == ("on",)
    await ours.close()


@pytest.mark.postgres
async def test_p8_a_newer_schema_is_refused(postgres_dsn: str) -> None:
    async with opened(postgres_dsn), await psycopg.AsyncConnection.connect(postgres_dsn) as operator:
        await operator.execute("UPDATE schema_version SET version = 999")
    with pytest.raises(ConfigurationError, match="schema 999"):
        await open_store(postgres_dsn).open()


@pytest.mark.postgres
async def test_p8_a_migration_that_stops_half_way_leaves_nothing(postgres_dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_dsn, autocommit=True) as operator:
        await operator.execute("CREATE TYPE events AS ENUM ()")  # what is made last
        with pytest.raises(StoreUnavailable):
            await open_store(postgres_dsn).open()
        found = await operator.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert await found.fetchall() == []
        await operator.execute("DROP TYPE events")
    async with opened(postgres_dsn) as store:
        await one_of_each(store)


@pytest.mark.postgres
async def test_p8_many_that_open_at_once_make_one_schema(postgres_dsn: str) -> None:
    stores = [open_store(postgres_dsn) for _ in range(6)]
    try:
        await asyncio.gather(*(store.open() for store in stores))
        assert len({(await store.load_feed(None)).incarnation for store in stores}) == 1
    finally:
        await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.postgres
async def test_f13_a_server_needs_no_right_to_rewrite_what_was_revoked(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as store:
        await store.read_keys()
    migration = Path(__file__).parents[2] / "src/sealring/store/migrations/postgresql/0001_initial.sql"
    grants = [line.removeprefix("--").strip() for line in migration.read_text().splitlines() if "GRANT" in line]
    async with await psycopg.AsyncConnection.connect(postgres_dsn, autocommit=True) as owner:
        await owner.execute("DROP ROLE IF EXISTS sealring_server")
        await owner.execute("CREATE ROLE sealring_server LOGIN")
        try:
            for grant in grants:
                await owner.execute(grant.encode())
            async with opened(postgres_dsn.replace("//postgres@", "//sealring_server@")) as store:
                await one_of_each(store)
                written = await store.write_keys(0, [a_key()], an_event(), now=NOW)
                assert entries_of(written) == ()
            as_server = postgres_dsn.replace("//postgres@", "//sealring_server@")
            async with await psycopg.AsyncConnection.connect(as_server, autocommit=True) as server:
                for statement in ("DELETE FROM revocations", "UPDATE revocations SET epoch = 0", "DELETE FROM events"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        await server.execute(statement.encode())
        finally:
            await owner.execute("DROP OWNED BY sealring_server")
            await owner.execute("DROP ROLE sealring_server")


@pytest.mark.postgres
async def test_d8_callers_that_leave_take_no_connection_with_them(postgres_dsn: str) -> None:
    async with opened(postgres_dsn) as store:
        for number in range(60):
            calls = [
                asyncio.ensure_future(store.revoke(RefreshClaims(subject=str(call)), an_event(), now=NOW))
                for call in range(5)
            ]
            await asyncio.sleep(0.0005 * (number % 8))
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        await one_of_each(store)
        page = await store.load_feed(0)
        assert [entry.number for entry in page.entries] == list(range(1, page.head + 1))


@pytest.mark.postgres
async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    store = open_store(f"postgresql://postgres@/nothing?host={tmp_path}")
    with pytest.raises(StoreUnavailable):
        await store.open()
    with pytest.raises(StoreUnavailable):
        await store.load_feed(None)
    with pytest.raises(StoreUnavailable):
        await store.advance_session(a_session(), a_session())
    await store.close()


def test_a_dsn_that_cannot_be_read_is_said_without_repeating_it() -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_store("postgresql://u:secret@h/d?nonsense=1")
    assert "secret" not in str(refused.value)
