"""Where sessions, accounts, keys and revocations live."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from sealring.errors import ConfigurationError
from sealring.store.protocol import Store
from sealring.store.sqlite import SqliteStore
from sealring.store.sqlite.file import URL_HINT, check_name

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def open_store(url: str, schema: str | None = None) -> Store:
    """The store that a URL names, not yet opened: call `await store.open()`.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db` or any `postgresql://…` that libpq reads.
        schema: in PostgreSQL, where our tables are.

    Raises:
        ConfigurationError: no such kind of store, one that has no schemas, or its package is not installed. The URL,
            which may hold a password, is not in the message.

    Example:
        >>> type(open_store("sqlite:///sealring.db")).__name__
        'SqliteStore'
    """
    path = sqlite_path(url)
    if path is not None and schema is not None:
        raise ConfigurationError(
            "SEALRING_DATABASE_SCHEMA is for PostgreSQL: an SQLite file has no schemas",
            hint="leave it out, or let SEALRING_DATABASE_URL name a PostgreSQL",
        )
    if path is not None:
        return SqliteStore(path)
    scheme, separator, _ = url.partition("://")
    if separator and scheme in {"postgresql", "postgres"}:
        try:
            from sealring.store.postgres import PostgresStore  # noqa: PLC0415 - psycopg is an extra
        except ImportError as error:
            raise ConfigurationError(
                "PostgreSQL needs the package psycopg", hint="pip install 'sealring[postgres]'"
            ) from error
        return PostgresStore(url, schema)
    if separator and "+" in scheme:
        raise ConfigurationError(
            "the database URL names a driver", hint="leave out the + and what follows it up to ://"
        )
    raise ConfigurationError("the database URL names no kind of store that there is", hint=URL_HINT)


def sqlite_path(url: str) -> Path | None:
    """The file that an SQLite URL names, percent escapes decoded (RFC 3986 §2.1); None for another kind of store.

    Raises:
        ConfigurationError: an SQLite URL that names no file.

    Example:
        >>> str(sqlite_path("sqlite:////var/lib/my%20app/sealring.db"))
        '/var/lib/my app/sealring.db'
    """
    scheme, _, rest = url.partition(":")
    if scheme != "sqlite":
        return None
    if "?" in rest or "#" in rest:
        raise ConfigurationError(
            "an SQLite URL takes no parameters", hint="leave out what begins with ? or #; in a name, write %3F or %23"
        )
    try:
        name = unquote(rest, errors="strict")
    except UnicodeDecodeError:
        name = ""
    if rest in {"//", "///"} or name.removeprefix("//").removeprefix("/") == ":memory:":
        check_name(":memory:")
    if _BROKEN_ESCAPE.search(rest) or not name.startswith("///") or name.endswith("/") or name == "///":
        raise ConfigurationError("the database URL names no file", hint=URL_HINT)
    return check_name(name.removeprefix("///"))
