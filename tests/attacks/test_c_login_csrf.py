"""Login CSRF: a login with cookies ends the session that the browser held, so it must prove its page (C1, C2, C3)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from sealring import Sealring
from sealring.http.request_errors import CrossSite
from tests.conformance.hosts import raw_asgi
from tests.serving import PASSWORD, cheap_sealring, problem

pytestmark = pytest.mark.anyio

ADA = {"username": "ada", "password": PASSWORD, "delivery": "cookie"}
BY_METHOD = {"response": {"username": "ada", "password": PASSWORD}, "delivery": "cookie"}
OURS = {"Origin": "http://127.0.0.1:8000"}
LOGINS = [
    ("/auth/login", ADA),
    ("/auth/login/password", BY_METHOD),
    ("/auth/register", ADA | {"username": "bob"}),
]


def browser(auth: Sealring) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(raw_asgi(auth)), base_url="http://127.0.0.1:8000")


@pytest.mark.parametrize(("path", "body"), LOGINS)
async def test_c3_a_login_that_would_end_the_session_of_its_cookie_proves_its_page(
    path: str, body: dict[str, Any]
) -> None:
    auth = cheap_sealring()
    async with auth.lifespan(), browser(auth) as client:
        await auth.accounts.create("ada", PASSWORD)
        first = (await client.post("/auth/login", json=ADA)).json()
        for fields in ({}, {"X-CSRF-Token": "x"}, {"Sec-Fetch-Site": "same-site"}):
            assert problem(await client.post(path, json=body, headers=fields)) == (403, "csrf"), fields
            assert (await client.get("/auth/me")).status_code == 200, "the session lives"
        answer = await client.post(path, json=body, headers={"X-CSRF-Token": first["csrf_token"]})
        assert answer.status_code in {200, 201}


@pytest.mark.parametrize("proof", [OURS, {"Sec-Fetch-Site": "same-origin"}])
async def test_a_page_of_ours_that_missed_another_tabs_login_logs_in_with_the_token_it_held(
    proof: dict[str, str],
) -> None:
    auth = cheap_sealring()
    async with auth.lifespan(), browser(auth) as client:
        await auth.accounts.create("ada", PASSWORD)
        first = (await client.post("/auth/login", json=ADA)).json()
        await client.post("/auth/login", json=ADA, headers=OURS)
        missed = {"X-CSRF-Token": first["csrf_token"]}
        assert (await client.post("/auth/login", json=ADA, headers=proof | missed)).status_code == 200


@pytest.mark.parametrize(("path", "body"), LOGINS)
async def test_a_client_without_our_cookies_needs_no_proof(path: str, body: dict[str, Any]) -> None:
    auth = cheap_sealring()
    async with auth.lifespan(), browser(auth) as client:
        await auth.accounts.create("ada", PASSWORD)
        assert (await client.post(path, json=body)).status_code in {200, 201}


async def test_the_cookies_of_a_dead_session_keep_nobody_out() -> None:
    auth = cheap_sealring()
    async with auth.lifespan(), browser(auth) as client:
        account = await auth.accounts.create("ada", PASSWORD)
        await client.post("/auth/login", json=ADA)
        await auth.revoke_subject(account.id)
        assert (await client.post("/auth/login", json=ADA, headers=OURS)).status_code == 200


async def test_c3_a_login_of_ones_own_proves_its_page_too() -> None:
    auth = cheap_sealring()
    async with auth.lifespan(), browser(auth) as client:
        await auth.accounts.create("ada", PASSWORD)
        await client.post("/auth/login", json=ADA)
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items()).encode()
        scope: dict[str, Any] = {"type": "http", "method": "POST", "headers": [(b"cookie", cookies)], "client": None}
        with pytest.raises(CrossSite):
            await auth.start_session("42", request=scope, delivery="cookie")
        scope["headers"].append((b"origin", b"http://127.0.0.1:8000"))
        assert (await auth.start_session("42", request=scope, delivery="cookie")).session.subject == "42"
