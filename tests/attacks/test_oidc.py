"""A provider that lies, one that is impersonated, and pages that abuse a login at a provider.

Each check of an ID token (OpenID Connect Core §3.1.3.7) and of a logout token (Back-Channel Logout §2.6) is broken
once by a hostile provider. A refusal leaves no session and no account.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from typing import Any

import pytest

from sealring import jwt
from sealring.providers import OIDC
from tests.providers.fake_provider import CLIENT_ID, CLIENT_SECRET, KEY, FakeProvider
from tests.providers.scene import FROM_ELSEWHERE, OURS, Scene, error_of, scene
from tests.serving import PASSWORD, problem

pytestmark = pytest.mark.anyio

STRANGER = jwt.Key.generate("ES256", kid="op-1")
FAILED_CHECK = "answer of the identity provider failed a check"


@pytest.fixture
async def here() -> AsyncIterator[Scene]:
    async with scene() as made:
        yield made


def none_token(op: FakeProvider, nonce: str) -> str:
    now = op.clock()
    claims = {"iss": op.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce, **op.user}
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def mac_token(op: FakeProvider, secret: bytes, nonce: str) -> str:
    now = op.clock()
    claims = {"iss": op.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce, **op.user}
    return jwt.sign(claims, jwt.Key.from_secret(secret, "HS256"), issued_at=False)


def with_token(make: Callable[[FakeProvider, str], str]) -> Callable[[FakeProvider], None]:
    def set_up(op: FakeProvider) -> None:
        def answer(members: dict[str, Any]) -> bytes:
            nonce = jwt.peek(members["id_token"]).claims["nonce"]
            return json.dumps(members | {"id_token": make(op, nonce)}).encode()

        op.token_answer = answer

    return set_up


def with_claims(**claims: Any) -> Callable[[FakeProvider], None]:
    return lambda op: op.claims.update(claims)


def relative(**shifts: int) -> Callable[[FakeProvider], None]:
    """Dates that are set when the token is made."""
    return lambda op: op.claims.update({name: op.clock() + shift for name, shift in shifts.items()})


LIES: dict[str, Callable[[FakeProvider], None]] = {
    "1 an encrypted token": with_token(lambda *_: "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkExMjhHQ00ifQ.a.b.c.d"),
    "2 iss of another": with_claims(iss="https://login.example.org"),
    "2 iss with a slash": lambda op: op.claims.update({"iss": f"{op.issuer}/"}),
    "2 no iss": with_claims(iss=None),
    "3 aud of another client": with_claims(aud="another"),
    "3 no aud": with_claims(aud=None),
    "3 aud that is a prefix": with_claims(aud=CLIENT_ID[:-1]),
    "4 several audiences and no azp": with_claims(aud=[CLIENT_ID, "another"]),
    "5 azp of another client": with_claims(azp="another"),
    "5 azp of another among several": with_claims(aud=[CLIENT_ID, "another"], azp="another"),
    "6 signed by a stranger": lambda op: setattr(op, "key", STRANGER),
    "6 no signature": with_token(none_token),
    "7 an algorithm that is not listed": lambda op: op.metadata.update(id_token_signing_alg_values_supported=["RS256"]),
    "8 a MAC under the client secret": with_token(lambda op, nonce: mac_token(op, CLIENT_SECRET.encode() * 4, nonce)),
    "8 a MAC under the public key": with_token(
        lambda op, nonce: mac_token(op, sha256(json.dumps(KEY.to_jwk()).encode()).digest(), nonce)
    ),
    "9 expired": relative(iat=-100, exp=-11),
    "9 no exp": with_claims(exp=None),
    "10 issued in the future": relative(iat=60, exp=300),
    "10 issued long ago": relative(iat=-700, exp=300),
    "10 no iat": with_claims(iat=None),
    "11 another nonce": with_claims(nonce="another"),
    "11 no nonce": with_claims(nonce=None),
    "no sub": with_claims(sub=None),
    "an empty sub": with_claims(sub=""),
    "sub of 256 characters": with_claims(sub="x" * 256),
    "sub with a line break": with_claims(sub="a\nb"),
    "auth_time of the future": relative(auth_time=60),
    "auth_time that is no number": with_claims(auth_time="yesterday"),
    "at_hash of another access token": with_claims(at_hash="LDktKdoQak3Pk0cnXxCltA"),
    "an access token in its place": lambda op: setattr(op, "typ", "at+jwt"),
    "a logout token in its place": lambda op: setattr(op, "typ", "logout+jwt"),
    "no ID token": lambda op: setattr(op, "token_answer", lambda _: b'{"access_token": "x"}'),
    "an ID token that is no text": lambda op: setattr(op, "token_answer", lambda _: b'{"id_token": 5}'),
    "a name twice": lambda op: setattr(op, "token_answer", lambda _: b'{"id_token": "a", "id_token": "b"}'),
    "no JSON": lambda op: setattr(op, "token_answer", lambda _: b"<html>"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_a_provider_must_not_say_logs_nobody_in(here: Scene, lie: str) -> None:
    async with here.browser() as browser:
        assert error_of(await here.log_in(browser)) is None, "honest so far"
        browser.cookies.clear()
        sessions, here.op.user = len(await here.auth.issuer.sessions.list(None)), {"sub": "op-eve"}
        LIES[lie](here.op)
        here.auth.issuer.sign_ins.providers["acme"]._metadata = None  # as after a day
        assert error_of(await here.log_in(browser)) == "invalid_credentials"
        assert "sealring_session" not in browser.cookies
    assert len(await here.auth.issuer.sessions.list(None)) == sessions
    assert len(await here.auth.issuer.accounts.list()) == 1
    assert await here.causes() == [FAILED_CHECK]


async def test_what_fits_is_accepted(here: Scene) -> None:
    """The same ways of saying it, said right: the refusals above are of the lies alone."""
    left_half = sha256(b"op-access-token").digest()[:16]
    here.op.claims = {
        "aud": [CLIENT_ID, "another"],
        "azp": CLIENT_ID,
        "at_hash": urlsafe_b64encode(left_half).rstrip(b"=").decode(),
    }
    async with here.browser() as browser:
        for typ in ("JWT", None):
            here.op.typ = typ
            assert error_of(await here.log_in(browser)) is None


@pytest.mark.parametrize(
    "lie",
    [
        {"issuer": "https://login.example.org"},
        {"issuer": None},
        {"token_endpoint": "http://login.example.org/token"},
        {"token_endpoint": "ftp://login.example.org/token"},
        {"token_endpoint": "https://user:secret@login.example.org/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"end_session_endpoint": "https://login.example.org:99999/"},
        {"userinfo_endpoint": "https://login.example.org/\r\nSet-Cookie: a=b"},
    ],
)
async def test_a_discovery_document_that_leads_elsewhere_is_refused(here: Scene, lie: dict[str, Any]) -> None:
    here.op.metadata = lie
    async with here.browser() as browser:
        assert problem(await browser.get("/auth/oidc/acme")) == (503, "unavailable")
    assert here.op.asked == ["GET /.well-known/openid-configuration"]


# mix-up, code injection, CSRF


@pytest.mark.parametrize("iss", [None, "https://login.example.org", ""])
async def test_mix_up_by_iss(here: Scene, iss: str | None) -> None:
    """RFC 9207: an answer without the issuer, or of another, reaches no token endpoint."""
    async with here.browser() as browser:
        url = await here.begin(browser)
        assert error_of(await here.come_back(browser, url, iss=iss)) == "invalid_credentials"
    assert here.op.forms == []
    assert await here.causes() == ["answer of another identity provider"]


async def test_mix_up_by_path(here: Scene) -> None:
    """An attempt at one provider is answered at another's callback: its code must not be sent there."""
    other = OIDC(here.op.issuer, CLIENT_ID, CLIENT_SECRET, name="other")
    clients = here.auth.issuer.sign_ins.providers
    kind = type(clients["acme"])
    clients["other"] = kind(other, here.clock.now_ms)  # type: ignore[index]
    async with here.browser() as browser:
        path, given = here.op.callback(await here.begin(browser))
        answer = await browser.get(path.replace("acme", "other"), params=given)
        assert error_of(answer) == "invalid_credentials"
    assert here.op.forms == []


