"""A row that is written again and again: proof that this server's commits are still acknowledged (F8).

A primary that was fenced off answers every read as before, and knows nothing of what its successor has revoked since.
But its synchronous standbys are gone: its commits hang, and PostgreSQL shows a row to others only when its commit was
acknowledged. So a heartbeat that can be read was acknowledged after it was made. It has a row of its own, so that it
never waits for a revocation; and no write of it is ever cancelled, for PostgreSQL shows what was cancelled as well.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import psycopg

from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import Database

log = logging.getLogger("sealring.store")

NOW_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::BIGINT"
"""The server's clock now, and not at the beginning of the transaction."""
PATIENCE_SECONDS = 1.0
"""How long a poll waits for a write to be acknowledged. A healthy server takes milliseconds."""
_WRITE = f"UPDATE heartbeat SET at_ms = {NOW_MS} WHERE at_ms NOT BETWEEN {NOW_MS} - %s AND {NOW_MS}"  # noqa: S608 - constants
"""A node that waited here for another's write finds a recent time, and writes nothing."""


async def witness(connection: Connection) -> None:
    """Write in a transaction that has written nothing: its commit is then acknowledged, and what it read with it."""
    await connection.execute(f"UPDATE heartbeat SET at_ms = {NOW_MS}".encode())  # noqa: S608 - a constant


class Heartbeat:
    """Writes it for this node.

    Args:
        database: where; one of its connections is taken for as long as a commit hangs.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writing: asyncio.Task[None] | None = None
        self._may_write = True

    async def write(self, every_ms: int) -> bool:
        """See `Store.heartbeat`."""
        if not self._may_write or (self._writing is not None and not self._writing.done()):
            return False
        self._writing = self._database.start(partial(self._write, every_ms=every_ms))
        await asyncio.wait({self._writing}, timeout=PATIENCE_SECONDS)
        return self._writing.done() and self._writing.exception() is None

    async def _write(self, connection: Connection, every_ms: int) -> None:
        try:
            await connection.execute(_WRITE.encode(), (every_ms,))
        except psycopg.errors.InsufficientPrivilege:
            self._may_write = False
            log.warning("this role may not write the heartbeat; the node follows what others write")
            raise
