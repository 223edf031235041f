"""Transactions on PostgreSQL: what may be tried again, what may not, and how long anything may take.

Until COMMIT is sent nothing is kept, so a deadlock, a serialization failure or a lost connection before it is tried
again on another connection, a bounded number of times (P6). A COMMIT whose answer is lost is StoreUnavailable: never
success, and never tried again here (P5). A caller that is cancelled does not cancel a transaction: it runs to its end
on its own, so no connection is broken or leaked (D8).
READ COMMITTED is asked for by name: the statements rely on seeing what was committed while they waited for a lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import WeakSet

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from sealring.errors import ConfigurationError, Overloaded, StoreUnavailable
from sealring.forks import leave_to_parent
from sealring.store.postgres.connection import STATEMENT_SECONDS, Connection, check_alive, hang_up
from sealring.store.postgres.error_text import hint_for, reason_of

T = TypeVar("T")

Work = Callable[[Connection], Awaitable[T]]

ATTEMPTS = 3
"""How often a transaction is begun at most."""
BUDGET_SECONDS = STATEMENT_SECONDS
"""How long one question may take, waiting for a connection and all attempts included."""
CONNECTIONS = 8
"""Of one process, beside those for swaps: enough for two cores' worth of waiting, few enough for many nodes."""
WAITING_LIMIT = 1024
"""Callers that may wait for a connection; callers beyond it get an error that says to try again."""

_DEFAULTS: dict[str, Any] = {
    "fallback_application_name": "sealring",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}
"""What the DSN may override: a connection to a machine that has gone silent ends by itself (F5)."""
_ALWAYS = {"client_encoding": "UTF8"}
"""Set on every connection, since the server's default may be another: any name is text that we can send."""
_CONNECTING: dict[str, Any] = {"autocommit": True, "prepare_threshold": None}
"""Nothing is prepared: behind a pooler the name of a prepared statement may run another client's (N9)."""


class RollBack(Exception):
    """Roll back, and return this."""

    def __init__(self, result: Any = None) -> None:
        super().__init__()
        self.result = result


