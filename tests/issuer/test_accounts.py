"""Accounts over a store: register, prove, change, and the operator's commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from sealring.accounts.account import Account
from sealring.accounts.argon2id import Argon2Profile
from sealring.authentication.client_info import ClientInfo
from sealring.errors import InvalidField, NameTaken, NoSuchAccount, Throttled, WrongCredentials, WrongPassword
from sealring.issuer.accounts import AccountPolicy, Accounts
from sealring.rate_limits.device_cookie import DeviceCookies
from sealring.rate_limits.rate import RateLimit
from sealring.store.memory import MemoryStore
from tests.hashers import CountingHasher
from tests.logins import authenticate
from tests.nodes import committing

CHEAP = Argon2Profile(memory_kib=64, passes=1)
OLDER = Argon2Profile(memory_kib=32, passes=1)
HOME = ClientInfo("192.0.2.1", "test")
GOOD = "correct horse fine staple"
OTHER = "another set of five words"


class House:
    """Accounts over a store of their own, with a clock that stands still."""

    def __init__(self, *, profile: Argon2Profile = CHEAP, store: MemoryStore | None = None, **policy: Any) -> None:
        self.now_ms = 1_800_000_000_000
        self.store = store or MemoryStore(lambda: self.now_ms)
        self.hasher = CountingHasher(profile=profile)
        self.devices = DeviceCookies([b"k" * 32])
        self.accounts = Accounts(
            committing(self.store),
            self.hasher,
            clock=lambda: self.now_ms,
            devices=self.devices,
            policy=AccountPolicy(**{"answer_grid_ms": 1} | policy),
            check_scopes=lambda _: None,
        )

    async def authenticate(self, username: str, password: str, client: ClientInfo) -> Account:
        return await authenticate(committing(self.store), self.accounts, username, password, client)

    async def register(self, name: str = "Ann", password: str = GOOD, email: str | None = None) -> Account:
        return await self.accounts.register(name, password, email, HOME)

    async def revoked(self) -> list[tuple[str, int]]:
        return [(entry.target, entry.epoch) for entry in (await self.store.load_feed(None)).entries]

    async def causes(self, kind: str) -> list[str]:
        return [event.cause for event in await self.store.read_events() if event.kind == kind]


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


def test_register_then_authenticate() -> None:
    async def scenario() -> None:
        house = House(new_account_scopes=("orders:read",))
        account = await house.register("Ann", email="Ann@Example.com")
        assert (account.name, account.canonical_name) == ("Ann", "ann")
        assert (account.email, account.scopes, account.status) == ("Ann@Example.com", ("orders:read",), "active")
        assert len(account.id) == 22
        assert account.password_hash is not None
        assert account.password_hash.startswith("$argon2id$")
        assert await house.authenticate("ANN", GOOD, HOME) == account
        assert await house.causes("account_created") == ["registered"]
        assert await house.causes("login") == [""]

    run(scenario)


def test_ids_differ_and_a_deleted_name_gets_another() -> None:
    async def scenario() -> None:
        house = House()
        first = await house.register()
        await house.accounts.delete(first.id)
        assert (await house.register()).id != first.id

    run(scenario)


def test_bad_fields_are_refused_before_anything_is_hashed_or_stored() -> None:
    async def scenario() -> None:
        house = House()
        for name, password, email, field in (
            ("", GOOD, None, "username"),
            ("ann", "short", None, "password"),
            ("ann", GOOD, "not an address", "email"),
            ("annabella maria", "annabella maria", None, "password"),
            ("ann", "ann.lee@example.com", "ann.lee@example.com", "password"),
            ("ann", "sealring sealring", None, "password"),
        ):
            with pytest.raises(InvalidField) as refused:
                await house.register(name, password, email)
            assert refused.value.field == field
        assert house.hasher.computed == 0
        assert await house.store.list_accounts() == []

    run(scenario)


def test_authenticate_returns_the_hash_that_was_proved() -> None:
    async def scenario() -> None:
        house = House()
        account = await house.register()
        proved = await house.authenticate("ann", GOOD, HOME)
        assert proved.password_hash == account.password_hash

    run(scenario)


def test_failures_say_one_thing_outside_and_the_cause_inside() -> None:
    async def scenario() -> None:
        house = House()
        ann = await house.register()
        bob = await house.register("Bob")
        await house.accounts.disable(bob.id)
        await house.accounts.create("Robot", None)
        for name, password, cause in (
            ("nobody", GOOD, "unknown name"),
            ("\u200bann", GOOD, "unknown name"),
            ("", "", "unknown name"),
            ("ann", OTHER, "wrong password"),
            ("ann", "", "wrong password"),
            ("ann", "x" * 5000, "impossible password"),
            ("ann", "\ud800", "impossible password"),
            ("bob", GOOD, "account is disabled"),
            ("bob", OTHER, "account is disabled"),
            ("robot", "", "account has no password"),
        ):
            with pytest.raises(WrongCredentials, match=r"^username or password is wrong$"):
                await house.authenticate(name, password, HOME)
            assert (await house.causes("login_failed"))[-1] == cause
        failed = [event for event in await house.store.read_events() if event.kind == "login_failed"]
        assert {event.subject for event in failed if event.cause == "wrong password"} == {ann.id}
        assert all(event.address == HOME.address for event in failed)
        assert not any(GOOD in repr(event) or "nobody" in repr(event) for event in failed)

    run(scenario)


def test_change_password_ends_sessions_and_the_old_password() -> None:
    async def scenario() -> None:
        house = House()
        account = await house.register()
        await house.accounts.change_password(account.id, GOOD, OTHER, keep_session="sid", client=HOME)
        assert await house.revoked() == [(account.id, 1)]
        with pytest.raises(WrongCredentials):
            await house.authenticate("ann", GOOD, HOME)
        assert (await house.authenticate("ann", OTHER, HOME)).epoch == 1
        assert await house.causes("password_changed") == ["changed by user"]

    run(scenario)


def test_change_password_needs_the_current_one_and_a_good_new_one() -> None:
    async def scenario() -> None:
        house = House()
        account = await house.register()
        with pytest.raises(WrongPassword):
            await house.accounts.change_password(account.id, OTHER, OTHER, keep_session=None, client=HOME)
        with pytest.raises(InvalidField) as refused:
            await house.accounts.change_password(account.id, GOOD, "short", keep_session=None, client=HOME)
        assert refused.value.field == "new"
        with pytest.raises(WrongCredentials):
            await house.accounts.change_password("nobody", GOOD, OTHER, keep_session=None, client=HOME)
        await house.accounts.disable(account.id)
        with pytest.raises(WrongCredentials):
            await house.accounts.change_password(account.id, GOOD, OTHER, keep_session=None, client=HOME)
        stored = await house.store.find_account(id=account.id)
        assert stored is not None
        assert stored.password_hash == account.password_hash

    run(scenario)


def test_guessing_the_current_password_is_throttled_and_strangers_do_not_count() -> None:
    async def scenario() -> None:
        house = House(account_rate=RateLimit(3, 300))
        account = await house.register()
        for _ in range(3):
            with pytest.raises(WrongCredentials):
                await house.authenticate("ann", OTHER, HOME)
        with pytest.raises(Throttled):
            await house.authenticate("ann", GOOD, HOME)
        for _ in range(3):
            with pytest.raises(WrongCredentials):
                await house.accounts.change_password(account.id, OTHER, OTHER, keep_session=None, client=HOME)
        with pytest.raises(Throttled) as refused:
            await house.accounts.change_password(account.id, GOOD, OTHER, keep_session=None, client=HOME)
        assert refused.value.retry_after >= 1

    run(scenario)


def test_a_hundred_failures_in_a_row_close_the_account_to_strangers() -> None:
    async def scenario() -> None:
        house = House(address_rate=RateLimit(100_000, 1))
        account = await house.register()

        async def guess_from(network: int) -> int:
            for verified in range(400):
                house.now_ms += 40_000  # slower than the short bucket minds
                try:
                    await house.authenticate("ann", OTHER, ClientInfo(f"198.51.{network}.1"))
                except WrongCredentials:
                    continue
                except Throttled:
                    return verified
            raise AssertionError

        # a network has 25 in a row and 3 first tries of the day, all together 60, and 40 of first tries
        guesses = [await guess_from(network) for network in range(16)]
        assert guesses == [28, 28, 13, *[3] * 10, 1, 0, 0]
        assert sum(guesses) == 100
        for client in (HOME, ClientInfo("198.51.0.1")):
            with pytest.raises(Throttled) as refused:
                await house.authenticate("ann", GOOD, client)
            assert refused.value.retry_after > 3600
        house.now_ms += 120_000
        with pytest.raises(Throttled) as refused:
            await house.authenticate("ann", GOOD, HOME)
        assert refused.value.retry_after > 3600
        house.now_ms += 60_000
        await house.accounts.set_password(account.id, OTHER)
        assert (await house.authenticate("ann", OTHER, HOME)).id == account.id

    run(scenario)


def test_success_empties_the_account_bucket_and_not_the_address() -> None:
    async def scenario() -> None:
        house = House(account_rate=RateLimit(3, 300), address_rate=RateLimit(5, 300))
        await house.register()
        for _ in range(2):
            for _ in range(2):
                with pytest.raises(WrongCredentials):
                    await house.authenticate("ann", OTHER, HOME)
            await house.authenticate("ann", GOOD, HOME)
        # four failures so far: the fifth is the last, the sixth finds the address full
        for _ in range(2):
            with pytest.raises(WrongCredentials):
                await house.authenticate("bob", OTHER, HOME)
        with pytest.raises(Throttled):
            await house.authenticate("ann", GOOD, HOME)
        assert (await house.authenticate("ann", GOOD, ClientInfo("198.51.100.1"))).name == "Ann"

    run(scenario)


def test_successful_log_ins_cost_an_address_nothing() -> None:
    async def scenario() -> None:
        house = House(address_rate=RateLimit(2, 300))
        await house.register()
        for _ in range(20):
            await house.authenticate("ann", GOOD, HOME)

    run(scenario)


def test_throttled_attempts_are_not_hashed_and_leave_one_audit_line() -> None:
    async def scenario() -> None:
        house = House(account_rate=RateLimit(2, 300))
        for _ in range(2):
            with pytest.raises(WrongCredentials):
                await house.authenticate("nobody", OTHER, HOME)
        computed = house.hasher.computed
        for _ in range(50):
            with pytest.raises(Throttled):
                await house.authenticate("nobody", OTHER, HOME)
        assert house.hasher.computed == computed
        assert await house.causes("throttled") == ["account bucket is full"]

    run(scenario)


def test_a_log_in_brings_an_older_hash_to_the_current_profile() -> None:
    async def scenario() -> None:
        house = House(profile=OLDER)
        before = await house.register()
        newer = House(store=house.store)
        after = await newer.authenticate("ann", GOOD, HOME)
        assert after == replace(before, password_hash=after.password_hash)
        assert after.password_hash is not None
        assert after.password_hash.startswith("$argon2id$v=19$m=64,")
        stored = await house.store.find_account(id=before.id)
        assert stored == after  # epoch too: a rehash revokes nothing
        assert await newer.authenticate("ann", GOOD, HOME) == after
        assert await newer.causes("password_changed") == ["rehashed at login"]

    run(scenario)


def test_a_failed_log_in_rehashes_nothing() -> None:
    async def scenario() -> None:
        house = House(profile=OLDER)
        before = await house.register()
        newer = House(store=house.store)
        with pytest.raises(WrongCredentials):
            await newer.authenticate("ann", OTHER, HOME)
        assert await house.store.find_account(id=before.id) == before

    run(scenario)


def test_operator_commands_revoke_what_they_must() -> None:
    async def scenario() -> None:
        house = House()
        account = await house.register()

        await house.accounts.set_scopes(account.id, ("a", "b"))
        await house.accounts.disable(account.id)
        assert await house.revoked() == [(account.id, 1), (account.id, 2)]
        with pytest.raises(WrongCredentials):
            await house.authenticate("ann", GOOD, HOME)
        await house.accounts.enable(account.id)
        assert len(await house.revoked()) == 2
        assert (await house.authenticate("ann", GOOD, HOME)).scopes == ("a", "b")
        await house.accounts.set_password(account.id, OTHER)
        assert (await house.revoked())[2:] == [(account.id, 3)]
        assert (await house.authenticate("ann", OTHER, HOME)).epoch == 3
        assert (await house.accounts.find("ANN")).id == account.id
        assert [one.name for one in await house.accounts.list()] == ["Ann"]
        await house.accounts.delete(account.id)
        assert (await house.revoked())[3:] == [(account.id, 4)]
        with pytest.raises(WrongCredentials):
            await house.authenticate("ann", OTHER, HOME)
        assert await house.accounts.list() == []

    run(scenario)


def test_operator_commands_on_nobody_say_so() -> None:
    async def scenario() -> None:
        accounts = House().accounts
        for command in (
            accounts.find("nobody"),
            accounts.find("\u200b"),
            accounts.set_scopes("x", ()),
            accounts.disable("x"),
            accounts.enable("x"),
            accounts.delete("x"),
            accounts.set_password("x", GOOD),
        ):
            with pytest.raises(NoSuchAccount):
                await command

    run(scenario)


def test_operators_are_held_to_the_same_passwords() -> None:
    async def scenario() -> None:
        house = House()
        account = await house.register()
        with pytest.raises(InvalidField):
            await house.accounts.set_password(account.id, "short")
        with pytest.raises(InvalidField):
            await house.accounts.create("Bob", "bob bob bob bob bob")
        with pytest.raises(NameTaken):
            await house.accounts.create("ANN", GOOD)

    run(scenario)


def test_an_operator_vouches_for_an_address_and_it_is_reserved() -> None:
    async def scenario() -> None:
        house = House()
        await house.register("Squatter", email="ann@example.com")
        ann = await house.accounts.create("Ann", GOOD, email="Ann@Example.com", scopes=("admin",))
        assert (ann.canonical_email, ann.scopes) == ("ann@example.com", ("admin",))
        with pytest.raises(InvalidField) as refused:
            await house.accounts.create("Other", GOOD, email="ANN@example.com")
        assert refused.value.field == "email"
        assert (await house.authenticate("ann", GOOD, HOME)).id == ann.id

    run(scenario)


def test_policy_is_checked_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="8 at least"):
        AccountPolicy(password_min_length=7)
    with pytest.raises(ValueError, match="answer_grid_ms"):
        AccountPolicy(answer_grid_ms=0)


def test_close_lets_go_of_the_threads() -> None:
    async def scenario() -> None:
        house = House()
        await house.register()
        await house.accounts.close()
        with pytest.raises(RuntimeError, match="shutdown"):
            await house.register("Bob")

    run(scenario)
