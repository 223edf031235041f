"""The use cases: what counts against whom, what is in force before the answer, what is not found."""

from __future__ import annotations

from typing import Any

import pytest

from sealring import Sealring, jwt
from sealring.authentication.client_info import ClientInfo
from sealring.errors import (
    InvalidField,
    InvalidRefreshToken,
    NameTaken,
    NotFound,
    RefreshSuperseded,
    SessionEnded,
    Throttled,
    TokenTooLong,
    WrongCredentials,
)
from sealring.issuer.issuer import Issuer
from sealring.issuer.log_in import LoggedIn
from sealring.sessions.grant import Grant
from sealring.store.protocol import Store
from tests.clocks import FrozenClock
from tests.serving import OTHER_PASSWORD, PASSWORD, cheap_sealring

pytestmark = pytest.mark.anyio

HERE, THERE = ClientInfo("192.0.2.7"), ClientInfo("198.51.100.9")


async def open_issuer(store: Store, clock: FrozenClock, **given: Any) -> tuple[Sealring, Issuer]:
    auth = cheap_sealring(store, clock, **given)
    await auth.issuer.keys.load()
    return auth, auth.issuer


async def register(issuer: Issuer, name: str = "ada") -> LoggedIn:
    return await issuer.register(name, PASSWORD, email=None, client=HERE, replaces=None)


async def test_register_and_log_in_start_a_session_each(store: Store, clock: FrozenClock) -> None:
    _, issuer = await open_issuer(store, clock)
    first = await register(issuer)
    second = await issuer.log_in("ADA", PASSWORD, client=THERE, replaces=None)
    assert first.account.id == second.account.id
    listed = await issuer.sessions.list(first.account.id)
    assert {session.id: session.address for session in listed} == {
        first.issued.session.id: "192.0.2.7",
        second.issued.session.id: "198.51.100.9",
    }
    assert first.device != second.device
    assert first.issued.session.client_id == issuer.client_id
    with pytest.raises(NameTaken):
        await register(issuer)


async def test_i7_a_new_password_leaves_only_the_session_that_set_it(store: Store, clock: FrozenClock) -> None:
    _, issuer = await open_issuer(store, clock)
    mine = await register(issuer)
    other = await issuer.log_in("ada", PASSWORD, client=THERE, replaces=None)
    keep = mine.issued.session.id
    with pytest.raises(WrongCredentials):
        await issuer.change_password(mine.account.id, OTHER_PASSWORD, OTHER_PASSWORD, keep_session=keep, client=HERE)
    with pytest.raises(InvalidField, match="new"):
        await issuer.change_password(mine.account.id, PASSWORD, "short", keep_session=keep, client=HERE)
    await issuer.refresh(other.issued.refresh_token, client=THERE)
    issued = await issuer.change_password(mine.account.id, PASSWORD, OTHER_PASSWORD, keep_session=keep, client=HERE)
    with pytest.raises(SessionEnded):
        await issuer.refresh(other.issued.refresh_token, client=THERE)
    assert (await issuer.refresh(issued.refresh_token, client=HERE)).session.id == keep
    with pytest.raises(WrongCredentials):
        await issuer.log_in("ada", PASSWORD, client=HERE, replaces=None)
    await issuer.log_in("ada", OTHER_PASSWORD, client=HERE, replaces=None)


@pytest.mark.parametrize("by_cookie", [True, False])
async def test_n12_a_password_change_whose_longer_epoch_makes_the_token_too_long_changes_nothing(
    store: Store, clock: FrozenClock, *, by_cookie: bool
) -> None:
    padding = 0

    async def grant_for(_: object) -> Grant:
        return Grant((), {"padding": "x" * padding})

    _, issuer = await open_issuer(store, clock, grant_for=grant_for)
    mine = await register(issuer)
    for _ in range(9):
        await issuer.sessions.refresh_claims(mine.account.id)
    issued = await issuer.refresh(mine.issued.refresh_token, client=HERE)
    assert jwt.peek(issued.access_token.text).claims["epoch"] == 9  # one digit; the next has two
    limit = len(issued.access_token.text) if by_cookie else None
    padding = 0 if by_cookie else (8192 - len(issued.access_token.text)) * 3 // 4 + 1
    with pytest.raises(TokenTooLong):
        await issuer.change_password(
            mine.account.id,
            PASSWORD,
            OTHER_PASSWORD,
            keep_session=issued.session.id,
            client=HERE,
            max_access_chars=limit,
        )
    padding = 0
    await issuer.log_in("ada", PASSWORD, client=HERE, replaces=None)


