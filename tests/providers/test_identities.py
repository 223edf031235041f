"""Identities of an account: linked, listed, unlinked; and logouts, from here and from the provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from sealring import jwt
from sealring.store.protocol import Store
from tests.providers.fake_provider import CLIENT_ID, FakeProvider
from tests.providers.scene import OURS, Scene, error_of, scene
from tests.serving import PASSWORD, problem

pytestmark = pytest.mark.anyio

LOGOUT = "/auth/oidc/acme/backchannel-logout"
STRANGER = jwt.Key.generate("ES256", kid="op-1")


@pytest.fixture
async def here() -> AsyncIterator[Scene]:
    async with scene() as made:
        await made.auth.issuer.accounts.create("ann", PASSWORD)
        yield made


async def log_in_by_password(browser: httpx2.AsyncClient, name: str = "ann") -> str:
    body = {"username": name, "password": PASSWORD, "delivery": "cookie"}
    answer = await browser.post("/auth/login", json=body, headers=OURS)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["user"]["id"])


async def begin_link(browser: httpx2.AsyncClient) -> str:
    begun = await browser.post("/auth/oidc/acme/link", json={"next": "/account"}, headers=OURS)
    assert begun.status_code == 200, begun.text
    return str(begun.json()["url"])


async def refresh(browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/auth/refresh", headers=OURS)
    assert answer.status_code == 200, answer.text


async def test_an_identity_is_linked_used_listed_and_unlinked(here: Scene) -> None:
    here.op.user = {"sub": "op-ann", "email": "ann@work.example", "sid": "s"}
    async with here.browser() as browser, here.browser() as another:
        ann = await log_in_by_password(browser)
        back = await here.come_back(browser, await begin_link(browser))
        assert (back.status_code, back.headers["location"]) == (303, "/account")
        await here.log_in(another)
        assert (await here.user(another))["id"] == ann
        await refresh(browser)  # one more way to log in outdates the access token
        (own,) = (await browser.get("/auth/identities")).json()["identities"]
        assert (own["provider"], own["label"]) == ("acme", "ann@work.example")
        gone = await browser.delete(f"/auth/identities/{own['id']}", headers=OURS)
        assert gone.status_code == 204, gone.text
        assert (await another.get("/auth/me")).status_code == 401, "what began by it ends with it"
        await refresh(browser)
        assert (await browser.get("/auth/identities")).json() == {"identities": []}
        assert problem(await browser.delete(f"/auth/identities/{own['id']}", headers=OURS)) == (404, "not_found")
        back = await here.log_in(another)
        assert (await here.user(another))["id"] != ann, "it is nobody's again"


async def test_the_last_way_to_log_in_stays(here: Scene) -> None:
    async with here.browser() as browser:
        await here.log_in(browser)
        (own,) = (await browser.get("/auth/identities")).json()["identities"]
        refused = await browser.delete(f"/auth/identities/{own['id']}", headers=OURS)
        assert problem(refused) == (409, "last_credential")


async def test_an_identity_of_another_account_is_neither_linked_nor_unlinked(here: Scene) -> None:
    async with here.browser() as bob, here.browser() as ann:
        await here.log_in(bob)
        (own,) = (await bob.get("/auth/identities")).json()["identities"]
        await log_in_by_password(ann)
        assert problem(await ann.delete(f"/auth/identities/{own['id']}", headers=OURS)) == (404, "not_found")
        assert error_of(await here.come_back(ann, await begin_link(ann))) == "invalid_field", "it is bob's"
        assert (await ann.get("/auth/identities")).json() == {"identities": []}


async def test_a_link_needs_the_session_that_asked_for_it(here: Scene) -> None:
    """The next person at this browser must not finish it: it would be a key of theirs to the account."""
    async with here.browser() as browser:
        await log_in_by_password(browser)
        url = await begin_link(browser)
        assert (await browser.post("/auth/logout", headers=OURS)).status_code == 204
        assert error_of(await here.come_back(browser, url)) == "login_expired"
        assert here.op.forms == []


async def test_a_link_is_refused_after_the_account_has_changed(here: Scene) -> None:
    async with here.browser() as browser:
        ann = await log_in_by_password(browser)
        url = await begin_link(browser)
        await here.auth.issuer.accounts.set_scopes(ann, ("orders:read",))  # raises the epoch
        assert error_of(await here.come_back(browser, url)) == "invalid_token"
        assert await here.auth.issuer.sign_ins.identities_of(ann) == []


async def test_a_link_does_not_log_in_and_a_login_does_not_link(here: Scene) -> None:
    async with here.browser() as browser:
        await log_in_by_password(browser)
        _, given = here.op.callback(await begin_link(browser))
        response = {"provider": "acme", **{name: given[name] for name in ("state", "code", "iss")}}
        answer = await browser.post("/auth/login/oidc", json={"response": response, "delivery": "cookie"}, headers=OURS)
        assert problem(answer) == (401, "invalid_credentials")
        assert here.op.forms == []


@pytest.mark.parametrize("path", ["/auth/oidc/acme/link", "/auth/oidc/acme/logout"])
async def test_pages_of_others_begin_neither_a_link_nor_a_logout(here: Scene, path: str) -> None:
    async with here.browser() as browser:
        await log_in_by_password(browser)
        foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert problem(await browser.post(path, json={}, headers=foreign)) == (403, "csrf")
        assert problem(await browser.post(path, json={"next": "//evil.example"}, headers=OURS)) == (
            422,
            "invalid_field",
        )
        assert (await browser.get("/auth/me")).status_code == 200


async def test_a_logout_goes_on_to_the_provider(here: Scene) -> None:
    async with here.browser() as browser:
        await here.log_in(browser)
        subject = (await here.user(browser))["id"]
        done = await browser.post("/auth/oidc/acme/logout", json={"next": "/bye"}, headers=OURS)
        url = urlsplit(done.json()["url"])
        assert f"{url.scheme}://{url.netloc}{url.path}" == f"{here.op.issuer}/end"
        assert dict(parse_qsl(url.query)) == {
            "client_id": CLIENT_ID,
            "post_logout_redirect_uri": "http://127.0.0.1:8000/bye",
        }
        assert await here.auth.issuer.sessions.list(subject) == []
        assert "sealring_session" not in browser.cookies


async def test_a_logout_here_works_while_the_provider_is_down(here: Scene) -> None:
    here.op.metadata = {"end_session_endpoint": None}
    async with here.browser() as browser:
        await here.log_in(browser)
        done = await browser.post("/auth/oidc/acme/logout", json={"next": "/bye"}, headers=OURS)
        assert done.json() == {"url": "/bye"}


# back-channel logout


async def ended(here: Scene, token: str) -> httpx2.Response:
    async with here.browser("198.51.100.9") as provider:
        return await provider.post(LOGOUT, data={"logout_token": token})


@pytest.mark.parametrize(
    ("named", "ends"),
    [({}, {"one"}), ({"sub": None}, {"one"}), ({"sid": None}, {"one", "two"}), ({"sub": "op-bob"}, set())],
)
async def test_a_logout_at_the_provider_ends_what_it_names(here: Scene, named: dict[str, Any], ends: set[str]) -> None:
    async with here.browser() as one, here.browser() as two, here.browser() as by_password:
        here.op.user = {"sub": "op-ann", "sid": "s-1"}
        await here.log_in(one)
        here.op.user = {"sub": "op-ann", "sid": "s-2"}
        await here.log_in(two)
        await log_in_by_password(by_password)
        here.op.user = {"sub": "op-ann", "sid": "s-1"}
        answer = await ended(here, here.op.logout_token(**named))
        assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (200, b"", "no-store")
        for name, browser in (("one", one), ("two", two), ("password", by_password)):
            assert (await browser.get("/auth/me")).status_code == (401 if name in ends else 200), name
    lines = [event for event in await here.auth.store.read_events() if event.kind == "session_ended"]
    assert [line.cause for line in lines] == ["ended_by_provider"] * len(ends)


async def test_a_logout_token_that_comes_again_ends_nothing_that_began_later(here: Scene) -> None:
    here.op.user = {"sub": "op-ann"}
    async with here.browser() as browser:
        await here.log_in(browser)
        token = here.op.logout_token()
        assert (await ended(here, token)).status_code == 200
        here.clock.pass_seconds(2)
        assert await here.auth.follower.poll()
        await here.log_in(browser)
        assert (await ended(here, token)).status_code == 200
        assert (await browser.get("/auth/me")).status_code == 200


async def test_r5_a_login_that_is_overtaken_by_the_logout_at_the_provider_ends(here: Scene) -> None:
    """The code is traded, the provider logs the user out, and only then is the session written."""
    async with here.browser() as browser:
        honest = here.op.token_answer

        def overtaken(members: dict[str, Any]) -> bytes:
            tasks.append(asyncio.ensure_future(ended(here, here.op.logout_token())))
            return honest(members)

        tasks: list[asyncio.Future[httpx2.Response]] = []
        here.op.token_answer = overtaken
        client = here.auth.issuer.sign_ins.providers["acme"]
        exchange = client.exchange

        async def exchange_and_wait(*args: Any, **more: Any) -> Any:
            found = await exchange(*args, **more)
            await tasks[0]
            return found

        client.exchange = exchange_and_wait  # type: ignore[method-assign]
        assert error_of(await here.log_in(browser)) == "login_expired"
        assert tasks[0].result().status_code == 200
        assert await here.auth.issuer.sessions.list(None) == []
        assert (await here.causes())[-1] == "session at the identity provider has ended"


LIES: dict[str, dict[str, Any]] = {
    "signed by a stranger": {"key": STRANGER},
    "of another issuer": {"iss": "https://login.example.org"},
    "for another client": {"aud": "another"},
    "expired": {"exp": -11},
    "issued in the future": {"iat": 60},
    "issued long ago": {"iat": -700},
    "no iat": {"iat": None},
    "no jti": {"jti": None},
    "no exp": {"exp": None},
    "no event": {"events": {}},
    "events that are a list": {"events": ["http://schemas.openid.net/event/backchannel-logout"]},
    "an event that is no object": {"events": {"http://schemas.openid.net/event/backchannel-logout": True}},
    "a nonce": {"nonce": "n"},
    "an access token": {"typ": "at+jwt"},
    "neither sub nor sid": {"sub": None, "sid": None},
    "an empty sid alone": {"sub": None, "sid": ""},
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_logout_token_that_is_wrong_ends_nothing(here: Scene, lie: str) -> None:
    async with here.browser() as browser:
        await here.log_in(browser)
        now = here.op.clock()
        changed = {name: now + value if isinstance(value, int) else value for name, value in LIES[lie].items()}
        answer = await ended(here, here.op.logout_token(**changed))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert (await browser.get("/auth/me")).status_code == 200


async def test_an_id_token_is_no_logout_token(here: Scene) -> None:
    async with here.browser() as browser:
        await here.log_in(browser)
        for token in (here.op.id_token("n"), here.op.id_token(None), "", "x.y.z"):
            assert (await ended(here, token)).status_code == 400
        assert (await browser.get("/auth/me")).status_code == 200


async def test_a_provider_that_is_unknown_has_no_logout(here: Scene) -> None:
    async with here.browser() as provider:
        answer = await provider.post("/auth/oidc/nobody/backchannel-logout", data={"logout_token": "x"})
        assert answer.status_code == 404, answer.text


@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_the_whole_way_on_a_database(store: Store) -> None:
    async with scene(store, op=FakeProvider(user={"sub": "op-ann", "sid": "s-1"})) as here, here.browser() as browser:
        answers = await asyncio.gather(*(here.log_in(visitor) for visitor in [here.browser() for _ in range(4)]))
        assert [error_of(answer) for answer in answers] == [None] * 4
        assert len(await here.auth.issuer.accounts.list()) == 1, "four first logins at once make one account"
        await here.log_in(browser)
        assert (await ended(here, here.op.logout_token())).status_code == 200
        assert (await browser.get("/auth/me")).status_code == 401
        assert await here.auth.issuer.sessions.list(None) == []
