"""The store in one SQLite file: for one machine, one process or several."""

from sealring.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
