"""Why PostgreSQL did not answer, in words for operators: logs and command line, never an HTTP answer.

What libpq and the server say is passed on only where it is about the connection or the machine. The rest may hold
values of a statement, and a URL whose password has an unescaped @ makes a piece of it a "host name that cannot be
resolved": so everything else is called by its kind.
"""

from __future__ import annotations

import re

import psycopg
from psycopg.errors import ConnectionTimeout
from psycopg_pool import PoolClosed, PoolTimeout

_REACHED = re.compile(r"connection to server .*")
"""Host and port are those that were tried, so they did resolve: no piece of a password among them."""
_UNRESOLVED = "failed to resolve host"
_ABOUT_THE_MACHINE = ("08", "25006", "28", "3D", "42501", "53", "57", "58")
"""SQLSTATEs: connection, read-only, who may enter, no such database, privileges, resources, operator, system."""
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (PoolTimeout, "no connection in time"),
    (PoolClosed, "this process is closing"),
    (ConnectionTimeout, "no answer in time"),
    (TimeoutError, "no answer in time"),
)


def reason_of(error: BaseException) -> str:
    """What is wrong, on one line; never a statement, a value or a password."""
    for kind, words in _KINDS:
        if isinstance(error, kind):
            return words
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        primary = error.diag.message_primary if error.sqlstate.startswith(_ABOUT_THE_MACHINE) else None
        return f"{primary} ({error.sqlstate})" if primary else error.sqlstate
    first_line = str(error).partition("\n")[0]
    if reached := _REACHED.search(first_line):
        return reached[0]
    return "its host name cannot be resolved" if first_line.startswith(_UNRESOLVED) else type(error).__name__
