"""B16: a database that others use as well: their names, their settings, their tools. Nothing of theirs is touched."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Integer, MetaData, Table, create_engine

from sealring import Sealring
from sealring.accounts.changes import PasswordChange
from sealring.cli.run import run
from sealring.errors import ConfigurationError, StoreUnavailable
from sealring.frameworks.alembic import TABLES, include_name
from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.rate import RateLimit
from sealring.sessions.revocation import EndSession
from sealring.store import open_store
from sealring.store.postgres import PostgresStore
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import Database
from sealring.store.records import LoginGuard
from sealring.testing.store_contract.samples import (
    NOW,
    a_key,
    a_session,
    an_account,
    an_event,
    declare_ttl,
    entries_of,
    moved,
    started_of,
)
from tests.cluster.node import SECRET

pytestmark = pytest.mark.anyio


def ask(dsn: str, *statements: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def tables(dsn: str, schema: str) -> set[str]:
    rows = ask(dsn, "SELECT schemaname, tablename FROM pg_tables")
    return {name for where, name in rows if where == schema}


async def refusal(dsn: str, schema: str | None = None) -> tuple[str, str]:
    """What opening says, and its hint."""
    store = PostgresStore(dsn, schema)
    try:
        with pytest.raises((ConfigurationError, StoreUnavailable)) as refused:
            await store.open()
    finally:
        await store.close()
    return str(refused.value), getattr(refused.value, "hint", None) or ""


async def lead_a_life(dsn: str, schema: str | None = None) -> None:
    """One of each that an issuer asks of its store, with text that has all of SQL's marks in it."""
    store = PostgresStore(dsn, schema)
    await store.open()
    try:
        await ask_everything(store)
    finally:
        await store.close()


async def ask_everything(store: PostgresStore) -> None:
    await declare_ttl(store)
    text = """Zoë ✓ ' \\ \\' " NULL {}"""
    account = an_account("zoë", name=text)
    await store.create_account(account, an_event("account_created"))
    assert await store.find_account(canonical_name="zoë") == account
    sessions = [a_session(account.id, device=text, claims={"name": text, "none": None}) for _ in range(5)]
    for session in sessions:
        guard = LoginGuard(epoch=account.epoch)
        assert started_of(await store.start_session(session, an_event(), guard=guard, cap=4, replaces=None))
    swaps = (store.advance_session(session, moved(session)) for session in sessions)
    assert sorted(await asyncio.gather(*swaps)) == [False, True, True, True, True], "one was over the cap"
    found = await store.read_session(sessions[-1].id)
    assert found is not None
    assert (found.session, found.account) == (moved(sessions[-1]), account)
    end = EndSession(id=sessions[-1].id, cause="logout")
    (ended,) = (await store.revoke(end, an_event("session_ended"), now=NOW)).entries
    change = PasswordChange(old_hash=account.password_hash, new_hash="$argon2id$new")
    assert entries_of(await store.change_account(account.id, change, an_event(), now=NOW))
    bucket = Bucket(key="x", rate=RateLimit(1, 60), owner="zoë")
    assert [await store.count_attempt([bucket], now=NOW) for _ in range(2)] == [0, 60]
    await store.settle_attempt("zoë", an_event(detail={"text": text}))
    assert await store.count_attempt([bucket], now=NOW) == 0
    assert entries_of(await store.write_keys(0, [a_key()], an_event("key_published"), now=NOW)) == ()
    assert (await store.read_keys()).keys == (a_key(),)
    assert await store.heartbeat(every_ms=0)
    page = await store.load_feed(0)
    assert page.complete
    assert ended in page.entries
    assert (await store.load_feed(None)).entries == page.entries
    assert [event.detail["text"] for event in await store.read_events() if event.detail] == [text]
    await store.purge(now=NOW + 10**9, audit_seconds=0)
    assert await store.read_events() == []
    assert await store.list_sessions(None, now=NOW) == []


# a schema of our own


