"""A login by another method than the password, in every host: one row and one file, and the routes serve it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from sealring import Sealring, jwt
from sealring.authentication.decision import PROOF_SECONDS
from sealring.authentication.sign_in import ATTEMPT_SECONDS
from tests.clocks import START, FrozenClock
from tests.conformance.hosts import HOSTS, transport_of
from tests.mailed_code import MailedCode, mailbox, mailed_login
from tests.serving import PASSWORD, cheap_sealring, problem

pytestmark = pytest.mark.anyio

ANN = {"username": "ann", "password": PASSWORD}
CODE = "/auth/login/mailed-code"
FIRST = "/auth/login/mailed-login"
CROSS = {"Sec-Fetch-Site": "cross-site"}


class Visit:
    """A host, and one browser or program before it."""

    def __init__(self, auth: Sealring, app: Any) -> None:
        self.auth = auth
        self.mail = mailbox(auth)
        self.app = app
        self.client = self.another()

    def another(self) -> httpx2.AsyncClient:
        transport = transport_of(self.app)
        return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")

    async def post(self, path: str, client: httpx2.AsyncClient | None = None, /, **body: Any) -> httpx2.Response:
        return await (client or self.client).post(path, json=body)

    async def password(self, **body: Any) -> str:
        """The pending login after the password."""
        answer = await self.post("/auth/login", **ANN, **body)
        assert problem(answer) == (401, "second_factor_required")
        assert answer.json()["methods"] == ["mailed-code"]
        assert answer.headers["www-authenticate"] == 'Bearer realm="sealring"'
        return str(answer.json()["pending"])

    async def code(self, pending: str, **body: Any) -> str:
        """The code that is mailed for it."""
        answer = await self.post(f"{CODE}/begin", pending=pending, **body)
        assert (answer.status_code, answer.json()) == (200, {"challenge": {"sent_to": "your mailbox"}})
        return self.mail.sent[-1]

    async def causes(self, kind: str = "login_failed") -> list[tuple[str, Any]]:
        events = await self.auth.store.read_events()
        return [(event.cause, event.detail.get("method")) for event in events if event.kind == kind]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> Callable[[Sealring], Any]:
    return HOSTS[request.param]


@pytest.fixture
async def visit(host: Callable[[Sealring], Any], clock: FrozenClock) -> AsyncIterator[Visit]:
    auth = cheap_sealring(clock=clock, more_methods=[MailedCode, mailed_login])
    async with auth.lifespan():
        await auth.issuer.accounts.create("ann", PASSWORD, email="ann@example.com")
        yield Visit(auth, host(auth))


async def test_a_login_in_two_steps_for_a_program(visit: Visit, clock: FrozenClock) -> None:
    pending = await visit.password()
    clock.pass_seconds(60)
    code = await visit.code(pending)
    answer = await visit.post(CODE, pending=pending, response={"code": code})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["user"]["username"], "set-cookie" in answer.headers) == ("ann", False)
    assert body["device"]
    claims = jwt.peek(body["access_token"]).claims
    assert (claims["amr"], claims["acr"], claims["auth_time"]) == (["pwd", "otp", "mfa"], "mfa", START)
    again = await visit.post("/auth/refresh", refresh_token=body["refresh_token"])
    claims = jwt.peek(again.json()["access_token"]).claims
    assert (claims["amr"], claims["acr"], claims["auth_time"]) == (["pwd", "otp", "mfa"], "mfa", START)


async def test_a_login_in_two_steps_in_a_browser(visit: Visit) -> None:
    answer = await visit.post("/auth/login", **ANN, delivery="cookie")
    assert problem(answer) == (401, "second_factor_required")
    (line,) = answer.headers.get_list("set-cookie")
    assert line.startswith("sealring_login=")
    assert line.endswith(f"; Max-Age={ATTEMPT_SECONDS}; Path=/; HttpOnly; SameSite=Lax")
    pending = answer.json()["pending"]
    code = await visit.code(pending, delivery="cookie")
    done = await visit.post(CODE, pending=pending, response={"code": code}, delivery="cookie")
    assert done.status_code == 200, done.text
    assert "access_token" not in done.json()
    refresh = [line for line in done.headers.get_list("set-cookie") if line.startswith("sealring_refresh=")]
    assert ["; Path=/auth;" in line for line in refresh] == [True]
    assert (await visit.client.get("/auth/me")).json()["username"] == "ann"
    refreshed = await visit.client.post("/auth/refresh", headers={"Sec-Fetch-Site": "same-origin"})
    assert refreshed.status_code == 200, refreshed.text


async def test_a_login_that_begins_with_another_method_than_the_password(visit: Visit) -> None:
    begun = await visit.post(f"{FIRST}/begin", response={"username": "ann"})
    assert begun.status_code == 200, begun.text
    code = mailbox(visit.auth, "mailed-login").sent[-1]
    answer = await visit.post(FIRST, response={"username": "ann", "code": code})
    assert answer.status_code == 200, answer.text
    claims = jwt.peek(answer.json()["access_token"]).claims
    assert (claims["amr"], claims["acr"]) == (["otp"], "sfa")


async def test_i11_beginning_a_method_tells_nobody_who_has_an_account(visit: Visit) -> None:
    accounts = visit.auth.issuer.accounts
    await accounts.create("no-mail", PASSWORD)
    disabled = await accounts.create("disabled", PASSWORD, email="d@example.com")
    await accounts.disable(disabled.id)
    names = ("ann", "nobody", "no-mail", "disabled", "not a name\u200b")
    answers = [await visit.post(f"{FIRST}/begin", response={"username": name}) for name in names]
    assert [answer.status_code for answer in answers] == [200] * len(names)
    assert len({answer.content for answer in answers}) == 1
    assert len(mailbox(visit.auth, "mailed-login").sent) == 1
    refused = [await visit.post(FIRST, response={"username": name, "code": "000000"}) for name in names]
    assert {problem(answer) for answer in refused} == {(401, "invalid_credentials")}
    assert len({answer.content for answer in refused}) == 1


async def test_a_pending_login_is_worth_nothing_in_another_browser(visit: Visit) -> None:
    for_browser = (await visit.post("/auth/login", **ANN, delivery="cookie")).json()["pending"]
    code = await visit.code(for_browser, delivery="cookie")
    other = visit.another()
    await visit.post("/auth/login", other, **ANN, delivery="cookie")  # it has a cookie of its own
    for client, delivery in ((other, "cookie"), (visit.another(), "cookie"), (visit.another(), "body")):
        for path, response in ((CODE, {"code": code}), (f"{CODE}/begin", {})):
            answer = await visit.post(path, client, pending=for_browser, response=response, delivery=delivery)
            assert problem(answer) == (401, "login_expired")
    stolen = await visit.post(CODE, pending=for_browser, response={"code": code}, delivery="body")
    assert problem(stolen) == (401, "login_expired")
    assert set(await visit.causes()) == {("pending login is of another browser", "mailed-code")}
    for_program = await visit.password()
    planted = await visit.post(CODE, pending=for_program, response={"code": code}, delivery="cookie")
    assert problem(planted) == (401, "login_expired")
    done = await visit.post(CODE, pending=for_browser, response={"code": code}, delivery="cookie")
    assert done.status_code == 200


async def test_a_code_of_one_browser_is_worth_nothing_in_another(visit: Visit) -> None:
    await visit.post(f"{FIRST}/begin", response={"username": "ann"}, delivery="cookie")
    proof = {"response": {"username": "ann", "code": mailbox(visit.auth, "mailed-login").sent[-1]}}
    for client, delivery in ((visit.another(), "cookie"), (visit.another(), "body")):
        assert problem(await visit.post(FIRST, client, **proof, delivery=delivery)) == (401, "invalid_credentials")
    assert (await visit.post(FIRST, **proof, delivery="cookie")).status_code == 200


async def test_two_tabs_of_one_browser_go_on_side_by_side(visit: Visit) -> None:
    visit.client.headers["Origin"] = "http://127.0.0.1:8000"  # the second login ends the session of the first
    one = (await visit.post("/auth/login", **ANN, delivery="cookie")).json()["pending"]
    two = (await visit.post("/auth/login", **ANN, delivery="cookie")).json()["pending"]
    for pending in (one, two):
        code = await visit.code(pending, delivery="cookie")
        done = await visit.post(CODE, pending=pending, response={"code": code}, delivery="cookie")
        assert done.status_code == 200, done.text


async def test_what_is_refused_and_by_what_words(visit: Visit, clock: FrozenClock) -> None:
    pending = await visit.password()
    code = await visit.code(pending)
    wrong = {"pending": pending, "response": {"code": "wrong"}}
    assert problem(await visit.post(CODE, **wrong)) == (401, "invalid_credentials")
    assert problem(await visit.post(CODE, response={"code": code})) == (401, "invalid_credentials")
    again = await visit.post("/auth/login/password", pending=pending, response={"password": PASSWORD})
    assert problem(again) == (401, "invalid_credentials")
    assert problem(await visit.post(f"{CODE}/begin")) == (401, "invalid_credentials")
    assert await visit.causes() == [
        ("wrong code", "mailed-code"),
        ("method out of order", "mailed-code"),
        ("method may not be used now", "password"),
        ("method out of order", "mailed-code"),
    ]
    done = {"pending": pending, "response": {"code": code}}
    assert (await visit.post(CODE, **done)).status_code == 200
    assert problem(await visit.post(CODE, **done)) == (401, "invalid_credentials")  # the code counts once
    late = await visit.password()
    clock.pass_seconds(PROOF_SECONDS)
    assert problem(await visit.post(CODE, pending=late, response={"code": code})) == (401, "login_expired")
    assert (await visit.causes())[-1] == ("pending login is too old", "mailed-code")


async def test_a_request_is_read_strictly(visit: Visit) -> None:
    pending = await visit.password()
    for body, fields in (
        ({}, ["response"]),
        ({"response": "123456"}, ["response"]),
        ({"response": {"code": 123456}}, ["response"]),
        ({"response": {}, "pending": pending}, ["response.code"]),
        ({"response": {"code": "1", "admin": "1"}, "pending": pending}, ["response.admin"]),
        ({"response": {"code": "1"}, "pending": 7}, ["pending"]),
    ):
        answer = await visit.post(CODE, **body)
        assert problem(answer) == (422, "invalid_field"), body
        assert [one["field"] for one in answer.json()["errors"]] == fields
    assert problem(await visit.post(f"{FIRST}/begin")) == (422, "invalid_field")
    assert await visit.causes() == []
    for path in (CODE, f"{CODE}/begin"):
        cross = await visit.client.post(path, json={"response": {"code": "1"}}, headers=CROSS)
        assert problem(cross) == (403, "csrf")
        assert problem(await visit.client.post(path, content=b"{}")) == (415, "unsupported_media_type")
        assert problem(await visit.client.get(path)) == (405, "method_not_allowed")


async def test_a_method_that_is_not_in_use_is_not_found_before_the_body_is_read(visit: Visit) -> None:
    headers = {"Content-Type": "application/json"}
    for name in ("unknown", "Password", "%00", "mailed-code%20"):
        answer = await visit.client.post(f"/auth/login/{name}", content=b"{", headers=headers)
        assert problem(answer) == (404, "unknown_method"), name
        assert problem(await visit.post(f"/auth/login/{name}/begin")) == (404, "unknown_method")


async def test_with_the_password_alone_these_routes_serve_the_password(host: Callable[[Sealring], Any]) -> None:
    auth = cheap_sealring()
    app = host(auth)
    transport = transport_of(app)
    async with auth.lifespan(), httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        await auth.issuer.accounts.create("ann", PASSWORD, email="ann@example.com")
        assert (await client.post("/auth/login", json=ANN)).status_code == 200
        assert (await client.post("/auth/login/password", json={"response": ANN})).status_code == 200
        begun = await client.post("/auth/login/password/begin", json={"response": {"username": "ann"}})
        assert begun.json() == {"challenge": {}}
        assert problem(await client.post(CODE, json={"response": {}})) == (404, "unknown_method")


async def test_beginning_is_counted_for_the_account_and_for_the_address(host: Callable[[Sealring], Any]) -> None:
    auth = cheap_sealring(more_methods=[MailedCode, mailed_login], throttle_address="20/1m")
    async with auth.lifespan():
        await auth.issuer.accounts.create("ann", PASSWORD, email="ann@example.com")
        visit = Visit(auth, host(auth))
        answers = [await visit.post(f"{FIRST}/begin", response={"username": "ann"}) for _ in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
        assert len(mailbox(auth, "mailed-login").sent) == 5
        others = [await visit.post(f"{FIRST}/begin", response={"username": f"user{place}"}) for place in range(20)]
        assert others[0].status_code == 200
        assert problem(others[-1]) == (429, "throttled")
        assert ("address begin bucket is full", None) in await visit.causes("throttled")


async def test_d1_a_full_queue_refuses_what_costs_a_hash_and_nothing_else(visit: Visit) -> None:
    queue = visit.auth.issuer.accounts._hasher.queue
    pending = await visit.password()
    code = await visit.code(pending)
    queue.free, queue.waiting = 0, queue.max_waiting
    headers = {"Content-Type": "application/json"}
    flooded = await visit.client.post("/auth/login/password", content=b"{", headers=headers)
    assert problem(flooded) == (503, "overloaded")
    assert (await visit.post(CODE, pending=pending, response={"code": code})).status_code == 200
    queue.free, queue.waiting = visit.auth.issuer.accounts._hasher.places, 0


async def test_the_password_grant_says_that_it_cannot_ask_for_one_more_factor(visit: Visit) -> None:
    answer = await visit.client.post("/auth/token", data=ANN | {"grant_type": "password"})
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "error": "invalid_grant",
            "error_description": "the account needs one more factor, which this grant cannot ask for",
        },
    )
