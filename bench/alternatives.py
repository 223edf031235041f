"""What one asks otherwise, on every request: Redis, a row of PostgreSQL, another service. `scripts/bench alternatives`

One check of one access token that may have been revoked, from the caller's view (wall clock), everything on loopback,
which is the shortest network that there is:

- Sealring: `auth.verify`, which asks the revocations that this node holds in memory
- PyJWT and Redis: all that PyJWT checks, then EXISTS of the token's id in a list of revoked ones
- Redis alone: an opaque session id, GET of its value
- PostgreSQL: the row of the session by its id, over a pool
- introspection: an HTTP request to an auth service (`GET /auth/live`, which answers from memory), kept alive

"One at a time" is what a request waits; "32 at a time" is what one process can do. All take turns.
"""

from __future__ import annotations

import sys

sys.path.insert(0, sys.path.pop(0).removesuffix("/bench"))  # where a file is called jwt as PyJWT's package is

import argparse
import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import cycle
from pathlib import Path
from uuid import uuid4

import httpx2
import jwt as pyjwt
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from bench.report import Report, Table, add_json_option
from sealring import Sealring
from tests.ports import free_port
from tests.store.postgres_cluster import own_cluster

SECRET = "kJ8vQ2xN7pL4mW9zR3tY6bC1dF5gH0sA-for-the-bench-only"
ISSUER, AUDIENCE = "http://127.0.0.1:8000", "shop"
USERS = 100
REVOKED = 10_000
AT_A_TIME = 32
SLICE_SECONDS = 0.1

Check = Callable[[], Awaitable[None]]


def require(condition: object) -> None:
    if not condition:
        raise RuntimeError("a good token was refused")


@contextmanager
def server(command: list[str], port: int, environment: dict[str, str] | None = None) -> Iterator[None]:
    """A process that listens on this port."""
    import socket  # noqa: PLC0415 - beside its one use

    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if process.poll() is not None:
                    raise RuntimeError(f"{Path(command[0]).name} did not start")
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait()


@asynccontextmanager
async def redis_checks() -> AsyncIterator[dict[str, Check]]:
    """A list of revoked tokens, and opaque sessions."""
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with server(["redis-server", *options], port):
        async with Redis(port=port) as redis:
            now = int(time.time())
            claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "exp": now + 3600, "iat": now}
            tokens = cycle([pyjwt.encode({**claims, "jti": uuid4().hex}, SECRET, "HS256") for _ in range(USERS)])
            names = [f"session:{uuid4().hex}" for _ in range(USERS)]
            await redis.mset(dict.fromkeys(names, "user-1"))
            await redis.mset({f"revoked:{uuid4().hex}": "1" for _ in range(REVOKED)})
            sessions = cycle(names)

            async def denied() -> None:
                decoded = pyjwt.decode(next(tokens), SECRET, algorithms=["HS256"], issuer=ISSUER, audience=AUDIENCE)
                require(not await redis.exists(f"revoked:{decoded['jti']}"))

            async def opaque() -> None:
                require(await redis.get(next(sessions)))

            yield {"PyJWT, and a list of revoked tokens in Redis": denied, "opaque session in Redis": opaque}


@asynccontextmanager
async def postgres_check(auth: Sealring, dsn: str) -> AsyncIterator[dict[str, Check]]:
    """The row of a session."""
    started = [await auth.start_session(f"row-{number}") for number in range(USERS)]
    ids = cycle([each.session.id for each in started])
    query = "SELECT subject, expires_at FROM sessions WHERE id = %s AND ended_at IS NULL"
    async with AsyncConnectionPool(dsn, min_size=8, max_size=8, kwargs={"autocommit": True}) as pool:

        async def row() -> None:
            async with pool.connection() as connection:
                require(await (await connection.execute(query, (next(ids),))).fetchone())

        yield {"a row of PostgreSQL, pool of 8": row}


