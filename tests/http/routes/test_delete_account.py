"""A user deletes the own account: with a recent proof, for good, and everywhere at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from sealring.testing import InMemorySealring
from tests.serving import PASSWORD, bearer

AGED = 601
"""Seconds since the login: more than the route allows."""


@pytest.fixture
def auth() -> InMemorySealring:
    return InMemorySealring()


@pytest.fixture
def client(auth: InMemorySealring) -> Iterator[TestClient]:
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router())
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        yield client


def register(client: TestClient, *, delivery: str = "body") -> dict[str, str]:
    body = {"username": "ada", "password": PASSWORD, "delivery": delivery}
    answer = client.post("/auth/register", json=body)
    assert answer.status_code == 201
    read: dict[str, str] = answer.json()
    return read


def test_the_account_is_gone_its_sessions_are_over_and_its_cookies_too(client: TestClient) -> None:
    other = register(client, delivery="body")["access_token"]
    tokens = client.post("/auth/login", json={"username": "ada", "password": PASSWORD, "delivery": "cookie"}).json()
    answer = client.post("/auth/account/delete", headers={"x-csrf-token": tokens["csrf_token"]})
    assert (answer.status_code, answer.content) == (204, b"")
    assert "sealring_refresh" not in client.cookies
    assert client.get("/auth/me", headers=bearer(other)).json()["code"] == "invalid_token"
    again = client.post("/auth/login", json={"username": "ada", "password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (401, "invalid_credentials")


@pytest.mark.anyio
async def test_the_audit_log_says_who_did_it(auth: InMemorySealring) -> None:
    app = FastAPI()
    app.include_router(auth.router())
    async with auth.lifespan(app):
        token = (await auth.register("ada", PASSWORD, address="192.0.2.7")).issued.access_token.text
        client = TestClient(app)
        assert client.post("/auth/account/delete", headers=bearer(token)).status_code == 204
        events = [(event.kind, event.cause) for event in await auth.store.read_events()]
    assert ("account_deleted", "deleted by user") in events


def test_a_stolen_session_does_not_delete_the_account(client: TestClient, auth: InMemorySealring) -> None:
    tokens = register(client)
    auth.clock.advance(AGED)
    refreshed = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json()
    for token in (tokens["access_token"], refreshed["access_token"]):  # a refresh proves nothing
        answer = client.post("/auth/account/delete", headers=bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (401, "insufficient_user_authentication")
        assert 'max_age="600"' in answer.headers["www-authenticate"]
    assert client.post("/auth/login", json={"username": "ada", "password": PASSWORD}).status_code == 200


def test_cookies_alone_do_not_delete_the_account(client: TestClient) -> None:
    register(client, delivery="cookie")
    answer = client.post("/auth/account/delete", headers={"origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


@pytest.mark.anyio
async def test_a_user_of_the_applications_own_has_no_account_to_delete(auth: InMemorySealring) -> None:
    app = FastAPI()
    app.include_router(auth.router())
    async with auth.lifespan(app):
        token = (await auth.start_session("42")).access_token.text
        answer = TestClient(app).post("/auth/account/delete", headers=bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_account")
        assert TestClient(app).get("/auth/live", headers=bearer(token)).status_code == 204
