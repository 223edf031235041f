"""The database file itself: made for its owner alone, opened with the settings that every promise rests on.

synchronous=FULL because a 2xx must survive a power cut (P2); the -wal and -shm files take the mode of the database.
A place that cannot be used is a ConfigurationError with a hint, before anything is written.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

from sealring.errors import ConfigurationError, StoreUnavailable

OLDEST_SQLITE = (3, 37, 0)
"""STRICT tables; RETURNING came two releases before."""
BUSY_SECONDS = 5.0 if sys.platform == "win32" else 0.25
"""SQLite's own waiting, for tools that do not know the turnstile; a group tries again until its budget is spent."""
WAL_BYTES_KEPT = 16 * 1024 * 1024
"""What a log that once grew is cut back to."""
PLACE_HINT = "set SEALRING_DATABASE_URL to a file in a folder that exists and can be written"

PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})
"""Primary result codes that speak of the moment: the same connection may fare better at the next try."""


def result_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code of an error, 0 when it has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def make_file(path: Path) -> None:
    """Make an empty database with mode 600, unless there is one.

    Raises:
        ConfigurationError: the place cannot be used.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise ConfigurationError(
            f"SQLite {sqlite3.sqlite_version} is too old", hint="use a Python that carries SQLite 3.37 or newer"
        )
    if not path.parent.is_dir():
        raise ConfigurationError(f"the folder of {path.name} does not exist", hint=PLACE_HINT)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
    except OSError as error:
        raise ConfigurationError(f"{path.name} cannot be written: {error.strerror}", hint=PLACE_HINT) from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode. Call it in the turnstile: it may replay and checkpoint a log left behind.

    Raises:
        ConfigurationError: the file is no database or cannot be written.
        StoreUnavailable: it could not be opened this time.
    """
    journal = "DELETE" if sys.platform == "win32" else "WAL"
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS, cached_statements=256)
        try:
            db.execute(f"PRAGMA journal_mode = {journal}").fetchone()
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA trusted_schema = OFF")
            db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}").fetchone()
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as error:
        raise opening_error(path, error) from error
    return db


def opening_error(path: Path, error: sqlite3.Error | OSError) -> ConfigurationError | StoreUnavailable:
    """What an error means while the file is being opened, when somebody can still mend it."""
    if isinstance(error, OSError):
        return ConfigurationError(f"{path.name} cannot be locked: {error.strerror}", hint=PLACE_HINT)
    if result_code(error) in PASSING | {sqlite3.SQLITE_IOERR}:
        return StoreUnavailable(f"{path.name} cannot be opened now: {error}")
    if result_code(error) == sqlite3.SQLITE_NOTADB:
        return ConfigurationError(f"{path.name} is not an SQLite database", hint=PLACE_HINT)
    return ConfigurationError(f"{path.name} cannot be used: {error}", hint=PLACE_HINT)
