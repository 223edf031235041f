"""F8: a primary that was fenced off answers reads as before, but what is written there nobody acknowledges.

A real PostgreSQL whose `synchronous_standby_names` names a standby that is not there: reads answer, commits hang. What
the node makes of time is tested on a clock that passes by hand; the server's own cannot be set.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from prometheus_client import CollectorRegistry

from sealring import Sealring
from sealring.cli.diagnostics import diagnose
from sealring.errors import Stale, StoreUnavailable
from sealring.issuer.store_source import StoreSource
from sealring.store.postgres import PostgresStore, database
from sealring.testing.store_contract.samples import a_session, an_event
from sealring.verifier.follower import Follower
from sealring.verifier.node_state import UNACKNOWLEDGED
from tests import nodes
from tests.clocks import FrozenClock
from tests.nodes import NoKeys
from tests.serving import SECRET
from tests.store.postgres_cluster import Cluster, own_cluster

pytestmark = [pytest.mark.anyio, pytest.mark.postgres, pytest.mark.xdist_group("clusters")]

STALENESS = 60.0


class SteadyByHand(FrozenClock):
    """Seconds pass when they are told to; the time of day is the machine's, as the server's is."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def adjust(self) -> None:
        self.offset = time.time() - self.steady_seconds


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with own_cluster() as cluster:
        yield cluster


@pytest.fixture
def dsn(server: Cluster) -> Iterator[str]:
    dsn = server.create_database()
    yield dsn
    server.drop_database(dsn)


@pytest.fixture
async def open_store(dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Any]]:
    """Opens a store on the database: of the owner, or of another role."""
    stores: list[PostgresStore] = []

    async def open_one(role: str = "postgres") -> PostgresStore:
        stores.append(PostgresStore(dsn.replace("postgres@", f"{role}@")))
        await stores[-1].open()
        return stores[-1]

    yield open_one
    monkeypatch.setattr(database, "BUDGET_SECONDS", 0.1)
    for store in stores:
        await store.close()


@asynccontextmanager
async def left_behind(server: Cluster) -> AsyncIterator[None]:
    """Within it commits hang, for the standby that they wait for is gone. Administrators' wait for none."""
    async with await psycopg.AsyncConnection.connect(server.dsn, autocommit=True) as admin:
        await admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        await admin.execute("SELECT pg_reload_conf()")
        probe = await psycopg.AsyncConnection.connect(
            server.dsn, autocommit=True, options="-c synchronous_commit=on", application_name="probe"
        )
        try:
            async with asyncio.timeout(30):
                await _hangs(admin, probe)
            yield
        finally:
            await admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            await admin.execute("SELECT pg_reload_conf()")
            await probe.close()


