"""The OAuth password grant is off unless asked for (RFC 9700 §2.4), and what is said of it is true either way."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from sealring import Sealring
from sealring.demo.app import create_app
from sealring.frameworks.fastapi import guard
from sealring.settings import load_settings
from tests.hashers import CountingHasher
from tests.serving import PASSWORD, SECRET, cheap_sealring

pytestmark = pytest.mark.anyio
ADA = {"username": "ada", "password": PASSWORD}


def app_of(auth: Sealring) -> FastAPI:
    app = FastAPI()
    app.include_router(auth.router())
    return app


def form_of(app: FastAPI) -> dict[str, Any]:
    schema: dict[str, Any] = app.openapi()["paths"]["/auth/token"]["post"]["requestBody"]["content"][
        "application/x-www-form-urlencoded"
    ]["schema"]
    return schema


def test_it_is_off_unless_asked_for() -> None:
    assert load_settings(secret=SECRET).password_grant == "off"
    assert load_settings(secret=SECRET, password_grant=True).password_grant == "on"


@pytest.mark.parametrize(
    ("setting", "words"),
    [("off", "client_credentials, refresh_token"), ("on", "client_credentials, password, refresh_token")],
)
async def test_the_token_endpoint_says_which_grants_it_takes(setting: str, words: str) -> None:
    auth = cheap_sealring(password_grant=setting)
    app = app_of(auth)
    assert form_of(app)["properties"]["grant_type"]["enum"] == words.split(", ")
    assert ("password" in form_of(app)["properties"]) == (setting == "on")
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000") as client:
        tokens = (await client.post("/auth/register", json=ADA)).json()
        hasher = auth.issuer.accounts._hasher
        assert isinstance(hasher, CountingHasher)
        hashed = hasher.computed
        answer = await client.post("/auth/token", data=ADA | {"grant_type": "password"})
        other = await client.post("/auth/token", data={"grant_type": "authorization_code"})
        refused = {"error": "unsupported_grant_type", "error_description": f"this endpoint takes only {words}"}
        assert (other.status_code, other.json()) == (400, refused)
        if setting == "off":
            assert (answer.status_code, answer.json()) == (400, refused)
            assert hasher.computed == hashed, "no password was looked at"
        else:
            assert answer.status_code == 200
            assert answer.json()["device"]
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        refreshed = await client.post("/auth/token", data=refresh)
        assert refreshed.status_code == 200
        assert "device" not in refreshed.json()
    await auth.close()


def test_a_guard_offers_no_way_that_is_shut() -> None:
    with pytest.raises(ValueError, match="SEALRING_PASSWORD_GRANT=on"):
        guard(cheap_sealring(password_grant="off"), token_url="auth/token")
    assert guard(cheap_sealring(password_grant="on"), token_url="auth/token").model.type_.value == "oauth2"


@pytest.mark.parametrize(("given", "scheme"), [({}, "oauth2"), ({"password_grant": "off"}, "http")])
def test_the_demo_turns_it_on_unless_told_otherwise(given: dict[str, Any], scheme: str) -> None:
    settings = load_settings(secret=SECRET, database_url="sqlite:///unopened.db", **given)
    described = create_app(settings).openapi()
    assert described["components"]["securitySchemes"]["sealring"]["type"] == scheme
