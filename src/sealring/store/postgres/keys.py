"""Signing keys in PostgreSQL."""

# ruff: noqa: S608
# only column names of our own are put into statements; every value is a parameter

from __future__ import annotations

from collections.abc import Sequence

from sealring.audit.event import Event
from sealring.revocation.entry import Entry
from sealring.signing_keys.key import KeyRing, SigningKey
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import RollBack
from sealring.store.postgres.logs import append_and_commit
from sealring.store.records import Committed
from sealring.store.rows import KEY_COLUMNS, read_key, write_key

_OF_K = ", ".join(f"k.{name}" for name in KEY_COLUMNS.split(", "))


async def read_ring(connection: Connection) -> KeyRing:
    """The keys and their version, by one statement."""
    cursor = await connection.execute(
        f"SELECT s.keys_version, s.longest_access_ttl, {_OF_K} FROM store AS s LEFT JOIN signing_keys AS k ON true"
        " ORDER BY k.published_at, k.kid"
    )
    rows = await cursor.fetchall()
    return KeyRing(rows[0][0], tuple(read_key(row[2:]) for row in rows if row[2] is not None), rows[0][1])


async def write_ring(
    connection: Connection, version: int, keys: Sequence[SigningKey], drafts: Sequence[Entry], event: Event, *, now: int
) -> Committed[bool]:
    """Replace the keys, unless the version has moved. It locks the counter row from the first: rotations are rare."""
    moved = await connection.execute(
        "UPDATE store SET keys_version = keys_version + 1 WHERE keys_version = %s", (version,)
    )
    if moved.rowcount == 0:
        raise RollBack(Committed(result=False))
    await connection.execute("DELETE FROM signing_keys")
    for key in keys:
        await connection.execute(
            f"INSERT INTO signing_keys ({KEY_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", write_key(key)
        )
    return await append_and_commit(connection, drafts, event, result=True, now=now)
