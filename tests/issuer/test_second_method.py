"""A second way to log in is one row and one file; and what a login in two steps withstands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import sealring
from sealring import Sealring, jwt
from sealring.accounts.account import Account
from sealring.accounts.credential import Credential
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.decision import PROOF_SECONDS, AuthenticationPolicy
from sealring.authentication.method import METHODS
from sealring.errors import (
    InvalidPendingLogin,
    InvalidRefreshToken,
    SealringError,
    SecondFactorRequired,
    Throttled,
    TokenError,
    UnknownMethod,
    WrongCredentials,
)
from sealring.issuer.log_in import LoggedIn, LogIn, Pending
from sealring.store.protocol import Store
from tests.clocks import START, FrozenClock
from tests.mailed_code import MailedCode, mailbox
from tests.serving import OTHER_PASSWORD, PASSWORD, cheap_sealring

pytestmark = pytest.mark.anyio

HERE = ClientInfo("192.0.2.7", browser="cookie of this browser")


class Desk:
    """An issuer with both methods, and Ann, who has a mailbox."""

    def __init__(self, store: Store, clock: FrozenClock) -> None:
        self.clock = clock
        self.auth: Sealring = cheap_sealring(store, clock, more_methods=[MailedCode])
        self.mail = mailbox(self.auth)

    @property
    def logins(self) -> LogIn:
        return self.auth.issuer.logins

    async def ann(self) -> Account:
        await self.auth.issuer.keys.load()
        return await self.auth.issuer.accounts.create("ann", PASSWORD, email="ann@example.com")

    async def password(self, password: str = PASSWORD) -> Pending:
        response = {"username": "ann", "password": password}
        step = await self.logins.step(None, "password", response, client=HERE, replaces=None)
        assert isinstance(step, Pending)
        return step

    async def mailed(self, pending: Pending) -> str:
        await self.logins.begin(pending.text, "mailed-code", {}, client=HERE)
        return self.mail.sent[-1]

    async def code(self, pending: str, code: str, client: ClientInfo = HERE) -> LoggedIn:
        step = await self.logins.step(pending, "mailed-code", {"code": code}, client=client, replaces=None)
        assert isinstance(step, LoggedIn)
        return step

    async def details(self, kind: str) -> list[Mapping[str, Any]]:
        return [event.detail for event in await self.auth.store.read_events() if event.kind == kind]

    async def causes(self, kind: str) -> list[str]:
        return [event.cause for event in await self.auth.store.read_events() if event.kind == kind]


@pytest.fixture
async def desk(store: Store, clock: FrozenClock) -> Desk:
    desk = Desk(store, clock)
    await desk.ann()
    return desk


async def test_a_login_with_two_factors(desk: Desk) -> None:
    pending = await desk.password()
    assert pending.methods == ("mailed-code",)
    desk.clock.pass_seconds(60)
    logged_in = await desk.code(pending.text, await desk.mailed(pending))
    claims = jwt.peek(logged_in.issued.access_token.text).claims
    assert (claims["amr"], claims["acr"], claims["auth_time"]) == (["pwd", "otp", "mfa"], "mfa", START)
    renewed = await desk.auth.issuer.refresh(logged_in.issued.refresh_token, client=HERE)
    again = jwt.peek(renewed.access_token.text).claims
    assert (again["amr"], again["acr"], again["auth_time"]) == (["pwd", "otp", "mfa"], "mfa", START)
    assert await desk.details("login") == [{"methods": "password mailed-code"}]


async def test_an_account_without_a_second_factor_logs_in_by_one(desk: Desk) -> None:
    await desk.auth.issuer.accounts.create("bob", PASSWORD)
    logged_in = await desk.auth.issuer.log_in("bob", PASSWORD, client=HERE, replaces=None)
    assert (logged_in.issued.session.amr, logged_in.issued.session.acr) == (("pwd",), "sfa")


async def test_the_use_case_of_a_password_says_that_one_more_step_is_needed(desk: Desk) -> None:
    with pytest.raises(SecondFactorRequired) as refused:
        await desk.auth.issuer.log_in("ann", PASSWORD, client=HERE, replaces=None)
    assert refused.value.methods == ("mailed-code",)
    pending = Pending(refused.value.pending, refused.value.methods)
    assert (await desk.code(pending.text, await desk.mailed(pending))).account.name == "ann"


async def test_a_pending_login_is_worth_nothing_as_anything_else(desk: Desk) -> None:
    pending = await desk.password()
    with pytest.raises(InvalidRefreshToken):
        await desk.auth.issuer.refresh(pending.text, client=HERE)
    with pytest.raises(TokenError):
        desk.auth.verify(pending.text)
    assert await desk.auth.issuer.sessions.list(None) == []


async def test_a_second_step_without_a_first_is_refused(desk: Desk) -> None:
    response = {"code": "123456"}
    with pytest.raises(WrongCredentials):
        await desk.logins.step(None, "mailed-code", response, client=HERE, replaces=None)
    for method in ("unknown", ""):
        with pytest.raises(UnknownMethod):
            await desk.logins.step(None, method, response, client=HERE, replaces=None)


async def test_the_same_password_twice_is_no_second_factor(desk: Desk) -> None:
    pending = await desk.password()
    response = {"password": PASSWORD}
    with pytest.raises(WrongCredentials):
        await desk.logins.step(pending.text, "password", response, client=HERE, replaces=None)
    with pytest.raises(WrongCredentials):
        await desk.logins.begin(pending.text, "password", {}, client=HERE)
    assert await desk.causes("login_failed") == ["method may not be used now"] * 2


async def test_a_right_password_gives_no_more_tries_at_the_code(desk: Desk) -> None:
    refusals: list[type[SealringError]] = []
    for _ in range(8):
        pending = await desk.password()
        with pytest.raises((WrongCredentials, Throttled)) as refused:
            await desk.code(pending.text, "none")
        refusals.append(type(refused.value))
    # five by the rate of the row, and three first tries of this network
    assert refusals.count(WrongCredentials) <= 8
    assert Throttled in refusals


@pytest.mark.parametrize("seconds", [PROOF_SECONDS, PROOF_SECONDS + 1])
async def test_a_pending_login_ends_after_five_minutes(desk: Desk, seconds: int) -> None:
    pending = await desk.password()
    code = await desk.mailed(pending)
    desk.clock.pass_seconds(seconds)
    with pytest.raises(InvalidPendingLogin):
        await desk.code(pending.text, code)


async def test_it_is_worth_nothing_in_another_browser(desk: Desk) -> None:
    pending = await desk.password()
    code = await desk.mailed(pending)
    for browser in ("", "another cookie"):
        with pytest.raises(InvalidPendingLogin):
            await desk.code(pending.text, code, replace(HERE, browser=browser))
    assert (await desk.code(pending.text, code)).account.name == "ann"


@pytest.mark.parametrize("change", ["password", "scopes", "disable", "delete", "credential"])
async def test_i7_what_changes_between_the_steps_voids_the_first(desk: Desk, change: str) -> None:
    accounts = desk.auth.issuer.accounts
    account = await accounts.find("ann")
    pending = await desk.password()
    code = await desk.mailed(pending)
    match change:
        case "password":
            await accounts.set_password(account.id, OTHER_PASSWORD)
        case "scopes":
            await accounts.set_scopes(account.id, ("admin",))
        case "disable":
            await accounts.disable(account.id)
        case "credential":
            own = Credential(id="a", account_id=account.id, method="mailed-code", created_at=START)
            await desk.auth.issuer.credentials.add(own, epoch=account.epoch, client=HERE)
        case _:
            await accounts.delete(account.id)
    with pytest.raises(InvalidPendingLogin):
        await desk.code(pending.text, code)
    assert await desk.auth.issuer.sessions.list(account.id) == []


async def test_a_code_and_a_pending_login_count_once(desk: Desk) -> None:
    pending = await desk.password()
    first, second = await desk.mailed(pending), await desk.mailed(pending)
    await desk.code(pending.text, first)
    with pytest.raises(WrongCredentials):
        await desk.code(pending.text, first)
    with pytest.raises(InvalidPendingLogin):
        await desk.code(pending.text, second)


async def test_of_several_that_bring_one_code_at_once_one_logs_in(desk: Desk) -> None:
    pending = await desk.password()
    code = await desk.mailed(pending)
    outcomes = await asyncio.gather(*(desk.code(pending.text, code) for _ in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(LoggedIn) == 1
    assert len(await desk.auth.issuer.sessions.list(None)) == 1


def test_a_row_without_a_file_and_a_file_without_a_row_are_errors_at_the_start(clock: FrozenClock) -> None:
    authenticator = cheap_sealring(clock=clock).issuer.logins.authenticator
    mail = MailedCode(authenticator.store)
    rows = authenticator.policy.methods
    for policy, methods in (
        (AuthenticationPolicy(methods=(*rows, mail.row)), authenticator.methods),
        (authenticator.policy, (*authenticator.methods, mail)),
        (authenticator.policy, ()),
        (authenticator.policy, (*authenticator.methods, *authenticator.methods)),
    ):
        with pytest.raises(ValueError, match="one row and one file"):
            replace(authenticator, policy=policy, methods=methods)


def test_a_row_of_the_table_that_wiring_does_not_carry_out_is_an_error_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = replace(METHODS[0], name="forgotten")
    monkeypatch.setattr("sealring.wiring.methods_in_use", lambda *_, **__: (METHODS[0], row))
    with pytest.raises(ValueError, match="rows are password, forgotten; files are password, totp, recovery-code"):
        cheap_sealring()


def test_a_method_is_one_row_and_one_file() -> None:
    """What was touched for this one: `tests/mailed_code.py`, and the list that `Desk` gives to the issuer."""
    source = Path(sealring.__file__).parent
    for name in ("mailed-code", "MailedCode", "mailed_code"):
        assert [path.name for path in source.rglob("*.py") if name in path.read_text()] == []
