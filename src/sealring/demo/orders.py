"""The orders of the demo: a table of its own in the database file that the sessions live in.

What a real application would have, small enough to read at one glance: rows that belong to a subject,
and no query that could give one user another's.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from hashlib import sha256

from sealring.store.sqlite.writer import SqliteWriter

SCHEMA = """
CREATE TABLE IF NOT EXISTS demo_orders (
    subject     TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    item        TEXT    NOT NULL,
    quantity    INTEGER NOT NULL,
    total_cents INTEGER NOT NULL,
    ordered_at  INTEGER NOT NULL,
    PRIMARY KEY (subject, number)
) STRICT, WITHOUT ROWID
"""

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


class Orders:
    """Orders in SQLite, by the same way to the file as the sessions."""

    def __init__(self, file: SqliteWriter) -> None:
        self._file = file

    async def open(self) -> None:
        """Make the table, in the file that is open already."""
        await self._file.write(lambda db: db.execute(SCHEMA))

    async def of(self, subject: str) -> list[Order]:
        """The orders of this subject, newest first. Whoever has none yet finds a few samples, the same each time."""
        found = await self._file.read(lambda db: _select(db, subject))
        if not found:
            await self._file.write(lambda db: _insert_samples(db, subject, int(time.time())))
            found = await self._file.read(lambda db: _select(db, subject))
        return found


def _select(db: sqlite3.Connection, subject: str) -> list[Order]:
    rows = db.execute(
        "SELECT number, item, quantity, total_cents, ordered_at FROM demo_orders"
        " WHERE subject = ? ORDER BY number DESC",
        (subject,),
    )
    return [
        Order(id=f"{number:04}", item=item, quantity=quantity, total_cents=total, ordered_at=at)
        for number, item, quantity, total, at in rows
    ]


def _insert_samples(db: sqlite3.Connection, subject: str, now: int) -> None:
    chance = sha256(subject.encode()).digest()
    for number in range(1, FIRST_ORDERS + 1):
        item, cents = CATALOGUE[chance[number] % len(CATALOGUE)]
        quantity = 1 + chance[-number] % 3
        ordered_at = now - (FIRST_ORDERS - number) * 9 * DAY_SECONDS - chance[number + FIRST_ORDERS] * 300
        db.execute(
            "INSERT INTO demo_orders VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (subject, number, item, quantity, quantity * cents, ordered_at),
        )