async def _hangs(admin: psycopg.AsyncConnection[Any], probe: psycopg.AsyncConnection[Any]) -> None:
    """Write until a write waits for the standby."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'probe' AND wait_event = 'SyncRep'"
    writing: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    writing.set_result(None)
    while (await (await admin.execute(waiting)).fetchone()) == (0,):
        if writing.done():
            writing = asyncio.ensure_future(probe.execute("SELECT pg_logical_emit_message(true, '', '')"))
        await asyncio.sleep(0.01)
    writing.add_done_callback(lambda task: task.cancelled() or task.exception())


def ask(dsn: str, statement: str) -> Any:
    with psycopg.connect(dsn, autocommit=True) as admin:
        cursor = admin.execute(statement.encode())
        return cursor.fetchone()[0] if cursor.description else None  # type: ignore[index]


def age(dsn: str, seconds: int) -> None:
    """Let the heartbeat be older by so much."""
    ask(dsn, f"UPDATE heartbeat SET at_ms = at_ms - {seconds * 1000}")  # noqa: S608 - a number of our own


def follow(store: PostgresStore, clock: FrozenClock, *, heartbeat_seconds: float = 0.001) -> Follower:
    source = StoreSource(store, NoKeys(), heartbeat_seconds=heartbeat_seconds)
    return nodes.follow(source, clock, max_staleness=STALENESS, poll_interval=600)


async def test_f8_a_node_whose_store_acknowledges_nothing_fails_closed_and_recovers(
    server: Cluster, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SteadyByHand(time.time())
    node = Sealring(
        secret=SECRET,
        store=PostgresStore(dsn),
        clock=clock,
        max_staleness=STALENESS,
        poll_interval=0.05,
        metrics=CollectorRegistry(),
    )
    assert node.metrics is not None
    app = FastAPI()
    app.include_router(node.health_router())
    app.include_router(node.metrics_router())
    follower = node.follower
    async with node.lifespan(), AsyncClient(transport=ASGITransport(app), base_url="http://node") as client:
        token = (await node.start_session("42")).access_token.text
        assert node.verify(token).subject == "42"
        async with left_behind(server), asyncio.timeout(60):
            while follower.node.last_error != UNACKNOWLEDGED:
                clock.pass_seconds(STALENESS + 1)  # and the store goes on answering every poll
                await asyncio.sleep(0.1)
            with pytest.raises(Stale):
                node.verify(token)
            assert (await client.get("/readyz")).status_code == 503
            causes = [record.sealring["cause"] for record in caplog.records if record.msg == "request refused"]  # type: ignore[attr-defined]
            assert causes == [UNACKNOWLEDGED]
            assert "sealring_acknowledged 0.0" in (await client.get("/metrics")).text
        async with asyncio.timeout(60):
            while not follower.node.is_fresh:  # noqa: ASYNC110 - the follower is a task beside us
                await asyncio.sleep(0.05)
        assert (await client.get("/readyz")).status_code == 200
        assert "sealring_acknowledged 1.0" in (await client.get("/metrics")).text
        clock.adjust()
        renewed = (await node.start_session("42")).access_token.text
        assert node.verify(renewed).subject == "42"


async def test_f8_a_primary_that_was_left_behind_answers_for_no_session_by_a_read_alone(
    server: Cluster, dsn: str
) -> None:
    """What its successor began since is no ended session there, and what its successor moved on is not the last word.

    A refresh was answered without a write where it found no session (401, and the node refused it from then on) or one
    that had been refreshed a moment ago (the same child again, to whoever asks); a logout, where it found none (204).
    """
    node = Sealring(secret=SECRET, store=PostgresStore(dsn), max_staleness=STALENESS, poll_interval=0.05)
    async with node.lifespan():
        first, successors = await node.start_session("42"), await node.start_session("43")
        second = await node.refresh_session(first.refresh_token)
        row = ask(dsn, f"DELETE FROM sessions WHERE id = '{successors.session.id}' RETURNING sessions::TEXT")  # noqa: S608 - an id of ours
        async with left_behind(server):
            answers = await asyncio.gather(
                node.refresh_session(first.refresh_token),
                node.refresh_session(successors.refresh_token),
                node.revoke_session(successors.session.id),
                node.issuer.sessions.read(successors.session.id),
                node.issuer.sessions.check_fits(successors.session.id),
                return_exceptions=True,
            )
            assert [type(answer) for answer in answers] == [StoreUnavailable] * 5, answers
            assert node.verify(successors.access_token.text).subject == "43", "a live session is refused here"
        ask(dsn, f"INSERT INTO sessions SELECT ('{row}'::sessions).*")
        again = await node.refresh_session(first.refresh_token)
        assert again.refresh_token == second.refresh_token
        assert (await node.refresh_session(successors.refresh_token)).session.subject == "43"
        # nor does any of that keep a healthy one from its answers
        assert not await node.revoke_session("unknown")
        assert await node.issuer.sessions.read("unknown") is None


async def test_f8_no_poll_of_a_primary_that_was_left_behind_makes_a_node_fresher(
    server: Cluster, open_store: Callable[..., Any]
) -> None:
    clock = SteadyByHand(time.time())
    follower = follow(await open_store(), clock)
    assert await follower.poll()
    async with left_behind(server):
        assert await follower.poll()  # a heartbeat of just before may be news to it
        until = follower.node.fresh_until
        assert until <= clock.steady() + STALENESS
        for _ in range(4):
            clock.pass_seconds(STALENESS / 5)
            assert await follower.poll(), "the store answers"
            assert follower.node.fresh_until == until
            assert follower.node.is_fresh
        clock.pass_seconds(STALENESS / 5 + 0.001)
        assert not await follower.poll()
        assert follower.node.last_error == UNACKNOWLEDGED
        assert not follower.node.is_fresh
    async with asyncio.timeout(60):
        while not await follower.poll():  # noqa: ASYNC110 - the server takes in its settings beside us
            await asyncio.sleep(0.05)
    assert follower.node.is_fresh


async def test_f8_a_node_that_starts_on_a_primary_that_was_left_behind_serves_nothing(
    server: Cluster, dsn: str, open_store: Callable[..., Any]
) -> None:
    store = await open_store()
    await store.heartbeat(every_ms=0)
    async with left_behind(server):
        age(dsn, 2 * int(STALENESS))
        follower = follow(store, SteadyByHand(time.time()))
        assert not await follower.poll()
        assert follower.node.last_error == UNACKNOWLEDGED
        assert not follower.node.is_fresh


async def test_f8_a_heartbeat_that_hangs_takes_one_connection_of_each_node_and_stops_no_read(
    server: Cluster, dsn: str, open_store: Callable[..., Any]
) -> None:
    stores = [await open_store(), await open_store()]
    async with left_behind(server):
        for _ in range(3):
            await asyncio.gather(*(store.heartbeat(every_ms=0) for store in stores for _ in range(4)))
            pages = await asyncio.gather(*(store.load_feed(0) for store in stores for _ in range(4)))
            assert all(page.complete for page in pages)
        hanging = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
        assert ask(dsn, f"{hanging} AND query LIKE 'UPDATE heartbeat%'") <= len(stores)
        assert ask(dsn, f"{hanging} AND wait_event = 'SyncRep'") == 1


async def test_f8_a_node_that_stops_leaves_a_hanging_heartbeat_unseen(
    server: Cluster, open_store: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To cancel a commit that waits for its standby is to show it to everybody: nobody has acknowledged it."""
    stopping, other = await open_store(), await open_store()
    assert await stopping.heartbeat(every_ms=0)
    before = (await other.load_feed(0)).acknowledged_ms
    async with left_behind(server):
        assert not await stopping.heartbeat(every_ms=0)
        monkeypatch.setattr(database, "BUDGET_SECONDS", 0.1)
        async with asyncio.timeout(30):
            await stopping.close()
        assert (await other.load_feed(0)).acknowledged_ms == before


