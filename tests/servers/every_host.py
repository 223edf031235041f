"""Hosts of the conformance table in one process, each with a Sealring and a database file of its own.

The field `X-Test-Host` names the host that a request is for; it is taken off the request. `TEST_KIND` is ASGI or WSGI,
`TEST_HOSTS` the hosts of that kind.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from sealring import Sealring
from sealring.frameworks.lifespan import Lifespan
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.store.sqlite import SqliteStore
from sealring.verifier.clock import SystemClock
from tests.conformance.hosts import HOSTS, WSGI
from tests.conformance.test_hosts import SETTINGS
from tests.serving import cheap_sealring

FOLDER = Path(os.environ["TEST_FOLDER"])
NAMES = os.environ["TEST_HOSTS"].split(",")


def make(name: str) -> tuple[Sealring, Any]:
    clock: Any = SystemClock(LEEWAY_SECONDS)
    store = SqliteStore(FOLDER / f"{name}.db")
    auth = cheap_sealring(store, clock, poll_interval="0.1s", **SETTINGS)
    host = HOSTS[name](auth)
    return auth, host.app if isinstance(host, WSGI) else host


def make_asgi() -> Any:
    made = {name: make(name) for name in NAMES}

    @asynccontextmanager
    async def all_open() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for auth, _ in made.values():
                await stack.enter_async_context(auth.lifespan())
            yield

    async def no_lifespan(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - the interface
        raise TypeError("it knows none")

    lifespan = Lifespan(no_lifespan, all_open)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await lifespan(scope, receive, send)
            return
        name = next((value.decode() for field, value in scope["headers"] if field == b"x-test-host"), NAMES[0])
        headers = [field for field in scope["headers"] if field[0] != b"x-test-host"]
        await made[name][1]({**scope, "headers": headers}, receive, send)

    return app


def make_wsgi() -> Any:
    made = {name: make(name) for name in NAMES}

    def app(environ: Any, start_response: Any) -> Any:
        return made[environ.pop("HTTP_X_TEST_HOST", NAMES[0])][1](environ, start_response)

    return app


app = make_wsgi() if os.environ["TEST_KIND"] == "WSGI" else make_asgi()
