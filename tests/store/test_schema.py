"""Migrations: how a script is taken apart, and what is refused. That two nodes may start at once is test P8."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest

from sealring.errors import ConfigurationError
from sealring.store.postgres import PostgresStore
from sealring.store.protocol import Store
from sealring.store.schema import Dialect, pending_migrations, read_migration, read_migrations
from sealring.store.sqlite import SqliteStore

BODY = """
-- a comment; with a semicolon
CREATE FUNCTION twice(n INTEGER) RETURNS INTEGER LANGUAGE plpgsql AS $body$
BEGIN
  RETURN 2 * n;
END;
$body$;
CREATE TABLE odd ("a;b" TEXT DEFAULT 'x;''y');
"""
TRIGGER = """CREATE TABLE t (n INTEGER);
CREATE TRIGGER grow AFTER INSERT ON t BEGIN
  UPDATE t SET n = n + 1;
  UPDATE t SET n = n + 1;
END;
"""


@pytest.mark.postgres
def test_a_postgresql_script_may_hold_bodies_in_dollar_quotes(postgres_dsn: str) -> None:
    step = read_migration("postgresql", "0002_twice.sql", BODY)
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        for statement in step.statements:
            connection.execute(statement.encode())
        assert connection.execute("SELECT twice(21)").fetchall() == [(42,)]
        connection.execute("INSERT INTO odd DEFAULT VALUES")
        assert connection.execute("SELECT * FROM odd").fetchall() == [("x;'y",)]


def test_an_sqlite_script_may_hold_triggers() -> None:
    step = read_migration("sqlite", "0002_grow.sql", TRIGGER)
    assert (step.number, step.name, len(step.statements)) == (2, "grow", 2)
    db = sqlite3.connect(":memory:")
    for statement in step.statements:
        db.execute(statement)
    db.execute("INSERT INTO t VALUES (1)")
    assert db.execute("SELECT n FROM t").fetchall() == [(3,)]
    db.close()


def test_a_statement_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="semicolon"):
        read_migration("sqlite", "0002_x.sql", "CREATE TABLE t (n INTEGER)\n")


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_digest_speaks_of_statements_and_not_of_comments(dialect: Dialect) -> None:
    plain = read_migration(dialect, "0002_x.sql", "CREATE TABLE t (n INTEGER);\n")
    commented = read_migration(dialect, "0002_x.sql", "-- why\nCREATE TABLE t (n INTEGER);\n")
    edited = read_migration(dialect, "0002_x.sql", "CREATE TABLE t (n INTEGER, m INTEGER);\n")
    assert plain.digest == commented.digest != edited.digest


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_only_steps_that_were_not_applied_are_pending(dialect: Dialect) -> None:
    steps = read_migrations(dialect)
    assert pending_migrations(dialect, {}) == steps
    assert pending_migrations(dialect, {step.number: step.digest for step in steps}) == ()
    with pytest.raises(ConfigurationError, match="has schema 999"):
        pending_migrations(dialect, {step.number: step.digest for step in steps} | {999: "later"})


def refuse_edited(opening: ConfigurationError) -> None:
    assert str(opening) == "migration 1 (initial) was edited after it was applied to this database"
    assert opening.hint is not None


@pytest.mark.anyio
async def test_an_edited_step_is_refused_by_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "sealring.db"
    store: Store = SqliteStore(path)
    await store.open()
    await store.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT version, digest FROM schema_version").fetchall() == [
            (step.number, step.digest) for step in read_migrations("sqlite")
        ]
        db.execute("UPDATE schema_version SET digest = 'of another text' WHERE version = 1")
    db.close()
    with pytest.raises(ConfigurationError) as refused:
        await SqliteStore(path).open()
    refuse_edited(refused.value)


@pytest.mark.anyio
@pytest.mark.postgres
async def test_an_edited_step_is_refused_by_postgresql(postgres_dsn: str) -> None:
    store = PostgresStore(postgres_dsn)
    await store.open()
    await store.close()
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        assert connection.execute("SELECT version, digest FROM schema_version").fetchall() == [
            (step.number, step.digest) for step in read_migrations("postgresql")
        ]
        connection.execute("UPDATE schema_version SET digest = 'of another text' WHERE version = 1")
    with pytest.raises(ConfigurationError) as refused:
        await PostgresStore(postgres_dsn).open()
    refuse_edited(refused.value)
