"""Signing keys in SQLite. Every function runs inside the writer's transaction, or reads."""

# ruff: noqa: S608
# only column names and conditions of our own are put into statements; every value is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from sealring.signing_keys.key import KeyRing, SigningKey
from sealring.store.rows import KEY_COLUMNS, read_key, write_key


def read_ring(db: sqlite3.Connection) -> KeyRing:
    """The keys and their version, from one snapshot."""
    db.execute("BEGIN")
    version, longest = db.execute("SELECT keys_version, longest_access_ttl FROM store").fetchone()
    rows = db.execute(f"SELECT {KEY_COLUMNS} FROM signing_keys ORDER BY published_at, kid").fetchall()
    db.execute("COMMIT")
    return KeyRing(version, tuple(map(read_key, rows)), longest)


def write_ring(db: sqlite3.Connection, version: int, keys: Sequence[SigningKey]) -> bool:
    """Replace the keys, unless the version has moved."""
    moved = db.execute("UPDATE store SET keys_version = keys_version + 1 WHERE keys_version = ?", (version,))
    if moved.rowcount == 0:
        return False
    db.execute("DELETE FROM signing_keys")
    db.executemany(
        f"INSERT INTO signing_keys ({KEY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [write_key(key) for key in keys]
    )
    return True
