"""N9: behind a pooler in transaction mode everything comes out right, lasts, and leaves nothing behind for others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sealring import Sealring
from sealring.accounts.changes import PasswordChange
from sealring.cli.run import run
from sealring.errors import Revoked, StoreUnavailable
from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.rate import RateLimit
from sealring.sessions.revocation import EndSession, EndSubject
from sealring.store.postgres import PostgresStore
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import Database, execute_and_commit
from sealring.store.postgres.migration import LOCK, migrate
from sealring.testing.store_contract.samples import NOW, a_key, a_session, an_account, an_event, moved
from tests.cluster.node import SECRET
from tests.store.pgbouncer import SERVER_CONNECTIONS, Pooler, own_pooler
from tests.store.postgres_cluster import own_cluster

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

SEEN = "current_setting('synchronous_commit'), current_setting('statement_timeout'), current_setting('plan_cache_mode')"
OURS = ("on", "5s", "force_generic_plan")
THEIRS = ("off", "0", "auto")


def ask(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def of_each_server_connection(dsn: str, columns: str) -> set[tuple[Any, ...]]:
    """What another client finds on every connection that the pooler lends: it holds all of them at once."""
    with ExitStack() as held:
        connections = [
            held.enter_context(psycopg.connect(dsn, prepare_threshold=None)) for _ in range(SERVER_CONNECTIONS)
        ]
        rows = [connection.execute(f"SELECT {columns}".encode()).fetchall() for connection in connections]
    return {tuple(row) for (row,) in rows}


@pytest.fixture
async def store(pooled_dsn: str, postgres_dsn: str) -> AsyncIterator[PostgresStore]:
    """A store behind a pooler, in a database whose own settings are not ours."""
    (name,) = ask(postgres_dsn, "SELECT current_database()")[0]
    ask(postgres_dsn, f"ALTER DATABASE {name} SET synchronous_commit = off")
    opened = PostgresStore(pooled_dsn)
    await opened.open()
    yield opened
    await opened.close()


async def test_n9_parallel_sessions_start_refresh_and_end(pooled_dsn: str) -> None:
    auth = Sealring(secret=SECRET, database_url=pooled_dsn)
    async with auth.lifespan():

        async def live(caller: int) -> None:
            for turn in range(8):
                subject = f"{caller}-{turn}"
                started = await auth.start_session(subject, scopes=["orders:read"])
                refreshed = await auth.refresh_session(started.refresh_token)
                assert auth.verify(refreshed.access_token.text).subject == subject
                await auth.revoke_session(started.session.id)
                with pytest.raises(Revoked):
                    auth.verify(refreshed.access_token.text)

        await asyncio.gather(*(live(caller) for caller in range(12)))
        assert await auth.follower.poll()


async def test_n9_our_settings_hold_on_whichever_connection_a_transaction_travels(store: PostgresStore) -> None:
    async def look(connection: Connection) -> tuple[Any, ...]:
        (row,) = await (await connection.execute(f"SELECT {SEEN} FROM pg_sleep(0.1)".encode())).fetchall()  # noqa: S608
        return tuple(row)

    several = range(2 * SERVER_CONNECTIONS)
    for how in (store.database.read, store.database.transact):
        assert {*await asyncio.gather(*(how(look) for _ in several))} == {OURS}


async def test_n9_nothing_follows_the_end_of_a_transaction(pooled_dsn: str, tmp_path: Path) -> None:
    """Else the pooler lends a server connection for it, which nothing gives back: all others wait."""
    late = "SELECT pg_sleep(0.05)"  # longer than it takes to send what is to be sent
    connection = await Database(pooled_dsn).connect()
    with (tmp_path / "trace").open("w+b") as trace:
        connection.pgconn.trace(trace.fileno())
        await connection.execute(late)
        await connection.begin()
        await execute_and_commit(connection, late, {})
        with pytest.raises(psycopg.errors.DivisionByZero):
            await connection.execute("SELECT 1 / 0 FROM pg_sleep(0.05)")
        connection.pgconn.untrace()
        trace.seek(0)
        messages = [line.split(b"\t") for line in trace.read().splitlines()]
    await connection.close()
    sent = [name for _, side, _, name, *_ in messages if side == b"F"]
    assert sent.count(b"Sync") == 3
    assert b"Flush" not in sent


async def test_n9_nothing_is_left_behind_for_other_users_of_the_pool(store: PostgresStore, pooled_dsn: str) -> None:
    waiting = asyncio.create_task(store.wait_for_change())
    for _ in range(10):  # the driver would prepare at the sixth time
        session = a_session()
        await store.start_session(session, an_event(), guard=None, cap=99, replaces=None)
        assert await store.advance_session(session, moved(session))
        await store.load_feed(None)
        assert await store.heartbeat(every_ms=0)
    await asyncio.sleep(0.1)
    assert not waiting.done(), "nobody listens there, so polling finds what is new"
    waiting.cancel()
    left = "(SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_listening_channels())"
    found = await asyncio.to_thread(of_each_server_connection, pooled_dsn, f"{SEEN}, {left}")
    assert found == {(*THEIRS, 0, 0)}
    assert advisory_locks(pooled_dsn) == 0


@pytest.fixture
def lazy_dsns() -> Iterator[tuple[str, str]]:
    """A server that writes its log out only when a commit asks for it: direct, and through a pooler."""
    lazy = ("-c synchronous_commit=off", "-c fsync=off", "-c wal_writer_delay=10s", "-c autovacuum=off")
    with own_cluster(lazy) as cluster, own_pooler(cluster) as pooler:
        dsn = cluster.create_database()
        yield dsn, pooler.through(dsn)


async def test_n9_p2_an_acknowledged_commit_is_in_the_log_on_disk(lazy_dsns: tuple[str, str]) -> None:
    direct, pooled = lazy_dsns
    store = PostgresStore(pooled)
    await store.open()
    session, other, account = a_session(), a_session(), an_account()
    sessions = [a_session() for _ in range(20)]
    bucket = Bucket(key="x", rate=RateLimit(5, 60), owner="ada")
    revoked: dict[str, Any] = {"now": NOW}

    async def start(*started: Any) -> None:
        for each in started:
            await store.start_session(each, an_event(), guard=None, cap=99, replaces=None)

    async def swap_many() -> None:
        assert all(await asyncio.gather(*(store.advance_session(each, moved(each)) for each in sessions)))

    writes: dict[str, Callable[[], Awaitable[object]]] = {
        "register": lambda: store.create_account(account, an_event()),
        "change password": lambda: store.change_account(
            account.id, PasswordChange(old_hash=account.password_hash, new_hash="$argon2id$new"), an_event(), **revoked
        ),
        "log in": lambda: start(session, other),
        "refresh": lambda: store.advance_session(session, moved(session)),
        "log in often": lambda: start(*sessions),
        "refresh many": swap_many,
        "log out": lambda: store.revoke(EndSession(id=session.id, cause="logout"), an_event(), **revoked),
        "log out everywhere": lambda: store.revoke(
            EndSubject(subject=other.subject, cause="ended_by_user"), an_event(), **revoked
        ),
        "count": lambda: store.count_attempt([bucket], now=NOW),
        "settle": lambda: store.settle_attempt(bucket.owner, an_event()),
        "rotate": lambda: store.write_keys(0, [a_key()], an_event(), **revoked),
        "beat": lambda: store.heartbeat(every_ms=0),
    }
    for name, write in writes.items():
        await write()
        assert unflushed(direct) < 64, name
    ask(pooled, "CREATE TABLE theirs AS SELECT 1")
    assert unflushed(direct) > 64, "commits of others wait here, so the measure can tell"
    await store.close()


def advisory_locks(dsn: str) -> int:
    """How many are held in this database, whose server other tests share."""
    here = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()"
    return int(ask(dsn, f"{here} WHERE l.locktype = 'advisory'")[0][0])


def unflushed(dsn: str) -> int:
    """Bytes of the log that a power cut would lose; a page's head may count."""
    difference = "pg_wal_lsn_diff(pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn())::INT"
    return int(ask(dsn, f"SELECT {difference}")[0][0])


