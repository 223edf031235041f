"""Fixtures that more than one folder asks for."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sealring.store.memory import MemoryStore
from sealring.store.postgres import PostgresStore
from sealring.store.protocol import Store
from sealring.store.sqlite import SqliteStore
from tests.store.pgbouncer import Pooler, own_pooler
from tests.store.postgres_cluster import Cluster, shared_cluster


def pytest_configure() -> None:
    """Let programs that tests start hear Ctrl-C: in the background of a script it is ignored, which they inherit."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes many seconds, so that no worker waits for it at the end; the rest in its random order."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture
def anyio_backend() -> str:
    """Coroutines run on asyncio: the stores and uvicorn do."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_cluster(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Cluster]:
    """One PostgreSQL for the whole run; tests that stop it take `own_cluster` instead."""
    own = tmp_path_factory.getbasetemp()
    with shared_cluster(own if worker_id == "master" else own.parent) as cluster:
        yield cluster


@pytest.fixture
def postgres_dsn(postgres_cluster: Cluster) -> Iterator[str]:
    """The DSN of an empty database. Tests that ask for it carry the marker `postgres`."""
    dsn = postgres_cluster.create_database()
    yield dsn
    postgres_cluster.drop_database(dsn)


@pytest.fixture(scope="session")
def pooler(postgres_cluster: Cluster) -> Iterator[Pooler]:
    """One PgBouncer in transaction mode for this worker; tests that stop it take `own_pooler` instead."""
    with own_pooler(postgres_cluster) as started:
        yield started


@pytest.fixture
def pooled_dsn(pooler: Pooler, postgres_dsn: str) -> str:
    """The DSN of `postgres_dsn`'s database through a pooler in transaction mode."""
    return pooler.through(postgres_dsn)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty, open store of each kind; `pooled`, through a pooler and in a schema, only where it is asked for."""
    opened: Store
    match request.param:
        case "memory":
            opened = MemoryStore()
        case "sqlite":
            opened = SqliteStore(tmp_path / "sealring.db")
        case "pooled":
            opened = PostgresStore(request.getfixturevalue("pooled_dsn"), schema="Sealring-1")
        case _:
            opened = PostgresStore(request.getfixturevalue("postgres_dsn"))
    await opened.open()
    yield opened
    await opened.close()
