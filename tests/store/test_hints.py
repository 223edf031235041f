"""Each refusal by a real PostgreSQL or PgBouncer comes with the hint that helps, and shows no password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sealring.audit.event import Event
from sealring.errors import StoreUnavailable
from sealring.store.postgres.store import PostgresStore
from tests.ports import free_port
from tests.store.pgbouncer import own_pooler
from tests.store.postgres_cluster import FAST, Cluster, own_cluster

pytestmark = [pytest.mark.anyio, pytest.mark.postgres, pytest.mark.xdist_group("clusters")]

RULES = """
local all locked scram-sha-256
local all all trust
hostssl all all 127.0.0.1/32 trust
"""


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[Cluster, str]]:
    """A server that asks `locked` for a password and wants TLS from the network; its DSN by socket."""
    port = free_port()
    with own_cluster(FAST) as cluster:
        cluster.stop("fast")
        cluster.settings = (*cluster.settings, "-c listen_addresses=127.0.0.1", f"-c port={port}")
        (cluster.folder / "data" / "pg_hba.conf").write_text(RULES)
        cluster.start()
        cluster.dsn += f"&port={port}"
        with psycopg.connect(cluster.dsn, autocommit=True) as admin:
            admin.execute("CREATE ROLE locked LOGIN PASSWORD 'hunter2'")
            admin.execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
        yield cluster, cluster.dsn


async def refusal(dsn: str) -> tuple[str, str]:
    """What opening says, and its hint."""
    store = PostgresStore(dsn)
    try:
        with pytest.raises(StoreUnavailable) as refused:
            await store.open()
    finally:
        await store.close()
    said, hint = str(refused.value), refused.value.hint or ""
    assert "hunter" not in said + hint
    return said, hint


@pytest.mark.parametrize(
    ("changes", "words", "helps"),
    [
        ({"user": "locked", "password": "hunter3"}, "password authentication failed", "%40"),
        ({"user": "locked"}, "no password supplied", "the user and the password"),
        ({"dbname": "nowhere"}, 'database "nowhere" does not exist', "createdb"),
        ({"host": "127.0.0.1"}, "no encryption", "sslmode=verify-full"),
        ({"host": "127.0.0.1", "sslmode": "require"}, "does not support SSL", "the server has no TLS"),
        ({"user": "crowded"}, "too many connections for role", "max_connections"),
    ],
)
async def test_what_the_server_refuses(
    guarded: tuple[Cluster, str], changes: dict[str, str], words: str, helps: str
) -> None:
    said, hint = await refusal(make_conninfo(guarded[1], **changes))
    assert words in said
    assert helps in hint


async def test_a_standby() -> None:
    with own_cluster() as cluster:
        store = PostgresStore(cluster.dsn)
        await store.open()
        await store.close()
        cluster.stop("fast")
        (cluster.folder / "data" / "standby.signal").touch()
        cluster.start()
        await store.open()  # it can be read
        try:
            with pytest.raises(StoreUnavailable) as refused:
                await store.settle_attempt("", Event(kind="login", at_ms=0))
        finally:
            await store.close()
        assert "(25006)" in str(refused.value)
        assert "target_session_attrs=read-write" in (refused.value.hint or "")


async def test_a_standby_without_our_tables() -> None:
    with own_cluster() as cluster:
        cluster.stop("fast")
        (cluster.folder / "data" / "standby.signal").touch()
        cluster.start()
        said, hint = await refusal(cluster.dsn)
        assert "standby" in said
        assert "name the primary" in hint


async def test_a_pooler_in_statement_mode(postgres_cluster: Cluster, postgres_dsn: str) -> None:
    with own_pooler(postgres_cluster, pool_mode="statement") as pooler:
        _, hint = await refusal(pooler.through(postgres_dsn))
        assert "set its pool_mode to transaction" in hint


async def test_a_pooler_that_is_full(postgres_cluster: Cluster, postgres_dsn: str) -> None:
    with own_pooler(postgres_cluster, max_client_conn="1") as pooler:
        dsn = pooler.through(postgres_dsn)
        with closing(psycopg.connect(dsn, prepare_threshold=None)):
            said, hint = await refusal(dsn)
        assert "no more connections allowed" in said
        assert "max_client_conn" in hint


async def test_a_pooler_without_that_database(postgres_cluster: Cluster, postgres_dsn: str) -> None:
    with own_pooler(postgres_cluster) as pooler:
        said, hint = await refusal(make_conninfo(pooler.through(postgres_dsn), dbname="nowhere"))
        assert 'database "nowhere" does not exist' in said or "no such database" in said
        assert "createdb" in hint
