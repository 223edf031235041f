"""N12: an access token that a cookie cannot carry is refused with words, and no session begins or moves for it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from sealring import Sealring
from sealring.accounts.changes import ScopesChange
from sealring.audit.event import Event
from sealring.errors import ConfigurationError, TokenTooLong
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
    """As they may be there from a time with other settings: today `set_scopes` refuses what no cookie carries."""
    account = await auth.issuer.accounts.find(NAME)
    event = Event(kind="scopes_changed", at_ms=auth.clock.now_ms(), subject=account.id, cause="by operator")
    now = auth.clock.now_ms() // 1000
    assert await auth.issuer.store.change_account(account.id, ScopesChange(scopes=scopes), event, now=now)
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


@pytest.mark.parametrize("algorithm", ["ES256", "HS256", "Ed25519", "EdDSA", "RS256"])
async def test_n12_scopes_are_refused_where_they_are_given_by_the_measure_of_the_login(algorithm: Any) -> None:
    auth = cheap_sealring(issuer="http://127.0.0.1:8000", algorithm=algorithm, audience="orders")
    app = FastAPI()
    app.include_router(auth.router())
    transport = httpx2.ASGITransport(app)
    async with auth.lifespan(), httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        account = await auth.accounts.create(NAME, PASSWORD)

        def fits(chars: int) -> bool:
            try:
                auth.parts.measure.check_scopes(("x" * chars,))
            except TokenTooLong:
                return False
            return True

        most = next(chars for chars in range(3500, 0, -1) if fits(chars))
        await auth.accounts.set_scopes(account.id, ["x" * most])
        assert (await client.post("/auth/login", json=credentials("cookie"))).status_code == 200
        longer = ["x" * (most + 4)]  # base64url: three bytes are four characters
        for refused in (
            auth.accounts.set_scopes(account.id, longer),
            auth.accounts.create("bob", PASSWORD, scopes=longer),
        ):
            with pytest.raises(TokenTooLong):
                await refused
        assert [(one.name, one.scopes) for one in await auth.accounts.list()] == [(NAME, ("x" * most,))]
        # a login with a password alone says less of how it was proved than the longest does
        await give(auth, ("x" * (most + 60),))
        client.cookies.clear()
        answer = await client.post("/auth/login", json=credentials("cookie"))
        assert problem(answer) == (422, "token_too_long")


def test_n12_default_scopes_with_which_nobody_could_log_in_are_refused_at_construction() -> None:
    with pytest.raises(ConfigurationError, match="SEALRING_DEFAULT_SCOPES: an access token would have more") as refused:
        cheap_sealring(default_scopes=TOO_MANY)
    assert refused.value.hint == "give fewer or shorter scopes"
    cheap_sealring(default_scopes=MANY[:50])


async def test_n12_where_the_application_grants_an_accounts_scopes_stand_in_no_token() -> None:
    async def grant_for(_: object) -> Grant:
        return Grant(["read"])

    auth = cheap_sealring(grant_for=grant_for, default_scopes=TOO_MANY)
    async with auth.lifespan():
        account = await auth.accounts.create(NAME, PASSWORD, scopes=TOO_MANY)
        await auth.accounts.set_scopes(account.id, FAR_TOO_MANY)
        assert (await auth.log_in(NAME, PASSWORD, address="192.0.2.7")).issued.scopes == ("read",)


async def test_n12_claims_of_a_session_that_starts_are_measured_before_anything_is_written(auth: Sealring) -> None:
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"origin", b"http://127.0.0.1:8000")]}
    long, too_long = {"note": "x" * 4000}, {"note": "x" * 8000}
    with pytest.raises(TokenTooLong):
        await auth.start_session("42", claims=long, request=scope, delivery="cookie")
    for claims in (too_long, {"list": ["x" * 100] * 80}):
        with pytest.raises(TokenTooLong):
            await auth.start_session("42", claims=claims)
    assert await auth.list_sessions("42") == []
    assert auth.verify((await auth.start_session("42", claims=long)).access_token.text).claims["note"] == long["note"]
