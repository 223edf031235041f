"""U10 behind a Unix socket, where no peer has an address: the proxy there is trusted by a word, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from sealring.rate_limits.rate import RateLimit
from tests.serving import PASSWORD, cheap_sealring


@contextmanager
def served_at(socket: Path, trusted: str) -> Iterator[httpx2.Client]:
    """Our routes behind a real uvicorn on a Unix socket."""
    auth = cheap_sealring(throttle_address="3/1m", trusted_proxies=trusted, account_rate=RateLimit(100, 60))
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router())
    server = uvicorn.Server(uvicorn.Config(app, uds=str(socket), log_level="error", proxy_headers=False, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        end = time.monotonic() + 30
        while not server.started and time.monotonic() < end:
            time.sleep(0.01)
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(socket)), base_url="http://127.0.0.1:8000") as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.mark.parametrize(
    ("trusted", "statuses"), [("", [401] * 4 + [429]), ("127.0.0.0/8,::/0", [401] * 4 + [429]), ("unix", [401] * 5)]
)
def test_u10_clients_behind_a_unix_socket_have_a_bucket_each_where_the_socket_is_trusted(
    tmp_path: Path, trusted: str, statuses: list[int]
) -> None:
    with served_at(tmp_path / "s", trusted) as client:
        answers = [
            client.post(
                "/auth/login",
                json={"username": f"user{number}", "password": PASSWORD},
                headers={"X-Forwarded-For": f"203.0.{number}.1"},
            )
            for number in range(5)
        ]
        assert [answer.status_code for answer in answers] == statuses


def test_u10_one_client_behind_a_trusted_unix_socket_has_one_bucket_whatever_it_writes(tmp_path: Path) -> None:
    with served_at(tmp_path / "s", "unix") as client:
        answers = [
            client.post(
                "/auth/login",
                json={"username": f"user{number}", "password": PASSWORD},
                headers={"X-Forwarded-For": f"6.6.{number}.6, 203.0.113.1"},
            )
            for number in range(5)
        ]
        assert [answer.status_code for answer in answers] == [401] * 4 + [429]