async def test_a_code_of_another_attempt_is_refused(here: Scene) -> None:
    """Code injection (RFC 9700 §4.5): the attacker's code in the victim's attempt fails by PKCE."""
    async with here.browser("192.0.2.8") as attacker, here.browser() as victim:
        _, stolen = here.op.callback(await here.begin(attacker))
        url = await here.begin(victim)
        assert error_of(await here.come_back(victim, url, code=stolen["code"])) == "invalid_credentials"
        assert "sealring_session" not in victim.cookies


async def test_login_csrf_an_answer_to_another_browser_is_refused(here: Scene) -> None:
    """C2: the victim must not be logged in as the attacker, in a fresh browser or in one that has an attempt open."""
    async with here.browser("192.0.2.8") as attacker, here.browser() as victim:
        path, given = here.op.callback(await here.begin(attacker))
        assert error_of(await victim.get(path, params=given, headers=FROM_ELSEWHERE)) == "login_expired"
        await here.begin(victim)
        assert error_of(await victim.get(path, params=given, headers=FROM_ELSEWHERE)) == "login_expired"
        assert "sealring_session" not in victim.cookies
    assert here.op.forms == [], "refused before the code is sent"


async def test_a_program_cannot_finish_what_a_browser_began_and_reverse(here: Scene) -> None:
    async with here.browser() as browser:
        _, given = here.op.callback(await here.begin(browser))
        response = {"provider": "acme", **{name: given[name] for name in ("state", "code", "iss")}}
        answer = await browser.post("/auth/login/oidc", json={"response": response})  # tokens in the body
        assert problem(answer) == (401, "login_expired")
        body = {"response": response, "delivery": "cookie"}
        answer = await browser.post("/auth/login/oidc", json=body, headers=OURS)
        assert answer.status_code == 200, "in the same browser, with cookies, it is the same login"


