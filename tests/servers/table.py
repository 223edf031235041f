"""The table frameworks by servers: on each server, how many requests of the conformance table have the one answer.

`scripts/conformance` prints it. One server process serves every host of its kind (`tests.servers.every_host`).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from tests.conformance.hosts import HOSTS, WSGI_HOSTS, transport_of
from tests.conformance.test_hosts import CASES, SETTINGS, check_case
from tests.ports import free_port
from tests.servers.http2 import EarlyAnswers
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
COLUMNS: dict[str, tuple[str, bool]] = {
    **{server: (server, False) for server in (*ASGI, *WSGI)},
    **{f"{server}, HTTP/2": (server, True) for server in HTTP_2},
}
"""By name: the server, and whether a client speaks HTTP/2 to it."""

_FAILED = {"hypercorn, HTTP/2": "Error in ASGI Framework"}
"""What a server logs when an application fails. hypercorn 0.18 has an error of its own (a `KeyError` in `H2Protocol`)
whenever body data arrives after the answer; it ends the connection then, when the answer is sent."""


def hosts_of(column: str) -> list[str]:
    """The hosts that a server can serve."""
    wsgi = COLUMNS[column][0] in WSGI
    return [name for name in HOSTS if (name in WSGI_HOSTS) == wsgi]


async def differences(client: httpx2.AsyncClient) -> list[str]:
    """What a host answers otherwise than the table says, or than the raw ASGI application."""
    found: list[str] = []
    for number in range(len(CASES)):
        try:
            await check_case(client, number)
        except (AssertionError, httpx2.HTTPError, KeyError, ValueError) as error:
            found.append(f"{CASES[number][2:4]}: {error!r:.300}")
    return found


@cache
def set_the_standard() -> None:
    """Ask the raw ASGI application first: its answers are those that all others are compared with."""
    asyncio.run(_ask_the_raw_application())


async def _ask_the_raw_application() -> None:
    auth = cheap_sealring(**SETTINGS)
    async with (
        auth.lifespan(),
        httpx2.AsyncClient(transport=transport_of(HOSTS["raw ASGI"](auth)), base_url=BASE) as client,
    ):
        assert await differences(client) == []


async def ask(served: RunningServer, column: str, host: str) -> list[str]:
    # a connection for each request: a server may end one whose body nobody has read, without a word
    limits = httpx2.Limits(max_keepalive_connections=0)
    speaks = EarlyAnswers if COLUMNS[column][1] else httpx2.AsyncHTTPTransport
    async with httpx2.AsyncClient(
        base_url=served.url, timeout=30, headers={"X-Test-Host": host}, transport=speaks(limits=limits)
    ) as client:
        return await differences(client)


def ask_all(columns: Iterable[str], hosts: Collection[str] | None = None) -> dict[tuple[str, str], list[str]]:
    """The differences, by host and column; of all hosts, or of these."""
    set_the_standard()
    found: dict[tuple[str, str], list[str]] = {}
    for column in columns:
        server = COLUMNS[column][0]
        kind, command = ("WSGI", WSGI[server]) if server in WSGI else ("ASGI", ASGI[server])
        with TemporaryDirectory() as folder:
            port = free_port()
            asked = [host for host in hosts_of(column) if hosts is None or host in hosts]
            variables = {"TEST_KIND": kind, "TEST_FOLDER": folder, "TEST_HOSTS": ",".join(asked)}
            with running(command("tests.servers.every_host:app", port), port, Path(folder), **variables) as served:
                for host in asked:
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
                cells = [f"{len(CASES) - len(found[host, column])} of {len(CASES)}" for column in columns]
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