@pytest.mark.postgres
@pytest.mark.parametrize("pooled", [False, True])
async def test_a_schema_is_made_and_holds_all_our_tables(request: pytest.FixtureRequest, *, pooled: bool) -> None:
    dsn: str = request.getfixturevalue("postgres_dsn")
    ask(dsn, "CREATE TABLE accounts (theirs TEXT)", "CREATE TABLE schema_version (installed_rank INT, version TEXT)")
    ask(dsn, "INSERT INTO schema_version VALUES (1, '1.0')", "INSERT INTO accounts VALUES ('theirs')")
    name = "My-Sealring$1"
    await lead_a_life(request.getfixturevalue("pooled_dsn") if pooled else dsn, name)
    assert tables(dsn, name) >= TABLES
    assert tables(dsn, "public") == {"accounts", "schema_version"}
    assert ask(dsn, "SELECT * FROM accounts") == [("theirs",)]


@pytest.mark.postgres
async def test_a_temporary_table_of_another_does_not_stand_in_front_of_ours(pooler: Any, postgres_dsn: str) -> None:
    pooled = pooler.through(postgres_dsn)
    store = PostgresStore(pooled, "sealring")
    await store.open()
    ask(pooled, "CREATE TEMPORARY TABLE accounts (theirs TEXT)", "CREATE TEMPORARY TABLE subjects (theirs TEXT)")
    await store.create_account(an_account(), an_event("account_created"))
    await store.close()
    assert len(ask(postgres_dsn, "SELECT * FROM sealring.accounts")) == 1