@asynccontextmanager
async def introspection(dsn: str, tokens: list[str]) -> AsyncIterator[dict[str, Check]]:
    """An auth service in a process of its own."""
    port = free_port()
    environment = {
        **os.environ,
        "SEALRING_SECRET": SECRET,
        "SEALRING_DATABASE_URL": dsn,
        "SEALRING_ISSUER": ISSUER,
        "SEALRING_AUDIENCE": AUDIENCE,
    }
    command = [str(Path(sys.executable).with_name("sealring")), "serve", "--no-demo", "--port", str(port)]
    with server(command, port, environment):
        async with introspection_of(f"http://127.0.0.1:{port}", tokens) as checks:
            yield checks


@asynccontextmanager
async def introspection_of(url: str, tokens: list[str]) -> AsyncIterator[dict[str, Check]]:
    """An auth service that runs already."""
    limits = httpx2.Limits(max_connections=AT_A_TIME, max_keepalive_connections=AT_A_TIME)
    async with httpx2.AsyncClient(base_url=url, trust_env=False, limits=limits) as client:
        asked = cycle([{"Authorization": f"Bearer {token}"} for token in tokens])

        async def live() -> None:
            response = await client.get("/auth/live", headers=next(asked))
            require(response.is_success)

        async with asyncio.timeout(30):
            while not (await client.get("/auth/live", headers=next(asked))).is_success:  # noqa: ASYNC110 - of a process
                await asyncio.sleep(0.05)
        yield {"introspection: an HTTP request to the auth service": live}


async def rate(check: Check, callers: int) -> float:
    """Checks a second by so many callers, each at its next when its last is done."""
    done = 0
    began = time.perf_counter()

    async def call() -> None:
        nonlocal done
        while time.perf_counter() < began + SLICE_SECONDS:
            for _ in range(10):
                await check()
            done += 10

    await asyncio.gather(*(call() for _ in range(callers)))
    return done / (time.perf_counter() - began)


async def measure(report: Report, checks: dict[str, Check], rounds: int, *, name: str = "alternatives") -> None:
    waits: dict[str, list[float]] = {name: [] for name in checks}
    rates: dict[str, list[float]] = {name: [] for name in checks}
    names = list(checks)
    for _ in range(rounds):
        names.append(names.pop(0))
        for one in names:
            waits[one].append(1e6 / await rate(checks[one], 1))
            rates[one].append(await rate(checks[one], AT_A_TIME))
    for table in (
        Table.of(f"{name}-wait", "one check at a time", "µs", waits),
        Table.of(f"{name}-rate", f"{AT_A_TIME} at a time, one process", "checks/s", rates, less_is_better=False),
    ):
        report.add(table)
        print(f"\n{table.title}, {table.unit}")
        for row in table.rows:
            print(f"  {row.name:55} {row.values.median:12,.1f}  x {row.ratio.median if row.ratio else 1:.2f}")


async def run(report: Report, rounds: int) -> None:
    async with AsyncExitStack() as stack:
        dsn = stack.enter_context(own_cluster(())).create_database()
        auth = Sealring(secret=SECRET, database_url=dsn, issuer=ISSUER, audience=AUDIENCE)
        await stack.enter_async_context(auth.lifespan())
        tokens = [(await auth.start_session(f"user-{number}")).access_token.text for number in range(USERS)]
        mine = cycle(tokens)

        async def own() -> None:
            require(auth.verify(next(mine)).subject)

        checks: dict[str, Check] = {"Sealring: revocations in memory": own}
        if shutil.which("redis-server"):
            checks |= await stack.enter_async_context(redis_checks())
        else:
            report.leave_out("Redis: redis-server is missing (apt-get install redis-server)")
        checks |= await stack.enter_async_context(postgres_check(auth, dsn))
        checks |= await stack.enter_async_context(introspection(dsn, tokens))
        await measure(report, checks, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    add_json_option(parser)
    asked = parser.parse_args()
    asyncio.run(run(Report(asked.json), asked.rounds))


if __name__ == "__main__":
    main()
