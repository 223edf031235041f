"""The orders of the demo: the same in SQLite and in PostgreSQL, kept, and 503 while their database is away."""

from __future__ import annotations

import stat
from pathlib import Path

import psycopg
import pytest

from sealring import StoreUnavailable
from sealring.demo.orders import PostgresOrders, SqliteOrders, orders_at

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/my%20shop.db"
    return str(request.getfixturevalue("postgres_dsn"))


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_each_subject_has_orders_of_its_own_which_stay(database_url: str) -> None:
    seen = []
    for _ in range(2):  # the second opening finds what the first one made
        orders = orders_at(database_url, "")
        await orders.open()
        seen += [await orders.of("ann"), await orders.of("ann"), await orders.of("bob")]
        await orders.close()
    assert seen[0] == seen[1] == seen[3] == seen[4]
    assert seen[2] == seen[5] != seen[0]
    assert [order.id for order in seen[0]] == ["0003", "0002", "0001"]


async def test_sqlite_gets_a_file_of_its_own_for_its_owner_alone(tmp_path: Path) -> None:
    orders = orders_at(f"sqlite:///{tmp_path}/sealring.db", "")
    assert isinstance(orders, SqliteOrders)
    await orders.open()
    await orders.of("ann")
    await orders.close()
    assert modes(tmp_path) == {"sealring-orders.db": 0o600}


@pytest.mark.postgres
async def test_postgresql_keeps_them_in_the_schema_of_the_sessions(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "My-Seals"')
        orders = orders_at(postgres_dsn, "My-Seals")
        await orders.open()
        assert await orders.of("ann")
        await orders.close()
        found = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'demo_orders'").fetchall()
    assert found == [("My-Seals",)]


async def test_a_file_that_cannot_be_used_is_store_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await orders_at(f"sqlite:///{tmp_path}/no/such/folder.db", "").open()
    path = tmp_path / "sealring-orders.db"
    path.write_bytes(b"this is no database at all, but text" * 100)
    with pytest.raises(StoreUnavailable):
        await orders_at(f"sqlite:///{tmp_path}/sealring.db", "").open()


@pytest.mark.postgres
async def test_a_server_that_is_away_is_store_unavailable(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealring.demo.orders.WAIT_SECONDS", 0.2)
    away = psycopg.conninfo.make_conninfo(postgres_dsn, host="127.0.0.1", port="1")
    orders = PostgresOrders(away, "")
    with pytest.raises(StoreUnavailable):
        await orders.open()
