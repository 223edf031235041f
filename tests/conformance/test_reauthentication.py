"""The user of a session proves again who they are, in every host: the same session, a new `auth_time` (RFC 9470)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from sealring import Event, Sealring, jwt
from sealring.sessions.revocation import EndSession
from tests.clocks import START, FrozenClock
from tests.conformance.hosts import HOSTS, transport_of
from tests.mailed_code import MailedCode, mailbox
from tests.serving import OTHER_PASSWORD, PASSWORD, bearer, cheap_sealring, problem

pytestmark = pytest.mark.anyio

BASE = "http://127.0.0.1:8000"
SAME = {"Sec-Fetch-Site": "same-origin", "Origin": BASE}
AGAIN = "/auth/reauthenticate/password"
CODE = "/auth/reauthenticate/mailed-code"


class Site:
    """A host with two accounts: one with a password alone, one with a second factor."""

    def __init__(self, auth: Sealring, app: Any, clock: FrozenClock) -> None:
        self.auth, self.app, self.clock = auth, app, clock
        self.client = self.another()

    def another(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=transport_of(self.app), base_url=BASE)

    async def login(self, name: str = "ann") -> dict[str, Any]:
        answer = await self.client.post("/auth/login", json={"username": name, "password": PASSWORD})
        if name == "bob":
            pending = answer.json()["pending"]
            response = {"code": await self.code("login", pending)}
            body = {"pending": pending, "response": response}
            answer = await self.client.post("/auth/login/mailed-code", json=body)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    async def code(self, where: str, pending: str, **headers: str) -> str:
        body = {"pending": pending}
        begun = await self.client.post(f"/auth/{where}/mailed-code/begin", json=body, headers=headers)
        assert begun.status_code == 200, begun.text
        return mailbox(self.auth).sent[-1]

    async def again(self, token: str, *, path: str = AGAIN, **body: Any) -> httpx2.Response:
        body = {"response": {"password": PASSWORD}} | body
        return await self.client.post(path, json=body, headers=bearer(token))

    async def events(self, kind: str) -> list[Any]:
        return [event for event in await self.auth.store.read_events() if event.kind == kind]


ONE_HOST = next(iter(HOSTS))
everywhere = pytest.mark.parametrize("site", HOSTS, indirect=True)


@pytest.fixture
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    clock = FrozenClock()
    auth = cheap_sealring(clock=clock, more_methods=[MailedCode])
    async with auth.lifespan():
        await auth.issuer.accounts.create("ann", PASSWORD)
        await auth.issuer.accounts.create("bob", PASSWORD, email="bob@example.com")
        yield Site(auth, HOSTS[getattr(request, "param", ONE_HOST)](auth), clock)


@everywhere
async def test_the_same_session_gets_a_new_auth_time_and_at_once_a_token_that_says_so(site: Site) -> None:
    tokens = await site.login()
    before = jwt.peek(tokens["access_token"]).claims
    site.clock.pass_seconds(600)
    await site.auth.follower.poll()
    answer = await site.again(tokens["access_token"])
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert "refresh_token" not in body
    assert (body["acr"], body["auth_time"], body["token_type"]) == ("sfa", START + 600, "Bearer")
    after = jwt.peek(body["access_token"]).claims
    assert (after["sid"], after["sub"]) == (before["sid"], before["sub"])
    assert (before["auth_time"], after["auth_time"], after["amr"]) == (START, START + 600, ["pwd"])
    assert (await site.client.get("/auth/me", headers=bearer(body["access_token"]))).status_code == 200
    (event,) = await site.events("reauthenticated")
    assert (event.subject, event.session, event.detail) == (after["sub"], after["sid"], {"acr": "sfa"})


async def test_a_refresh_never_renews_it_and_the_refresh_token_of_before_goes_on(site: Site) -> None:
    tokens = await site.login()
    for passed in (60, 120):
        site.clock.pass_seconds(60)
        await site.auth.follower.poll()
        if passed == 60:
            assert (await site.again(tokens["access_token"])).status_code == 200
        answer = await site.client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
        assert jwt.peek(tokens["access_token"]).claims["auth_time"] == START + 60, passed


async def test_an_account_with_a_second_factor_proves_both_again(site: Site) -> None:
    """One factor of now and one of last week are not two factors of now."""
    tokens = await site.login("bob")
    access = tokens["access_token"]
    site.clock.pass_seconds(600)
    await site.auth.follower.poll()
    answer = await site.again(access)
    assert problem(answer) == (401, "second_factor_required")
    assert answer.json()["methods"] == ["mailed-code"]
    pending = answer.json()["pending"]
    record = await site.auth.store.read_session(jwt.peek(access).claims["sid"])
    assert record is not None
    assert record.session.auth_time == START, "half of it changes nothing"
    code = await site.code("reauthenticate", pending, **bearer(access))
    answer = await site.again(access, path=CODE, response={"code": code}, pending=pending)
    assert answer.status_code == 200, answer.text
    claims = jwt.peek(answer.json()["access_token"]).claims
    assert (claims["amr"], claims["acr"], claims["auth_time"]) == (["pwd", "otp", "mfa"], "mfa", START + 600)
    assert problem(await site.again(access, path=CODE, response={"code": code}, pending=pending))[0] == 401


@everywhere
async def test_with_cookies_only_the_access_cookie_is_new(site: Site) -> None:
    body = {"username": "ann", "password": PASSWORD, "delivery": "cookie"}
    login = await site.client.post("/auth/login", json=body)
    site.clock.pass_seconds(600)
    await site.auth.follower.poll()
    proof = {"response": {"password": PASSWORD}}
    crossing = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert problem(await site.client.post(AGAIN, json=proof, headers=crossing)) == (403, "csrf")
    answer = await site.client.post(AGAIN, json=proof, headers=SAME)
    assert answer.status_code == 200, answer.text
    (line,) = answer.headers.get_list("set-cookie")
    assert line.startswith("sealring_access=")
    assert answer.json()["csrf_token"] == login.json()["csrf_token"]
    assert "access_token" not in answer.json()
    assert (await site.client.get("/auth/me")).json()["claims"]["auth_time"] == START + 600
    assert (await site.client.post("/auth/refresh", headers=SAME)).status_code == 200
    assert (await site.client.get("/auth/me")).json()["claims"]["auth_time"] == START + 600


async def test_what_is_wrong_is_refused_and_changes_nothing(site: Site) -> None:
    tokens = await site.login()
    access = tokens["access_token"]
    wrong = {"password": OTHER_PASSWORD}
    assert problem(await site.again(access, response=wrong)) == (401, "invalid_credentials")
    named = {"username": "ann", "password": PASSWORD}
    assert problem(await site.again(access, response=named)) == (422, "invalid_field")
    assert problem(await site.again(access, path="/auth/reauthenticate/unknown")) == (404, "unknown_method")
    second = {"code": "000000"}
    assert problem(await site.again(access, path=CODE, response=second)) == (401, "invalid_credentials")
    assert problem(await site.again("x.y.z")) == (401, "invalid_token")
    nobody = await site.client.post(AGAIN, json={"response": {"password": PASSWORD}})
    assert problem(nobody) == (401, "missing_credential")
    assert await site.events("reauthenticated") == []
    causes = [(event.cause, event.detail["method"]) for event in await site.events("login_failed")]
    assert causes == [("wrong password", "password"), ("method may not be used now", "mailed-code")]


async def test_u13_what_is_pending_is_of_one_session_and_no_login(site: Site) -> None:
    one, two = (await site.login("bob"))["access_token"], (await site.login("bob"))["access_token"]
    pending = (await site.again(one)).json()["pending"]
    code = await site.code("reauthenticate", pending, **bearer(one))
    proof = {"response": {"code": code}, "pending": pending}
    assert problem(await site.again(two, path=CODE, **proof)) == (401, "login_expired")
    assert problem(await site.client.post("/auth/login/mailed-code", json=proof)) == (401, "login_expired")
    of_login = (await site.client.post("/auth/login", json={"username": "bob", "password": PASSWORD})).json()["pending"]
    assert problem(await site.again(one, path=CODE, **proof | {"pending": of_login})) == (401, "login_expired")
    of_ann = (await site.login())["access_token"]
    assert problem(await site.again(of_ann, path=CODE, **proof)) == (401, "login_expired")
    assert (await site.again(one, path=CODE, **proof)).status_code == 200


async def test_u9_who_holds_a_stolen_session_guesses_no_password_at_length(site: Site) -> None:
    """And keeps nobody from logging in: the guesses count in a bucket of their own."""
    access = (await site.login())["access_token"]
    answers = [await site.again(access, response={"password": OTHER_PASSWORD}) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert problem(await site.again(access)) == (429, "throttled"), "the right one too"
    await site.login()


async def test_a_user_of_the_applications_own_has_nothing_to_prove_here(site: Site) -> None:
    issued = await site.auth.start_session("42")
    assert problem(await site.again(issued.access_token.text)) == (404, "no_such_account")


async def test_i5_a_session_that_ended_meanwhile_is_not_revived(site: Site) -> None:
    access = (await site.login())["access_token"]
    sid = jwt.peek(access).claims["sid"]
    # as on another node, which this one has not heard of
    event = Event(kind="session_ended", at_ms=site.clock.now_ms(), cause="logout")
    await site.auth.store.revoke(EndSession(id=sid, cause="logout"), event, now=START)
    assert problem(await site.again(access)) == (401, "session_ended")
    record = await site.auth.store.read_session(sid)
    assert record is not None
    assert record.session.ended_by == "logout"
