"""One connection to PostgreSQL, and the settings that hold for each of its transactions.

A pooler in transaction mode lends a client another server connection for each transaction, and lends the same one to
others afterwards. So nothing may be kept there: no prepared statement (before PgBouncer 1.21 its name runs what
another client has prepared under it), no SET beyond the transaction, no LISTEN, no lock of the session (N9). Behind a
pooler our settings go with every transaction, in the round trip that begins it. On a direct connection, which nobody
else ever uses, they are set once.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.abc import Params, PQGen, Query
from psycopg.pq import TransactionStatus

STATEMENT_SECONDS = 5.0
"""How long a statement may take."""
READ_COMMITTED = "ISOLATION LEVEL READ COMMITTED"
SNAPSHOT = "ISOLATION LEVEL REPEATABLE READ, READ ONLY"

_SETTINGS = {
    "synchronous_commit": (
        "CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END"
    ),
    "statement_timeout": f"'{int(STATEMENT_SECONDS * 1000)}'",
    "lock_timeout": "'0'",
    "idle_in_transaction_session_timeout": f"'{int(2 * STATEMENT_SECONDS * 1000)}'",
    "plan_cache_mode": "'force_generic_plan'",
    "array_nulls": "'on'",
    "jit": "'off'",
}
"""Set always, since the server, the database and the role have defaults of their own.

An acknowledged commit is on disk (P2), and a stronger `synchronous_commit` stays as it is. Nothing holds a lock for
long, and nothing gives up earlier than that.
Plans are made without looking at values: every statement goes by a key or takes a few rows of an array, and batches
lock their rows in the order of the array. To compile such a statement takes a hundred times as long as to run it."""
_ISOLATION = {"default_transaction_isolation": "'read committed'"}
"""For statements that are a transaction of their own; others ask for it when they begin."""


def settings_statement(schema: str | None, *, of_transaction: bool) -> str:
    """The statement that puts our settings in force, until the transaction's end or the connection's.

    Args:
        schema: where our tables are; none leaves the search path as it is.
        of_transaction: until the transaction's end.
    """
    settings = _SETTINGS if of_transaction else _SETTINGS | _ISOLATION
    if schema is not None:
        # temporary tables last: one of another user of the pool must not stand in front of ours
        path = '"{}", pg_temp'.format(schema.replace('"', '""')).replace("'", "''")
        settings = settings | {"search_path": f"'{path}'"}
    local = "true" if of_transaction else "false"
    return "SELECT " + ", ".join(f"set_config('{name}', {value}, {local})" for name, value in settings.items())


class _EndingWithSync(psycopg.AsyncPipeline):
    """A pipeline whose last message is Sync.

    psycopg's own sends Flush behind it, to hurry results that are not there yet. A pooler that has seen the
    transaction end by then lends another server connection for it. Nothing answers a Flush, so that one stays with a
    client that wants nothing, and once all of them do, every other client waits (N9).
    """

    def _exit_gen(self) -> PQGen[None]:
        try:
            self._enqueue_sync()
            yield from self._communicate_gen()
        finally:
            yield from self._fetch_gen(flush=False)


class Connection(psycopg.AsyncConnection[Any]):
    """A connection with our settings, and with what its engine can do."""

    can_notify = False
    """Whether the engine knows `pg_notify`: those that only speak PostgreSQL's SQL may not."""
    pooled = False
    """Whether a pooler is between: what the server calls this connection is not what it said at its start."""
    _settings = ""
    """What each transaction puts in force. Empty where the whole connection has our settings."""

    async def configure(self, schema: str | None) -> None:
        """Find out what is at the other end, and see that our settings hold."""
        cursor = await super().execute(
            "SELECT pg_backend_pid(), EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proname = 'pg_notify')"
        )
        ((pid, self.can_notify),) = await cursor.fetchall()
        self.pooled = pid != self.info.backend_pid
        if self.pooled:
            self._settings = settings_statement(schema, of_transaction=True)
        else:
            await super().execute(settings_statement(schema, of_transaction=False).encode())

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[psycopg.AsyncPipeline]:
        """Statements that travel together, and Sync behind them."""
        if self._pipeline is None:
            self._pipeline = _EndingWithSync(self)
        async with super().pipeline() as pipeline:
            yield pipeline

    async def check_transactions(self) -> None:
        """See that a pooler takes transactions: one in statement mode runs each statement anywhere, by itself (N9).

        BEGIN travels alone here. A whole transaction in one round trip passes such a pooler now and then.

        Raises:
            OperationalError: it takes none.
        """
        if self.pooled:
            async with self.snapshot():
                pass

    async def begin(self, mode: str = READ_COMMITTED) -> None:
        """Begin a transaction, with our settings in the same round trip."""
        await super().execute(f"BEGIN {mode}; {self._settings}".encode())

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """A transaction that only reads, all of it from one moment."""
        await self.begin(SNAPSHOT)
        try:
            yield
        except BaseException:
            if not self.closed:
                await self.rollback()
            raise
        await self.execute("COMMIT")

    async def execute(
        self, query: Query, params: Params | None = None, *, prepare: bool | None = None, binary: bool = False
    ) -> psycopg.AsyncCursor[Any]:
        """One statement: of the transaction that was begun, else a transaction of its own, in one round trip."""
        if not self._settings or self.info.transaction_status != TransactionStatus.IDLE:
            return await super().execute(query, params, prepare=prepare, binary=binary)  # type: ignore[arg-type]
        try:
            async with self.pipeline():
                await super().execute(f"BEGIN {READ_COMMITTED}".encode())
                await super().execute(self._settings.encode())
                cursor = await super().execute(query, params, prepare=prepare, binary=binary)  # type: ignore[arg-type]
                await super().execute("COMMIT")
        except BaseException:
            if not self.closed:
                await self.rollback()
            raise
        return cursor


async def check_alive(connection: Connection) -> None:
    """Notice, without asking the server, that it has hung up: so that a restart fails no request.

    Raises:
        OperationalError: it has.
    """
    for _ in range(2):  # a server's last words come first, then the end of the stream
        connection.pgconn.consume_input()
    if connection.pgconn.status != psycopg.pq.ConnStatus.OK:
        raise psycopg.OperationalError("the connection is lost")


def hang_up(connection: Connection) -> None:
    """End a connection on which something hangs, without cancelling it: see `Batcher.close`."""
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
