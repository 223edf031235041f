"""A server for this folder, and each kind of client in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import httpx2
import pytest

from sealring.client import Auth, MemoryTokens
from tests.client.variants import Begun, ClientClock, Variant
from tests.serving import ServedThread, cheap_sealring, serve_in_thread


@pytest.fixture(
    params=[(httpx2, False), (httpx2, True), (httpx, False), (httpx, True)],
    ids=["httpx2-sync", "httpx2-async", "httpx-sync", "httpx-async"],
)
def variant(request: pytest.FixtureRequest) -> Iterator[Variant]:
    """Each library, sync and async."""
    library, is_async = request.param
    with asyncio.Runner() as runner:
        yield Variant(library, is_async, runner)


@pytest.fixture(scope="module")
def served() -> Iterator[ServedThread]:
    """The auth routes under /auth and a guarded route /orders, on a clock that stands still; each test has its user."""
    with serve_in_thread(cheap_sealring()) as server:
        yield server


@pytest.fixture
def begun(variant: Variant, served: ServedThread) -> Iterator[Begun]:
    """A client that has registered."""
    clock, store = ClientClock(), MemoryTokens()
    auth = Auth(f"{served.url}/auth", store=store, clock=clock)
    with variant.client(auth, served.url) as http:
        user = http.register(auth)
        http.paths.clear()
        yield Begun(auth, store, clock, http, served, user)