async def test_n9_a_migration_waits_for_another_so_long_and_says_so(pooled_dsn: str, postgres_dsn: str) -> None:
    connection = await Database(pooled_dsn).connect()
    with psycopg.connect(postgres_dsn) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        with pytest.raises(StoreUnavailable, match="another migration of this database has not ended in 1 s"):
            await migrate(connection, None, wait_seconds=1)
    await migrate(connection, None, wait_seconds=1)
    await connection.close()
    assert advisory_locks(pooled_dsn) == 0


@pytest.mark.parametrize("between", [True, False])
def test_n9_check_and_migrate_see_a_pooler(  # noqa: PLR0917 - fixtures
    between: bool,  # noqa: FBT001 - a parameter of the test
    pooled_dsn: str,
    postgres_dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEALRING_SECRET", SECRET)
    monkeypatch.setenv("SEALRING_ISSUER", "http://127.0.0.1:8000")
    monkeypatch.setenv("SEALRING_DATABASE_URL", pooled_dsn if between else postgres_dsn)
    assert run(["migrate"]) == 0
    assert ("migrations want a direct connection" in capsys.readouterr().err) is between
    assert run(["check"]) == 0
    assert ("ok    pooler: between this node and PostgreSQL" in capsys.readouterr().out) is between


@pytest.mark.parametrize(
    "command", [["check"], ["users", "list"], ["keys", "list"], ["migrate"], ["serve", "--port", "0"]], ids=" ".join
)
def test_n9_a_pooler_in_statement_mode_is_refused_by_every_command(  # noqa: PLR0917 - fixtures
    command: list[str],
    postgres_cluster: Any,
    postgres_dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEALRING_SECRET", SECRET)
    monkeypatch.setenv("SEALRING_ISSUER", "http://127.0.0.1:8000")
    monkeypatch.setenv("SEALRING_DATABASE_URL", postgres_dsn)
    assert run(["migrate"]) == 0
    with own_pooler(postgres_cluster, pool_mode="statement") as pooler:
        monkeypatch.setenv("SEALRING_DATABASE_URL", pooler.through(postgres_dsn))
        capsys.readouterr()
        assert run(command) == 1
    said = capsys.readouterr()
    assert "transaction blocks not allowed in statement pooling mode" in said.out + said.err
    assert "hint: a pooler is between: set its pool_mode to transaction or session" in said.out + said.err
    assert "no signing key" not in said.err


async def test_n9_i6_a_pooler_that_is_killed_takes_no_acknowledged_write_with_it(
    postgres_cluster: Any, postgres_dsn: str
) -> None:
    with own_pooler(postgres_cluster) as pooler:
        store = PostgresStore(pooler.through(postgres_dsn))
        await store.open()
        sessions = [a_session(f"subject-{place}") for place in range(24)]
        for session in sessions:
            await store.start_session(session, an_event(), guard=None, cap=99, replaces=None)
        promised: dict[str, int] = {}
        failures = 0
        stop = asyncio.Event()

        async def refresh(session: Any) -> None:
            nonlocal failures
            while not stop.is_set():
                after = moved(session)
                try:
                    if await store.advance_session(session, after):
                        promised[session.id] = after.generation
                    record = await store.read_session(session.id)
                except StoreUnavailable:
                    failures += 1
                    await asyncio.sleep(0.05)
                else:
                    assert record is not None
                    session = record.session

        refreshing = [asyncio.create_task(refresh(session)) for session in sessions]
        for _ in range(3):
            await asyncio.sleep(0.4)
            await asyncio.to_thread(killed_and_started, pooler)
        await asyncio.sleep(0.5)
        stop.set()
        await asyncio.gather(*refreshing)
        assert failures
        assert len(promised) == len(sessions)
        for sid, generation in promised.items():
            record = await store.read_session(sid)
            assert record is not None
            assert record.session.generation >= generation
        await store.close()


def killed_and_started(pooler: Pooler) -> None:
    pooler.kill()
    pooler.start()