async def test_f8_a_node_that_stops_leaves_a_hanging_refresh_unseen_and_does_not_wait_for_ever(
    server: Cluster, open_store: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping, other = await open_store(), await open_store()
    session = a_session()
    await stopping.start_session(session, an_event(), guard=None, cap=5, replaces=None)
    stopping._refreshes._batcher.budget_seconds = 0.2
    monkeypatch.setattr(database, "BUDGET_SECONDS", 0.1)
    async with left_behind(server):
        with pytest.raises(StoreUnavailable):
            await stopping.advance_session(session, replace(session, last_seen_at=session.last_seen_at + 1))
        async with asyncio.timeout(30):
            await stopping.close()
        assert (await other.read_session(session.id)).session == session


async def test_f8_an_idle_cluster_stays_fresh_by_one_heartbeat_an_interval(
    dsn: str, open_store: Callable[..., Any]
) -> None:
    interval = STALENESS / 2
    clock = SteadyByHand(time.time())
    followers = [follow(await open_store(), clock, heartbeat_seconds=interval) for _ in range(3)]
    for follower in followers:
        assert await follower.poll()
    ask(
        dsn,
        """
        CREATE TABLE beats (at_ms BIGINT);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO beats VALUES (NEW.at_ms); RETURN NULL; END $$;
        CREATE TRIGGER note AFTER UPDATE ON heartbeat FOR EACH ROW WHEN (NEW.at_ms > OLD.at_ms) EXECUTE FUNCTION note();
        """,
    )
    for passed in range(1, 6):
        age(dsn, int(interval) + 1)
        clock.pass_seconds(interval + 1)
        assert all(follower.node.is_fresh for follower in followers)
        for _ in range(3):
            assert all(await asyncio.gather(*(follower.poll() for follower in followers)))
        assert all(follower.node.lag <= interval for follower in followers)
        assert ask(dsn, "SELECT count(*) FROM beats") == passed


async def test_f8_a_heartbeat_ahead_of_the_servers_clock_is_written_anew(
    dsn: str, open_store: Callable[..., Any]
) -> None:
    follower = follow(await open_store(), SteadyByHand(time.time()), heartbeat_seconds=STALENESS / 2)
    assert await follower.poll()
    age(dsn, -3600)
    assert await follower.poll()
    assert 0 <= follower.node.lag < STALENESS


async def test_f8_a_role_that_may_only_read_follows_what_others_write(dsn: str, open_store: Callable[..., Any]) -> None:
    owner = await open_store()
    ask(dsn, "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
    ask(dsn, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    assert await owner.heartbeat(every_ms=0)
    reader = await open_store("reader")
    follower = follow(reader, SteadyByHand(time.time()))
    try:
        assert await follower.poll()
        assert follower.node.is_fresh
        age(dsn, 2 * int(STALENESS))
        assert not await follower.poll(), "nobody writes"
        assert follower.node.last_error == UNACKNOWLEDGED
        assert await owner.heartbeat(every_ms=0)
        assert await follower.poll()
        ask(dsn, "GRANT UPDATE ON heartbeat TO reader")
        assert not await reader.heartbeat(every_ms=0), "a server's log is not filled with refusals: it asks once"
    finally:
        ask(dsn, "DROP OWNED BY reader")


async def test_f8_check_says_that_the_store_acknowledges_nothing(
    server: Cluster, dsn: str, open_store: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"SECRET": SECRET, "DATABASE_URL": dsn, "ISSUER": "http://127.0.0.1:8000"}.items():
        monkeypatch.setenv(f"SEALRING_{name}", value)
    store = await open_store()
    async with Sealring(secret=SECRET, store=store).lifespan():
        pass

    async def writes() -> tuple[bool, str]:
        (found,) = (finding for finding in await asyncio.to_thread(diagnose) if finding.subject == "writes")
        return found.good, found.words

    age(dsn, 60)
    assert (await writes())[0], "an idle store whose nodes are all stopped is none that was left behind"
    monkeypatch.setattr(database, "BUDGET_SECONDS", 0.1)
    async with left_behind(server):
        age(dsn, 60)
        assert await writes() == (False, UNACKNOWLEDGED)
