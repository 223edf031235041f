"""The orders of the demo: a table of its own, by connections of its own, as any application has.

Small enough to read at one glance: rows that belong to a subject, and no query that could give one user another's. Of
Sealring it needs `StoreUnavailable` alone, which `auth.problem_response` answers with 503.

In PostgreSQL the table stands beside ours. SQLite gets a file of its own: every connection that writes to Sealring's
must hold its locks, or two of them may damage the file (the bug of sqlite.org/wal.html#walresetbug).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import unquote

from sealring import StoreUnavailable

if TYPE_CHECKING:  # psycopg is an extra
    from psycopg import AsyncConnection

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
WAIT_SECONDS = 5.0
CONNECTIONS = 4

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

Row = tuple[int, str, int, int, int]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order; `ordered_at` in Unix seconds."""

    id: str
    item: str
    quantity: int
    total_cents: int
    ordered_at: int


class Orders(Protocol):
    """Where the orders are. Each method raises `StoreUnavailable` while the database cannot be used."""

    async def open(self) -> None:
        """Connect, and make the table."""

    async def close(self) -> None:
        """Disconnect."""

    async def of(self, subject: str) -> list[Order]:
        """Return this subject's orders, newest first. A new subject gets a few samples, the same each time."""


def orders_at(database_url: str, schema: str) -> Orders:
    """The orders beside the sessions: in the same PostgreSQL and schema, or in a file in the same folder."""
    if database_url.startswith("sqlite:"):
        sessions = Path(unquote(database_url.removeprefix("sqlite:///")))
        return SqliteOrders(sessions.with_name(f"{sessions.stem}-orders.db"))
    return PostgresOrders(database_url, schema)


class SqliteOrders:
    """Orders in SQLite: one connection in a thread of its own, so that no other request waits for the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def open(self) -> None:
        """See `Orders.open`."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="orders")
        self._database = await self._run(self._connect)

    async def close(self) -> None:
        """See `Orders.close`."""
        await self._run(self._database.close)
        self._thread.shutdown()

    async def of(self, subject: str) -> list[Order]:
        """See `Orders.of`."""
        return await self._run(lambda: self._orders(subject))

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))  # what people buy is nobody else's business
        database = sqlite3.connect(self._path, timeout=WAIT_SECONDS)
        database.execute(f"{SCHEMA} STRICT, WITHOUT ROWID")
        return database

    def _orders(self, subject: str) -> list[Order]:
        select, insert = SELECT.replace("%s", "?"), INSERT.replace("%s", "?")
        found = self._database.execute(select, (subject,)).fetchall()
        if not found:
            with self._database:  # commits
                self._database.executemany(insert, _samples(subject, int(time.time())))
            found = self._database.execute(select, (subject,)).fetchall()
        return [_order(row) for row in found]

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable("the orders cannot be read now") from error


class PostgresOrders:
    """Orders in PostgreSQL, through a pool of connections."""

    def __init__(self, database_url: str, schema: str) -> None:
        self._url = database_url
        self._schema = schema

    async def open(self) -> None:
        """See `Orders.open`. Nodes that start at once take turns: IF NOT EXISTS alone lets two of them collide."""
        from psycopg_pool import AsyncConnectionPool  # noqa: PLC0415 - psycopg is an extra

        self._pool = AsyncConnectionPool(
            self._url,
            kwargs={"prepare_threshold": None},  # a pooler may hand us a statement of that name by another client
            min_size=1,
            max_size=CONNECTIONS,
            timeout=WAIT_SECONDS,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )
        await self._pool.open()
        try:
            async with self._transaction() as connection:
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
                await connection.execute(SCHEMA)
        except StoreUnavailable:
            await self._pool.close()
            raise

    async def close(self) -> None:
        """See `Orders.close`."""
        await self._pool.close()

    async def of(self, subject: str) -> list[Order]:
        """See `Orders.of`."""
        async with self._transaction() as connection:
            found = await (await connection.execute(SELECT, (subject,))).fetchall()
            if not found:
                await connection.cursor().executemany(INSERT, _samples(subject, int(time.time())))
                found = await (await connection.execute(SELECT, (subject,))).fetchall()
        return [_order(row) for row in found]

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection[Any]]:
        import psycopg  # noqa: PLC0415 - as above

        try:
            async with asyncio.timeout(WAIT_SECONDS), self._pool.connection() as connection:
                if self._schema:
                    await connection.execute("SELECT set_config('search_path', quote_ident(%s), true)", (self._schema,))
                yield connection
        except (psycopg.Error, TimeoutError) as error:
            raise StoreUnavailable("the orders cannot be read now") from error


def _order(row: Row) -> Order:
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
