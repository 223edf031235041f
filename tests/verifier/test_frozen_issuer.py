"""F4, F5, F6 with processes: an issuer that is stopped, and a network that loses all bytes and tells nobody.

Real clocks. Nothing here has to be quick: a verification that was asked for after the bound must not be good, however
late it is asked.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from sealring import Verifier
from sealring.errors import Revoked, Stale
from tests.cluster.proxy import Proxy
from tests.serving import PASSWORD, SECRET, ServedProcess, bearer, fresh_name, start

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

ISSUER = "http://127.0.0.1:8000"
BOUND_SECONDS = 5
WITHIN_SECONDS = 60


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedProcess]:
    folder: Path = tmp_path_factory.mktemp("issuer")
    served = start(folder, "--no-demo", SEALRING_SECRET=SECRET, SEALRING_ISSUER=ISSUER)
    yield served
    os.killpg(served.process.pid, signal.SIGCONT)
    served.kill()


@pytest.fixture
async def network(issuer: ServedProcess) -> AsyncIterator[Proxy]:
    proxy = Proxy(issuer.port)
    await proxy.open()
    yield proxy
    await proxy.close()


def verifier_behind(network: Proxy) -> Verifier:
    return Verifier.from_issuer(
        f"http://127.0.0.1:{network.port}/auth", audience=ISSUER, issuer=ISSUER, max_staleness=BOUND_SECONDS
    )


def login(issuer: ServedProcess) -> str:
    with issuer.client() as client:
        answer = client.post("/auth/register", json={"username": fresh_name(), "password": PASSWORD})
    token: str = answer.json()["access_token"]
    return token


async def logout(issuer: ServedProcess, token: str) -> None:
    async with httpx2.AsyncClient(base_url=issuer.url, trust_env=False, timeout=WITHIN_SECONDS) as client:
        assert (await client.post("/auth/logout", headers=bearer(token))).status_code == 204


def cause_of(verifier: Verifier, token: str) -> type[Exception] | None:
    try:
        verifier.verify(token)
    except (Stale, Revoked) as error:
        return type(error)
    return None


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        while not done():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)


async def until_stale(verifier: Verifier, token: str, cut_at: float) -> None:
    """Until it refuses all. No verification that began after the bound may be good (I1)."""
    async with asyncio.timeout(WITHIN_SECONDS):
        while True:
            asked_at = time.monotonic()
            cause = cause_of(verifier, token)
            if cause is Stale:
                return
            assert cause is None
            assert asked_at < cut_at + BOUND_SECONDS
            await asyncio.sleep(0.01)


async def test_f6_a_stopped_issuer(issuer: ServedProcess, network: Proxy) -> None:
    token = login(issuer)
    verifier = verifier_behind(network)
    async with verifier.lifespan():
        assert cause_of(verifier, token) is None
        os.killpg(issuer.process.pid, signal.SIGSTOP)
        cut_at = time.monotonic()
        await until_stale(verifier, token, cut_at)
        os.killpg(issuer.process.pid, signal.SIGCONT)
        await until(lambda: cause_of(verifier, token) is None)
        await logout(issuer, token)
        await until(lambda: cause_of(verifier, token) is Revoked)


async def test_f4_a_half_open_connection(issuer: ServedProcess, network: Proxy) -> None:
    token, other = login(issuer), login(issuer)
    verifier = verifier_behind(network)
    async with verifier.lifespan():
        assert cause_of(verifier, token) is None
        network.break_by("silent")
        cut_at = time.monotonic()
        await logout(issuer, token)  # which nobody tells the verifier
        await until_stale(verifier, other, cut_at)
        network.break_by("none")
        await until(lambda: cause_of(verifier, other) is None)
        assert cause_of(verifier, token) is Revoked, "before anything else was served"


async def test_f10_a_verifier_that_starts_while_its_issuer_is_stopped(issuer: ServedProcess, network: Proxy) -> None:
    """It starts, answers 503, and heals: nobody has to restart it."""
    token = login(issuer)
    verifier = verifier_behind(network)
    os.killpg(issuer.process.pid, signal.SIGSTOP)
    async with verifier.lifespan():
        assert cause_of(verifier, token) is Stale
        os.killpg(issuer.process.pid, signal.SIGCONT)
        await until(lambda: cause_of(verifier, token) is None)
