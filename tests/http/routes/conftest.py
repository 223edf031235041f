"""One demo server, and a client of it without a cookie jar of its own accord: what is sent stands in the test."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.serving import ServedProcess, shared_demo


@pytest.fixture(scope="session")
def demo() -> ServedProcess:
    return shared_demo()


@pytest.fixture
def client(demo: ServedProcess) -> Iterator[httpx2.Client]:
    with demo.client() as client:
        yield client
