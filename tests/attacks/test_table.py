"""The table test: what became of the user, by every route that issues or takes a token, in one table.

More than half of the published failures of peers are a wrong cell of it: a refresh that works after a
disable, a second log-in form that forgets the throttle, a delivery that skips a check. Each cell
starts with a fresh account and session, lets the state happen to it over the issuer's own calls, and
asks the one route. Where tokens are issued they must work, and where not, none may be in the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from sealring import jwt
from tests.serving import (
    OTHER_PASSWORD,
    PASSWORD,
    ServedThread,
    bearer,
    cheap_sealring,
    cookie_line,
    fresh_name,
    register,
    serve_in_thread,
)

WORDS = {
    "wrong": (401, "invalid_credentials"),
    "dead": (401, "invalid_token"),
    "ended": (401, "session_ended"),
    "grant": (400, "invalid_grant"),
    "taken": (409, "name_taken"),
    "wait": (429, "throttled"),
}
"""What a cell says, as status and code; a number is a success with that status."""

TABLE = """
                        active  disabled  deleted  throttled  password  session  epoch   key
                                                              changed   ended    raised  revoked
    log in, body           200     wrong    wrong       wait     wrong      200     200      200
    log in, cookie         200     wrong    wrong       wait     wrong      200     200      200
    log in, form           200     grant    grant       wait     grant      200     200      200
    register, body       taken     taken      201      taken     taken    taken   taken    taken
    register, cookie     taken     taken      201      taken     taken    taken   taken    taken
    refresh, body          200     ended    ended        200     ended    ended     200      200
    refresh, cookie        200     ended    ended        200     ended    ended     200      200
    refresh, form          200     grant    grant        200     grant    grant     200      200
    guarded, bearer        200      dead     dead        200      dead     dead    dead     dead
    guarded, cookie        200      dead     dead        200      dead     dead    dead     dead
    me, bearer             200      dead     dead        200      dead     dead    dead     dead
    me, cookie             200      dead     dead        200      dead     dead    dead     dead
    sessions, bearer       200      dead     dead        200      dead     dead    dead     dead
    sessions, cookie       200      dead     dead        200      dead     dead    dead     dead
    end one, bearer        204      dead     dead        204      dead     dead    dead     dead
    end one, cookie        204      dead     dead        204      dead     dead    dead     dead
    end all, bearer        204      dead     dead        204      dead     dead    dead     dead
    end all, cookie        204      dead     dead        204      dead     dead    dead     dead
    password, bearer       200      dead     dead        200      dead     dead    dead     dead
    password, cookie       200      dead     dead        200      dead     dead    dead     dead
    log out, bearer        204      dead     dead        204      dead     dead    dead     dead
    log out, cookie        204       204      204        204       204      204     204      204
    log out, body          204       204      204        204       204      204     204      204
"""
"""Log-out by refresh token or cookie succeeds whatever happened: the session is over afterwards, which is all it asks.
An access token whose epoch or key died cannot log out by itself; its client refreshes first, or sends the other."""

STATES = (
    "active",
    "disabled",
    "deleted",
    "throttled",
    "password changed",
    "session ended",
    "epoch raised",
    "key revoked",
)
CELLS = [
    pytest.param(line[:25].strip(), state, cell, id=f"{line[:25].strip()}, {state}")
    for line in TABLE.splitlines()
    if "," in line
    for state, cell in zip(STATES, line[25:].split(), strict=True)
]


@dataclass
class User:
    """An account with a session, known by both deliveries' means of the same log-in."""

    name: str
    subject: str
    session: str
    access: str
    refresh: str
    csrf: str
    held: str

    @property
    def cookies(self) -> dict[str, str]:
        names = {"sealring_access": self.access, "sealring_session": self.held, "sealring_refresh": self.refresh}
        return cookie_line(names) | {"X-CSRF-Token": self.csrf}

    @property
    def access_cookie(self) -> dict[str, str]:
        return cookie_line({"sealring_access": self.access}) | {"X-CSRF-Token": self.csrf}


@pytest.fixture(scope="module")
def site() -> Iterator[ServedThread]:
    with serve_in_thread(cheap_sealring()) as served:
        yield served


@pytest.fixture
def client(site: ServedThread) -> Iterator[httpx2.Client]:
    with site.client() as client:
        yield client


def sign_up(client: httpx2.Client, site: ServedThread) -> User:
    name = fresh_name()
    tokens = register(client, name)
    claims = jwt.peek(tokens["access_token"]).claims
    csrf = site.auth.delivery.csrf_tokens.token(claims["sid"])
    held = site.auth.parts.delivery.session_cookies.encode(claims["sid"])
    return User(name, claims["sub"], claims["sid"], tokens["access_token"], tokens["refresh_token"], csrf, held)


async def befall(site: ServedThread, user: User, state: str) -> None:
    """Let the state come over the user."""
    issuer = site.auth.issuer
    accounts = issuer.accounts
    match state:
        case "active":
            pass
        case "disabled":
            await accounts.disable(user.subject)
        case "deleted":
            await accounts.delete(user.subject)
        case "throttled":
            pass  # by failing, over HTTP
        case "password changed":
            await accounts.set_password(user.subject, OTHER_PASSWORD)
        case "session ended":
            await site.auth.revoke_session(user.session)
        case "epoch raised":
            await site.auth.refresh_claims(user.subject)
        case "key revoked":
            await issuer.revoke_key(str(jwt.peek(user.access).header["kid"]))
            # many keys die here in one second: the next standby must be known before it has to sign
            assert await site.auth.follower.poll()
        case _:
            raise AssertionError(state)


