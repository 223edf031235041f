"""Invitations: good once, for a while, for one account or none; guesses are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sealring import AccountRefused, Grant, NameTaken, Sealring, SealringError, Session
from sealring.authentication.one_time import INVITATION, digest_of
from sealring.errors import (
    GrantUnavailable,
    InvitationRequired,
    NotGranted,
    RegistrationClosed,
    Throttled,
    TokenTooLong,
)
from sealring.store.protocol import Store
from tests.clocks import FrozenClock
from tests.serving import PASSWORD, cheap_sealring

pytestmark = pytest.mark.anyio

HERE = "192.0.2.7"


@pytest.fixture
async def auth(store: Store, clock: FrozenClock) -> Sealring:
    auth = cheap_sealring(store, clock, registration="invited", throttle_registration="5/1h")
    await auth.open(follow=False)
    await auth.issuer.keys.load()
    return auth


async def test_an_invitation_is_good_once_and_for_a_while(auth: Sealring, clock: FrozenClock) -> None:
    invitation = await auth.accounts.invite(expires_in="1h")
    clock.pass_seconds(3599)
    made = await auth.register("ada", PASSWORD, invitation=invitation, address=HERE)
    late = await auth.accounts.invite(expires_in="1h")
    clock.pass_seconds(3600)
    for text in (invitation, late, "x", "", "\udc80", None):
        with pytest.raises(InvitationRequired):
            await auth.register("bob", PASSWORD, invitation=text, address=HERE)
    created = [event for event in await auth.store.read_events() if event.kind == "account_created"]
    assert [(event.subject, event.cause) for event in created] == [(made.account.id, "registered with an invitation")]


async def test_an_invitation_has_its_line_in_the_audit_log_and_so_has_who_used_it(auth: Sealring) -> None:
    invitation = await auth.accounts.invite(expires_in="1h")
    await auth.register("ada", PASSWORD, invitation=invitation, address=HERE)
    await auth.accounts.create("bob", PASSWORD)
    made, used, by_operator = [
        event for event in await auth.store.read_events() if event.kind in {"invitation_created", "account_created"}
    ]
    assert (made.kind, made.detail["expires_at"]) == ("invitation_created", made.at_ms // 1000 + 3600)
    assert made.detail["invitation"] == used.detail["invitation"]
    assert len(made.detail["invitation"]) == 12
    assert dict(by_operator.detail) == {}
    assert invitation[:6] not in repr(made), "the log must let nobody in (I15)"


@pytest.mark.parametrize("wrong", ["366d", 365 * 86_400 + 1, 1e300, 0, -1, 1.5, "500ms"])
async def test_an_invitation_lives_for_a_year_at_most_and_for_whole_seconds(auth: Sealring, wrong: object) -> None:
    with pytest.raises(ValueError, match="expires_in must be a whole number of seconds from 1s to 365d"):
        await auth.accounts.invite(expires_in=wrong)  # type: ignore[arg-type]
    assert await auth.accounts.invite(expires_in="365d")


async def test_where_registration_is_closed_nobody_is_invited(store: Store, clock: FrozenClock) -> None:
    auth = cheap_sealring(store, clock, registration="closed")
    with pytest.raises(
        RegistrationClosed, match="registration is closed: an invitation would let nobody in"
    ) as refused:
        await auth.accounts.invite()
    assert refused.value.hint == "set SEALRING_REGISTRATION=invited"
    assert "invitation_created" not in {event.kind for event in await auth.store.read_events()}


async def test_a_taken_name_uses_up_no_invitation(auth: Sealring) -> None:
    await auth.accounts.create("ada", PASSWORD)
    invitation = await auth.accounts.invite()
    with pytest.raises(NameTaken):
        await auth.register("ada", PASSWORD, invitation=invitation, address=HERE)
    await auth.register("bob", PASSWORD, invitation=invitation, address=HERE)


async def test_of_two_who_use_one_invitation_at_once_one_registers(auth: Sealring) -> None:
    invitation = await auth.accounts.invite()
    attempts = [auth.register(name, PASSWORD, invitation=invitation, address=HERE) for name in ("ada", "bob")]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["InvitationRequired", "LoggedIn"]
    assert len(await auth.accounts.list()) == 1


async def test_guesses_at_invitations_are_counted_by_address(auth: Sealring) -> None:
    refused: list[type] = []
    for number in range(6):
        with pytest.raises((AccountRefused, Throttled)) as outcome:
            await auth.register(f"u{number}", PASSWORD, invitation="guess", address=HERE)
        refused.append(type(outcome.value))
    assert refused == [InvitationRequired] * 5 + [Throttled]


async def test_the_store_holds_no_invitation_that_could_be_presented(auth: Sealring) -> None:
    invitation = await auth.accounts.invite()
    assert len(invitation) >= 32
    assert await auth.store.take_once(invitation, purpose=INVITATION, now=0) is None
    kept = await auth.store.take_once(digest_of(INVITATION, invitation), purpose=INVITATION, now=0)
    assert kept is not None
    assert invitation not in repr(kept) + kept.digest + kept.data
    for wrong in ("0s", "-1h"):
        with pytest.raises(ValueError, match=r"1s at least|duration|must"):
            await auth.accounts.invite(expires_in=wrong)


def nothing() -> Grant | None:
    return None


def enough() -> Grant | None:
    return Grant(["a"])


def too_much() -> Grant | None:
    return Grant([f"scope{number}" for number in range(2000)])


def broken() -> Grant | None:
    raise LookupError("no such table")


def no_json() -> Grant | None:
    return Grant([], {"raw": b"x"})


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [(nothing, NotGranted), (too_much, TokenTooLong), (broken, GrantUnavailable), (no_json, GrantUnavailable)],
)
async def test_a_refused_registration_leaves_no_account_behind_and_uses_up_no_invitation(
    store: Store, clock: FrozenClock, answer: Callable[[], Grant | None], refusal: type[SealringError]
) -> None:
    answers = [answer, enough]

    async def grant_for(_: Session) -> Grant | None:
        return answers.pop(0)()

    auth = cheap_sealring(store, clock, registration="invited", grant_for=grant_for)
    await auth.open(follow=False)
    await auth.issuer.keys.load()
    invitation = await auth.accounts.invite()
    before = len(await auth.store.read_events())
    with pytest.raises(refusal):
        await auth.register("ada", PASSWORD, invitation=invitation, address=HERE)
    assert await auth.accounts.list() == []
    assert len(await auth.store.read_events()) == before
    made = await auth.register("ada", PASSWORD, invitation=invitation, address=HERE)
    assert made.issued.scopes == ("a",)
