"""The orders of the demo: a table of its own in the database that the sessions live in.

What a real application would have, small enough to read at one glance: rows that belong to a subject,
and no query that could give one user another's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from sealring.errors import ConfigurationError
from sealring.store.protocol import Store
from sealring.store.sqlite import SqliteStore
from sealring.store.sqlite.writer import SqliteWriter

if TYPE_CHECKING:  # psycopg is an extra
    from sealring.store.postgres.connection import Connection
    from sealring.store.postgres.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS demo_orders (
    subject     TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    item        TEXT    NOT NULL,
    quantity    INTEGER NOT NULL,
    total_cents INTEGER NOT NULL,
    ordered_at  INTEGER NOT NULL,
    PRIMARY KEY (subject, number)
)
"""
SELECT = (
    "SELECT number, item, quantity, total_cents, ordered_at FROM demo_orders WHERE subject = %s ORDER BY number DESC"
)
INSERT = "INSERT INTO demo_orders VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
SCHEMA_LOCK = 0x0DE1_0C4B
"""Of pg_advisory_xact_lock."""

CATALOGUE = (
    ("Signet ring, silver", 18_900),
    ("Sealing wax, six sticks", 1_450),
    ("Letter paper, laid, 100 sheets", 2_380),
    ("Melting spoon, brass", 1_990),
    ("Ribbon, crimson, 5 m", 890),
    ("Envelope, deckle edge, 25", 1_275),
)
DAY_SECONDS = 86_400
FIRST_ORDERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order; `ordered_at` in Unix seconds."""

    id: str
    item: str
    quantity: int
    total_cents: int
    ordered_at: int


class Orders(Protocol):
    """Where the orders are."""

    async def open(self) -> None:
        """Make the table, in the database that is open already."""

    async def of(self, subject: str) -> list[Order]:
        """Return this subject's orders, newest first. A new subject gets a few samples, the same each time."""


def orders_in(store: Store) -> Orders:
    """The orders, in the same database as the sessions and by the same way to it."""
    if isinstance(store, SqliteStore):
        return SqliteOrders(store.writer)
    from sealring.store.postgres import PostgresStore  # noqa: PLC0415 - psycopg is an extra

    if isinstance(store, PostgresStore):
        return PostgresOrders(store.database)
    raise ConfigurationError("the demo keeps its orders in SQLite or PostgreSQL")


class SqliteOrders:
    """Orders in SQLite."""

    def __init__(self, file: SqliteWriter) -> None:
        self._file = file

    async def open(self) -> None:
        """See `Orders.open`."""
        await self._file.write(lambda db: db.execute(f"{SCHEMA} STRICT, WITHOUT ROWID"))

    async def of(self, subject: str) -> list[Order]:
        """See `Orders.of`."""
        select = SELECT.replace("%s", "?")
        found = await self._file.read(lambda db: db.execute(select, (subject,)).fetchall())
        if not found:
            insert, samples = INSERT.replace("%s", "?"), _samples(subject, int(time.time()))
            await self._file.write(lambda db: db.executemany(insert, samples))
            found = await self._file.read(lambda db: db.execute(select, (subject,)).fetchall())
        return [_order(row) for row in found]


class PostgresOrders:
    """Orders in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self) -> None:
        """See `Orders.open`. Nodes that start at once take turns: IF NOT EXISTS alone lets two of them collide."""

        async def make(connection: Connection) -> None:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
            await connection.execute(SCHEMA.encode())

        await self._database.transact(make)

    async def of(self, subject: str) -> list[Order]:
        """See `Orders.of`."""
        found = await self._select(subject)
        if not found:
            samples = _samples(subject, int(time.time()))

            async def insert(connection: Connection) -> None:
                await connection.cursor().executemany(INSERT, samples)

            await self._database.transact(insert)
            found = await self._select(subject)
        return found

    async def _select(self, subject: str) -> list[Order]:
        async def select(connection: Connection) -> list[Order]:
            rows = await (await connection.execute(SELECT, (subject,))).fetchall()
            return [_order(row) for row in rows]

        return await self._database.read(select)


def _order(row: tuple[int, str, int, int, int]) -> Order:
    number, item, quantity, total, at = row
    return Order(id=f"{number:04}", item=item, quantity=quantity, total_cents=total, ordered_at=at)


def _samples(subject: str, now: int) -> list[tuple[str, int, str, int, int, int]]:
    chance = sha256(subject.encode()).digest()
    rows = []
    for number in range(1, FIRST_ORDERS + 1):
        item, cents = CATALOGUE[chance[number] % len(CATALOGUE)]
        quantity = 1 + chance[-number] % 3
        ordered_at = now - (FIRST_ORDERS - number) * 9 * DAY_SECONDS - chance[number + FIRST_ORDERS] * 300
        rows.append((subject, number, item, quantity, quantity * cents, ordered_at))
    return rows
