"""`as_user` on the test client of each framework: by token and by cookies, with and without an event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from inspect import isawaitable
from typing import Any, Literal

import httpx
import httpx2
import pytest
from django.test import AsyncClient, Client, override_settings
from litestar.testing import AsyncTestClient
from litestar.testing import TestClient as LitestarClient
from starlette.testclient import TestClient

from sealring import Sealring
from sealring.testing import InMemorySealring, as_anonymous, as_user
from tests.django_project.settings import use
from tests.testing.apps import fastapi_app, flask_app, litestar_app, quart_app

Credential = Literal["bearer", "cookie"]
BOTH: list[Credential] = ["bearer", "cookie"]
READ = ["orders:read"]
CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}


@contextmanager
def starlette_in_its_lifespan(auth: Sealring) -> Iterator[Any]:
    with TestClient(fastapi_app(auth)) as client:
        yield client


@contextmanager
def starlette_without_lifespan(auth: Sealring) -> Iterator[Any]:
    yield TestClient(fastapi_app(auth))


@contextmanager
def flask(auth: Sealring) -> Iterator[Any]:
    yield flask_app(auth).test_client()


@contextmanager
def flask_of_another_name(auth: Sealring) -> Iterator[Any]:
    app = flask_app(auth)
    app.config["SERVER_NAME"] = "shop.example:8000"
    yield app.test_client()


@contextmanager
def litestar_in_a_thread(auth: Sealring) -> Iterator[Any]:
    with LitestarClient(litestar_app(auth)) as client:
        yield client


@contextmanager
def django(auth: Sealring, client: Callable[[], Any] = Client) -> Iterator[Any]:
    use(auth)
    with override_settings(ROOT_URLCONF="tests.testing.django_urls"):
        yield client()


def django_with_csrf_checks(auth: Sealring) -> AbstractContextManager[Any]:
    return django(auth, lambda: Client(enforce_csrf_checks=True))


def rest_framework(auth: Sealring) -> AbstractContextManager[Any]:
    from rest_framework.test import APIClient  # noqa: PLC0415 - it reads the settings of Django on import

    return django(auth, APIClient)


HOSTS: list[Callable[..., Any]] = [
    starlette_in_its_lifespan,
    starlette_without_lifespan,
    flask,
    flask_of_another_name,
    litestar_in_a_thread,
    django,
    django_with_csrf_checks,
    rest_framework,
]


@pytest.fixture
def auth() -> Iterator[InMemorySealring]:
    made = InMemorySealring()
    yield made
    made.sync().close()


@pytest.fixture(params=HOSTS, ids=lambda host: host.__name__)
def client(request: pytest.FixtureRequest, auth: InMemorySealring) -> Iterator[Any]:
    with request.param(auth) as opened:
        yield opened


def body(answer: Any) -> Any:
    return answer.json() if callable(answer.json) else answer.json


def of_django(client: Any) -> dict[str, str]:
    """Django's clients say that they post a form, unless they are given something else."""
    return {"data": "", "content_type": "application/json"} if isinstance(client, Client | AsyncClient) else {}


def post(client: Any, path: str) -> Any:
    return client.post(path, **of_django(client))


def post_json(client: Any, path: str, what: object) -> Any:
    if fields := of_django(client):
        return client.post(path, **fields | {"data": json.dumps(what)})
    return client.post(path, json=what)


@pytest.mark.parametrize("credential", BOTH)
def test_it_asks_as_that_user(client: Any, auth: InMemorySealring, credential: Credential) -> None:
    assert client.get("/orders").status_code == 401
    assert as_user(client, auth, "42", scopes=READ, credential=credential) is client
    assert body(client.get("/orders")) == {"orders of": "42"}
    assert body(client.post("/orders")) == {"ordered by": "42"}
    assert body(client.get("/auth/me"))["id"] == "42"


@pytest.mark.parametrize("credential", BOTH)
def test_scopes_count(client: Any, auth: InMemorySealring, credential: Credential) -> None:
    as_user(client, auth, "42", scopes=["orders:write"], credential=credential)
    assert client.get("/orders").status_code == 403


@pytest.mark.parametrize("credential", BOTH)
@pytest.mark.parametrize("before", BOTH)
def test_the_last_user_is_the_one(
    client: Any, auth: InMemorySealring, before: Credential, credential: Credential
) -> None:
    as_user(client, auth, "41", scopes=READ, credential=before)
    assert client.get("/orders").status_code == 200
    as_user(client, auth, "42", scopes=READ, credential=credential)
    assert body(client.get("/orders")) == {"orders of": "42"}
    as_anonymous(client, auth)
    assert client.get("/orders").status_code == 401
    assert client.post("/orders").status_code == 401


def test_cookies_are_refreshed_and_cleared_as_in_a_browser(client: Any, auth: InMemorySealring) -> None:
    as_user(client, auth, "42", scopes=READ, credential="cookie")
    for _ in range(3):
        auth.clock.advance("31m")
        assert client.get("/orders").status_code == 401
        assert post(client, "/auth/refresh").status_code == 200
        assert client.get("/orders").status_code == 200
    assert post(client, "/auth/logout").status_code == 204
    assert client.get("/orders").status_code == 401
    assert post(client, "/auth/refresh").status_code == 401


