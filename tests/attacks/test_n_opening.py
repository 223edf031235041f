"""N11: one `Sealring`, opened and closed any number of times, in any event loop, by a lifespan or by a request."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Security
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from sealring import Principal, Sealring, SealringError
from sealring.errors import StoreUnavailable
from sealring.frameworks.fastapi import guard
from sealring.store.memory import MemoryStore
from tests.clocks import FrozenClock
from tests.serving import PASSWORD, SECRET, bearer, cheap_sealring, fresh_name, problem


def make_app(auth: Sealring, *, lifespan: bool = True, middleware: bool = True) -> FastAPI:
    app = FastAPI(lifespan=auth.lifespan if lifespan else None)
    app.include_router(auth.router())
    app.add_exception_handler(SealringError, auth.problem_response)
    if middleware:
        app.add_middleware(auth.middleware, protect=["/internal"])
    user = Annotated[Principal, Security(guard(auth))]

    async def subject(user: Any) -> str:
        return str(user.subject)

    subject.__annotations__["user"] = user
    app.get("/orders")(subject)
    app.get("/internal")(lambda: "seen")
    return app


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def auth(request: pytest.FixtureRequest, tmp_path: Path) -> Sealring:
    """On each store, with the machine's clock and real hashing threads."""
    given: dict[str, Any] = {"secret": SECRET, "throttle_address": "100000/1m", "metrics": CollectorRegistry()}
    match request.param:
        case "memory":
            return Sealring(store=MemoryStore(), **given)
        case "sqlite":
            return Sealring(database_url=f"sqlite:///{tmp_path}/sealring.db", **given)
        case _:
            return Sealring(database_url=request.getfixturevalue("postgres_dsn"), **given)


def a_day(client: TestClient) -> None:
    """Register, log in thrice at once so that some wait, come in by both guards, log out."""
    name = fresh_name()
    body = {"username": name, "password": PASSWORD}
    token = client.post("/auth/register", json=body).json()["access_token"]
    assert client.get("/orders", headers=bearer(token)).status_code == 200
    assert client.get("/internal", headers=bearer(token)).status_code == 200
    assert client.post("/auth/login", json=body).status_code == 200
    assert client.post("/auth/logout", headers=bearer(token)).status_code == 204
    assert client.get("/orders", headers=bearer(token)).status_code == 401


def test_n11_each_test_may_open_and_close_the_application(auth: Sealring) -> None:
    app = make_app(auth)
    for _ in range(3):
        with TestClient(app, base_url="http://127.0.0.1:8000") as client:
            a_day(client)


def test_n11_a_client_without_a_lifespan_has_a_loop_for_each_request(auth: Sealring) -> None:
    a_day(TestClient(make_app(auth), base_url="http://127.0.0.1:8000"))
    asyncio.run(auth.close())
    with TestClient(make_app(auth), base_url="http://127.0.0.1:8000") as client:
        a_day(client)


def test_n11_whoever_waits_for_a_hash_in_one_loop_does_not_bind_the_next(auth: Sealring) -> None:
    async def flood() -> None:
        async with auth.lifespan():
            names = [fresh_name() for _ in range(12)]
            await asyncio.gather(*(auth.register(name, PASSWORD, address="192.0.2.7") for name in names))

    for _ in range(2):
        asyncio.run(flood())


@pytest.mark.parametrize("middleware", [True, False])
def test_n11_a_bearer_request_opens_what_no_lifespan_has_opened(
    middleware: bool,  # noqa: FBT001 - a parameter of the test
    caplog: pytest.LogCaptureFixture,
) -> None:
    here = cheap_sealring()
    there = cheap_sealring(here.store, here.clock)  # type: ignore[arg-type]
    with TestClient(make_app(here), base_url="http://127.0.0.1:8000") as client:
        token = client.post("/auth/register", json={"username": "ada", "password": PASSWORD}).json()["access_token"]
        outer = Starlette(routes=[Mount("/inner", make_app(there, middleware=middleware))])  # a mount has no lifespan
        with caplog.at_level(logging.WARNING, "sealring"):
            for path in ("/inner/orders", "/inner/internal", "/inner/auth/me"):
                assert TestClient(outer).get(path, headers=bearer(token)).status_code == 200
    assert "lifespan=auth.lifespan" in caplog.text


class Down(MemoryStore):
    """A store that nobody reaches; counts who tried."""

    asked = 0

    async def open(self) -> None:
        self.asked += 1
        raise StoreUnavailable("the database does not answer")


def test_n11_a_store_that_does_not_open_is_not_asked_by_every_request(caplog: pytest.LogCaptureFixture) -> None:
    clock = FrozenClock()
    store = Down(clock.now_ms)
    auth = cheap_sealring(store, clock)
    with (
        TestClient(Starlette(routes=[Mount("/", make_app(auth))])) as client,
        caplog.at_level(logging.ERROR, "sealring"),
    ):
        for _ in range(5):
            assert problem(client.get("/orders", headers=bearer("x.y.z"))) == (503, "stale")
    assert store.asked == 1
    causes = [record.sealring["cause"] for record in caplog.records if hasattr(record, "sealring")]
    assert "the database does not answer" in causes


def test_n11_what_is_stale_because_nobody_opened_it_says_what_to_do() -> None:
    auth = cheap_sealring()
    assert "lifespan=auth.lifespan" in str(auth.node.last_error)
    with TestClient(make_app(auth)):
        assert auth.node.last_error is None
    assert "lifespan=auth.lifespan" in str(auth.node.last_error)


ENDS_WITHOUT_CLOSE = """
import asyncio, sys
from sealring import Sealring

async def main():
    auth = Sealring(secret=sys.argv[1], database_url=sys.argv[2])
    await auth.open()
    if sys.argv[3] == "at work":
        asyncio.create_task(auth.register("ada", "correct horse battery staple", address="192.0.2.7"))
        await asyncio.sleep(0)
    if sys.argv[3] == "raises":
        sys.exit(7)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["returns", "raises", "at work"])
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_n11_a_loop_that_ends_without_close_ends_the_process(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, how: str
) -> None:
    url = f"sqlite:///{tmp_path}/s.db" if kind == "sqlite" else request.getfixturevalue("postgres_dsn")
    line = [sys.executable, "-c", ENDS_WITHOUT_CLOSE, SECRET, url, how]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == (7 if how == "raises" else 0), done.stderr
