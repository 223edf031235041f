"""A fair lock: one writer at a time among all processes and connections on one SQLite file, in turn.

SQLite's busy handler is unfair: of two busy processes, one gets 0 to 20 % of the other's share and waits for more than
a second. Here a writer takes `next`, then `write`, then releases `next`. A writer that has just finished
finds `next` taken by the one that waits, so the two alternate; the kernel releases the locks of a process that dies.
The locks are flock() on two files beside the database: they belong to the open file, so two connections of one
process exclude each other too. Windows has no flock: SQLite's own busy handler is all there is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class FairLock:
    """The two locks of one database file, for one connection.

    Args:
        database: the database's path; the lock files stand beside it.

    Raises:
        OSError: the lock files cannot be made.
    """

    def __init__(self, database: Path) -> None:
        self._held: set[int] = set()
        self._files: list[int] = []
        for name in (f"{database.name}.next.lock", f"{database.name}.lock"):
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
            self._files.append(os.open(database.with_name(name), flags, 0o600))

    def step(self) -> bool:
        """Try to get on without waiting; whether this connection may write now."""
        if sys.platform == "win32":
            return True
        following, write = self._files
        if write in self._held:
            return True
        if following not in self._held and not self._take(following):
            return False
        if not self._take(write):
            return False
        self._drop(following)
        return True

    def leave(self) -> None:
        """Let the next one through, from wherever this one stands."""
        for file in tuple(self._held):
            self._drop(file)

    def close(self) -> None:
        """Let go of the files."""
        self.leave()
        while self._files:
            os.close(self._files.pop())

    if sys.platform != "win32":

        def _take(self, file: int) -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self._held.add(file)
            return True

        def _drop(self, file: int) -> None:
            fcntl.flock(file, fcntl.LOCK_UN)
            self._held.discard(file)
