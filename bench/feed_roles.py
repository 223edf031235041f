"""The processes of `bench/feed.py`: an issuer, and verifiers by the hundred that follow it as services do.

Each is started with `python -c`; what it found it prints as JSON, a line for each question on its standard input.
All clocks are CLOCK_MONOTONIC, which the processes of one machine share.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Self

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from sealring import Sealring, Verifier
from sealring.revocation.feed import FeedPage
from tests.ports import free_port

SECRET = "kJ8vQ2xN7pL4mW9zR3tY6bC1dF5gH0sA-for-the-bench-only"
AUDIENCE = "orders"


def serve_issuer(port: int, entries: int) -> None:
    """An auth service on an SQLite file, as `sealring serve` would be, with two routes to start and revoke."""
    folder = Path.cwd()
    auth = Sealring(
        secret=SECRET,
        database_url=f"sqlite:///{folder}/issuer.db",
        issuer=f"http://127.0.0.1:{port}",
        audience=AUDIENCE,
    )
    if entries:
        asyncio.run(_seed(auth, folder / "issuer.db", entries))

    numbers = itertools.count()  # of subjects: one alone may not have so many sessions

    async def routes(scope: dict[str, Any], _receive: Any, send: Any) -> None:
        _, verb, *rest = scope["path"].split("/")
        if verb == "count":
            found: dict[str, Any] = counted
        elif verb == "start":
            issued = await auth.start_session(f"user-{next(numbers)}")
            found = {"token": issued.access_token.text, "sid": issued.session.id}
        else:
            await auth.revoke_session(rest[0])
            found = {"at": time.monotonic()}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": msgspec.json.encode(found)})

    inner: Any = auth.asgi(routes)
    counted = {"requests": 0, "bytes": 0}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def count(message: Any) -> None:
            counted["bytes"] += len(message.get("body", b""))
            await send(message)

        if scope["type"] == "http" and scope["path"].startswith("/auth/"):
            counted["requests"] += 1
            await inner(scope, receive, count)
        else:
            await inner(scope, receive, send)

    uvicorn.run(app, port=port, log_config=None, access_log=False, backlog=16_384, loop="uvloop", http="httptools")


async def _seed(auth: Sealring, file: Path, entries: int) -> None:
    async with auth.lifespan(follow=False):
        pass
    rows = ((n, f"{n:022}", "session", f"s{n:021}", 0, 4_000_000_000) for n in range(1, entries + 1))
    with closing(sqlite3.connect(file)) as db:
        db.executemany(
            "INSERT INTO revocations (number, id, kind, target, epoch, expires_at) VALUES (?,?,?,?,?,?)", rows
        )
        db.execute("UPDATE store SET head = ?", (entries,))
        db.commit()


def serve_relays(ports: Sequence[int], issuer: str) -> None:
    """Services that verify, and serve the feed on: each a server with connections of its own, in one process."""
    servers = []
    for port in ports:
        verifier = Verifier.from_issuer(f"{issuer}/auth", audience=AUDIENCE)
        app = Starlette(routes=[Mount("/auth", verifier.relay_asgi())], lifespan=verifier.lifespan)
        config = uvicorn.Config(app, port=port, log_config=None, access_log=False, backlog=16_384, http="httptools")
        servers.append(uvicorn.Server(config))

    async def serve() -> None:
        await asyncio.gather(*(server.serve() for server in servers))

    import uvloop  # noqa: PLC0415 - of two roles alone

    uvloop.run(serve())


def follow(issuer: str, feed_urls: Sequence[str], count: int, staleness: float) -> None:
    """So many verifiers in one event loop, which follow in turn one of these. Each notes when an entry is in force."""
    import uvloop  # noqa: PLC0415 - of two roles alone

    uvloop.run(_follow(issuer, feed_urls, count, staleness))


async def _follow(issuer: str, feed_urls: Sequence[str], count: int, staleness: float) -> None:
    arrived: dict[str, list[float]] = defaultdict(list)

    def note(page: FeedPage, *_: int) -> None:
        now = time.monotonic()
        for entry in page.entries:
            arrived[entry.target].append(now)

    verifiers = [
        Verifier.from_issuer(
            f"{issuer}/auth",
            audience=AUDIENCE,
            feed_url=feed_urls[number % len(feed_urls)],
            max_staleness=staleness,
        )
        for number in range(count)
    ]
    gc.freeze()
    for verifier in verifiers:
        verifier.follower._publish = note  # noqa: SLF001 - called once a page is in force
    began = time.monotonic()
    await asyncio.gather(*(verifier.open() for verifier in verifiers))
    waiting = list(verifiers)
    while waiting := [verifier for verifier in waiting if not verifier.node.is_fresh]:  # noqa: ASYNC110 - of tasks beside us
        await asyncio.sleep(0.01)
    _say({"fresh_after": time.monotonic() - began})
    loop = asyncio.get_running_loop()
    while (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        stale = sum(not verifier.node.is_fresh for verifier in verifiers)
        _say({"arrived": arrived, "stale": stale, "lag": max(verifier.node.lag for verifier in verifiers)})
        arrived.clear()
    for verifier in verifiers:
        await verifier.close()


def _say(found: dict[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    sys.stdout.flush()


class Role:
    """One of these processes, as `bench/feed.py` sees it."""

    def __init__(self, folder: Path, call: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from bench.feed_roles import *; {call}"],
            cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def hear(self) -> dict[str, Any]:
        """The next line that it prints."""
        line = self._process.stdout.readline() if self._process.stdout is not None else b""
        if not line:
            raise SystemExit("a process of the benchmark ended")
        found: dict[str, Any] = msgspec.json.decode(line)
        return found

    def ask(self) -> dict[str, Any]:
        """What it has found since it was asked last."""
        if self._process.stdin is not None:
            self._process.stdin.write(b"more\n")
            self._process.stdin.flush()
        return self.hear()

    @property
    def cpu_seconds(self) -> float:
        """All that it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def issuer_role(folder: Path, *, entries: int = 0) -> tuple[Role, str]:
    """An issuer that answers, and its URL."""
    port = free_port()
    return Role(folder, f"serve_issuer({port}, {entries})"), f"http://127.0.0.1:{port}"


def relay_role(folder: Path, issuer: str, count: int = 1) -> tuple[Role, list[str]]:
    """Relays, and their URLs."""
    ports = [free_port() for _ in range(count)]
    return Role(folder, f"serve_relays({ports}, {issuer!r})"), [f"http://127.0.0.1:{port}" for port in ports]


def verifier_roles(
    folder: Path, issuer: str, feed_urls: Sequence[str], count: int, *, staleness: float = 5, processes: int = 2
) -> list[Role]:
    """So many verifiers, spread over processes, and over what they read the feed from."""
    urls = [f"{url}/auth" for url in feed_urls]
    call = f"follow({issuer!r}, {urls}, {count // processes}, {staleness})"
    return [Role(folder, call) for _ in range(processes)]
