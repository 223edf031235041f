"""`auth.accounts`: opens by itself, is in force here when it returns, and gives no password hash away (F3)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sealring import NoSuchAccount, Revoked, Sealring
from sealring.store.memory import MemoryStore
from tests.clocks import FrozenClock
from tests.serving import OTHER_PASSWORD, PASSWORD, cheap_sealring

pytestmark = pytest.mark.anyio

Command = Callable[[Sealring, str], Awaitable[object]]


@pytest.fixture
async def auth() -> AsyncIterator[Sealring]:
    clock = FrozenClock()
    sealring = cheap_sealring(MemoryStore(clock.now_ms), clock, poll_interval=59, max_staleness=60)
    yield sealring
    await sealring.close()


@pytest.mark.parametrize(
    "command",
    [
        lambda auth, own: auth.accounts.disable(own),
        lambda auth, own: auth.accounts.delete(own),
        lambda auth, own: auth.accounts.set_password(own, OTHER_PASSWORD),
        lambda auth, own: auth.accounts.set_scopes(own, ["admin"]),
    ],
    ids=["disable", "delete", "set_password", "set_scopes"],
)
async def test_f3_i2_a_command_is_in_force_on_its_own_node_when_it_returns(auth: Sealring, command: Command) -> None:
    made = await auth.accounts.create("ann", PASSWORD, scopes=["orders:read"])
    token = (await auth.log_in("ann", PASSWORD, address="192.0.2.7")).issued.access_token.text
    assert auth.verify(token).subject == made.id
    await command(auth, made.id)
    with pytest.raises(Revoked):
        auth.verify(token)


async def test_commands_open_by_themselves_and_give_no_hash_away(auth: Sealring) -> None:
    made = await auth.accounts.create("ann", PASSWORD)
    listed = await auth.accounts.list()
    found = await auth.accounts.find("ANN")
    assert [account.id for account in (*listed, found)] == [made.id, made.id]
    assert {account.password_hash for account in (made, found, *listed)} == {None}
    await auth.accounts.disable(made.id)
    await auth.accounts.enable(made.id)
    assert (await auth.accounts.find("ann")).status == "active"
    with pytest.raises(NoSuchAccount):
        await auth.accounts.find("nobody")


async def test_scopes_that_are_one_string_are_a_mistake_of_the_caller(auth: Sealring) -> None:
    made = await auth.accounts.create("ann", PASSWORD)
    with pytest.raises(TypeError):
        await auth.accounts.set_scopes(made.id, "orders:read")
    with pytest.raises(TypeError):
        await auth.accounts.create("bob", PASSWORD, scopes="orders:read")