class Database:
    """A pool of connections to one PostgreSQL.

    Args:
        dsn: a libpq URL or connection string.
        connections: at most this many.
        schema: where our tables are; none means by the server's search path.

    Raises:
        ConfigurationError: the DSN cannot be read.
    """

    def __init__(self, dsn: str, connections: int = CONNECTIONS, schema: str | None = None) -> None:
        self._connections = connections
        self._schema = schema
        try:
            self._conninfo = make_conninfo(**(_DEFAULTS | conninfo_to_dict(dsn) | _ALWAYS))
        except psycopg.ProgrammingError as error:
            raise ConfigurationError(
                "the database URL cannot be read by libpq", hint="use postgresql://user@host:5432/database"
            ) from error
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._closing: asyncio.Task[None] | None = None
        """Waits for the end of the pool, or of its event loop."""
        self._running: set[asyncio.Task[Any]] = set()
        self._in_use: set[Connection] = set()
        self._made: WeakSet[Connection] = WeakSet()
        """Every connection that is still about, for `abandon`."""

    async def connect(self) -> Connection:
        """A connection of your own, in autocommit mode.

        Raises:
            StoreUnavailable: the server cannot be reached.
        """
        try:
            connection = await Connection.connect(self._conninfo, **_CONNECTING)
            try:
                await self._configure(connection)
            except BaseException:
                await connection.close()
                raise
        except psycopg.Error as error:
            raise unavailable(error) from error
        return connection

    async def _configure(self, connection: Connection) -> None:
        self._made.add(connection)
        await connection.configure(self._schema)

    async def open(self) -> None:
        """Start the pool. Connections are made when they are needed, and made again when they are lost."""
        if self._pool is None:
            self._pool = AsyncConnectionPool(
                self._conninfo,
                connection_class=Connection,
                kwargs=_CONNECTING,
                min_size=1,
                max_size=self._connections,
                max_waiting=WAITING_LIMIT,
                timeout=BUDGET_SECONDS,
                reconnect_timeout=1.0,
                configure=self._configure,
                check=check_alive,
                open=False,
            )
            await self._pool.open()
            self._closing = asyncio.get_running_loop().create_task(_close_when_cancelled(self._pool))

    def forked(self) -> None:
        """Leave the connections to the parent."""
        leave_to_parent(self._pool, self._closing, self._running, self._in_use, *self._made)
        self._closing = None
        self._pool, self._running, self._in_use, self._made = None, set(), set(), WeakSet()

    async def close(self) -> None:
        """Wait for what runs, for as long as a question may take, then close every connection.

        On a COMMIT that hangs we hang up, and never cancel it: a server whose standby is gone would answer that by
        showing to all what nobody has acknowledged (F8).
        """
        if self._running:
            await asyncio.wait(self._running, timeout=BUDGET_SECONDS)
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()
        if self._closing is not None:
            closing, self._closing = self._closing, None
            closing.cancel()
            await asyncio.wait([closing])
        for connection in self._in_use:
            hang_up(connection)
        await asyncio.gather(*self._running, return_exceptions=True)

    def abandon(self) -> None:
        """Hang up on every connection of an event loop that has ended: nothing there can be waited for any more."""
        for connection in self._made:
            connection.pgconn.finish()
        self._made.clear()
        self._running.clear()
        self._in_use.clear()
        self._pool = self._closing = None

    async def read(self, work: Work[T], *, budget_seconds: float = BUDGET_SECONDS) -> T:
        """What `work` reads, by one statement or in a transaction of its own making; tried again when that may help.

        Raises:
            Overloaded: too many are waiting for a connection.
            StoreUnavailable: PostgreSQL could not answer in time.
        """
        return await self._within(budget_seconds, work)

    async def transact(self, work: Work[T], *, budget_seconds: float = BUDGET_SECONDS) -> T:
        """What `work` returns, once all that it did is committed. `RollBack` or an exception rolls it back.

        Raises:
            Overloaded: too many are waiting for a connection.
            StoreUnavailable: PostgreSQL could not do it in time; if COMMIT was sent, the outcome is not known.
        """
        return await self._within(budget_seconds, lambda connection: _commit(connection, work))

    def start(self, work: Work[T], *, budget_seconds: float = BUDGET_SECONDS) -> asyncio.Task[T]:
        """`read` that nobody waits for: it goes on to its end, however long the server takes."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._repeat(work, loop.time() + budget_seconds))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def _within(self, budget_seconds: float, work: Work[T]) -> T:
        """Wait so long and no longer. What was begun ends by itself: nothing is torn off in the middle."""
        task = self.start(work, budget_seconds=budget_seconds)
        try:
            async with asyncio.timeout(budget_seconds):
                return await asyncio.shield(task)
        except TimeoutError as error:
            raise unavailable(error) from error

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that a caller who has gone leaves no "never retrieved" behind

    async def _repeat(self, work: Work[T], deadline: float) -> T:
        if self._pool is None:
            raise StoreUnavailable("the store is not open")
        clock = asyncio.get_running_loop().time
        try:
            for _ in range(ATTEMPTS - 1):
                try:
                    return await self._once(self._pool, work)
                except psycopg.Error as error:
                    if not may_repeat(error) or clock() > deadline:
                        raise
            return await self._once(self._pool, work)
        except TooManyRequests as error:
            raise Overloaded("too many are waiting for a database connection") from error
        except (psycopg.Error, PoolTimeout, PoolClosed) as error:
            raise unavailable(error) from error

    async def _once(self, pool: AsyncConnectionPool[Connection], work: Work[T]) -> T:
        async with pool.connection() as connection:
            self._in_use.add(connection)
            try:
                return await work(connection)
            finally:
                self._in_use.discard(connection)


async def _close_when_cancelled(pool: AsyncConnectionPool[Connection]) -> None:
    """Close the pool when the event loop ends and cancels every task, though nobody called `close`.

    A worker of the pool that is cancelled while it connects goes on to its next task, and waits for that forever: the
    loop would never end (N11).
    """
    try:
        await asyncio.Event().wait()
    finally:
        await pool.close()


class CommitAnswerLostError(psycopg.OperationalError):
    """COMMIT was sent and nothing came back."""


async def _commit(connection: Connection, work: Work[T]) -> T:
    try:
        await connection.begin()
        result = await work(connection)
    except RollBack as rollback:
        await connection.execute("ROLLBACK")
        kept: T = rollback.result
        return kept
    except BaseException:
        if not connection.closed:
            await connection.rollback()
        raise
    if connection.info.transaction_status == TransactionStatus.INTRANS:
        with _outcome_unknown():
            await connection.execute("COMMIT")
    return result


async def execute_and_commit(connection: Connection, statement: str, values: dict[str, Any]) -> list[Any]:
    """What the transaction's last statement returns, with COMMIT on its heels.

    Both travel together, so a lock of this statement is held for no round trip and for no turn of this process's
    event loop, but only while the server works and flushes: the counter row is the one lock that everybody wants.
    """
    with _outcome_unknown():
        async with connection.pipeline():
            cursor = await connection.execute(statement.encode(), values)
            await connection.execute("COMMIT")
    return await cursor.fetchall()


@contextmanager
def _outcome_unknown() -> Iterator[None]:
    """From here on COMMIT may have been sent: of all that can fail, only these two say that nothing was kept."""
    try:
        yield
    except (SerializationFailure, DeadlockDetected):
        raise
    except psycopg.OperationalError as error:
        raise CommitAnswerLostError from error


def may_repeat(error: psycopg.Error) -> bool:
    """Whether the server is known to have kept nothing, and another try may fare better."""
    if isinstance(error, CommitAnswerLostError):
        return False
    if isinstance(error, (SerializationFailure, DeadlockDetected)):
        return True
    # no SQLSTATE: not the server but the connection failed; class 57P: the server is going down or coming up; class 08:
    # a pooler has lost its server
    return isinstance(error, psycopg.OperationalError) and (error.sqlstate or "57P").startswith(("57P", "08"))


def unavailable(error: BaseException) -> StoreUnavailable:
    """What the caller gets: what failed, never a statement or a value."""
    if isinstance(error, StoreUnavailable):
        return StoreUnavailable(str(error), hint=error.hint)
    reason = reason_of(error)
    return StoreUnavailable(f"the database could not be asked: {reason}", hint=hint_for(reason))
