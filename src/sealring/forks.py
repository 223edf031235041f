"""What a forked child must not use: threads that do not exist there, sockets and files that are its parent's (N11).

SQLite forbids to carry a connection across a fork, two processes on one PostgreSQL socket read each other's answers,
and a thread pool waits for threads that were not copied. So what is open watches for forks, and makes itself unusable
(or new) in the child. Nothing is asked in the hot path: the kernel's fork calls us.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Protocol
from weakref import WeakSet

FORKED = "it was open when this process forked from its parent, and only the parent can use it"
HINT = "open it after the fork (gunicorn: without --preload), or close it before"


class Forkable(Protocol):
    """Something open that a fork copies without what it needs."""

    def forked(self) -> None:
        """Called in the child, before anything else runs there. No other thread exists, and any lock may be held."""


_of_parents: list[object] = []
_watching: WeakSet[Forkable] = WeakSet()


def watch_forks(thing: Forkable) -> None:
    """From now on, `thing.forked()` is called in each child."""
    _register()
    _watching.add(thing)


def stop_watching(thing: Forkable) -> None:
    """It is closed: a child may open it."""
    _watching.discard(thing)


def leave_to_parent(*things: object) -> None:
    """Keep, in a child, what is its parent's, and never use it.

    Nothing of it may end here, as what is collected does: a task complains that it is pending, a connection that it is
    open, and an event loop that is closed takes its own descriptors out of the epoll that both processes share.
    """
    _of_parents.extend(things)


@cache
def _register() -> None:
    if hasattr(os, "register_at_fork"):  # Windows does not fork
        os.register_at_fork(after_in_child=_tell_all)


def _tell_all() -> None:
    for thing in list(_watching):
        thing.forked()
