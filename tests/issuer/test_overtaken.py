"""A login that something overtakes between the proof and the start of the session (U13, I7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from sealring import Sealring, jwt
from sealring.authentication.client_info import ClientInfo
from sealring.errors import NotGranted, WrongCredentials
from sealring.issuer.log_in import LoggedIn
from sealring.sessions.session import Session
from sealring.store.memory import MemoryStore
from tests.clocks import FrozenClock
from tests.serving import OTHER_PASSWORD, PASSWORD, cheap_sealring

pytestmark = pytest.mark.anyio

HERE = ClientInfo("192.0.2.7")

Change = Callable[[Sealring, str], Awaitable[object]]


class OvertakenStore(MemoryStore):
    """A store in which something else commits just before a session starts, as often as it is put down."""

    def __init__(self, clock: Callable[[], int]) -> None:
        super().__init__(clock)
        self.before: list[Callable[[], Coroutine[Any, Any, None]]] = []

    async def start_session(self, *args: Any, **named: Any) -> Any:
        if self.before:
            await self.before.pop(0)()
        return await super().start_session(*args, **named)


@pytest.fixture
def store(clock: FrozenClock) -> OvertakenStore:
    return OvertakenStore(clock.now_ms)


@pytest.fixture
async def auth(store: OvertakenStore, clock: FrozenClock) -> Sealring:
    sealring = cheap_sealring(store, clock)
    await sealring.issuer.keys.load()
    return sealring


Overtake = Callable[..., None]


@pytest.fixture
def overtake(auth: Sealring, store: OvertakenStore) -> Overtake:
    def put_down(change: Change, times: int = 1) -> None:
        async def once() -> None:
            await change(auth, await id_of_ann(auth))

        store.before = [once] * times

    return put_down


async def log_in(auth: Sealring) -> LoggedIn:
    return await auth.issuer.log_in("ann", PASSWORD, client=HERE, replaces=None)


async def id_of_ann(auth: Sealring) -> str:
    return (await auth.issuer.accounts.find("ann")).id


def scopes(auth: Sealring, account_id: str) -> Awaitable[object]:
    return auth.issuer.accounts.set_scopes(account_id, ("orders:read",))


def end_all(auth: Sealring, account_id: str) -> Awaitable[object]:
    return auth.issuer.sessions.end_subject(account_id)


def password(auth: Sealring, account_id: str) -> Awaitable[object]:
    return auth.issuer.accounts.set_password(account_id, OTHER_PASSWORD)


def disable(auth: Sealring, account_id: str) -> Awaitable[object]:
    return auth.issuer.accounts.disable(account_id)


def delete(auth: Sealring, account_id: str) -> Awaitable[object]:
    return auth.issuer.accounts.delete(account_id)


@pytest.mark.parametrize("change", [scopes, end_all])
async def test_u13_what_voids_no_password_costs_a_login_one_more_proof(
    auth: Sealring, overtake: Overtake, change: Change
) -> None:
    await auth.issuer.accounts.create("ann", PASSWORD)
    overtake(change)
    logged_in = await log_in(auth)
    found = await auth.issuer.accounts.find("ann")
    assert logged_in.issued.scopes == found.scopes
    assert jwt.peek(logged_in.issued.access_token.text).claims["epoch"] == found.epoch == 1
    proved = [event for event in await auth.issuer.store.read_events() if event.kind == "login"]
    assert len(proved) == 2


@pytest.mark.parametrize("change", [password, disable, delete])
async def test_u13_what_voids_the_password_refuses_the_login(
    auth: Sealring, overtake: Overtake, change: Change
) -> None:
    account = await auth.issuer.accounts.create("ann", PASSWORD)
    overtake(change)
    with pytest.raises(WrongCredentials):
        await log_in(auth)
    assert await auth.issuer.sessions.list(account.id) == []


async def test_a_login_that_is_overtaken_again_and_again_is_refused(auth: Sealring, overtake: Overtake) -> None:
    account = await auth.issuer.accounts.create("ann", PASSWORD)
    overtake(scopes, times=9)
    with pytest.raises(WrongCredentials):
        await log_in(auth)
    assert await auth.issuer.sessions.list(account.id) == []


async def test_a_registration_that_other_scopes_overtake_logs_in(auth: Sealring, overtake: Overtake) -> None:
    overtake(scopes)
    made = await auth.issuer.register("ann", PASSWORD, email=None, client=HERE, replaces=None)
    assert made.issued.scopes == ("orders:read",)


async def test_i7_a_registration_that_a_disable_overtakes_starts_no_session(auth: Sealring, overtake: Overtake) -> None:
    overtake(disable)
    with pytest.raises(WrongCredentials):
        await auth.issuer.register("ann", PASSWORD, email=None, client=HERE, replaces=None)
    assert await auth.issuer.sessions.list(await id_of_ann(auth)) == []


async def test_where_nothing_is_granted_a_password_is_proved_once(store: OvertakenStore, clock: FrozenClock) -> None:
    async def nothing(_: Session) -> None:
        return None

    auth = cheap_sealring(store, clock, grant_for=nothing)
    await auth.issuer.keys.load()
    await auth.issuer.accounts.create("ann", PASSWORD)
    with pytest.raises(NotGranted):
        await log_in(auth)
    assert [event.kind for event in await store.read_events()].count("login") == 1