@pytest.mark.parametrize("credential", BOTH)
def test_a_logout_ends_the_session_that_was_started(
    client: Any, auth: InMemorySealring, credential: Credential
) -> None:
    as_user(client, auth, "42", scopes=READ, credential=credential)
    assert len(auth.sync().list_sessions("42")) == 1
    assert post(client, "/auth/logout").status_code == 204
    assert auth.sync().list_sessions("42") == []


def test_a_login_of_its_own_follows(client: Any, auth: InMemorySealring) -> None:
    """What `as_user` left behind does not get in the way of a login by the routes."""
    as_user(client, auth, "42", scopes=READ, credential="cookie")
    who = {"username": "ada", "password": "correct horse fine staple", "delivery": "cookie"}
    assert post_json(client, "/auth/register", who).status_code == 201
    assert body(client.get("/auth/me"))["username"] == "ada"
    assert post(client, "/auth/logout").status_code == 204


@pytest.mark.parametrize("credential", BOTH)
def test_a_session_that_is_there_already(client: Any, auth: InMemorySealring, credential: Credential) -> None:
    logged_in = auth.sync().register("ada", "correct horse fine staple", address="192.0.2.1")
    as_user(client, auth, logged_in, credential=credential)
    assert body(client.get("/auth/me"))["username"] == "ada"
    as_user(client, auth, logged_in.issued, credential=credential)
    assert body(client.get("/auth/me"))["session"]["id"] == logged_in.issued.session.id
    with pytest.raises(TypeError, match="leave them out"):
        as_user(client, auth, logged_in, scopes=READ)


@asynccontextmanager
async def over_httpx(auth: Sealring) -> AsyncIterator[Any]:
    transport = httpx.ASGITransport(fastapi_app(auth))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


@asynccontextmanager
async def over_httpx2(auth: Sealring) -> AsyncIterator[Any]:
    transport = httpx2.ASGITransport(fastapi_app(auth))
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


@asynccontextmanager
async def litestar(auth: Sealring) -> AsyncIterator[Any]:
    async with AsyncTestClient(litestar_app(auth)) as client:
        yield client


@asynccontextmanager
async def quart(auth: Sealring) -> AsyncIterator[Any]:
    yield quart_app(auth).test_client()


@asynccontextmanager
async def asynchronous_django(auth: Sealring) -> AsyncIterator[Any]:
    with django(auth, AsyncClient) as client:
        yield client


ASYNC_HOSTS: list[Callable[..., Any]] = [over_httpx, over_httpx2, litestar, quart, asynchronous_django]


async def body_of(answer: Any) -> Any:
    found = body(answer) if not hasattr(answer, "get_json") else answer.get_json()
    return await found if isawaitable(found) else found


@pytest.mark.parametrize("credential", BOTH)
@pytest.mark.parametrize("host", ASYNC_HOSTS, ids=lambda host: host.__name__)
@pytest.mark.parametrize("is_open", [True, False])
def test_an_asynchronous_client(*, host: Any, credential: Credential, is_open: bool) -> None:
    async def ask() -> None:
        auth = InMemorySealring()
        if is_open:
            await auth.open()
        async with host(auth) as client:
            as_user(client, auth, "41", scopes=READ, credential="bearer")
            as_user(client, auth, "42", scopes=READ, credential=credential)
            assert await body_of(await client.get("/orders")) == {"orders of": "42"}
            assert await body_of(await client.post("/orders")) == {"ordered by": "42"}
            auth.clock.advance("31m")
            assert (await client.get("/orders")).status_code == 401
            if credential == "cookie":
                assert (await client.post("/auth/refresh", **of_django(client))).status_code == 200
                assert (await client.get("/orders")).status_code == 200
                assert (await client.post("/orders", headers=CROSS_SITE)).status_code == 403
            as_user(client, auth, "43", scopes=READ, credential=credential)
            assert await body_of(await client.get("/orders")) == {"orders of": "43"}
            as_anonymous(client, auth)
            assert (await client.get("/orders")).status_code == 401
        await auth.close()
        await asyncio.to_thread(auth.sync().close)

    asyncio.run(ask())


def test_secure_cookies_need_an_https_client() -> None:
    auth = InMemorySealring(cookie_secure=True)
    with pytest.raises(ValueError, match="base_url of the client is http"):
        as_user(TestClient(fastapi_app(auth)), auth, scopes=READ, credential="cookie")
    client = as_user(
        TestClient(fastapi_app(auth), base_url="https://testserver"), auth, scopes=READ, credential="cookie"
    )
    assert client.get("/orders").status_code == 200
    assert post(client, "/auth/refresh").status_code == 200
    auth.sync().close()


def test_another_client_is_an_error_with_a_way_out(auth: InMemorySealring) -> None:
    with pytest.raises(TypeError, match=r"builtins\.dict is no test client .* access_token"):
        as_user({}, auth)
    with pytest.raises(ValueError, match='credential must be "bearer" or "cookie"'):
        as_user(TestClient(fastapi_app(auth)), auth, credential="token")  # type: ignore[arg-type]
