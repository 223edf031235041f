"""`POST /auth/token` as OAuth clients use it (RFC 6749 §4.3, §5, §6): by hand, and by `requests-oauthlib`."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from oauthlib.oauth2 import InvalidGrantError, LegacyApplicationClient
from requests_oauthlib import OAuth2Session

from tests.serving import PASSWORD, ServedProcess, cheap_sealring, fresh_name, register


def test_the_password_grant_answers_as_rfc_6749_says(client: httpx2.Client) -> None:
    register(client, name := fresh_name())
    answer = client.post("/auth/token", data={"grant_type": "password", "username": name, "password": PASSWORD})
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 1800
    assert body.keys() >= {"access_token", "refresh_token", "scope"}
    assert "set-cookie" not in answer.headers


def test_the_refresh_grant_renews(client: httpx2.Client) -> None:
    token = register(client)["refresh_token"]
    answer = client.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": token})
    assert answer.status_code == 200
    assert answer.json()["refresh_token"] != token


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "invalid_request"),
        ({"grant_type": "password", "username": "x"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "x"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password", "username": "", "password": PASSWORD}, "invalid_request"),
        ({"grant_type": "password", "username": "x", "password": ""}, "invalid_request"),
        ({"grant_type": "password", "username": "nobody-here", "password": PASSWORD}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": ["password", "password"], "username": "x", "password": "y"}, "invalid_request"),
    ],
)
def test_refusals_are_rfc_6749s(client: httpx2.Client, form: dict[str, Any], error: str) -> None:
    answer = client.post("/auth/token", data=form, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert answer.json().keys() == {"error", "error_description"}
    assert answer.json()["error"] == error


@pytest.mark.parametrize("body", [b"%zz=1", b"grant_type=%ff", b"&".join(b"a%d=1" % n for n in range(40))])
def test_a_broken_form_is_invalid_request(client: httpx2.Client, body: bytes) -> None:
    answer = client.post("/auth/token", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_d4_neither_json_nor_multipart_is_read(client: httpx2.Client) -> None:
    as_json = client.post("/auth/token", json={"grant_type": "password", "username": "x", "password": "y"})
    as_multipart = client.post("/auth/token", data={"grant_type": "password"}, files={"username": b"x"})
    assert refusal(as_json) == refusal(as_multipart) == (415, "unsupported_media_type", "invalid_request")


def refusal(answer: httpx2.Response) -> tuple[int, str, str]:
    """Of what RFC 6749 has no words for: its form, and ours."""
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    body = answer.json()
    assert body.keys() == {"error", "error_description", "type", "title", "status", "detail", "code"}
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"], body["error"]


def test_every_other_refusal_says_error_too(client: httpx2.Client) -> None:
    form = {"grant_type": "password", "username": "x", "password": "y"}
    foreign = client.post("/auth/token", data=form, headers={"Origin": "https://evil.example"})
    assert refusal(foreign) == (403, "csrf", "invalid_request")
    large = client.post("/auth/token", data=form | {"password": "y" * 70_000})
    assert refusal(large) == (413, "body_too_large", "invalid_request")
    assert large.headers["connection"] == "close"


@pytest.mark.anyio
async def test_try_again_later_says_when() -> None:
    auth = cheap_sealring(throttle_address="1/1m")
    app = FastAPI()
    app.include_router(auth.router())
    form = {"grant_type": "password", "username": "x", "password": "y"}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000") as visitor:
        await visitor.post("/auth/token", data=form)
        await visitor.post("/auth/token", data=form)
        answer = await visitor.post("/auth/token", data=form)
    assert refusal(answer) == (429, "throttled", "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    await auth.close()


def test_requests_oauthlib_fetches_uses_and_refreshes(demo: ServedProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # http, on loopback
    with demo.client() as client:
        register(client, name := fresh_name())
    url = f"{demo.url}/auth/token"
    session = OAuth2Session(client=LegacyApplicationClient(client_id="a-client"))
    with session:
        session.trust_env = False
        token = session.fetch_token(url, username=name, password=PASSWORD, client_id="a-client")
        assert session.get(f"{demo.url}/auth/me").json()["username"] == name
        renewed = session.refresh_token(url)
        assert renewed["refresh_token"] != token["refresh_token"]
        assert session.get(f"{demo.url}/api/userOrders").status_code == 200
        with pytest.raises(InvalidGrantError):
            session.fetch_token(url, username=name, password="wrong" * 4, client_id="a-client")
