"""The database file itself: made for its owner alone, opened with the settings that every promise rests on.

synchronous=FULL because a 2xx must survive a power cut (P2); the -wal and -shm files take the mode of the database.
A place that cannot be used is a ConfigurationError with a hint, before anything is written.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from sealring.errors import ConfigurationError, StoreUnavailable
from sealring.store.schema import pending_migrations

OLDEST_SQLITE = (3, 37, 0)
"""STRICT tables; RETURNING came two releases before."""
BUSY_SECONDS = 5.0 if sys.platform == "win32" else 0.25
"""SQLite's own waiting, for tools that do not use the lock files; a group tries again until its budget is spent."""
WAL_BYTES_KEPT = 16 * 1024 * 1024
"""What a log that once grew is cut back to."""
URL_HINT = "use sqlite:///sealring.db (four slashes for an absolute path) or postgresql://user@host/database"
PLACE_HINT = "set SEALRING_DATABASE_URL to a file in a folder that exists and can be written"

PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})
"""Primary result codes that speak of the moment: the same connection may fare better at the next try."""


class OpenedFiles:
    """Which files the path named when a connection opened them: the database, and the log of its latest commits.

    A file that is removed or replaced stays open, and SQLite goes on writing to a file that no path names. (It looks
    only when it uses a rollback journal.) A log that is gone takes all commits since the last checkpoint with it.

    Args:
        path: the database file, which must exist.

    Raises:
        OSError: it does not.
    """

    def __init__(self, path: Path) -> None:
        self._log = path.with_name(f"{path.name}-wal")
        self._path = path
        self._database_file = _file_at(path)
        if self._database_file is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._log_file: tuple[int, int] | None = None

    def find_log(self) -> None:
        """Call it while the connection is open and has read or written: from then on the log is there."""
        if self._log_file is None:
            self._log_file = _file_at(self._log)

    def forget_log(self) -> None:
        """Call it when the connection is closed: the last one takes the log with it."""
        self._log_file = None

    def are_there(self) -> bool:
        """Whether the path still names them."""
        if _file_at(self._path) != self._database_file:
            return False
        return self._log_file is None or _file_at(self._log) == self._log_file


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - asked at every commit, and half as long as Path.stat
    except OSError:
        return None
    return found.st_dev, found.st_ino


def result_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code of an error, 0 when it has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def check_name(path: str | Path) -> Path:
    """The path of a database file, unless SQLite's tools would read it as something else.

    Raises:
        ConfigurationError: `:memory:`, a `file:` URI, or a name with invisible characters.
    """
    text = str(path)
    if text == ":memory:" or text.endswith("/:memory:"):
        raise ConfigurationError(
            "SQLite in memory would lose every session with the process",
            hint="name a file; tests can use Sealring(store=MemoryStore()) from sealring.store.memory",
        )
    if text.startswith("file:"):
        raise ConfigurationError("a file: URI is not taken as a database", hint=URL_HINT)
    if not text.isprintable() or text != text.strip():
        raise ConfigurationError("the database's name begins or ends with a space or has control characters", URL_HINT)
    return Path(path)


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
    """A connection in autocommit mode. Call it under the write lock: it may replay and checkpoint a log left behind.

    Raises:
        ConfigurationError: the file is no database or cannot be written.
        StoreUnavailable: it could not be opened this time.
    """
    journal = "DELETE" if sys.platform == "win32" else "WAL"
    try:
        uri = f"{path.as_uri()}?mode=rw"  # never made here: a file that was removed must not come back empty
        db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS, cached_statements=256)
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


def read_version(path: Path) -> int:
    """The version of the schema in a file, 0 when there is no file or no table; by a connection that cannot write.

    Raises:
        ConfigurationError: the file is no database, or is newer than this program.
        StoreUnavailable: it could not be read this time.
    """
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as db:
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchone() is None:
                return 0
            applied = dict(db.execute("SELECT version, digest FROM schema_version").fetchall())
    except sqlite3.Error as error:
        raise opening_error(path, error) from error
    pending_migrations("sqlite", applied)
    return max(applied, default=0)


def opening_error(path: Path, error: sqlite3.Error | OSError) -> ConfigurationError | StoreUnavailable:
    """What an error means while the file is being opened, when the operator can still act on it."""
    if isinstance(error, OSError):
        return ConfigurationError(f"{path.name} cannot be locked: {error.strerror}", hint=PLACE_HINT)
    if result_code(error) in PASSING | {sqlite3.SQLITE_IOERR}:
        return StoreUnavailable(f"{path.name} cannot be opened now: {error}")
    if result_code(error) == sqlite3.SQLITE_NOTADB:
        return ConfigurationError(f"{path.name} is not an SQLite database", hint=PLACE_HINT)
    return ConfigurationError(f"{path.name} cannot be used: {error}", hint=PLACE_HINT)
