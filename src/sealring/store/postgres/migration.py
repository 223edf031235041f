"""Bringing the schema to this version, and what a database must be to hold it.

All steps are one transaction under a lock that ends with it, so nothing is left behind on a connection that a pooler
lends to others (N9), and of two nodes that start at once one makes the tables. A server that may make no tables only
looks whether that is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg.sql import SQL, Identifier

from sealring.errors import ConfigurationError, StoreUnavailable
from sealring.store.postgres.connection import Connection
from sealring.store.schema import names_made, pending_migrations

LOCK = 0x5EA1_4196
"""Of pg_advisory_xact_lock."""
WAIT_SECONDS = 60
"""How long to wait for another migration, and for each lock."""
ENCODINGS = frozenset({"UTF8", "SQL_ASCII"})
"""Of databases that can hold any text. Every other one refuses letters that it does not have."""

_PLACE: LiteralString = """
SELECT pg_encoding_to_char(encoding), current_schema(), current_setting('transaction_read_only') = 'on',
  pg_is_in_recovery(), EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s)
FROM pg_catalog.pg_database WHERE datname = current_database()
"""
# not to_regclass: it answers from a cache that waiting for an advisory lock does not renew, so of two nodes that start
# at once the second would make the tables again
_FOUND: LiteralString = """
SELECT c.relname, n.nspname = current_schema(), (
  SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
  FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
) FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = ANY(%s) AND pg_table_is_visible(c.oid)
"""
_OURS = {"schema_version": "version integer, digest text", "store": "one integer, incarnation text"}
"""How the columns of two tables begin; no other application has both."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the tables are, or would be made."""

    encoding: str
    schema: str | None
    read_only: bool
    standby: bool
    exists: bool


async def migrate(connection: Connection, schema: str | None, *, wait_seconds: int = WAIT_SECONDS) -> None:
    """Bring the tables to this version.

    Args:
        connection: not in a transaction.
        schema: where the tables are, made when it is missing; none means the first schema of the search path.
        wait_seconds: how long to wait for another migration.

    Raises:
        ConfigurationError: the database or the schema cannot be used, or is newer than this program.
        StoreUnavailable: it cannot be written now, or another migration has not ended in time.
    """
    place = await _look(connection, schema)
    _check(place, schema)
    if not pending_migrations("postgresql", await _applied(connection)):
        return
    if place.read_only or place.standby:
        raise _unwritable(place)
    await connection.begin()
    try:
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute(f"SET LOCAL lock_timeout = {wait_seconds * 1000}".encode())
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        await _make(connection, schema)
    except psycopg.errors.LockNotAvailable as error:
        raise StoreUnavailable(
            f"another migration of this database has not ended in {wait_seconds} s",
            hint="it may be at work, or hang: SELECT * FROM pg_stat_activity JOIN pg_locks USING (pid)"
            " WHERE locktype = 'advisory'",
        ) from error
    finally:
        if not connection.closed:
            await connection.rollback()


async def read_version(connection: Connection, schema: str | None) -> int:
    """The number of the newest step that was made; 0 before the first. It makes nothing.

    Raises:
        ConfigurationError: the database or the schema cannot be used or made, or is newer than this program.
        StoreUnavailable: a step is wanted, and the database cannot be written now.
    """
    place = await _look(connection, schema)
    _check(place, schema)
    applied = await _applied(connection)
    if pending_migrations("postgresql", applied) and (place.read_only or place.standby):
        raise _unwritable(place)
    if not applied:
        await _refuse_foreign(connection)
        await _check_grants(connection, None if schema is not None and not place.exists else place.schema)
    return max(applied, default=0)


async def _check_grants(connection: Connection, schema: str | None) -> None:
    """Whether this role may make what is not there yet: the schema, or the tables in it."""
    question = (
        "SELECT has_database_privilege(current_database(), 'CREATE')"
        if schema is None
        else "SELECT has_schema_privilege(current_schema(), 'CREATE')"
    )
    ((granted,),) = await (await connection.execute(question)).fetchall()
    if not granted:
        where = "no schema here" if schema is None else f'no tables in the schema "{schema}"'
        raise ConfigurationError(
            f"this role may make {where}",
            hint="docs/how-to/many-nodes.md lists the grants; run `sealring migrate` as a role that may",
        )


async def _make(connection: Connection, schema: str | None) -> None:
    steps = pending_migrations("postgresql", applied := await _applied(connection))
    if schema is not None and not (await _look(connection, schema)).exists:
        await connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema)))
        _check(await _look(connection, schema), schema)
    if not applied:
        await _refuse_foreign(connection)
    if steps:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, digest TEXT NOT NULL)"
        )
        for step in steps:
            for statement in step.statements:
                await connection.execute(statement.encode())
            await connection.execute("INSERT INTO schema_version VALUES (%s, %s)", (step.number, step.digest))
    await connection.execute("COMMIT")


async def _look(connection: Connection, schema: str | None) -> _Place:
    (row,) = await (await connection.execute(_PLACE, (schema,))).fetchall()
    return _Place(*row)


def _check(place: _Place, schema: str | None) -> None:
    if place.encoding not in ENCODINGS:
        raise ConfigurationError(
            f"the database is encoded in {place.encoding}, which has no letters for most names",
            hint="make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
        )
    if place.schema is None and schema is None:
        raise ConfigurationError(
            "the search path names no schema that exists and that this role may use",
            hint="set SEALRING_DATABASE_SCHEMA, or the role's search_path",
        )
    if place.exists and place.schema != schema:  # the next on the path is pg_temp: tables there would be temporary
        raise ConfigurationError(
            f'this role may not use the schema "{schema}"', hint=f'GRANT USAGE ON SCHEMA "{schema}" TO the role'
        )
    if place.read_only and not place.standby:
        raise _unwritable(place)


def _unwritable(place: _Place) -> StoreUnavailable:
    if place.standby:
        return StoreUnavailable("this PostgreSQL is a standby", hint="let SEALRING_DATABASE_URL name the primary")
    return StoreUnavailable(
        "the database is read-only: default_transaction_read_only is on",
        hint="some hosts set it when the disk is full; else ALTER DATABASE … RESET default_transaction_read_only",
    )


async def _applied(connection: Connection) -> dict[int, str]:
    """The steps that were applied here, each with its digest."""
    found = {name: columns for name, _, columns in await _found(connection, list(_OURS))}
    if not all(found.get(name, "").startswith(columns) for name, columns in _OURS.items()):
        return {}
    return dict(await (await connection.execute("SELECT version, digest FROM schema_version")).fetchall())


async def _refuse_foreign(connection: Connection) -> None:
    """Somebody else's tables are neither used nor changed (B16)."""
    names = ["schema_version", *names_made("postgresql")]
    taken = sorted(name for name, here, _ in await _found(connection, names) if here)
    if taken:
        ((schema,),) = await (await connection.execute("SELECT current_schema()")).fetchall()
        raise ConfigurationError(
            f'the schema "{schema}" has tables of these names that are not Sealring\'s: {", ".join(taken)}',
            hint="set SEALRING_DATABASE_SCHEMA=sealring, or give Sealring a database of its own",
        )


async def _found(connection: Connection, names: list[str]) -> list[tuple[str, bool, str]]:
    """Of these names those that are taken; whether where tables would be made; and their columns."""
    return await (await connection.execute(_FOUND, (names,))).fetchall()