async def test_another_users_session_is_not_found_and_lives_on(store: Store, clock: FrozenClock) -> None:
    _, issuer = await open_issuer(store, clock)
    mine, theirs = await register(issuer), await register(issuer, "bob")
    with pytest.raises(NotFound):
        await issuer.end_session(theirs.issued.session.id, subject=mine.account.id, client=HERE)
    await issuer.refresh(theirs.issued.refresh_token, client=HERE)
    await issuer.end_session(mine.issued.session.id, subject=mine.account.id, client=HERE)
    with pytest.raises(SessionEnded):
        await issuer.refresh(mine.issued.refresh_token, client=HERE)


async def test_logging_out_twice_is_no_error(store: Store, clock: FrozenClock) -> None:
    _, issuer = await open_issuer(store, clock)
    session_id = (await register(issuer)).issued.session.id
    for _ in range(2):
        await issuer.log_out(session_id, client=HERE)
    assert await issuer.sessions.read(session_id) is None


async def test_dead_refresh_tokens_fill_the_bucket_of_their_address_alone(store: Store, clock: FrozenClock) -> None:
    _, issuer = await open_issuer(store, clock, throttle_address="3/1m")
    dead, alive = await register(issuer), await register(issuer, "bob")
    await issuer.log_out(dead.issued.session.id, client=HERE)
    for _ in range(3):
        with pytest.raises(SessionEnded):
            await issuer.refresh(dead.issued.refresh_token, client=HERE)
    with pytest.raises(Throttled) as caught:
        await issuer.refresh(dead.issued.refresh_token, client=HERE)
    assert 1 <= caught.value.retry_after <= 60
    with pytest.raises(SessionEnded):
        await issuer.refresh(dead.issued.refresh_token, client=THERE)
    await issuer.refresh(alive.issued.refresh_token, client=HERE)  # an honest refresh from there goes on


async def test_what_is_no_token_of_ours_or_lost_a_race_counts_against_nobody(store: Store, clock: FrozenClock) -> None:
    _, issuer = await open_issuer(store, clock, throttle_address="1/1h")
    first = (await register(issuer)).issued.refresh_token
    for _ in range(5):
        with pytest.raises(InvalidRefreshToken):
            await issuer.refresh("x", client=HERE)
    second = (await issuer.refresh(first, client=HERE)).refresh_token
    await issuer.refresh(second, client=HERE)
    for _ in range(5):
        with pytest.raises(RefreshSuperseded):
            await issuer.refresh(first, client=HERE)


async def test_i2_a_revoked_key_is_dead_here_before_the_call_returns(store: Store, clock: FrozenClock) -> None:
    auth, issuer = await open_issuer(store, clock)
    kid = issuer.keys.signing().kid
    await issuer.revoke_key(kid)
    assert auth.node.revocations.cause("any", "any", 0, kid) == "key"
    with pytest.raises(NotFound):
        await issuer.revoke_key(kid)


async def test_nothing_secret_stands_in_the_audit_log(store: Store, clock: FrozenClock) -> None:
    auth, issuer = await open_issuer(store, clock)
    entered = await register(issuer)
    renewed = await issuer.refresh(entered.issued.refresh_token, client=HERE)
    with pytest.raises(WrongCredentials):
        await issuer.log_in("ada", OTHER_PASSWORD, client=HERE, replaces=None)
    await issuer.log_out(entered.issued.session.id, client=HERE)
    text = repr(await auth.store.read_events())
    assert "login_failed" in text
    for secret in (
        PASSWORD,
        OTHER_PASSWORD,
        entered.device,
        entered.issued.refresh_token,
        entered.issued.access_token.text,
        renewed.refresh_token,
        str((await issuer.accounts.find("ada")).password_hash),
    ):
        assert secret not in text
