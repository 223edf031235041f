"""N12: an access token that a cookie cannot carry is refused with words, and no session begins or moves for it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from sealring import Sealring
from sealring.errors import TokenTooLong
from sealring.http.cookies import MAX_COOKIE_BYTES, MAX_SET_COOKIE_BYTES
from sealring.sessions.grant import Grant
from tests.serving import OTHER_PASSWORD, PASSWORD, bearer, cheap_sealring, problem

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
"""A login that ends the session of its cookie must prove its page."""
pytestmark = pytest.mark.anyio

NAME = "ada"
SAME = {"Sec-Fetch-Site": "same-origin"}
TOO_MANY = tuple(f"documents:{number}:read" for number in range(200))
FAR_TOO_MANY = tuple(f"documents:{number}:read" for number in range(800))
MANY = TOO_MANY[:90]


@pytest.fixture
async def auth() -> AsyncIterator[Sealring]:
    auth = cheap_sealring(issuer="http://127.0.0.1:8000")
    await auth.open()
    yield auth
    await auth.close()


@pytest.fixture
async def client(auth: Sealring) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.include_router(auth.router())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000") as client:
        yield client


async def give(auth: Sealring, scopes: tuple[str, ...]) -> str:
    account = await auth.issuer.accounts.find(NAME)
    await auth.issuer.accounts.set_scopes(account.id, scopes)
    return account.id


def credentials(delivery: str) -> dict[str, str]:
    return {"username": NAME, "password": PASSWORD, "delivery": delivery}


async def test_n12_no_session_begins_whose_cookie_a_browser_would_drop(
    auth: Sealring, client: httpx2.AsyncClient
) -> None:
    assert (await client.post("/auth/register", json=credentials("body"))).status_code == 201
    subject = await give(auth, TOO_MANY)
    before = await auth.issuer.sessions.list(subject)
    answer = await client.post("/auth/login", json=credentials("cookie"))
    assert problem(answer) == (422, "token_too_long")
    assert "set-cookie" not in answer.headers
    assert await auth.issuer.sessions.list(subject) == before
    assert (await client.post("/auth/login", json=credentials("body"))).status_code == 200
    await give(auth, FAR_TOO_MANY)
    for delivery in ("body", "cookie"):
        assert problem(await client.post("/auth/login", json=credentials(delivery))) == (422, "token_too_long")


async def test_n12_a_refresh_that_would_outgrow_the_cookie_moves_nothing_and_later_goes_on(
    auth: Sealring, client: httpx2.AsyncClient
) -> None:
    await client.post("/auth/register", json=credentials("cookie"))
    await give(auth, TOO_MANY)
    session = (await auth.issuer.sessions.list(None))[0]
    cookies = dict(client.cookies)
    answer = await client.post("/auth/refresh", headers=SAME)
    assert problem(answer) == (422, "token_too_long")
    assert dict(client.cookies) == cookies
    assert await auth.issuer.sessions.list(None) == [session]
    await give(auth, ("documents:1:read",))
    assert (await client.post("/auth/refresh", headers=SAME)).status_code == 200


async def test_n12_a_password_change_whose_new_cookie_would_not_fit_changes_nothing() -> None:
    scopes: tuple[str, ...] = ()

    async def grant_for(_: object) -> Grant:
        return Grant(scopes)

    auth = cheap_sealring(grant_for=grant_for)
    app = FastAPI()
    app.include_router(auth.router())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000") as client:
        tokens = (await client.post("/auth/register", json=credentials("body"))).json()
        await client.post("/auth/login", json=credentials("cookie"))
        scopes = TOO_MANY
        change = {"current": PASSWORD, "new": OTHER_PASSWORD}
        answer = await client.post("/auth/password", json=change, headers=SAME)
        assert problem(answer) == (422, "token_too_long")
        client.cookies.clear()
        assert (await client.post("/auth/login", json=credentials("body"))).status_code == 200
        by_bearer = await client.post("/auth/password", json=change, headers=bearer(tokens["access_token"]))
        assert by_bearer.status_code == 200
    await auth.close()


async def test_n12_the_longest_cookie_that_is_written_fits_and_one_scope_more_is_refused(
    auth: Sealring, client: httpx2.AsyncClient
) -> None:
    await client.post("/auth/register", json=credentials("body"))
    longest = 0
    for count in range(110, 200):
        await give(auth, TOO_MANY[:count])
        answer = await client.post("/auth/login", json=credentials("cookie"), headers=SAME_ORIGIN)
        if answer.status_code == 422:
            break
        longest = max(map(len, answer.headers.get_list("set-cookie")))
    else:
        pytest.fail("nothing was refused")
    assert MAX_SET_COOKIE_BYTES - 100 < longest <= MAX_SET_COOKIE_BYTES


async def test_n12_a_long_token_is_warned_of_before_it_is_too_long(
    auth: Sealring, client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    def warnings() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    await client.post("/auth/register", json=credentials("cookie"))
    with caplog.at_level(logging.WARNING, "sealring"):
        await client.post("/auth/login", json=credentials("cookie"), headers=SAME_ORIGIN)
        assert not warnings()
        await give(auth, MANY)
        assert (await client.post("/auth/login", json=credentials("body"))).status_code == 200
        assert not warnings()
        answer = await client.post("/auth/login", json=credentials("cookie"), headers=SAME_ORIGIN)
        assert answer.status_code == 200
    assert "long for a cookie" in warnings()[0]


async def test_n12_a_log_in_into_a_crowd_of_cookies_is_refused_before_a_session_begins(
    auth: Sealring, client: httpx2.AsyncClient
) -> None:
    await client.post("/auth/register", json=credentials("body"))
    crowd = {"Cookie": "big=" + "x" * MAX_COOKIE_BYTES}
    answer = await client.post("/auth/login", json=credentials("cookie"), headers=crowd)
    assert problem(answer) == (431, "cookies_too_large")
    assert len(await auth.issuer.sessions.list(None)) == 1
    assert (await client.post("/auth/login", json=credentials("body"), headers=crowd)).status_code == 200


async def test_n12_an_application_that_asks_for_too_much_is_told_in_a_value_error(auth: Sealring) -> None:
    with pytest.raises(TokenTooLong, match="8192 characters"):
        await auth.start_session("42", scopes=FAR_TOO_MANY, address="203.0.113.9")
    assert await auth.issuer.sessions.list("42") == []