@pytest.mark.parametrize("bit", range(0, 256, 37))
async def test_a_state_that_was_changed_is_not_ours(here: Scene, bit: int) -> None:
    async with here.browser() as browser:
        path, given = here.op.callback(await here.begin(browser))
        state = given["state"]
        place = len("sealring_si1_") + bit % (len(state) - 20)
        changed = "A" if state[place] != "A" else "B"
        given["state"] = state[:place] + changed + state[place + 1 :]
        assert error_of(await browser.get(path, params=given)) == "login_expired"
    assert here.op.forms == []


async def test_strangers_states_close_the_door_to_nobody() -> None:
    """Rate limits count by attempt: a flood of answers that are not ours must not lock out everybody."""
    async with scene(throttle_account="3/5m") as here, here.browser("192.0.2.66") as flood, here.browser() as user:
        for number in range(12):
            response = {"provider": "acme", "state": f"x{number}", "code": "x", "iss": "x"}
            await flood.post("/auth/login/oidc", json={"response": response})
        assert error_of(await here.log_in(user)) is None


# open redirect

ELSEWHERE = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example",
    "javascript:alert(1)", "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example",
    "/ /evil.example", "evil.example", "", "/\x00", "/ä", "/\u2028", "/" + "x" * 512,
]  # fmt: skip


@pytest.mark.parametrize("target", ELSEWHERE)
async def test_open_redirect(here: Scene, target: str) -> None:
    async with here.browser() as browser:
        assert problem(await browser.get("/auth/oidc/acme", params={"next": target})) == (422, "invalid_field")


# pre-hijacking, and addresses that nobody verified


ANN = {"sub": "op-ann", "email": "ann@example.com", "email_verified": True}


async def test_an_address_that_both_sides_have_verified_joins_them() -> None:
    async with scene(op=FakeProvider(user=ANN), registration="closed") as here, here.browser() as browser:
        ann = await here.auth.issuer.accounts.create("ann", None, email="Ann@Example.com")  # the operator vouches
        assert error_of(await here.log_in(browser)) is None
        assert (await here.user(browser))["id"] == ann.id
        (line,) = [event for event in await here.auth.store.read_events() if event.kind == "credential_added"]
        assert (line.subject, line.cause) == (ann.id, "by verified address")


async def test_pre_hijack_an_account_that_only_claims_an_address_gets_nothing() -> None:
    """The attacker has registered here with the victim's address. The victim is asked, and gets an account anyway."""
    async with scene(op=FakeProvider(user=ANN)) as here, here.browser() as browser:
        body = {"username": "eve", "password": PASSWORD, "email": "ann@example.com"}
        eve = (await browser.post("/auth/register", json=body)).json()["user"]["id"]
        assert error_of(await here.log_in(browser)) == "link_required"
        assert "sealring_session" not in browser.cookies
        assert await here.auth.issuer.sign_ins.identities_of(eve) == []
        assert (await here.causes())[-1] == "identity must be linked first"
        assert error_of(await here.log_in(browser, account="new")) is None
        ann = await here.user(browser)
        assert ann["id"] != eve
        assert error_of(await here.log_in(browser)) is None, "linked by now"
        assert (await here.user(browser))["id"] == ann["id"]


