"""Wakes the follower on PostgreSQL NOTIFY, on a connection of its own; only a hint (F12)."""

from __future__ import annotations

import asyncio

import psycopg

from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import Database, unavailable
from sealring.store.postgres.logs import CHANNEL


class ChangeListener:
    """Listens while somebody waits; a connection that is lost is made again by the next who waits.

    Args:
        database: where the connection comes from.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None

    async def wait(self) -> None:
        """Return when something was notified, and at once after connecting: what came before was missed.

        Never, where the engine knows no `pg_notify`, and behind a pooler: a notification there goes to whichever client
        has the server connection then, and to LISTEN would leave it listening for all who get it later (N9). One
        caller at a time.

        Raises:
            StoreUnavailable: the connection could not be made, or is lost.
        """
        if self._connection is None:
            connection = await self._database.connect()
            if connection.pooled or not connection.can_notify:
                await connection.close()
                await asyncio.Event().wait()
            try:
                await connection.execute(f"LISTEN {CHANNEL}".encode())
            except BaseException:
                await connection.close()
                raise
            self._connection = connection
            return
        try:
            async for _ in self._connection.notifies(stop_after=1):
                pass
        except psycopg.Error as error:
            await self.close()
            raise unavailable(error) from error

    async def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
