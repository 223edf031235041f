"""Me, my sessions, my password: the routes behind a log-in, over real HTTP (contract §4)."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI

from sealring import jwt
from tests.serving import OTHER_PASSWORD, PASSWORD, bearer, cheap_sealring, cookie_line, fresh_name, problem, register

LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def log_in(client: httpx2.Client, name: str, *, agent: str = "curl/8.5.0", password: str = PASSWORD) -> str:
    sent = {b"User-Agent": agent.encode("latin-1")}
    answer = client.post("/auth/login", json={"username": name, "password": password}, headers=sent)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def sid(token: str) -> str:
    return str(jwt.peek(token).claims["sid"])


def test_me_says_who_by_which_session_with_which_claims(client: httpx2.Client) -> None:
    tokens = register(client, name := fresh_name(), email="ada@example.com")
    answer = client.get("/auth/me", headers=bearer(tokens["access_token"]))
    body = answer.json()
    claims = jwt.peek(tokens["access_token"]).claims
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (body["id"], body["username"], body["email"], body["scopes"]) == (
        claims["sub"],
        name,
        "ada@example.com",
        [],
    )
    assert body["claims"] == claims
    assert 1795 <= body["expires_in"] <= 1800
    assert "csrf_token" not in body
    session = body["session"]
    assert session["id"] == claims["sid"]
    assert session["current"] is True
    assert session["address"] == "127.0.0.1"
    assert session["created_at"] == claims["auth_time"]
    assert session["expires_at"] == session["created_at"] + 90 * 86_400


@pytest.mark.anyio
async def test_what_there_is_not_is_null_and_no_missing_member() -> None:
    auth = cheap_sealring()
    app = FastAPI()
    app.include_router(auth.router())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000") as visitor:
        theirs = (await auth.start_session("a subject of the application's own")).access_token.text
        me = (await visitor.get("/auth/me", headers=bearer(theirs))).json()
        assert (me["username"], me["email"]) == (None, None)
        body = {"username": "ada", "password": PASSWORD}
        for path in ("register", "login"):
            tokens = (await visitor.post(f"/auth/{path}", json=body)).json()
            assert tokens["user"].items() >= {"username": "ada", "email": None}.items()
            assert "csrf_token" not in tokens
            assert (await visitor.get("/auth/me", headers=bearer(tokens["access_token"]))).json()["email"] is None
    await auth.close()


def test_sessions_are_listed_newest_first_with_their_devices(client: httpx2.Client) -> None:
    register(client, name := fresh_name())
    first = log_in(client, name, agent=LINUX)
    second = log_in(client, name, agent="<script>\xff" + "x" * 3000)
    listed = client.get("/auth/sessions", headers=bearer(first)).json()["sessions"]
    assert len(listed) == 3
    assert [one["current"] for one in listed if one["id"] == sid(first)] == [True]
    assert sum(one["current"] for one in listed) == 1
    times = [one["created_at"] for one in listed]
    assert times == sorted(times, reverse=True)
    devices = {one["id"]: one["device"] for one in listed}
    assert devices[sid(first)] == "Firefox on Linux"
    assert devices[sid(second)] == "unknown device"


def test_ending_one_session_ends_that_one(client: httpx2.Client) -> None:
    register(client, name := fresh_name())
    here, there = log_in(client, name), log_in(client, name)
    assert client.delete(f"/auth/sessions/{sid(there)}", headers=bearer(here)).status_code == 204
    assert problem(client.get("/auth/me", headers=bearer(there))) == (401, "invalid_token")
    assert client.get("/auth/me", headers=bearer(here)).status_code == 200
    assert problem(client.delete(f"/auth/sessions/{sid(there)}", headers=bearer(here))) == (404, "not_found")


def test_ending_ones_own_session_is_a_log_out(client: httpx2.Client) -> None:
    token = register(client)["access_token"]
    answer = client.delete(f"/auth/sessions/{sid(token)}", headers=bearer(token))
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers  # by bearer token: the cookies of this browser are of another session
    assert problem(client.get("/auth/me", headers=bearer(token))) == (401, "invalid_token")


@pytest.mark.parametrize("id", ["x", "%00", "%ff", "..%2f", "A" * 22, "A" * 5000, "é", "'%20OR%201=1--"])
def test_a_session_that_is_not_mine_is_404_whatever_it_is_called(client: httpx2.Client, id: str) -> None:
    token = register(client)["access_token"]
    assert problem(client.delete(f"/auth/sessions/{id}", headers=bearer(token))) == (404, "not_found")


def test_another_users_session_is_404_and_lives_on(client: httpx2.Client) -> None:
    mine, theirs = register(client)["access_token"], register(client)["access_token"]
    assert problem(client.delete(f"/auth/sessions/{sid(theirs)}", headers=bearer(mine))) == (404, "not_found")
    assert client.get("/auth/me", headers=bearer(theirs)).status_code == 200


def test_end_all_others_keeps_this_session_and_asks_for_a_refresh(client: httpx2.Client) -> None:
    tokens = register(client, name := fresh_name())
    other = log_in(client, name)
    answer = client.delete("/auth/sessions", params={"keep": "current"}, headers=bearer(tokens["access_token"]))
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers
    for stale in (other, tokens["access_token"]):
        assert problem(client.get("/auth/me", headers=bearer(stale))) == (401, "invalid_token")
    # the epoch rose: this session's access token is stale, and its refresh token brings the next
    renewed = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert renewed.status_code == 200
    listed = client.get("/auth/sessions", headers=bearer(renewed.json()["access_token"])).json()["sessions"]
    assert [one["id"] for one in listed] == [sid(tokens["access_token"])]


def test_end_all_ends_this_one_too(client: httpx2.Client) -> None:
    tokens = register(client)
    answer = client.delete("/auth/sessions", headers=bearer(tokens["access_token"]))
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers
    assert problem(client.get("/auth/me", headers=bearer(tokens["access_token"]))) == (401, "invalid_token")
    assert problem(client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}))[0] == 401


def test_ending_this_session_by_its_cookies_clears_them(client: httpx2.Client) -> None:
    for path in ("/auth/sessions", "/auth/sessions/{sid}"):
        body = {"username": fresh_name(), "password": PASSWORD, "delivery": "cookie"}
        cookies = dict(client.post("/auth/register", json=body).cookies)
        client.cookies.clear()
        url = path.format(sid=sid(cookies["sealring_access"]))
        answer = client.delete(url, headers=cookie_line(cookies) | {"Sec-Fetch-Site": "same-origin"})
        cleared = {line.partition("=")[0] for line in answer.headers.get_list("set-cookie")}
        assert cleared == {"sealring_access", "sealring_session", "sealring_refresh"}


@pytest.mark.parametrize("keep", ["", "all", "CURRENT"])
def test_an_unknown_keep_ends_nothing(client: httpx2.Client, keep: str) -> None:
    token = register(client)["access_token"]
    assert problem(client.delete("/auth/sessions", params={"keep": keep}, headers=bearer(token)))[0] == 422
    assert client.get("/auth/me", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize("query", ["keep=x&keep=current", "keep=current&keep=x", "keep=current&k%65ep=current"])
def test_a_parameter_twice_ends_nothing(client: httpx2.Client, query: str) -> None:
    token = register(client)["access_token"]
    answer = client.delete(f"/auth/sessions?{query}", headers=bearer(token))
    assert problem(answer) == (400, "invalid_request")
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]
    assert client.get("/auth/me", headers=bearer(token)).status_code == 200


def test_a_new_password_ends_every_other_session(client: httpx2.Client) -> None:
    tokens = register(client, name := fresh_name())
    other = log_in(client, name)
    answer = client.post(
        "/auth/password", json={"current": PASSWORD, "new": OTHER_PASSWORD}, headers=bearer(tokens["access_token"])
    )
    assert answer.status_code == 200
    renewed = answer.json()
    for stale in (other, tokens["access_token"]):  # the caller's own too: the answer has the next one
        assert problem(client.get("/auth/me", headers=bearer(stale))) == (401, "invalid_token")
    assert client.get("/auth/me", headers=bearer(renewed["access_token"])).status_code == 200
    assert client.post("/auth/refresh", json={"refresh_token": renewed["refresh_token"]}).status_code == 200
    assert problem(client.post("/auth/login", json={"username": name, "password": PASSWORD}))[0] == 401
    log_in(client, name, password=OTHER_PASSWORD)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"current": "wrong" * 4, "new": OTHER_PASSWORD}, (422, "invalid_credentials")),
        ({"current": PASSWORD, "new": "short"}, (422, "invalid_field")),
        ({"current": PASSWORD}, (422, "invalid_field")),
        ({"current": PASSWORD, "new": OTHER_PASSWORD, "username": "root"}, (422, "invalid_field")),
    ],
)
def test_a_password_that_is_not_changed_changes_nothing(
    client: httpx2.Client, body: dict[str, str], answer: tuple[int, str]
) -> None:
    register(client, name := fresh_name())
    token = log_in(client, name)
    assert problem(client.post("/auth/password", json=body, headers=bearer(token))) == answer
    assert client.get("/auth/me", headers=bearer(token)).status_code == 200
    log_in(client, name)


def test_a_wrong_current_password_is_no_wrong_token(client: httpx2.Client) -> None:
    token = register(client)["access_token"]
    body = {"current": "wrong" * 4, "new": OTHER_PASSWORD}
    answer = client.post("/auth/password", json=body, headers=bearer(token))
    assert "www-authenticate" not in answer.headers, "a client that refreshes when it is challenged would never end"
    assert answer.json()["errors"] == [{"field": "current", "reason": "this is not your password"}]


GUARDED = [
    ("GET", "/auth/me"),
    ("GET", "/auth/live"),
    ("GET", "/auth/sessions"),
    ("DELETE", "/auth/sessions/AAAAAAAAAAAAAAAAAAAAAA"),
    ("DELETE", "/auth/sessions"),
    ("POST", "/auth/password"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_q27_guarded_routes_refuse_as_rfc_6750_asks(client: httpx2.Client, method: str, path: str) -> None:
    body = {"current": PASSWORD, "new": OTHER_PASSWORD} if method == "POST" else None
    nothing = client.request(method, path, json=body)
    assert problem(nothing) == (401, "missing_credential")
    assert nothing.headers["www-authenticate"] == 'Bearer realm="sealring"'
    for content, media_type in ((b"{", "application/json"), (b"{}", "application/json"), (b"x", "text/plain")):
        unread = client.request(method, f"{path}?keep=x", content=content, headers={"Content-Type": media_type})
        assert unread.content == nothing.content, "a stranger learns nothing of what a route takes"
    for bad in ("x", "x.y.z", register(client)["access_token"][:-4] + "AAAA"):
        answer = client.request(method, path, headers=bearer(bad), json=body)
        assert problem(answer) == (401, "invalid_token")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    for malformed in ("Bearer", "Bearer x y", "bearer\tx"):
        answer = client.request(method, path, headers={"Authorization": malformed}, json=body)
        assert problem(answer) == (400, "invalid_request")
        assert 'error="invalid_request"' in answer.headers["www-authenticate"]
