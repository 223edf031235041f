"""`auth.accounts`: opens by itself, is in force here when it returns, and gives no password hash away (F3)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import pbkdf2_hmac
from typing import Any

import pytest

from sealring import InvalidField, NameTaken, NoSuchAccount, Revoked, Sealring, WrongCredentials
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
        lambda auth, own: auth.accounts.set_email(own, "ann@example.com"),
    ],
    ids=["disable", "delete", "set_password", "set_scopes", "set_email"],
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


async def test_an_account_is_found_by_its_id_and_its_email_address_is_reserved(auth: Sealring) -> None:
    made = await auth.accounts.create("ann", PASSWORD, email="ann@example.com")
    other = await auth.accounts.create("bob", PASSWORD)
    found = await auth.accounts.get(made.id)
    assert (found.name, found.email, found.password_hash) == ("ann", "ann@example.com", None)
    with pytest.raises(InvalidField):
        await auth.accounts.set_email(other.id, "ANN@example.com")
    with pytest.raises(InvalidField):
        await auth.accounts.set_email(other.id, "no address")
    await auth.accounts.set_email(made.id, None)
    await auth.accounts.set_email(other.id, "ANN@example.com")
    assert [account.email for account in await auth.accounts.list()] == [None, "ANN@example.com"]
    for command in (auth.accounts.get("nobody"), auth.accounts.set_email("nobody", None)):
        with pytest.raises(NoSuchAccount):
            await command


async def test_accounts_are_listed_in_pages(auth: Sealring) -> None:
    for name in ("cy", "ann", "bob"):
        await auth.accounts.create(name, None)
    first = await auth.accounts.list(limit=2)
    rest = await auth.accounts.list(after=first[-1].canonical_name, limit=2)
    assert [account.name for account in (*first, *rest)] == ["ann", "bob", "cy"]


async def test_sessions_of_a_subject_are_those_that_live(auth: Sealring) -> None:
    made = await auth.accounts.create("ann", PASSWORD)
    ours = (await auth.log_in("ann", PASSWORD, address="192.0.2.7")).issued.session
    own = (await auth.start_session("42")).session
    assert [session.id for session in await auth.list_sessions(made.id)] == [ours.id]
    assert [session.id for session in await auth.list_sessions("42")] == [own.id]
    await auth.accounts.disable(made.id)
    assert await auth.list_sessions(made.id) == []
    with pytest.raises(TypeError):
        await auth.list_sessions(42)  # type: ignore[arg-type]


async def test_an_imported_account_logs_in_with_the_old_password_and_keeps_its_id(auth: Sealring) -> None:
    old = "pbkdf2:sha256:1000$saltsalt$" + pbkdf2_hmac("sha256", b"hunter22", b"saltsalt", 1000).hex()
    made = await auth.accounts.import_account("Ann", old, account_id="42", email="ann@example.com", scopes=["a"])
    assert (made.id, made.name, made.email, made.scopes, made.password_hash) == (
        "42",
        "Ann",
        "ann@example.com",
        ("a",),
        None,
    )
    stored = await auth.issuer.accounts.get("42")
    assert stored.password_hash is not None
    assert stored.password_hash.startswith("$pbkdf2-sha256$i=1000$")
    with pytest.raises(WrongCredentials):
        await auth.log_in("ann", "hunter23", address="192.0.2.7")
    logged_in = await auth.log_in("ann", "hunter22", address="192.0.2.7")
    assert logged_in.issued.session.subject == "42"
    stored = await auth.issuer.accounts.get("42")
    assert stored.password_hash is not None
    assert stored.password_hash.startswith("$argon2id$")
    await auth.log_in("ann", "hunter22", address="192.0.2.7")


async def test_an_imported_account_may_be_disabled_or_without_a_password(auth: Sealring) -> None:
    old = "pbkdf2:sha256:1000$saltsalt$" + pbkdf2_hmac("sha256", b"hunter22", b"saltsalt", 1000).hex()
    await auth.accounts.import_account("ann", old, disabled=True)
    await auth.accounts.import_account("bob", None)
    for name in ("ann", "bob"):
        with pytest.raises(WrongCredentials):
            await auth.log_in(name, "hunter22", address="192.0.2.7")


async def test_u3_only_a_verified_address_of_an_imported_user_is_reserved(auth: Sealring) -> None:
    await auth.accounts.import_account("ann", None, email="ann@example.com")
    await auth.accounts.import_account("bob", None, email="ann@example.com", email_verified=True)
    await auth.accounts.import_account("dan", None, email_verified=True)  # nothing to reserve
    with pytest.raises(InvalidField, match="email: is taken"):
        await auth.accounts.import_account("cyd", None, email="Ann@Example.com", email_verified=True)
    with pytest.raises(NameTaken):
        await auth.accounts.import_account("ANN", None)


async def test_wrong_arguments_of_an_import_are_named(auth: Sealring) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"username": 1}, "username"),
        ({"password_hash": b"x"}, "password_hash"),
        ({"account_id": 42}, "account_id"),
        ({"email": 1}, "email"),
        ({"email_verified": "yes"}, "email_verified"),
        ({"disabled": 1}, "disabled"),
        ({"scopes": "a"}, "scopes"),
    ]
    for given, name in wrong:
        with pytest.raises(TypeError, match=name):
            await auth.accounts.import_account(**{"username": "ann", "password_hash": None} | given)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"username": ""}, "username"),
        ({"password_hash": "x"}, "password_hash"),
        ({"account_id": ""}, "id"),
        ({"email": "x"}, "email"),
    ]
    for given, field in refused:
        with pytest.raises(InvalidField, match=f"^{field}: "):
            await auth.accounts.import_account(**{"username": "ann", "password_hash": None} | given)
    assert await auth.accounts.list() == []


async def test_the_import_of_a_disabled_user_ends_the_sessions_that_the_subject_had(auth: Sealring) -> None:
    for subject, disabled in (("1", False), ("2", True)):
        token = (await auth.start_session(subject)).access_token.text
        await auth.accounts.import_account(f"user{subject}", None, account_id=subject, disabled=disabled)
        assert len(await auth.list_sessions(subject)) == (not disabled)
        if disabled:
            with pytest.raises(Revoked):
                auth.verify(token)
        else:
            assert auth.verify(token).subject == subject
