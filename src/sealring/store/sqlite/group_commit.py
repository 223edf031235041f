"""What the database's thread does with the jobs in its queue: reads at once, writes many to a commit.

Each write runs in a savepoint of one BEGIN IMMEDIATE transaction, and none reports success before COMMIT has returned
with synchronous=FULL (P2). A write that raises rolls back alone; an error of the file fails the whole group, and the
next group starts again, on a fresh connection if need be (P3). Reads go on while the group waits for its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal

from sealring.errors import ConfigurationError, StoreUnavailable
from sealring.store.sqlite.file import PASSING, PLACE_HINT, OpenedFiles, connect, make_file, opening_error, result_code
from sealring.store.sqlite.file_lock import FairLock

log = logging.getLogger("sealring.store")

GROUP_LIMIT = 256
"""Writes in one commit: a few milliseconds, so that other processes are not kept waiting."""
BUDGET_SECONDS = 5.0
"""How long a group waits for its turn and for SQLite's lock together."""
FIRST_PAUSE_SECONDS = 0.000_05
LAST_PAUSE_SECONDS = 0.000_5
"""Between two tries at the lock: about as long as others hold it, so that no turn is missed."""
MISTAKES = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE})
"""Result codes that speak of the statement, not of the file: they concern one write only."""


LOOK_SECONDS = 0.1
"""How often reads look whether the file is still there; a commit looks each time."""
GONE = "the database file was removed or replaced while it was open"


class LockTimeoutError(sqlite3.OperationalError):
    """Another process held the lock for all of the budget."""

    sqlite_errorcode = sqlite3.SQLITE_BUSY

    def __init__(self) -> None:
        super().__init__("another process holds it for too long")


