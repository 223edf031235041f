"""The store in PostgreSQL: for any number of nodes."""

from sealring.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