async def test_an_untrusted_provider_joins_nothing_whatever_it_says() -> None:
    """A tenant's administrator writes any address into the directory (nOAuth)."""
    made = scene(op=FakeProvider(user=ANN), provider={"trusts_email": False})
    async with made as here, here.browser() as browser:
        ann = await here.auth.issuer.accounts.create("ann", None, email="ann@example.com")
        assert error_of(await here.log_in(browser)) is None
        assert (await here.user(browser))["id"] != ann.id
        stranger = await here.auth.accounts.get((await here.user(browser))["id"])
        assert not stranger.email_verified


async def test_an_account_that_is_disabled_is_joined_to_nothing() -> None:
    async with scene(op=FakeProvider(user=ANN)) as here, here.browser() as browser:
        ann = await here.auth.issuer.accounts.create("ann", None, email="ann@example.com")
        await here.auth.issuer.accounts.disable(ann.id)
        assert error_of(await here.log_in(browser)) == "invalid_credentials"
        assert await here.auth.issuer.sign_ins.identities_of(ann.id) == []


# how recently the user proved anything


async def test_an_old_session_at_the_provider_is_no_recent_proof(here: Scene) -> None:
    """RFC 9470: a provider that answers out of its own session has asked nobody anything."""
    async with here.browser() as browser:
        here.op.claims = {"auth_time": here.op.clock() - 7200}
        assert error_of(await here.log_in(browser)) is None
        (session,) = await here.auth.issuer.sessions.list(None)
        assert session.auth_time == here.op.clock() - 7200
        refused = await browser.post("/auth/oidc/acme/link", json={}, headers=OURS)
        assert (refused.status_code, refused.json()["code"]) == (401, "insufficient_user_authentication")
        url = await here.begin(browser, fresh="true")
        assert "max_age=0" in url
        assert error_of(await here.come_back(browser, url)) == "invalid_credentials", "it did not ask again"
        here.op.claims = {"auth_time": here.op.clock()}
        assert error_of(await here.log_in(browser, fresh="true")) is None
        assert (await browser.post("/auth/oidc/acme/link", json={}, headers=OURS)).status_code == 200


async def test_a_provider_that_does_not_say_when_has_not_asked_again(here: Scene) -> None:
    async with here.browser() as browser:
        assert error_of(await here.log_in(browser, fresh="true")) == "invalid_credentials"
        assert await here.causes() == [FAILED_CHECK]


async def test_an_address_that_the_provider_has_not_verified_joins_nothing() -> None:
    op = FakeProvider(user={"sub": "op-eve", "email": "ann@example.com", "email_verified": False})
    async with scene(op=op) as here, here.browser() as browser:
        ann = await here.auth.issuer.accounts.create("ann", None, email="ann@example.com")
        for said in (False, "true", 1, None):
            op.user = op.user | {"email_verified": said, "sub": f"op-{said}"}
            assert error_of(await here.log_in(browser)) is None
            assert (await here.user(browser))["id"] != ann.id


# Apple's form


async def test_a_posted_answer_is_sent_on_once_by_our_own_page() -> None:
    """Without cookies, as `SameSite=Lax` has it, the first form logs nobody in; no weaker cookie is set for it."""
    async with scene(provider={"response_mode": "form_post"}) as here, here.browser() as browser:
        url = await here.begin(browser)
        assert "response_mode=form_post" in url
        path, given = here.op.callback(url)
        kept = dict(browser.cookies)
        browser.cookies.clear()
        page = await browser.post(path, data={**given, "user": '{"name":1}'}, headers={"Sec-Fetch-Site": "cross-site"})
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "set-cookie" not in page.headers
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        script = page.text.partition("<script>")[2].partition("</script>")[0]
        assert urlsafe_b64encode(sha256(script.encode()).digest()).decode().translate({45: 43, 95: 47}) in policy
        again = {**given, "returned": "1"}
        lost = await browser.post(path, data=again, headers=OURS)
        assert error_of(lost) == "login_expired", "no second page, where the browser keeps no cookies"
        browser.cookies.update(kept)
        assert error_of(await browser.post(path, data=again, headers=OURS)) is None
        assert (await here.user(browser))["id"]


async def test_what_is_posted_stands_in_our_page_as_text(here: Scene) -> None:
    hostile = {"state": '"><script>alert(1)</script>', "code": "x' onfocus='y"}
    async with here.browser() as browser:
        page = await browser.post("/auth/oidc/acme/callback", data=hostile)
    assert page.text.count("<script>") == 1
    assert "&quot;&gt;&lt;script&gt;" in page.text