@dataclass(slots=True)
class Job:
    """One question to the database, and the coroutine that waits for its answer."""

    kind: Literal["read", "write", "close"]
    work: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def run(self, db: sqlite3.Connection) -> None:
        """Do the work and keep what came of it."""
        try:
            self.result = self.work(db)
        except Exception as error:  # noqa: BLE001 - what the work raises is for its caller
            self.error = error

    def fail(self, cause: Exception) -> None:
        """Answer that the file could not be used."""
        self.error = StoreUnavailable(f"the database file cannot be used now: {cause}")
        self.error.__cause__ = cause

    def resolve(self) -> None:
        """On the event loop: hand over the answer, unless the caller has gone."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class GroupCommit:
    """The connection, its lock, and the writes that wait. Lives on one thread.

    Args:
        path: the database file, made if there is none.
        queue: where jobs come from.

    Raises:
        ConfigurationError: the place cannot be used.
    """

    def __init__(self, path: Path, queue: SimpleQueue[Job]) -> None:
        make_file(path)
        self._path = path
        self._queue = queue
        try:
            self._lock = FairLock(path)
        except OSError as error:
            raise ConfigurationError(f"the folder of {path.name} cannot be written", hint=PLACE_HINT) from error
        self._db: sqlite3.Connection | None = None
        self._broken = True
        self._files = OpenedFiles(path)
        self._is_gone = False
        self._looked_at = 0.0
        self._writes: deque[Job] = deque()
        self._closing: list[Job] = []

    def open(self, opening: Job) -> None:
        """Run the first job, which brings the schema to its version; errors are reported to the caller of `open`."""
        self._commit([opening])
        cause = opening.error if opening.error is None else opening.error.__cause__ or opening.error
        if isinstance(cause, (sqlite3.Error, OSError)):
            opening.error = opening_error(self._path, cause)
        elif isinstance(cause, (ConfigurationError, StoreUnavailable)):
            opening.error = cause

    def serve(self) -> None:
        """Answer jobs until one asks to close."""
        while not self._closing:
            self._take(wait=True)
            if self._broken:
                self._commit([])
            while self._writes:
                group = [self._writes.popleft() for _ in range(min(GROUP_LIMIT, len(self._writes)))]
                group = [job for job in group if not job.future.done()]
                self._commit(group)
                deliver(group)

    def close(self) -> None:
        """Close the file under the write lock: the last connection to close runs a checkpoint.

        If the lock cannot be had, another connection has the file open, and closing only releases it.
        """
        with contextlib.suppress(sqlite3.Error, OSError):
            self._await_turn(time.monotonic() + BUDGET_SECONDS)
        if self._db is not None:
            self._db.close()
        self._lock.close()
        deliver(self._closing)

    def _take(self, *, wait: bool) -> None:
        jobs = [self._queue.get()] if wait else []
        jobs += drain(self._queue)
        answered: list[Job] = []
        for job in jobs:
            if job.kind == "write":
                self._writes.append(job)
            elif job.kind == "close":
                self._closing.append(job)
            else:
                self._read(job)
                answered.append(job)
        deliver(answered)

    def _read(self, job: Job) -> None:
        if self._db is None or self._broken:
            job.fail(sqlite3.OperationalError("it is being opened again"))
            return
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._look()
        if self._is_gone:
            job.error = StoreUnavailable(GONE)
            return
        job.run(self._db)
        if isinstance(job.error, sqlite3.Error) and result_code(job.error) not in MISTAKES:
            self._abandon(job.error)
            job.fail(job.error)
        elif self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _commit(self, group: list[Job]) -> None:
        deadline = time.monotonic() + BUDGET_SECONDS
        try:
            self._await_turn(deadline)
            db = self._connection()
            self._begin(db, deadline)
            for job in group:
                self._in_savepoint(db, job)
            db.execute("COMMIT")
            self._files.find_log()
            if not self._look():  # what was committed is lost with the file: do not report success
                raise StoreUnavailable(GONE)  # noqa: TRY301 - it fails the group as any other error of the file
        except (sqlite3.Error, OSError, StoreUnavailable, ConfigurationError) as error:
            self._abandon(error)
            for job in group:
                job.fail(error)
        finally:
            self._lock.leave()

    def _await_turn(self, deadline: float) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._lock.step():
            if time.monotonic() > deadline:
                raise LockTimeoutError
            self._take(wait=False)
            time.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE_SECONDS)

    def _connection(self) -> sqlite3.Connection:
        """The connection, made again after an error that broke it; under the lock, because closing may checkpoint."""
        if not self._look():  # before anything is written: a new log beside an old one would spoil the database
            raise StoreUnavailable(GONE)
        if self._db is None or self._broken:
            if self._db is not None:
                self._db.close()
                self._db = None
                self._files.forget_log()
            self._db = connect(self._path)
            self._broken = False
        return self._db

    def _look(self) -> bool:
        """Whether the path still names the files that are open. They may come back, and then all goes on."""
        self._looked_at = time.monotonic()
        gone = not self._files.are_there()
        if gone and not self._is_gone:
            log.error("%s: nothing is read or written until it is back or the server is restarted", GONE)
        elif self._is_gone and not gone:
            log.warning("the database file is back")
        self._is_gone = gone
        return not gone

    def _begin(self, db: sqlite3.Connection, deadline: float) -> None:
        while True:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if result_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                self._take(wait=False)
            else:
                return

    def _in_savepoint(self, db: sqlite3.Connection, job: Job) -> None:
        db.execute("SAVEPOINT job")
        job.run(db)
        if job.error is not None:
            if isinstance(job.error, sqlite3.Error) and result_code(job.error) not in MISTAKES:
                raise job.error
            db.execute("ROLLBACK TO job")
        db.execute("RELEASE job")

    def _abandon(self, error: Exception) -> None:
        """Undo what was begun; after an error that will not pass by itself, have the connection made again."""
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error) and result_code(error) not in PASSING:
            self._broken = True


def drain(queue: SimpleQueue[Job]) -> list[Job]:
    """All that waits now."""
    jobs = []
    with contextlib.suppress(Empty):
        for _ in range(queue.qsize()):
            jobs.append(queue.get_nowait())  # noqa: PERF401 - the suppressed exception keeps what was taken
    return jobs


def deliver(jobs: Iterable[Job]) -> None:
    """Wake the callers, one call to each event loop; a loop that has ended has no callers left."""
    loops: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        loops.setdefault(job.loop, []).append(job)
    for loop, batch in loops.items():
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, batch)


def _resolve(batch: list[Job]) -> None:
    for job in batch:
        job.resolve()
