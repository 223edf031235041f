"""Where sessions, accounts, keys and revocations live."""

from __future__ import annotations

from sealring.errors import ConfigurationError
from sealring.store.protocol import Store
from sealring.store.sqlite import SqliteStore

_HINT = "use sqlite:///sealring.db (four slashes for an absolute path) or postgresql://user@host/database"


def open_store(url: str) -> Store:
    """The store that a URL names, not yet opened: call `await store.open()`.

    `sqlite:///relative.db`, `sqlite:////absolute.db` or any `postgresql://…` that libpq reads.

    Raises:
        ConfigurationError: no such kind of store, or its package is not installed. The URL, which may hold a password,
            is not in the message.

    Example:
        >>> type(open_store("sqlite:///sealring.db")).__name__
        'SqliteStore'
    """
    scheme, separator, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1 and "?" not in rest and not rest.endswith("/"):
        return SqliteStore(rest[1:])
    if separator and scheme in {"postgresql", "postgres"}:
        try:
            from sealring.store.postgres import PostgresStore  # noqa: PLC0415 - psycopg is an extra
        except ImportError as error:
            raise ConfigurationError(
                "PostgreSQL needs the package psycopg", hint="pip install 'sealring[postgres]'"
            ) from error
        return PostgresStore(url)
    raise ConfigurationError("the database URL names no kind of store that there is", hint=_HINT)
