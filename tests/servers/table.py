"""The table frameworks by servers: on each server, how many requests of the conformance table have the one answer.

`scripts/conformance` prints it. One server process serves every host of its kind (`tests.servers.every_host`).
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from sealring.http.body import MAX_BODY_BYTES
from tests.conformance.hosts import HOSTS, WSGI_HOSTS, transport_of
from tests.conformance.test_hosts import CASES, SETTINGS, check_case
from tests.ports import free_port
from tests.servers.running import (
    ASGI_SERVERS,
    GRANIAN_ASGI,
    GRANIAN_WSGI,
    HTTP_2,
    WSGI_SERVERS,
    RunningServer,
    running,
)
from tests.serving import cheap_sealring

ASGI = ASGI_SERVERS | GRANIAN_ASGI
WSGI = WSGI_SERVERS | GRANIAN_WSGI
BASE = "http://127.0.0.1:8000"
COLUMNS: dict[str, tuple[str, dict[str, Any]]] = {
    **{server: (server, {}) for server in (*ASGI, *WSGI)},
    **{f"{server}, HTTP/2": (server, {"http1": False, "http2": True}) for server in HTTP_2},
}
"""By name: the server, and how a client speaks to it."""


def numbers_of(column: str) -> list[int]:
    """The requests that a server is asked. Over HTTP/2 those without whose body nobody has read to its end.

    A server may end such a stream once it has answered (RFC 9113 §8.1), while the test's client still sends and gives
    up; hypercorn 0.18 ends the whole connection with an error.
    """
    if "HTTP/2" not in column:
        return list(range(len(CASES)))
    return [
        number
        for number, case in enumerate(CASES)
        if len(case[4](defaultdict(str)).get("content", b"")) <= MAX_BODY_BYTES
    ]


_FAILED = {"hypercorn, HTTP/2": "Error in ASGI Framework"}
"""What a server logs when an application fails. hypercorn 0.18 has an error of its own (a `KeyError` in `H2Protocol`)
whenever body data arrives after the answer."""


def hosts_of(column: str) -> list[str]:
    """The hosts that a server can serve."""
    wsgi = COLUMNS[column][0] in WSGI
    return [name for name in HOSTS if (name in WSGI_HOSTS) == wsgi]


async def differences(client: httpx2.AsyncClient, numbers: Iterable[int]) -> list[str]:
    """What a host answers otherwise than the table says, or than the raw ASGI application."""
    found: list[str] = []
    for number in numbers:
        try:
            await check_case(client, number)
        except (AssertionError, httpx2.HTTPError, KeyError, ValueError) as error:
            found.append(f"{CASES[number][2:4]}: {error!r:.300}")
    return found


async def set_the_standard() -> None:
    """Ask the raw ASGI application first: its answers are those that all others are compared with."""
    auth = cheap_sealring(**SETTINGS)
    async with (
        auth.lifespan(),
        httpx2.AsyncClient(transport=transport_of(HOSTS["raw ASGI"](auth)), base_url=BASE) as client,
    ):
        assert await differences(client, range(len(CASES))) == []


async def ask(served: RunningServer, column: str, host: str) -> list[str]:
    # a connection for each request: a server may end one whose body nobody has read, without a word
    limits = httpx2.Limits(max_keepalive_connections=0)
    headers = {"X-Test-Host": host}
    options = COLUMNS[column][1]
    async with httpx2.AsyncClient(
        base_url=served.url, timeout=30, trust_env=False, limits=limits, headers=headers, **options
    ) as client:
        return await differences(client, numbers_of(column))


def ask_all(columns: Iterable[str], hosts: Iterable[str] | None = None) -> dict[tuple[str, str], list[str]]:
    """The differences, by host and column; of all hosts, or of these."""
    asyncio.run(set_the_standard())
    found: dict[tuple[str, str], list[str]] = {}
    for column in columns:
        server = COLUMNS[column][0]
        kind, command = ("WSGI", WSGI[server]) if server in WSGI else ("ASGI", ASGI[server])
        with TemporaryDirectory() as folder:
            port = free_port()
            variables = {"TEST_KIND": kind, "TEST_FOLDER": folder}
            with running(command("tests.servers.every_host:app", port), port, Path(folder), **variables) as served:
                for host in hosts_of(column):
                    if hosts is None or host in hosts:
                        found[host, column] = asyncio.run(ask(served, column, host))
                assert _FAILED.get(column, "Traceback") not in served.log, served.log
    return found


def markdown(found: dict[tuple[str, str], list[str]]) -> str:
    """Requests with the one answer, of all; a line of its own for each host."""
    lines: list[str] = []
    for servers, wsgi in ((ASGI, False), (WSGI, True)):
        columns = [column for column in COLUMNS if COLUMNS[column][0] in servers]
        lines += ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
        for host in HOSTS:
            if (host in WSGI_HOSTS) == wsgi:
                asked = {column: len(numbers_of(column)) for column in columns}
                cells = [f"{asked[column] - len(found[host, column])} of {asked[column]}" for column in columns]
                lines.append(f"| {host} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Print the table, and the differences; 0 when there are none."""
    results = ask_all(COLUMNS)
    lines = [f"{host} on {column}: {one}" for (host, column), wrong in results.items() for one in wrong]
    sys.stdout.write(markdown(results) + "".join(f"{line}\n" for line in lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
