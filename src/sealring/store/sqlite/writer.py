"""One SQLite file as coroutines see it: every statement on one connection on a thread of its own.

The file is in write-ahead logging with synchronous=FULL, and every commit, checkpoint and close happens under the
lock. That also shuts out the WAL-reset bug of SQLite 3.7.0 to 3.51.2 (sqlite.org/wal.html#walresetbug): commits
are lost when a checkpoint starts on one connection while another commits and resets the log. Here checkpoints run only
at the end of a COMMIT, at opening and at closing, so under the lock that a reset of the log needs. Tools of
others that write to the file or checkpoint it while a server runs stand outside of that; reading it does no harm.
Windows has no flock: there a rollback journal, which knows neither log nor checkpoint, and SQLite's own waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, TypeVar

from sealring.errors import ConfigurationError, Overloaded, StoreUnavailable
from sealring.forks import FORKED, HINT, stop_watching, watch_forks
from sealring.store.sqlite.group_commit import GroupCommit, Job, deliver, drain

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

QUEUE_LIMIT = 4096
"""Under a second of writes on an ordinary disk; callers beyond it get an error that says to try again."""

_of_parent: set[Path] = set()
"""Files that were open when this process forked. SQLite remembers the locks of its process, and in the child takes
those of the parent for its own: a second connection to such a file would go unlocked (sqlite.org/howtocorrupt.html)."""

ANSWER_SECONDS = 10.0
"""How long a caller waits: for a group under way and your own, each within its budget. A disk may hang for longer."""


class SqliteWriter:
    """The way to one SQLite file: reads and grouped writes, from any event loop.

    A caller that is cancelled leaves nothing behind: its write is left out if it had not begun, else completed (D8).

    Args:
        path: the database file; `open` makes it (mode 600), not its folder.

    Example:
        >>> import tempfile
        >>> async def count() -> int:
        ...     writer = SqliteWriter(Path(tempfile.mkdtemp()) / "orders.db")
        ...     await writer.open(lambda db: db.execute("CREATE TABLE orders (item TEXT) STRICT"))
        ...     await writer.write(lambda db: db.execute("INSERT INTO orders VALUES ('ring')"))
        ...     found = await writer.read(lambda db: db.execute("SELECT count(*) FROM orders").fetchone()[0])
        ...     await writer.close()
        ...     return found
        >>> asyncio.run(count())
        1
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._gate = threading.Lock()
        self._queue: SimpleQueue[Job] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def open(self, prepare: Work[object]) -> None:
        """Open the file, make it if need be, and run `prepare` in a transaction. Does nothing when it is open.

        Raises:
            ConfigurationError: the place cannot be used.
            StoreUnavailable: it can, but not now.
        """
        loop = asyncio.get_running_loop()
        job = Job("write", prepare, loop, loop.create_future())
        with self._gate:
            if self._thread is not None:
                return
            if self.path in _of_parent:
                raise ConfigurationError(f"{self.path.name} cannot be opened: {FORKED}", HINT)
            watch_forks(self)
            self._thread = threading.Thread(target=self._run, args=(job,), name=f"sqlite {self.path.name}", daemon=True)
            self._thread.start()
        await job.future

    async def close(self) -> None:
        """Finish what waits and close the file. Does nothing when it is closed."""
        thread = self._thread
        if thread is not None:
            with contextlib.suppress(StoreUnavailable):
                await self._ask("close", lambda _: None)
            await asyncio.to_thread(thread.join)

    async def read(self, work: Work[T]) -> T:
        """What `work` reads; it must not write. Several statements that must agree go after a BEGIN.

        Raises:
            Overloaded: too much is waiting.
            StoreUnavailable: SQLite could not read.
        """
        return await self._ask("read", work)

    async def write(self, work: Work[T]) -> T:
        """What `work` returns, once all that it wrote is committed. What it raises rolls it back.

        Raises:
            Overloaded: too much is waiting.
            StoreUnavailable: SQLite could not write in time; nothing or all of it was written.
        """
        return await self._ask("write", work)

    def forked(self) -> None:
        """Leave file and connection to the parent. Not even closed: that would touch locks and log."""
        _of_parent.add(self.path)
        self._gate, self._queue, self._thread = threading.Lock(), SimpleQueue(), None

    async def _ask(self, kind: Literal["read", "write", "close"], work: Work[T]) -> T:
        loop = asyncio.get_running_loop()
        job = Job(kind, work, loop, loop.create_future())
        with self._gate:
            if self._thread is None:
                of_parent = self.path in _of_parent
                raise StoreUnavailable(f"the store cannot be used: {FORKED}" if of_parent else "the store is not open")
            if self._queue.qsize() >= QUEUE_LIMIT and kind != "close":
                raise Overloaded("too much is waiting for the database file")
            self._queue.put(job)
        patience = loop.call_later(ANSWER_SECONDS, _give_up, job.future)
        try:
            answer: T = await job.future
        finally:
            patience.cancel()
        return answer

    def _run(self, opening: Job) -> None:
        try:
            file = GroupCommit(self.path, self._queue)
        except Exception as error:  # noqa: BLE001 - reported to the caller of `open`
            opening.error = error
            deliver([opening])
        else:
            try:
                file.open(opening)
                deliver([opening])
                if opening.error is None:
                    file.serve()
            finally:
                file.close()
                self._end()
            return
        self._end()

    def _end(self) -> None:
        with self._gate:
            self._thread = None
        stop_watching(self)
        late = drain(self._queue)
        for job in late:
            job.error = StoreUnavailable("the store is closed")
        deliver(late)


def _give_up(future: asyncio.Future[object]) -> None:
    if not future.done():
        future.set_exception(StoreUnavailable("the database file does not answer"))
