"""Authenticator apps and recovery codes, over HTTP: enroll, use, lose, remove (RFC 6238, design D21)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from sealring import Sealring, jwt
from sealring.authentication.decision import PROOF_SECONDS
from tests.clocks import START, FrozenClock
from tests.conformance.hosts import HOSTS
from tests.second_factors import STEP, AppUser
from tests.serving import PASSWORD, bearer, cheap_sealring, problem

pytestmark = pytest.mark.anyio

ONE_HOST = next(iter(HOSTS))
INSUFFICIENT = (401, "insufficient_user_authentication")


async def a_user(**settings: Any) -> AsyncIterator[AppUser]:
    host: Callable[[Sealring], Any] = HOSTS[settings.pop("host", ONE_HOST)]
    auth = cheap_sealring(clock=FrozenClock(), **settings)
    async with auth.lifespan():
        await auth.issuer.accounts.create("ann", PASSWORD, scopes=("orders:read", "orders:refund"))
        user = AppUser(auth, host(auth))
        async with user.client:
            yield user


@pytest.fixture
async def user(request: pytest.FixtureRequest) -> AsyncIterator[AppUser]:
    async for made in a_user(host=getattr(request, "param", ONE_HOST)):
        yield made


@pytest.fixture
async def required() -> AsyncIterator[AppUser]:
    async for made in a_user(mfa="required"):
        yield made


async def causes(user: AppUser, kind: str = "login_failed") -> list[str]:
    return [event.cause for event in await user.auth.store.read_events() if event.kind == kind]


@pytest.mark.parametrize("user", HOSTS, indirect=True)
async def test_an_app_is_enrolled_and_asked_for_from_the_next_login_on(user: AppUser) -> None:
    assert (await user.login()).status_code == 200
    confirmed = await user.enroll()
    assert confirmed.status_code == 200, confirmed.text
    claims = jwt.peek(user.access).claims
    assert (claims["acr"], claims["amr"], claims["auth_time"]) == ("mfa", ["pwd", "otp", "mfa"], START)
    assert (await user.ask("GET", "me")).status_code == 200, "the answer has a token that is not outdated"
    assert (await user.ask("GET", "factors")).json() == {"methods": ["totp"], "recovery_codes_left": None}
    await user.pass_seconds(STEP)
    asked = await user.login()
    assert problem(asked) == (401, "second_factor_required")
    assert asked.json()["methods"] == ["totp"]
    assert (await user.post("login/totp/begin", pending=user.tokens["pending"])).json() == {"challenge": {}}
    done = await user.second(user.code())
    assert done.status_code == 200, done.text
    claims = jwt.peek(user.access).claims
    assert (claims["acr"], claims["amr"]) == ("mfa", ["pwd", "otp", "mfa"])


async def test_the_qr_code_is_svg_that_a_page_may_show_and_the_seed_is_never_shown_again(user: AppUser) -> None:
    await user.login()
    started = (await user.post("totp/start")).json()
    svg = ET.fromstring(started["qr"])  # noqa: S314 - our own
    assert svg.tag.endswith("svg")
    assert "<script" not in started["qr"]
    user.scan(started)
    assert started["uri"].startswith("otpauth://totp/127.0.0.1:ann?")
    await user.post("totp/confirm", enrollment=started["enrollment"], code=user.code())
    (credential,) = await user.auth.issuer.store.find_credentials(account_id=jwt.peek(user.access).claims["sub"])
    assert user.phone is not None
    assert user.phone.byte_secret() not in credential.encrypted, "I15"
    assert problem(await user.post("totp/start")) == (422, "invalid_field"), "a second app is refused"


async def test_a_code_counts_once_and_that_of_the_enrollment_never(user: AppUser) -> None:
    await user.login()
    await user.enroll()
    used = user.code()
    await user.login()
    assert problem(await user.second(used)) == (401, "invalid_credentials"), "it has enrolled the app"
    await user.pass_seconds(STEP)
    code = user.code()
    assert (await user.second(code)).status_code == 200
    await user.login()
    assert problem(await user.second(code)) == (401, "invalid_credentials")
    assert problem(await user.second(user.code(user.now - STEP))) == (401, "invalid_credentials"), "nor an earlier one"
    await user.pass_seconds(STEP)
    assert (await user.second(user.code())).status_code == 200
    assert await causes(user) == ["wrong code"] * 3


async def test_u9_six_digits_get_few_tries(user: AppUser) -> None:
    await user.login()
    await user.enroll()
    for _ in range(5):
        await user.login()
        assert (await user.second("000000")).status_code == 401
    await user.login()
    assert problem(await user.second("000000")) == (429, "throttled")
    await user.pass_seconds(PROOF_SECONDS - 1)
    assert problem(await user.second(user.code())) == (429, "throttled"), "the right one, too"
    await user.pass_seconds(600)
    await user.login()
    assert (await user.second(user.code())).status_code == 200


async def test_recovery_codes_stand_in_for_the_app_once_each(user: AppUser) -> None:
    await user.login()
    assert problem(await user.post("recovery-codes")) == INSUFFICIENT
    await user.enroll()
    made = await user.post("recovery-codes")
    assert made.status_code == 200, made.text
    codes = made.json()["codes"]
    assert (len(codes), len(set(codes))) == (10, 10)
    assert (await user.ask("GET", "factors")).json() == {
        "methods": ["totp", "recovery-code"],
        "recovery_codes_left": 10,
    }
    asked = await user.login()
    assert asked.json()["methods"] == ["totp", "recovery-code"]
    done = await user.second(codes[3].upper(), method="recovery-code")
    assert done.status_code == 200, done.text
    assert jwt.peek(user.access).claims["acr"] == "mfa"
    assert (await user.ask("GET", "factors")).json()["recovery_codes_left"] == 9
    await user.login()
    assert problem(await user.second(codes[3], method="recovery-code")) == (401, "invalid_credentials")
    (used,) = [event for event in await user.auth.store.read_events() if event.kind == "recovery_code_used"]
    assert used.detail == {"left": 9}
    assert (await user.second(codes[4], method="recovery-code")).status_code == 200
    newer = (await user.post("recovery-codes")).json()["codes"]
    assert not set(newer) & set(codes)
    await user.login()
    assert problem(await user.second(codes[5], method="recovery-code")) == (401, "invalid_credentials")
    assert (await user.second(newer[0], method="recovery-code")).status_code == 200


async def test_a_list_of_codes_alone_begins_no_login_and_is_no_second_factor(user: AppUser) -> None:
    await user.login()
    await user.enroll()
    codes = (await user.post("recovery-codes")).json()["codes"]
    answer = await user.post("login/recovery-code", response={"code": codes[0]})
    assert problem(answer) == (401, "invalid_credentials")
    removed = await user.ask("DELETE", "totp")
    assert removed.status_code == 200, removed.text
    assert (await user.ask("GET", "factors")).json() == {"methods": [], "recovery_codes_left": None}
    assert (await user.login()).status_code == 200, "the codes went with the factor that they stood in for"


async def test_removing_asks_for_both_factors_shown_lately(user: AppUser) -> None:
    """A stolen session, or the password alone, removes nothing and adds nothing."""
    await user.login()
    thief = user.access
    await user.enroll()
    strong = user.access
    refreshed = await user.client.post("/auth/refresh", json={"refresh_token": user.tokens["refresh_token"]})
    await user.pass_seconds(601)
    for token in (strong, refreshed.json()["access_token"]):
        for method, path in (("DELETE", "totp"), ("POST", "recovery-codes"), ("POST", "totp/start")):
            answer = await user.client.request(method, f"/auth/{path}", headers=bearer(token))
            assert problem(answer) == INSUFFICIENT, path
    stale = await user.client.request("DELETE", "/auth/totp", headers=bearer(thief))
    assert problem(stale) == (401, "invalid_token"), "a token of before the enrollment is outdated"
    user.access = strong
    assert (await user.again()).status_code == 200
    assert (await user.ask("DELETE", "totp")).status_code == 200
    assert await causes(user, "credential_removed") == ["by user"]


async def test_a_session_of_one_factor_changes_none_where_there_are_two(user: AppUser) -> None:
    """The first device logged in by the password alone; the owner enrolls an app on the second."""
    first, second = AppUser(user.auth, user.app), user
    await first.login()
    await second.login()
    await second.enroll()
    refreshed = await first.client.post("/auth/refresh", json={"refresh_token": first.tokens["refresh_token"]})
    first.access = refreshed.json()["access_token"]
    for method, path in (("DELETE", "totp"), ("POST", "recovery-codes"), ("POST", "totp/start")):
        assert problem(await first.ask(method, path)) == INSUFFICIENT, path
    answer = await first.post("totp/confirm", enrollment="sealring_te1_x", code="000000")
    assert problem(answer) == INSUFFICIENT
    await first.client.aclose()


async def test_an_enrollment_is_of_one_session_one_account_and_ten_minutes(user: AppUser) -> None:
    await user.auth.issuer.accounts.create("bob", PASSWORD)
    bob, other = AppUser(user.auth, user.app, "bob"), AppUser(user.auth, user.app)
    for one in (user, bob, other):
        await one.login()
    started = (await user.post("totp/start")).json()
    user.scan(started)
    proof = {"enrollment": started["enrollment"], "code": user.code()}
    for one in (bob, other):
        answer = await one.post("totp/confirm", **proof)
        assert problem(answer) == (422, "invalid_field")
        assert [wrong["field"] for wrong in answer.json()["errors"]] == ["enrollment"]
        await one.client.aclose()
    wrong = await user.post("totp/confirm", **proof | {"code": "000000"})
    assert [one["field"] for one in wrong.json()["errors"]] == ["code"]
    for text in ("", "sealring_te1_", "sealring_te1_AAAA", started["enrollment"][:-2], "\u00e9", "x" * 600):
        assert problem(await user.post("totp/confirm", **proof | {"enrollment": text})) == (422, "invalid_field"), text
    await user.pass_seconds(600)
    late = await user.post("totp/confirm", enrollment=started["enrollment"], code=user.code())
    assert [one["field"] for one in late.json()["errors"]] == ["enrollment"]
    assert (await user.ask("GET", "factors")).json()["methods"] == []


async def test_i7_another_password_voids_an_enrollment_that_is_under_way(user: AppUser) -> None:
    await user.login()
    started = (await user.post("totp/start")).json()
    user.scan(started)
    changed = await user.post("password", current=PASSWORD, new="a password of after the change")
    assert changed.status_code == 200
    answer = await user.post("totp/confirm", enrollment=started["enrollment"], code=user.code())
    assert problem(answer) == (422, "invalid_field")


async def test_where_two_are_required_an_account_without_one_enrolls_it_in_the_login(required: AppUser) -> None:
    user = required
    asked = await user.login()
    assert problem(asked) == (401, "second_factor_required")
    assert asked.json()["methods"] == ["totp"]
    assert problem(await user.second("000000")) == (401, "invalid_credentials")
    begun = await user.post("login/totp/begin", pending=user.tokens["pending"])
    challenge = begun.json()["challenge"]
    user.scan(challenge)
    wrong = await user.second("000000", enrollment=challenge["enrollment"])
    assert problem(wrong) == (401, "invalid_credentials")
    done = await user.second(user.code(), enrollment=challenge["enrollment"])
    assert done.status_code == 200, done.text
    assert jwt.peek(user.access).claims["acr"] == "mfa"
    assert (await user.ask("GET", "me")).status_code == 200
    assert await causes(user, "credential_added") == ["at login"]
    assert problem(await user.ask("DELETE", "totp")) == (409, "last_credential")
    again = await user.login()
    assert (await user.post("login/totp/begin", pending=again.json()["pending"])).json() == {"challenge": {}}
    stolen = await user.second(user.code(), enrollment=challenge["enrollment"])
    assert problem(stolen) == (401, "invalid_credentials"), "a second app over the first"
    await user.pass_seconds(STEP)
    assert (await user.second(user.code())).status_code == 200


async def test_where_two_are_required_a_registration_goes_on_with_the_app(required: AppUser) -> None:
    user = required
    body = {"username": "new", "password": PASSWORD}
    asked = await user.client.post("/auth/register", json=body)
    assert problem(asked) == (401, "second_factor_required")
    user.tokens = asked.json()
    challenge = (await user.post("login/totp/begin", pending=user.tokens["pending"])).json()["challenge"]
    user.scan(challenge)
    done = await user.second(user.code(), enrollment=challenge["enrollment"])
    assert done.status_code == 200, done.text
    assert done.json()["user"]["username"] == "new"


async def test_an_enrollment_of_a_session_is_worth_nothing_in_a_login(required: AppUser) -> None:
    """And none of one login in another: what it was shown in is part of it."""
    user = required
    await user.login()
    body = {"username": "ann", "password": PASSWORD, "delivery": "cookie"}
    pending = (await user.client.post("/auth/login", json=body)).json()["pending"]
    begun = await user.client.post("/auth/login/totp/begin", json={"pending": pending, "delivery": "cookie"})
    challenge = begun.json()["challenge"]
    user.scan(challenge)
    stolen = await user.second(user.code(), enrollment=challenge["enrollment"])
    assert problem(stolen) == (401, "invalid_credentials")


async def test_off_asks_nobody_and_enrolls_nobody() -> None:
    async for user in a_user():
        await user.login()
        await user.enroll()
        without = cheap_sealring(user.auth.store, FrozenClock(), mfa="off")
        async with without.lifespan():
            plain = AppUser(without, HOSTS[ONE_HOST](without))
            assert (await plain.login()).status_code == 200
            assert jwt.peek(plain.access).claims["acr"] == "sfa"
            assert problem(await plain.post("totp/start")) == (404, "unknown_method")
            await plain.client.aclose()


async def test_scopes_that_need_two_factors_come_with_the_second() -> None:
    async for user in a_user(mfa_scopes="orders:refund"):
        await user.login()
        assert jwt.peek(user.access).claims["scope"] == "orders:read"
        await user.enroll()
        assert jwt.peek(user.access).claims["scope"] == "orders:read orders:refund"
        refreshed = await user.client.post("/auth/refresh", json={"refresh_token": user.tokens["refresh_token"]})
        assert refreshed.json()["scope"] == "orders:read orders:refund"
        own = await user.auth.start_session("42", scopes=["orders:refund", "more"], acr="sfa")
        assert own.scopes == tuple(user.auth.verify(own.access_token.text).scopes) == ("more",)
        again = await user.auth.refresh_session(own.refresh_token)
        assert again.scopes == ("more",)
        stronger = await user.auth.reauthenticate_session(own.session.id, acr="phr")
        assert stronger.scopes == ("orders:refund", "more")
