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
_ABOUT_THE_MACHINE = (
    "08",
    "25006",
    "26",
    "28",
    "3D",
    "3F",
    "42501",
    "42710",
    "42P01",
    "42P05",
    "42P07",
    "53",
    "57",
    "58",
)
"""SQLSTATEs: connection, read-only, prepared statements that a pooler mixed up, who may enter, no such database, no
such schema, privileges, names of our own that are taken or missing, resources, operator, system."""
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (PoolTimeout, "no connection in time"),
    (PoolClosed, "this process is closing"),
    (ConnectionTimeout, "no answer in time"),
    (TimeoutError, "no answer in time"),
)
_HINTS = (
    (
        "password authentication failed|no password supplied",
        (
            "look at the user and the password in SEALRING_DATABASE_URL; within a password, @ : / ? # % are written"
            " %40 %3A %2F %3F %23 %25"
        ),
    ),
    (
        "no encryption|SSL required|SSL off",
        "the server wants TLS: add ?sslmode=verify-full&sslrootcert=… to SEALRING_DATABASE_URL",
    ),
    (
        "does not support SSL",
        "the server has no TLS, and sslmode in SEALRING_DATABASE_URL asks for it",
    ),
    (
        'database "[^"]*" does not exist|no such database',
        "create it (`createdb NAME`), or name another one in SEALRING_DATABASE_URL",
    ),
    (
        "unsupported startup parameter",
        (
            "a pooler is between, which takes no such parameter: leave `options` out of SEALRING_DATABASE_URL and of"
            " PGOPTIONS; SEALRING_DATABASE_SCHEMA names a schema"
        ),
    ),
    (
        "query_wait_timeout|no more connections allowed|too many clients|too many connections|connection slots",
        (
            "each process holds up to 13 connections: raise the pooler's default_pool_size and max_client_conn, or the"
            " server's max_connections"
        ),
    ),
    (
        r"statement pooling|\((26000|42P05|08P01)\)",
        "a pooler is between: set its pool_mode to transaction or session",
    ),
    (
        r"\(25006\)",
        (
            "is this the primary (with several hosts, add target_session_attrs=read-write), and has nobody set"
            " default_transaction_read_only?"
        ),
    ),
    (r"\(53100\)|No space left", "the database's disk is full"),
    (r"\(42501\)|permission denied", "docs/how-to/many-nodes.md lists the grants; run `sealring migrate` as the owner"),
    (
        r"\((42P01|3F000)\)",
        "run `sealring migrate`, with the SEALRING_DATABASE_SCHEMA and search path that the servers have",
    ),
)
"""What helps, by what the reason says. A server that speaks another language gets the general hint."""


def hint_for(reason: str) -> str | None:
    """What the operator can do about it, where that is known."""
    return next((hint for words, hint in _HINTS if re.search(words, reason)), None)


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
