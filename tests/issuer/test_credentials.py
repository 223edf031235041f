"""What the owner and the operator may do to credentials: in force at once, and never the last way to log in."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sealring import Sealring
from sealring.accounts.credential import Credential
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.method import Method
from sealring.errors import (
    InvalidField,
    InvalidPendingLogin,
    LastCredential,
    NoSuchAccount,
    NotFound,
    Revoked,
    SealringError,
)
from sealring.issuer.commit import CommittingStore
from sealring.issuer.credentials import MAX_CREDENTIALS, MAX_LABEL
from sealring.issuer.log_in import LoggedIn, Pending
from sealring.store.protocol import Store
from tests.clocks import START, FrozenClock
from tests.serving import PASSWORD, cheap_sealring
from tests.stored_code import STORED_CODE, StoredCode, stored_code

pytestmark = pytest.mark.anyio
HERE = ClientInfo("192.0.2.7", browser="cookie of this browser")


def first_too(store: CommittingStore) -> StoredCode:
    """The same method, by which a login may begin."""
    row: Method = replace(STORED_CODE, first=True, claims=("username",))
    return StoredCode(store, row)


@pytest.fixture
async def auth(store: Store, clock: FrozenClock) -> Sealring:
    auth = cheap_sealring(store, clock, more_methods=[first_too])
    await auth.issuer.keys.start()
    return auth


async def ann(auth: Sealring, password: str | None = PASSWORD) -> str:
    return (await auth.issuer.accounts.create("ann", password)).id


async def epoch_of(auth: Sealring, account_id: str) -> int:
    account = await auth.store.find_account(id=account_id)
    assert account is not None
    return account.epoch


async def add(auth: Sealring, account_id: str, id: str, **fields: str) -> Credential:
    credential = stored_code(account_id, id, **fields)
    await auth.issuer.credentials.add(credential, epoch=await epoch_of(auth, account_id), client=HERE)
    return credential


async def remove(auth: Sealring, account_id: str, id: str) -> None:
    epoch = await epoch_of(auth, account_id)
    await auth.issuer.credentials.remove(account_id, id, epoch=epoch, client=HERE)


async def test_the_owner_adds_sees_and_removes_a_credential(auth: Sealring) -> None:
    account_id = await ann(auth)
    credential = await add(auth, account_id, "a", label="my phone")
    assert credential.encrypted
    assert await auth.issuer.credentials.list(account_id) == [replace(credential, encrypted=b"")]
    assert await auth.issuer.credentials.list("nobody") == []
    await remove(auth, account_id, "a")
    assert await auth.issuer.credentials.list(account_id) == []
    events = [event for event in await auth.store.read_events() if event.kind.startswith("credential")]
    detail = {"method": "stored-code", "credential": "a"}
    assert [(event.kind, event.cause, event.address, event.detail) for event in events] == [
        ("credential_added", "by user", HERE.address, detail),
        ("credential_removed", "by user", HERE.address, detail),
    ]


async def test_a_credential_counts_from_the_moment_that_it_is_added_until_it_is_removed(auth: Sealring) -> None:
    account_id = await ann(auth)
    password = {"username": "ann", "password": PASSWORD}
    alone = await auth.issuer.logins.step(None, "password", password, client=HERE, replaces=None)
    await add(auth, account_id, "a")
    pending = await auth.issuer.logins.step(None, "password", password, client=HERE, replaces=None)
    assert isinstance(alone, LoggedIn)
    assert isinstance(pending, Pending)
    await remove(auth, account_id, "a")
    with pytest.raises(InvalidPendingLogin):
        await auth.issuer.logins.step(
            pending.text,
            "stored-code",
            {"code": "a"},
            client=HERE,
            replaces=None,
        )
    assert [own.amr for own in await auth.issuer.sessions.list(account_id)] == [("pwd",)]


async def test_the_last_way_to_log_in_is_not_removed(auth: Sealring) -> None:
    account_id = await ann(auth, None)
    await add(auth, account_id, "a")
    with pytest.raises(LastCredential):
        await remove(auth, account_id, "a")
    await add(auth, account_id, "b")
    await remove(auth, account_id, "a")
    with pytest.raises(LastCredential):
        await remove(auth, account_id, "b")
    await auth.issuer.accounts.set_password(account_id, PASSWORD)
    await remove(auth, account_id, "b")


async def test_the_last_second_factor_is_not_removed_where_two_are_asked(store: Store, clock: FrozenClock) -> None:
    auth = cheap_sealring(store, clock, more_methods=[StoredCode], mfa="required")
    account_id = await ann(auth)
    await add(auth, account_id, "a")
    with pytest.raises(LastCredential):
        await remove(auth, account_id, "a")
    await auth.issuer.credentials.remove_by_operator(account_id, "a")
    (event,) = (event for event in await auth.store.read_events() if event.kind == "credential_removed")
    assert event.cause == "by operator"


async def test_of_two_removals_at_once_the_last_credential_stays(auth: Sealring) -> None:
    account_id = await ann(auth, None)
    for own_id in ("a", "b"):
        await add(auth, account_id, own_id)
    removals = [remove(auth, account_id, own_id) for own_id in ("a", "b")]
    outcomes = await asyncio.gather(*removals, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) in (
        ["NoneType", "Revoked"],
        ["LastCredential", "NoneType"],
    )
    assert len(await auth.issuer.credentials.list(account_id)) == 1


@pytest.mark.parametrize("change", ["epoch", "disabled", "deleted"])
async def test_a_token_from_before_a_change_neither_adds_nor_removes(auth: Sealring, change: str) -> None:
    account_id = await ann(auth)
    await add(auth, account_id, "a")
    epoch = await epoch_of(auth, account_id)
    match change:
        case "epoch":
            await auth.issuer.end_sessions(account_id, keep=None, client=HERE)
        case "disabled":
            await auth.issuer.accounts.disable(account_id)
            epoch += 1
        case _:
            await auth.issuer.accounts.delete(account_id)
    with pytest.raises(Revoked):
        await auth.issuer.credentials.add(stored_code(account_id, "b"), epoch=epoch, client=HERE)
    with pytest.raises(Revoked):
        await auth.issuer.credentials.remove(account_id, "a", epoch=epoch, client=HERE)
    left = [] if change == "deleted" else ["a"]
    assert [own.id for own in await auth.issuer.credentials.list(account_id)] == left


async def test_what_is_another_accounts_is_neither_taken_nor_removed(auth: Sealring) -> None:
    account_id = await ann(auth)
    bob = (await auth.issuer.accounts.create("bob", PASSWORD)).id
    await add(auth, account_id, "a")
    with pytest.raises(InvalidField, match="registered already"):
        await add(auth, bob, "a")
    for work in (remove(auth, bob, "a"), auth.issuer.credentials.remove_by_operator(bob, "a")):
        with pytest.raises(NotFound):
            await work
    with pytest.raises(NoSuchAccount):
        await auth.issuer.credentials.remove_by_operator("nobody", "a")


async def test_a_credential_of_no_method_too_many_and_a_long_label_are_refused(auth: Sealring) -> None:
    account_id = await ann(auth)
    with pytest.raises(ValueError, match="method of this issuer"):
        await auth.issuer.credentials.add(
            Credential(id="x", account_id=account_id, method="unknown", created_at=START), epoch=0, client=HERE
        )
    for label in ("x" * (MAX_LABEL + 1),):
        with pytest.raises(InvalidField, match="label"):
            await add(auth, account_id, "x", label=label)
    for place in range(MAX_CREDENTIALS):
        await add(auth, account_id, f"{place}", label="x" * MAX_LABEL)
    refused: type[SealringError] = InvalidField
    with pytest.raises(refused, match="at most"):
        await add(auth, account_id, "one more")
