"""B: sessions that are bound to a device (DBSC, design D22): what copied cookies and forged proofs are worth.

Two browsers stand against one issuer: the owner's, which has the key, and a thief's with every cookie of it. The same
in a real browser is in `tests/browser/test_bound_session.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from sealring import Event, jwt
from sealring.errors import DeviceProofRequired
from sealring.sessions.device_binding import REGISTRATION_SECONDS
from sealring.sessions.device_proof import CHALLENGE_SECONDS
from sealring.testing import InMemorySealring
from tests.device_browser import ACCESS, REFRESH, SITE, DeviceBrowser, read_offer
from tests.serving import PASSWORD

pytestmark = pytest.mark.anyio
NAME = "ada"


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
async def auth(events: list[Event]) -> AsyncIterator[InMemorySealring]:
    async with opened(events) as auth:
        yield auth


def opened(events: list[Event], **settings: Any) -> Any:
    auth = InMemorySealring(
        on_event=events.append,
        **{
            "issuer": SITE,
            "cookie_secure": "on",
            "device_binding": "prefer",
            "throttle_address": "1000/1m",
            **settings,
        },
    )
    return _Opened(auth)


class _Opened:
    def __init__(self, auth: InMemorySealring) -> None:
        self.auth = auth

    async def __aenter__(self) -> InMemorySealring:
        await self.auth.open()
        await self.auth.accounts.create(NAME, PASSWORD)
        return self.auth

    async def __aexit__(self, *_: object) -> None:
        await self.auth.close()


@pytest.fixture
async def owner(auth: InMemorySealring) -> DeviceBrowser:
    return await bound(auth)


async def bound(auth: InMemorySealring) -> DeviceBrowser:
    browser = DeviceBrowser(auth)
    await browser.log_in(NAME, PASSWORD)
    answer = await browser.bind()
    assert answer.status_code == 200, answer.text
    return browser


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def still_refreshes(browser: DeviceBrowser) -> None:
    answer = await browser.refresh()
    assert answer.status_code == 200, answer.text
    assert browser.access["device_bound"] is True


# what a browser is told


async def test_a_login_offers_to_bind_and_the_bound_session_gets_tokens_that_say_so(auth: InMemorySealring) -> None:
    browser = DeviceBrowser(auth)
    await browser.log_in(NAME, PASSWORD)
    assert browser.offer["path"] == "/auth/device"
    assert "device_bound" not in browser.access
    assert browser.access["exp"] - browser.access["iat"] == 600
    answer = await browser.bind()
    assert answer.json() == {
        "session_identifier": browser.session_id,
        "refresh_url": "/auth/device/refresh",
        "scope": {
            "include_site": False,
            "scope_specification": [
                {"type": "exclude", "domain": "*", "path": path}
                for path in (
                    *("/auth/login", "/auth/register", "/auth/logout", "/auth/client.js", "/auth/.well-known"),
                    *("/static", "/assets", "/favicon.ico"),
                )
            ],
        },
        "credentials": [
            {"type": "cookie", "name": ACCESS, "attributes": "Path=/; HttpOnly; Secure; SameSite=Lax"},
        ],
    }
    assert answer.headers.get_list("set-cookie")[0].endswith("; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=Lax")
    assert browser.access["device_bound"] is True
    assert browser.access["exp"] - browser.access["iat"] == 600
    sessions = (await browser.client.get("/auth/sessions")).json()["sessions"]
    assert [one["bound"] for one in sessions] == [True]


async def test_a_browser_that_does_not_register_notices_nothing(auth: InMemorySealring) -> None:
    browser = DeviceBrowser(auth)
    await browser.log_in(NAME, PASSWORD)
    auth.clock.advance("5m")
    answer = await browser.client.post("/auth/refresh")
    assert answer.status_code == 200
    assert "secure-session-registration" not in answer.headers
    assert answer.json()["expires_in"] == 1800
    sessions = (await browser.client.get("/auth/sessions")).json()["sessions"]
    assert [one["bound"] for one in sessions] == [False]


@pytest.mark.parametrize("settings", [{"device_binding": "off"}, {"cookie_secure": "off"}])
async def test_nothing_is_offered_where_it_is_off_or_cookies_are_not_secure(settings: dict[str, Any]) -> None:
    async with opened([], **settings) as auth:
        browser = DeviceBrowser(auth)
        await browser.log_in(NAME, PASSWORD)
        assert browser.offer == {}


async def test_a_program_that_gets_its_tokens_in_the_body_is_offered_nothing() -> None:
    async with opened([], device_binding="require") as auth:
        browser = DeviceBrowser(auth)
        answer = await browser.client.post("/auth/login", json={"username": NAME, "password": PASSWORD})
        assert "secure-session-registration" not in answer.headers
        tokens = answer.json()
        assert tokens["expires_in"] == 1800
        again = await browser.client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert again.status_code == 200


async def test_a_front_end_of_another_origin_may_start_a_refresh() -> None:
    async with opened([], allowed_origins=["https://app.example", "capacitor://localhost"]) as auth:
        browser = DeviceBrowser(auth)
        await browser.log_in(NAME, PASSWORD)
        assert (await browser.bind()).json()["allowed_refresh_initiators"] == ["app.example", "localhost"]


# copied cookies (B1)


@pytest.mark.parametrize("route", ["cookie", "body", "form"])
async def test_b1_a_copied_refresh_token_is_worth_nothing_by_any_route(
    auth: InMemorySealring, owner: DeviceBrowser, events: list[Event], route: str
) -> None:
    thief = owner.copied_to(auth)
    token = thief.client.cookies[REFRESH]
    thief.client.cookies.delete(ACCESS)
    match route:
        case "cookie":
            answer = await thief.client.post("/auth/refresh")
            assert code(answer) == (401, "device_proof_required")
        case "body":
            thief.client.cookies.clear()
            answer = await thief.client.post("/auth/refresh", json={"refresh_token": token})
            assert code(answer) == (401, "device_proof_required")
        case _:
            thief.client.cookies.clear()
            form = {"grant_type": "refresh_token", "refresh_token": token}
            answer = await thief.client.post("/auth/token", data=form)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert "access_token" not in answer.text
    assert [(event.kind, event.cause, event.address) for event in events[-1:]] == [
        ("device_refused", "no proof", "203.0.113.7")
    ]
    assert events[-1].session == owner.session_id
    assert events[-1].subject == owner.access["sub"]
    await still_refreshes(owner)


async def test_b1_a_copied_refresh_token_is_worth_nothing_to_the_application_itself(
    auth: InMemorySealring, owner: DeviceBrowser
) -> None:
    with pytest.raises(DeviceProofRequired):
        await auth.refresh_session(owner.client.cookies[REFRESH])


async def test_b1_a_copied_access_cookie_dies_in_ten_minutes_and_buys_no_other(
    auth: InMemorySealring, owner: DeviceBrowser
) -> None:
    thief = owner.copied_to(auth)
    assert (await thief.client.get("/auth/me")).status_code == 200
    # it is told what it has already, and gets no cookie for it
    standing = await thief.client.post("/auth/refresh")
    assert standing.status_code == 200
    assert "set-cookie" not in standing.headers
    assert "access_token" not in standing.json()
    auth.clock.advance("606s")
    assert code(await thief.client.get("/auth/me")) == (401, "invalid_token")
    assert code(await thief.client.post("/auth/refresh")) == (401, "device_proof_required")
    await still_refreshes(owner)


async def test_b1_an_old_copy_does_not_even_end_the_session(auth: InMemorySealring, owner: DeviceBrowser) -> None:
    thief = owner.copied_to(auth)
    for _ in range(3):
        await still_refreshes(owner)
        auth.clock.advance("1m")
    thief.client.cookies.delete(ACCESS)
    assert code(await thief.client.post("/auth/refresh")) == (401, "device_proof_required")
    await still_refreshes(owner)


async def test_b1_a_thief_who_signs_with_a_key_of_its_own_gets_nothing(
    auth: InMemorySealring, owner: DeviceBrowser, events: list[Event]
) -> None:
    thief = owner.copied_to(auth)
    assert code(await thief.refresh()) == (401, "device_proof_required")
    assert (events[-1].kind, events[-1].cause) == ("device_refused", "wrong proof")
    await still_refreshes(owner)


async def test_b1_tries_without_proof_count_against_their_address(events: list[Event]) -> None:
    async with opened(events, throttle_address="3/1m") as auth:
        owner = await bound(auth)
        thief = owner.copied_to(auth)
        thief.client.cookies.delete(ACCESS)
        answers = [(await thief.client.post("/auth/refresh")).status_code for _ in range(6)]
        assert answers == [401, 401, 401, 429, 429, 429]
        assert [event.kind for event in events].count("device_refused") == 3
        await still_refreshes(owner)


# keys that are registered (B2)


async def test_b2_a_second_registration_never_overwrites_the_key(
    auth: InMemorySealring, owner: DeviceBrowser, events: list[Event]
) -> None:
    thief = owner.copied_to(auth)
    thief.offer = owner.offer  # even with the answer to the login in hand
    assert code(await thief.bind()) == (401, "device_proof_required")
    assert [event.kind for event in events].count("device_bound") == 1
    await still_refreshes(owner)


async def test_b2_of_two_registrations_at_once_one_counts(auth: InMemorySealring) -> None:
    browser = DeviceBrowser(auth)
    await browser.log_in(NAME, PASSWORD)
    other = browser.copied_to(auth)
    other.offer = browser.offer
    answers = await asyncio.gather(*(one.bind() for one in (browser, other) * 10))
    assert sorted(answer.status_code for answer in answers) == [200, *[401] * 19]


async def test_b2_a_registration_comes_within_a_minute_of_the_login(auth: InMemorySealring) -> None:
    browser = DeviceBrowser(auth)
    await browser.log_in(NAME, PASSWORD)
    auth.clock.advance(REGISTRATION_SECONDS + 1)
    assert code(await browser.bind()) == (401, "device_proof_required")


async def test_b2_a_challenge_alone_registers_nothing(auth: InMemorySealring) -> None:
    """Whoever holds the cookies may ask for a challenge; the authorization stands in the answer to the login alone."""
    browser = DeviceBrowser(auth)
    await browser.log_in(NAME, PASSWORD)
    thief = browser.copied_to(auth)
    thief.offer = {"path": "/auth/device", "challenge": await thief.challenge(), "authorization": ""}
    assert code(await thief.bind()) == (401, "device_proof_required")
    assert (await browser.bind()).status_code == 200


async def test_b2_an_authorization_is_of_one_login(auth: InMemorySealring) -> None:
    one, other = DeviceBrowser(auth), DeviceBrowser(auth)
    await one.log_in(NAME, PASSWORD)
    await other.log_in(NAME, PASSWORD)
    forged = one.registration(authorization=other.offer["authorization"])
    assert code(await one.bind(forged)) == (401, "device_proof_required")


KEY = jwt.Key.generate("ES256")
SECRET = jwt.Key.from_secret(b"a secret of at least thirty-two bytes", "HS256")

BAD_REGISTRATIONS: dict[str, Callable[[DeviceBrowser], str]] = {
    "another key than it brings": lambda b: b.registration(key=KEY),
    "no key": lambda b: b.registration(header={"jwk": None}),
    "a key that is no object": lambda b: b.registration(header={"jwk": "x"}),
    "a point off the curve": lambda b: b.registration(header={"jwk": {**b.key.to_jwk(), "y": b.key.to_jwk()["x"]}}),
    "members of another type": lambda b: b.registration(header={"jwk": {**b.key.to_jwk(), "x": 7}}),
    "a symmetric key": lambda b: b.registration(key=SECRET, header={"jwk": SECRET.to_jwk(private=True)}),
    "a key of another algorithm": lambda b: _with(b, jwt.Key.generate("Ed25519")),
    "a key of a curve that is not allowed": lambda b: _with(b, jwt.Key.generate("ES384")),
    "a key for another use": lambda b: b.registration(header={"jwk": {**b.key.to_jwk(), "alg": "ES512"}}),
    "typ of an access token": lambda b: b.registration(typ="at+jwt"),
    "no typ": lambda b: b.registration(typ=None),
    "the challenge of another session": lambda b: b.registration(jti="A" * 51),
    "no challenge": lambda b: b.registration(jti=""),
    "another service's audience": lambda b: b.registration(aud="https://evil.example/auth/device"),
    "an audience that is a list": lambda b: b.registration(aud=[f"{SITE}/auth/device"]),
    "no signature": lambda b: _unsigned(b.registration()),
    "junk": lambda _: "junk",
}


def _with(browser: DeviceBrowser, key: jwt.Key) -> str:
    return browser.registration(key=key, header={"jwk": key.to_jwk()})


def _unsigned(text: str) -> str:
    _, payload, _ = text.split(".")
    return f"eyJhbGciOiJub25lIiwidHlwIjoiZGJzYytqd3QifQ.{payload}."


@pytest.mark.parametrize("name", BAD_REGISTRATIONS)
async def test_b2_a_registration_that_proves_nothing_binds_nothing(auth: InMemorySealring, name: str) -> None:
    browser = DeviceBrowser(auth)
    await browser.log_in(NAME, PASSWORD)
    assert code(await browser.bind(BAD_REGISTRATIONS[name](browser))) == (401, "device_proof_required")
    sessions = (await browser.client.get("/auth/sessions")).json()["sessions"]
    assert [one["bound"] for one in sessions] == [False]
    assert (await browser.bind()).status_code == 200  # the same with nothing wrong


async def test_b2_a_private_key_in_the_header_is_never_kept(auth: InMemorySealring) -> None:
    browser = DeviceBrowser(auth)
    await browser.log_in(NAME, PASSWORD)
    await browser.bind(browser.registration(header={"jwk": browser.key.to_jwk(private=True)}))
    record = await auth.issuer.store.read_session(browser.session_id)
    assert record is not None
    assert '"d"' not in (record.session.device_jwk or '"d"')
    await still_refreshes(browser)


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
async def test_b2_keys_of_both_algorithms_of_tpms_work(auth: InMemorySealring, alg: str, events: list[Event]) -> None:
    browser = DeviceBrowser(auth)
    browser.key = jwt.Key.generate(alg)
    await browser.log_in(NAME, PASSWORD)
    assert (await browser.bind()).status_code == 200
    assert (events[-1].kind, events[-1].cause, dict(events[-1].detail)) == (
        *("device_bound", "after the login"),
        {"alg": alg},
    )
    await still_refreshes(browser)


async def test_b2_no_other_sites_page_registers_a_key(auth: InMemorySealring) -> None:
    browser = DeviceBrowser(auth)
    await browser.log_in(NAME, PASSWORD)
    browser.client.headers["Sec-Fetch-Site"] = "cross-site"
    assert code(await browser.bind()) == (403, "csrf")
    browser.client.headers.pop("Sec-Fetch-Site")
    browser.client.headers.pop("Origin")
    assert code(await browser.bind()) == (403, "csrf")


async def test_b2_cookies_of_another_session_register_nothing(auth: InMemorySealring) -> None:
    one, other = DeviceBrowser(auth), DeviceBrowser(auth)
    await one.log_in(NAME, PASSWORD)
    await other.log_in(NAME, PASSWORD)
    assert code(await other.bind(one.registration())) == (401, "device_proof_required")
    one.client.cookies.clear()
    assert code(await one.bind()) == (401, "missing_credential")


# proofs of the key, as browsers sign them (B3)


async def test_b3_a_stale_challenge_is_asked_for_again_and_is_no_alarm(
    auth: InMemorySealring, owner: DeviceBrowser, events: list[Event]
) -> None:
    old = owner.proof(await owner.challenge())
    auth.clock.advance(CHALLENGE_SECONDS)
    assert (await owner.ask(old)).status_code == 200
    auth.clock.advance(1)
    answer = await owner.ask(old)
    assert answer.status_code == 403
    assert answer.content == b""
    assert "secure-session-challenge" in answer.headers
    assert events[-1].kind != "device_refused"
    await still_refreshes(owner)


async def test_b3_a_challenge_of_a_clock_that_runs_ahead_is_taken_within_the_leeway(
    auth: InMemorySealring, owner: DeviceBrowser
) -> None:
    now = auth.clock.now_ms() // 1000
    devices = auth.issuer.sessions.devices
    assert (await owner.ask(owner.proof(devices.challenge(owner.session_id, now=now + 5)))).status_code == 200
    assert (await owner.ask(owner.proof(devices.challenge(owner.session_id, now=now + 6)))).status_code == 403


async def test_b3_the_challenge_of_another_session_proves_nothing(auth: InMemorySealring, owner: DeviceBrowser) -> None:
    other = DeviceBrowser(auth)
    await other.log_in(NAME, PASSWORD)
    assert code(await owner.ask(owner.proof(await other.challenge()))) == (401, "device_proof_required")


async def test_b3_the_proof_of_one_session_is_worth_nothing_with_the_cookies_of_another(
    auth: InMemorySealring, owner: DeviceBrowser
) -> None:
    other = await bound(auth)
    assert code(await other.ask(owner.proof(await owner.challenge()))) == (401, "device_proof_required")


@pytest.mark.parametrize("form", ["bare", "quoted"])
async def test_b3_fields_come_bare_or_quoted(owner: DeviceBrowser, form: str) -> None:
    quote = "" if form == "bare" else '"'
    proof = owner.proof(await owner.challenge())
    headers = {"Sec-Secure-Session-Id": f"{quote}{owner.session_id}{quote}"}
    headers["Secure-Session-Response"] = f"{quote}{proof}{quote}"
    assert (await owner.client.post("/auth/device/refresh", headers=headers)).status_code == 200


async def test_b3_a_right_audience_is_taken(owner: DeviceBrowser) -> None:
    proof = owner.proof(await owner.challenge(), aud=f"{SITE}/auth/device/refresh")
    assert (await owner.ask(proof)).status_code == 200
    proof = owner.proof(await owner.challenge(), aud=f"{SITE}/auth/device")
    assert code(await owner.ask(proof)) == (401, "device_proof_required")


@pytest.mark.parametrize(
    "field", ["junk", '"', '""', "a b", "a;b", "ü", "x" * 5000, '"x', "a.b.c", '"a.b.c"', "eyJhbGciOiJFUzI1NiJ9.e30."]
)
async def test_b3_no_field_is_a_server_error(owner: DeviceBrowser, field: str) -> None:
    for name in ("Secure-Session-Response", "Sec-Secure-Session-Id"):
        headers = {b"Sec-Secure-Session-Id": owner.session_id.encode(), name.encode(): field.encode()}
        answer = await owner.client.post("/auth/device/refresh", headers=headers)
        assert answer.status_code in {401, 403}
        answer = await owner.client.post("/auth/device", headers={name.encode(): field.encode()})
        assert answer.status_code == 401


async def test_b3_two_proofs_are_none(owner: DeviceBrowser) -> None:
    proof = owner.proof(await owner.challenge())
    headers = [("Sec-Secure-Session-Id", owner.session_id), *[("Secure-Session-Response", proof)] * 2]
    assert (await owner.client.post("/auth/device/refresh", headers=headers)).status_code == 403


async def test_b3_no_other_sites_page_refreshes(owner: DeviceBrowser) -> None:
    owner.client.headers["Sec-Fetch-Site"] = "cross-site"
    answer = await owner.ask()
    assert code(answer) == (403, "csrf")
    assert "secure-session-challenge" not in answer.headers


async def test_b3_a_session_that_is_not_bound_is_not_refreshed_with_a_proof(auth: InMemorySealring) -> None:
    browser = DeviceBrowser(auth)
    await browser.log_in(NAME, PASSWORD)
    assert code(await browser.refresh()) == (401, "device_proof_required")
    assert (await browser.client.post("/auth/refresh")).status_code == 200


async def test_b3_a_browser_that_speaks_of_an_earlier_session_ends_its_binding(owner: DeviceBrowser) -> None:
    earlier = owner.session_id
    await owner.log_in(NAME, PASSWORD)
    assert code(await owner.ask(session_id=earlier)) == (401, "device_proof_required")
    assert (await owner.bind()).status_code == 200
    await still_refreshes(owner)


# what must not end a binding, and what must (B4)


async def test_b4_an_outage_ends_nothing(auth: InMemorySealring, owner: DeviceBrowser) -> None:
    proof = owner.proof(await owner.challenge())
    with auth.outage():
        assert (await owner.ask(proof)).status_code == 503
    await still_refreshes(owner)


async def test_b4_a_refresh_that_lost_its_race_is_503_and_not_409(auth: InMemorySealring, owner: DeviceBrowser) -> None:
    late = owner.copied_to(auth)
    late.key = owner.key
    await still_refreshes(owner)
    await still_refreshes(owner)
    assert (await late.refresh()).status_code == 503
    await still_refreshes(owner)


async def test_b4_a_logout_that_commits_first_wins_over_a_refresh_and_a_registration(
    auth: InMemorySealring, owner: DeviceBrowser
) -> None:
    """R5 for real: Chromium was seen to refresh while the page logs out."""
    late = owner.copied_to(auth)
    late.key = owner.key
    proof = late.proof(await late.challenge())
    fresh = DeviceBrowser(auth)
    await fresh.log_in(NAME, PASSWORD)
    registering = fresh.copied_to(auth)
    registering.offer = fresh.offer
    assert (await owner.client.post("/auth/logout")).status_code == 204
    assert (await fresh.client.post("/auth/logout")).status_code == 204
    assert code(await late.ask(proof)) == (401, "session_ended")
    assert code(await registering.bind()) == (401, "session_ended")


async def test_b4_claims_that_changed_reach_a_bound_session_at_its_next_request(
    auth: InMemorySealring, owner: DeviceBrowser, events: list[Event]
) -> None:
    """A browser refreshes when the cookie is gone, and at no other sign: so an outdated one is deleted."""
    await auth.accounts.set_scopes(owner.access["sub"], ["orders:read"])
    assert code(await owner.client.get("/auth/me")) == (401, "invalid_token")
    answer = await owner.client.post("/auth/refresh")
    assert code(answer) == (401, "device_proof_required")
    assert ACCESS not in owner.client.cookies
    assert "device_refused" not in [event.kind for event in events]
    await still_refreshes(owner)
    assert owner.access["scope"] == "orders:read"


async def test_b4_a_password_change_leaves_the_session_bound(owner: DeviceBrowser) -> None:
    new = "another password of length"
    answer = await owner.client.post("/auth/password", json={"current": PASSWORD, "new": new})
    assert answer.status_code == 200
    assert "secure-session-registration" not in answer.headers
    assert owner.access["device_bound"] is True
    await still_refreshes(owner)


# a key that was lost (B6)


async def step_up(browser: DeviceBrowser, password: str = PASSWORD) -> httpx2.Response:
    answer = await browser.client.post("/auth/reauthenticate/password", json={"response": {"password": password}})
    browser.offer = read_offer(answer)
    return answer


async def test_b6_a_browser_that_has_lost_its_key_binds_again_by_a_step_up_and_keeps_its_session(
    auth: InMemorySealring, owner: DeviceBrowser, events: list[Event]
) -> None:
    owner.key = jwt.Key.generate("ES256")
    before = owner.session_id
    auth.clock.advance("11m")
    owner.client.cookies.delete(ACCESS)
    assert code(await owner.client.post("/auth/refresh")) == (401, "device_proof_required")
    assert (await step_up(owner)).status_code == 200
    assert owner.access["exp"] - owner.access["iat"] == 600
    assert (await owner.bind()).status_code == 200
    assert events[-1].cause == "again after a step-up"
    await still_refreshes(owner)
    assert owner.session_id == owner.access["sid"] == before


async def test_b6_copied_cookies_bind_nothing_without_the_factors(auth: InMemorySealring, owner: DeviceBrowser) -> None:
    auth.clock.advance("11m")
    thief = owner.copied_to(auth)
    thief.client.cookies.delete(ACCESS)
    answer = await step_up(thief, "wrong horse wrong battery")
    assert code(answer) == (401, "invalid_credentials")
    assert thief.offer == {}
    assert ACCESS not in thief.client.cookies
    thief.offer = owner.offer
    assert code(await thief.bind()) == (401, "device_proof_required")
    await still_refreshes(owner)


async def test_b6_an_authorization_from_before_the_step_up_binds_nothing(
    auth: InMemorySealring, owner: DeviceBrowser
) -> None:
    earlier = owner.offer
    auth.clock.advance("30s")
    assert (await step_up(owner)).status_code == 200
    thief = owner.copied_to(auth)
    thief.offer = earlier
    assert code(await thief.bind()) == (401, "device_proof_required")


async def test_b6_cookies_of_a_session_that_is_not_bound_step_up_nothing(auth: InMemorySealring) -> None:
    browser = DeviceBrowser(auth)
    await browser.log_in(NAME, PASSWORD)
    browser.client.cookies.delete(ACCESS)
    assert code(await step_up(browser)) == (401, "missing_credential")


async def test_b6_no_other_sites_page_steps_up_by_cookies(owner: DeviceBrowser) -> None:
    owner.client.cookies.delete(ACCESS)
    owner.client.headers["Sec-Fetch-Site"] = "cross-site"
    assert code(await step_up(owner)) == (403, "csrf")


# where it is required (B5)


async def test_b5_required_a_session_that_is_not_bound_is_not_refreshed() -> None:
    async with opened([], device_binding="require") as auth:
        browser = DeviceBrowser(auth)
        await browser.log_in(NAME, PASSWORD)
        assert browser.access["exp"] - browser.access["iat"] == 600
        assert code(await browser.client.post("/auth/refresh")) == (401, "device_binding_required")
        token = browser.client.cookies[REFRESH]
        copied = httpx2.AsyncClient(transport=browser.client._transport, base_url=SITE)
        answer = await copied.post("/auth/refresh", json={"refresh_token": token})
        assert code(answer) == (401, "device_binding_required")
        await browser.bind()
        await still_refreshes(browser)
