"""N6: clients without cookies are known by `device`, in the body as in the form; a true `Retry-After`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from sealring.rate_limits.rate import RateLimit
from tests.serving import PASSWORD, cheap_sealring, problem

pytestmark = pytest.mark.anyio
ADA = {"username": "ada", "password": PASSWORD}


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    auth = cheap_sealring(account_rate=RateLimit(3, 300))
    app = FastAPI()
    app.include_router(auth.router())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000") as client:
        yield client
    await auth.close()


async def lock_out(client: httpx2.AsyncClient) -> None:
    for _ in range(4):
        await client.post("/auth/login", json=ADA | {"password": "wrong"})
    answer = await client.post("/auth/login", json=ADA)
    assert problem(answer) == (429, "throttled")
    assert answer.headers["retry-after"] == "100"


async def test_n6_a_client_without_cookies_is_known_by_what_it_was_given(client: httpx2.AsyncClient) -> None:
    registered = (await client.post("/auth/register", json=ADA)).json()
    logged_in = (await client.post("/auth/login", json=ADA)).json()
    assert registered["device"] != logged_in["device"]
    for device in (registered["device"], logged_in["device"]):
        await lock_out(client)
        for other in (None, "", "x" * 5000, "\0\uffff", logged_in["access_token"]):
            answer = await client.post("/auth/login", json=ADA | {"device": other})
            assert problem(answer) == (429, "throttled")
        answer = await client.post("/auth/login", json=ADA | {"device": device})
        assert answer.status_code == 200


async def test_n6_a_device_in_the_body_counts_before_a_cookie(client: httpx2.AsyncClient) -> None:
    device = (await client.post("/auth/register", json=ADA)).json()["device"]
    await lock_out(client)
    cookie = {"Cookie": f"sealring_device={device}"}
    assert problem(await client.post("/auth/login", json=ADA | {"device": "no"}, headers=cookie)) == (429, "throttled")
    assert (await client.post("/auth/login", json=ADA, headers=cookie)).status_code == 200


async def test_a_page_with_cookies_is_told_no_device(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/auth/register", json=ADA | {"delivery": "cookie"})
    assert "device" not in answer.json()
    assert "sealring_device" in client.cookies


async def test_a_refresh_gives_no_device(client: httpx2.AsyncClient) -> None:
    registered = (await client.post("/auth/register", json=ADA)).json()
    refreshed = await client.post("/auth/refresh", json={"refresh_token": registered["refresh_token"]})
    assert refreshed.status_code == 200
    assert "device" not in refreshed.json()
