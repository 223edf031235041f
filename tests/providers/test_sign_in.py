"""Login at a provider, as a browser sees it: there, back, and every way that it may go wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from sealring import Account, jwt
from sealring.providers import Identity
from tests.providers.fake_provider import FakeProvider
from tests.providers.scene import FROM_ELSEWHERE, Scene, error_of, scene
from tests.serving import PASSWORD, problem

pytestmark = pytest.mark.anyio

VERIFIED = {"sub": "op-ann", "sid": "s-1", "email": "Ann@example.com", "email_verified": True, "name": "Ann"}


@pytest.fixture
async def here() -> AsyncIterator[Scene]:
    async with scene(op=FakeProvider(user=VERIFIED)) as made:
        yield made


async def test_a_new_user_is_registered_and_logged_in_and_comes_back_to_the_same_account(here: Scene) -> None:
    async with here.browser() as browser:
        back = await here.log_in(browser)
        assert (back.status_code, back.headers["location"]) == (303, "/orders")
        first = await here.user(browser)
        assert (first["username"], first["email"]) == ("Ann", "Ann@example.com")
    here.op.user = VERIFIED | {"email": "other@example.com", "name": "Changed"}
    async with here.browser() as another:
        await here.log_in(another)
        assert (await here.user(another))["id"] == first["id"], "only issuer and subject identify (Core §5.7)"
    (session, _) = await here.auth.issuer.sessions.list(first["id"])
    assert (session.amr, session.acr) == (("fed",), "sfa")


async def test_the_authorization_request_is_as_rfc_9700_has_it(here: Scene) -> None:
    async with here.browser() as browser:
        asked = dict(parse_qsl(urlsplit(await here.begin(browser)).query))
        again = dict(parse_qsl(urlsplit(await here.begin(browser)).query))
    assert asked["redirect_uri"] == "http://127.0.0.1:8000/auth/oidc/acme/callback"
    assert (asked["response_type"], asked["scope"]) == ("code", "openid email profile")
    assert asked["code_challenge_method"] == "S256"
    secret = {name: asked[name] for name in ("state", "nonce", "code_challenge")}
    assert len({*secret.values(), *(again[name] for name in secret)}) == 2 * len(secret), "each of its own"
    assert "sealring_login" in browser.cookies


async def test_host_decides_no_redirect_uri(here: Scene) -> None:
    """C12: the code would go to whoever wrote the field."""
    async with here.browser() as browser:
        forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        begun = await browser.get("/auth/oidc/acme", headers=forged)
    asked = dict(parse_qsl(urlsplit(begun.headers["location"]).query))
    assert urlsplit(asked["redirect_uri"]).netloc == "127.0.0.1:8000"


async def test_two_tabs_of_one_browser_are_two_attempts(here: Scene) -> None:
    async with here.browser() as browser:
        one, two = await here.begin(browser, next_path="/one"), await here.begin(browser, next_path="/two")
        back_two, back_one = await here.come_back(browser, two), await here.come_back(browser, one)
        assert (back_one.headers["location"], back_two.headers["location"]) == ("/one", "/two")
        subject = (await here.user(browser))["id"]
    assert len(await here.auth.issuer.sessions.list(subject)) == 1, "the second replaces the first (C1)"


async def test_a_callback_that_was_used_leads_back_and_starts_no_second_session(here: Scene) -> None:
    async with here.browser() as browser:
        path, given = here.op.callback(await here.begin(browser))
        first = await browser.get(path, params=given, headers=FROM_ELSEWHERE)
        again = await browser.get(path, params=given, headers=FROM_ELSEWHERE)
        assert (first.headers["location"], again.headers["location"]) == ("/orders", "/orders")
        subject = (await here.user(browser))["id"]
        assert len(await here.auth.issuer.sessions.list(subject)) == 1
        assert len(here.op.forms) == 1, "the code is sent once"
    async with here.browser() as other:  # the link, in another browser
        stolen = await other.get(path, params=given)
        assert error_of(stolen) == "login_expired"
        assert "sealring_session" not in other.cookies


async def test_cancel_leads_back_with_a_code(here: Scene) -> None:
    async with here.browser() as browser:
        path, given = here.op.callback(await here.begin(browser), code=None, error="access_denied")
        assert error_of(await browser.get(path, params=given)) == "access_denied"
        given["error"] = "server_error\r\nSet-Cookie: x=y"
        assert error_of(await browser.get(path, params=given)) == "provider_error", "the text is ours"
        answer = await browser.get("/auth/oidc/acme/callback", params={"error": "access_denied"})
        assert answer.headers["location"] == "/?sign_in_error=access_denied"


async def test_an_attempt_ends_after_ten_minutes(here: Scene) -> None:
    async with here.browser() as browser:
        url = await here.begin(browser)
        here.clock.pass_seconds(600)
        assert error_of(await here.come_back(browser, url)) == "login_expired"
        assert not here.op.forms


async def test_head_uses_nothing_up(here: Scene) -> None:
    async with here.browser() as browser:
        path, given = here.op.callback(await here.begin(browser))
        looked = await browser.head(path, params=given)
        assert (looked.status_code, looked.headers["location"]) == (303, "/orders")
        assert error_of(await browser.get(path, params=given)) is None


async def test_a_provider_that_is_down_is_no_server_error(here: Scene) -> None:
    here.op.down = True
    async with here.browser() as browser:
        assert problem(await browser.get("/auth/oidc/acme")) == (503, "unavailable")
        here.op.down = False
        url = await here.begin(browser)
        here.op.down = True
        assert error_of(await here.come_back(browser, url)) == "unavailable"


async def test_an_unknown_provider_is_not_found(here: Scene) -> None:
    async with here.browser() as browser:
        assert problem(await browser.get("/auth/oidc/nobody")) == (404, "unknown_provider")
        assert error_of(await browser.get("/auth/oidc/nobody/callback", params={"state": "x"})) == "login_expired"


async def test_a_closed_registration_makes_no_account() -> None:
    async with scene(registration="closed") as here, here.browser() as browser:
        assert error_of(await here.log_in(browser)) == "registration_closed"
        assert await here.auth.issuer.accounts.list() == []
        assert await here.causes() == ["identity belongs to no account"]


async def test_a_disabled_account_stays_out(here: Scene) -> None:
    async with here.browser() as browser:
        await here.log_in(browser)
        subject = (await here.user(browser))["id"]
        await here.auth.issuer.accounts.disable(subject)
        assert error_of(await here.log_in(browser)) == "invalid_credentials"
        assert (await here.causes())[-1] == "account is disabled"


async def test_a_username_that_is_taken_gets_a_number(here: Scene) -> None:
    here.op.user = VERIFIED | {"preferred_username": "ann", "email": None, "name": None}
    await here.auth.issuer.accounts.create("ann", PASSWORD)
    async with here.browser() as browser:
        await here.log_in(browser)
        assert (await here.user(browser))["username"].startswith("ann-")


async def test_a_second_factor_is_still_asked_for() -> None:
    from tests.mailed_code import MailedCode, mailbox  # noqa: PLC0415 - the one test that needs it

    async with scene(op=FakeProvider(user=VERIFIED), more_methods=[MailedCode]) as here, here.browser() as browser:
        back = await here.log_in(browser)
        path, _, fragment = back.headers["location"].partition("#")
        said = {name: value for name, (value,) in parse_qs(fragment).items()}
        assert (path, said["sign_in"], said["methods"]) == ("/orders", "second_factor", "mailed-code")
        assert "sealring_session" not in browser.cookies
        step = {"pending": said["pending"], "response": {}, "delivery": "cookie"}
        headers = {"Origin": "http://127.0.0.1:8000"}
        begun = await browser.post("/auth/login/mailed-code/begin", json=step, headers=headers)
        assert begun.status_code == 200, begun.text
        step["response"] = {"code": mailbox(here.auth).sent[-1]}
        done = await browser.post("/auth/login/mailed-code", json=step, headers=headers)
        assert done.status_code == 200, done.text
        (session,) = await here.auth.issuer.sessions.list(done.json()["user"]["id"])
        assert session.amr == ("fed", "otp", "mfa")
        assert session.identity
        assert session.provider_session, "kept over both steps"


async def test_userinfo_is_asked_where_the_id_token_says_no_address() -> None:
    more = {"sub": "op-ann", "email": "ann@example.com", "email_verified": True}
    async with scene(op=FakeProvider(userinfo=more)) as here, here.browser() as browser:
        await here.log_in(browser)
        assert (await here.user(browser))["email"] == "ann@example.com"
        here.op.userinfo = more | {"sub": "op-eve"}
        assert error_of(await here.log_in(browser)) == "invalid_credentials", "of another user (Core §5.3.2)"


async def test_the_application_says_whose_an_identity_is() -> None:
    seen: list[Identity] = []
    anns: list[Account] = []

    async def on_identity(identity: Identity) -> Account | None:
        seen.append(identity)
        return anns[0]

    async with scene(on_identity=on_identity, registration="closed") as here, here.browser() as browser:
        anns.append(await here.auth.issuer.accounts.create("ann", PASSWORD))
        await here.log_in(browser)
        await here.log_in(browser)
        assert (await here.user(browser))["id"] == anns[0].id
        assert len(seen) == 1, "asked once: then it is linked"
        assert [event.cause for event in await here.auth.store.read_events() if event.kind == "credential_added"] == [
            "by application"
        ]


async def test_metadata_and_keys_are_kept_and_a_new_key_is_found(here: Scene) -> None:
    async with here.browser() as browser:
        for _ in range(3):
            assert error_of(await here.log_in(browser)) is None
        assert here.op.asked.count("GET /.well-known/openid-configuration") == 1
        assert here.op.asked.count("GET /jwks") == 1
        here.op.key = jwt.Key.generate("ES256", kid="op-2")
        here.op.published = [here.op.key]
        assert error_of(await here.log_in(browser)) == "invalid_credentials", "an unknown kid asks for no fetch now"
        client = here.auth.issuer.sign_ins.providers["acme"]
        client._keys = replace(client._keys, tried_at=float("-inf"))  # as half a minute later
        assert error_of(await here.log_in(browser)) is None