@pytest.mark.parametrize("schema", ['a"b', "a b", "1a", "", "pg_mine", "é", "a" * 64])
def test_a_schema_that_is_no_name_is_refused(schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if schema:
        with pytest.raises(ConfigurationError, match="SEALRING_DATABASE_SCHEMA: must be a letter"):
            Sealring(secret=SECRET, database_schema=schema)
    else:
        Sealring(secret=SECRET, database_schema=schema)


@pytest.mark.parametrize("command", ["migrate", "check", "serve"])
def test_an_sqlite_file_has_no_schemas(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEALRING_SECRET", SECRET)
    monkeypatch.setenv("SEALRING_ISSUER", "http://127.0.0.1:8000")
    monkeypatch.setenv("SEALRING_DATABASE_URL", "sqlite:///sealring.db")
    monkeypatch.setenv("SEALRING_DATABASE_SCHEMA", "sealring")
    assert run([command]) == 1
    said = capsys.readouterr()
    assert "SEALRING_DATABASE_SCHEMA is for PostgreSQL" in said.out + said.err
    assert not (tmp_path / "sealring.db").exists()
    with pytest.raises(ConfigurationError):
        open_store("sqlite:///sealring.db", "sealring")


# names that are taken, schemas that are not there


@pytest.mark.postgres
@pytest.mark.parametrize(
    "foreign",
    [
        "CREATE TABLE sessions (sid TEXT)",
        "CREATE VIEW events AS SELECT 1 AS one",
        "CREATE TABLE schema_version (installed_rank INT, version TEXT)",
        "CREATE TABLE schema_version (version INTEGER); INSERT INTO schema_version VALUES (7)",
    ],
)
async def test_tables_of_others_with_our_names_are_named_and_left_alone(postgres_dsn: str, foreign: str) -> None:
    ask(postgres_dsn, *foreign.split("; "))
    said, hint = await refusal(postgres_dsn)
    assert said.startswith('the schema "public" has tables of these names that are not Sealring\'s: ')
    assert foreign.split()[2] in said
    assert "SEALRING_DATABASE_SCHEMA=sealring" in hint
    assert len(tables(postgres_dsn, "public")) <= 1


@pytest.mark.postgres
async def test_a_missing_schema_and_missing_rights_are_said(postgres_dsn: str) -> None:
    role = "sealring_shared"
    (database,) = ask(postgres_dsn, "SELECT current_database()")[0]
    if (role,) not in ask(postgres_dsn, "SELECT rolname FROM pg_roles"):
        ask(postgres_dsn, f"CREATE ROLE {role} LOGIN")
    theirs = postgres_dsn.replace("postgres@", f"{role}@")
    said, hint = await refusal(theirs, "sealring")
    assert f"permission denied for database {database} (42501)" in said
    assert "docs/how-to/many-nodes.md" in hint
    ask(postgres_dsn, "CREATE SCHEMA sealring")
    said, hint = await refusal(theirs, "sealring")
    assert said == 'this role may not use the schema "sealring"'
    assert hint == 'GRANT USAGE ON SCHEMA "sealring" TO the role'
    ask(postgres_dsn, f"GRANT USAGE ON SCHEMA sealring TO {role}")
    said, _ = await refusal(theirs, "sealring")
    assert "permission denied for schema sealring (42501)" in said
    ask(postgres_dsn, f"ALTER ROLE {role} IN DATABASE {database} SET search_path = ''")
    said, hint = await refusal(theirs)
    assert said == "the search path names no schema that exists and that this role may use"
    assert "SEALRING_DATABASE_SCHEMA" in hint
    ask(postgres_dsn, f"DROP OWNED BY {role}")
    ask(postgres_dsn, f"ALTER ROLE {role} IN DATABASE {database} RESET ALL")


@pytest.mark.postgres
async def test_tables_that_go_under_an_open_store_are_missed_by_name(postgres_dsn: str) -> None:
    store = PostgresStore(postgres_dsn, "sealring")
    await store.open()
    try:
        ask(postgres_dsn, "ALTER SCHEMA sealring RENAME TO elsewhere")
        with pytest.raises(StoreUnavailable, match=r'relation "accounts" does not exist \(42P01\)') as refused:
            await store.find_account(id="x")
    finally:
        await store.close()
    assert "sealring migrate" in str(refused.value.hint)


# settings of the database


@asynccontextmanager
async def database_with(dsn: str, setting: str) -> Any:
    (name,) = ask(dsn, "SELECT current_database()")[0]
    ask(dsn, f"ALTER DATABASE {name} SET {setting}")
    yield


@pytest.mark.postgres
@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pooled"])
@pytest.mark.parametrize(
    "setting",
    [
        "standard_conforming_strings = off",
        "backslash_quote = on",
        "DateStyle = 'SQL, DMY'",
        "TimeZone = 'Asia/Kathmandu'",
        "bytea_output = escape",
        "default_transaction_isolation = serializable",
        "default_transaction_deferrable = on",
        "client_encoding = LATIN1",
        "synchronous_commit = off",
        "search_path = nowhere, public, pg_catalog",
        "array_nulls = off",
        "transform_null_equals = on",
        "plan_cache_mode = force_custom_plan",
        "enable_nestloop = off",
        "lc_messages = 'C'",
        "row_security = off",
        "xmlbinary = hex",
        "client_min_messages = debug1",
    ],
)
async def test_settings_of_a_database_do_not_matter(
    request: pytest.FixtureRequest, setting: str, *, pooled: bool
) -> None:
    dsn: str = request.getfixturevalue("postgres_dsn")
    async with database_with(dsn, setting):
        await lead_a_life(request.getfixturevalue("pooled_dsn") if pooled else dsn)


PATIENCE_MS, SLOW_SECONDS = 100, 0.3


async def takes_long(_: str, connection: Connection) -> None:
    await connection.execute(f"SELECT pg_sleep({SLOW_SECONDS})".encode())


async def waits_for_a_lock(dsn: str, connection: Connection) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as other:
        await other.execute("LOCK TABLE store IN ACCESS EXCLUSIVE MODE")
        waiting = asyncio.ensure_future(connection.execute("SELECT head FROM store"))
        await asyncio.sleep(SLOW_SECONDS)
        assert not waiting.done()
        await other.rollback()
        await waiting


async def is_idle(_: str, connection: Connection) -> None:
    await connection.execute("SELECT 1")
    await asyncio.sleep(SLOW_SECONDS)
    await connection.execute("SELECT 1")


@pytest.mark.postgres
@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pooled"])
@pytest.mark.parametrize(
    ("setting", "work"),
    [
        ("statement_timeout", takes_long),
        ("lock_timeout", waits_for_a_lock),
        ("idle_in_transaction_session_timeout", is_idle),
    ],
)
async def test_a_transaction_may_take_longer_than_the_database_says(
    request: pytest.FixtureRequest, setting: str, work: Callable[[str, Connection], Awaitable[None]], *, pooled: bool
) -> None:
    """The patience is long enough for the statement that puts our settings in force, on a busy machine too."""
    dsn: str = request.getfixturevalue("postgres_dsn")
    store = PostgresStore(dsn)
    await store.open()
    await store.close()
    async with database_with(dsn, f"{setting} = {PATIENCE_MS}"):
        database = Database(request.getfixturevalue("pooled_dsn") if pooled else dsn)
        await database.open()
        try:
            await database.transact(partial(work, dsn))
        finally:
            await database.close()


@pytest.mark.postgres
async def test_a_database_that_is_set_read_only_is_refused_with_words(postgres_dsn: str) -> None:
    async def open_it() -> None:
        said, hint = await refusal(postgres_dsn)
        assert said == "the database is read-only: default_transaction_read_only is on"
        assert "RESET default_transaction_read_only" in hint

    async with database_with(postgres_dsn, "default_transaction_read_only = on"):
        await open_it()
    (name,) = ask(postgres_dsn, "SELECT current_database()")[0]
    with psycopg.connect(postgres_dsn, autocommit=True) as admin:
        admin.execute("SET default_transaction_read_only = off")
        admin.execute(f"ALTER DATABASE {name} RESET ALL".encode())
    await lead_a_life(postgres_dsn)
    async with database_with(postgres_dsn, "default_transaction_read_only = on"):
        await open_it()


@pytest.mark.postgres
@pytest.mark.parametrize(("encoding", "works"), [("SQL_ASCII", True), ("LATIN1", False), ("EUC_JP", False)])
async def test_a_database_holds_any_text_or_is_refused(postgres_dsn: str, encoding: str, *, works: bool) -> None:
    name = f"encoded_{encoding.lower()}_{secrets.token_hex(6)}"  # the workers of a run share one server
    ask(
        postgres_dsn,
        f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
    )
    (database,) = ask(postgres_dsn, "SELECT current_database()")[0]
    dsn = postgres_dsn.replace(f"/{database}", f"/{name}")
    if works:
        await lead_a_life(dsn)
    else:
        said, hint = await refusal(dsn)
        assert said.startswith(f"the database is encoded in {encoding}")
        assert "ENCODING 'UTF8'" in hint
    ask(postgres_dsn, f"DROP DATABASE {name} WITH (FORCE)")


# Alembic


def proposals(dsn: str, **options: Any) -> list[str]:
    """What autogenerate would do about a database in which one model of the application is missing."""
    models = MetaData()
    Table("orders", models, Column("id", Integer, primary_key=True))
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn))
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts=options), models)
    engine.dispose()
    return [f"{step[0]} {step[1].name}" for step in found if step[0] in {"add_table", "remove_table"}]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("schema", "options", "include"),
    [
        (None, {}, include_name),
        ("sealring", {"include_schemas": True}, partial(include_name, schema="sealring")),
    ],
)
async def test_alembic_proposes_to_drop_no_table_of_ours(
    postgres_dsn: str, schema: str | None, options: dict[str, Any], include: Callable[..., bool]
) -> None:
    await lead_a_life(postgres_dsn, schema)
    ask(postgres_dsn, "CREATE TABLE forgotten (id INT)")
    unguarded = proposals(postgres_dsn, **options)
    assert {f"remove_table {name}" for name in TABLES} <= {*unguarded}, "what the snippet of the docs is for"
    guarded = proposals(postgres_dsn, include_name=include, **options)
    assert sorted(guarded) == ["add_table orders", "remove_table forgotten"]


@pytest.mark.postgres
async def test_every_table_of_ours_is_known_to_alembics_filter(postgres_dsn: str) -> None:
    store = PostgresStore(postgres_dsn)
    await store.open()
    await store.close()
    assert tables(postgres_dsn, "public") == TABLES