Ask = Callable[[httpx2.Client, User], httpx2.Response]
NEW = {"current": PASSWORD, "new": OTHER_PASSWORD}


def credentials(user: User, delivery: str) -> dict[str, str]:
    return {"username": user.name, "password": PASSWORD, "delivery": delivery}


def form(user: User) -> dict[str, str]:
    return {"grant_type": "password", "username": user.name, "password": PASSWORD}


ASK: dict[str, Ask] = {
    "log in, body": lambda http, user: http.post("/auth/login", json=credentials(user, "body")),
    "log in, cookie": lambda http, user: http.post("/auth/login", json=credentials(user, "cookie")),
    "log in, form": lambda http, user: http.post("/auth/token", data=form(user)),
    "register, body": lambda http, user: http.post("/auth/register", json=credentials(user, "body")),
    "register, cookie": lambda http, user: http.post("/auth/register", json=credentials(user, "cookie")),
    "refresh, body": lambda http, user: http.post("/auth/refresh", json={"refresh_token": user.refresh}),
    "refresh, cookie": lambda http, user: http.post("/auth/refresh", headers=user.cookies),
    "refresh, form": lambda http, user: http.post(
        "/auth/token", data={"grant_type": "refresh_token", "refresh_token": user.refresh}
    ),
    "guarded, bearer": lambda http, user: http.get("/orders", headers=bearer(user.access)),
    "guarded, cookie": lambda http, user: http.get("/orders", headers=user.access_cookie),
    "me, bearer": lambda http, user: http.get("/auth/me", headers=bearer(user.access)),
    "me, cookie": lambda http, user: http.get("/auth/me", headers=user.cookies),
    "sessions, bearer": lambda http, user: http.get("/auth/sessions", headers=bearer(user.access)),
    "sessions, cookie": lambda http, user: http.get("/auth/sessions", headers=user.cookies),
    "end one, bearer": lambda http, user: http.delete(f"/auth/sessions/{user.session}", headers=bearer(user.access)),
    "end one, cookie": lambda http, user: http.delete(f"/auth/sessions/{user.session}", headers=user.cookies),
    "end all, bearer": lambda http, user: http.delete("/auth/sessions", headers=bearer(user.access)),
    "end all, cookie": lambda http, user: http.delete("/auth/sessions", headers=user.cookies),
    "password, bearer": lambda http, user: http.post("/auth/password", json=NEW, headers=bearer(user.access)),
    "password, cookie": lambda http, user: http.post("/auth/password", json=NEW, headers=user.cookies),
    "log out, bearer": lambda http, user: http.post("/auth/logout", headers=bearer(user.access)),
    "log out, cookie": lambda http, user: http.post("/auth/logout", headers=user.cookies),
    "log out, body": lambda http, user: http.post("/auth/logout", json={"refresh_token": user.refresh}),
}


def test_the_table_and_the_routes_are_the_same_set() -> None:
    assert [line[:25].strip() for line in TABLE.splitlines() if "," in line] == list(ASK)


@pytest.mark.parametrize(("route", "state", "cell"), CELLS)
def test_cell(site: ServedThread, client: httpx2.Client, route: str, state: str, cell: str) -> None:
    user = sign_up(client, site)
    site.run(befall(site, user, state))
    if state == "throttled":
        for _ in range(10):
            client.post("/auth/login", json={"username": user.name, "password": "wrong" * 4})
    client.cookies.clear()
    answer = ASK[route](client, user)
    if cell.isdigit():
        assert answer.status_code == int(cell), answer.text
        if answer.content and "/auth/" in str(answer.url) and answer.request.method == "POST":
            assert_issued_tokens_work(client, answer, user, fresh=state == "deleted")
        if route.startswith(("log out", "end", "password")):
            client.cookies.clear()
            assert client.get("/orders", headers=bearer(user.access)).status_code == 401, "it is not over"
    else:
        body = answer.json()
        assert (answer.status_code, body.get("code") or body.get("error")) == WORDS[cell]
        assert "token" not in body
        assert not any(answer.cookies.values())
        assert answer.headers["cache-control"] == "no-store"
    if state not in {"active", "throttled"}:
        client.cookies.clear()
        # I5, I7: whatever was asked, the old access token stays dead
        assert client.get("/orders", headers=bearer(user.access)).status_code == 401


def assert_issued_tokens_work(client: httpx2.Client, answer: httpx2.Response, user: User, *, fresh: bool) -> None:
    body: dict[str, Any] = answer.json()
    access = body.get("access_token") or answer.cookies["sealring_access"]
    client.cookies.clear()
    opened = client.get("/orders", headers=bearer(access))
    assert opened.status_code == 200
    # J17: a name that was free again brings another subject
    assert (opened.json()["subject"] != user.subject) == fresh
    refresh = body.get("refresh_token") or answer.cookies["sealring_refresh"]
    assert client.post("/auth/refresh", json={"refresh_token": refresh}).status_code == 200
