"""U1-U15 of the attack list at the layer of accounts; U16 (mass assignment) is a matter of the routes."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from sealring.accounts.account import Account
from sealring.accounts.argon2id import Argon2Profile
from sealring.accounts.changes import AccountChange, PasswordChange, StatusChange
from sealring.accounts.names import check_email, check_name
from sealring.accounts.passwords import check_password
from sealring.audit.event import Event
from sealring.authentication.client_info import ClientInfo
from sealring.errors import InvalidField, NameTaken, SealringError, Throttled, WrongCredentials
from sealring.issuer.accounts import AccountPolicy, Accounts
from sealring.rate_limits.device_cookie import DeviceCookies
from sealring.rate_limits.rate import RateLimit
from sealring.sessions.session import Session
from sealring.store.memory import MemoryStore
from sealring.store.records import Committed, LoginGuard
from tests.hashers import CountingHasher
from tests.logins import authenticate
from tests.nodes import committing

CHEAP = Argon2Profile(memory_kib=64, passes=1)
OLDER = Argon2Profile(memory_kib=32, passes=1)
HOME = ClientInfo("192.0.2.1")
GOOD = "correct horse fine staple"
OTHER = "another set of five words"
NO_LIMIT = RateLimit(1_000_000, 1)


class House:
    """Accounts over a store, with cheap hashes; `now_ms` stands still unless a test moves it."""

    def __init__(self, store: MemoryStore | None = None, *, profile: Argon2Profile = CHEAP, **policy: Any) -> None:
        self.now_ms = 1_800_000_000_000
        self.store = store or MemoryStore(lambda: self.now_ms)
        self.hasher = CountingHasher(profile=profile, max_waiting=1000)
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

    async def register(self, name: str = "ann", *, email: str | None = None) -> Account:
        return await self.accounts.register(name, GOOD, email, HOME)

    async def attempt(self, name: str, password: str, client: ClientInfo = HOME) -> str:
        """What came of it, in a word."""
        try:
            await self.authenticate(name, password, client)
        except SealringError as refused:
            return type(refused).__name__
        return "in"


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


async def houses_with_everybody(**policy: Any) -> House:
    """Active, disabled, without password, on an older cost, with a poisoned hash."""
    older = House(profile=OLDER)
    await older.register("older")
    house = House(older.store, **policy)
    await house.register("ann")
    disabled = await house.register("disabled")
    await house.accounts.disable(disabled.id)
    await house.accounts.create("robot", None)
    poisoned = await house.register("poisoned")
    await plant_hash(house.store, poisoned, "$argon2id$v=19$m=8388608,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43)
    return house


async def plant_hash(store: MemoryStore, account: Account, planted: str) -> None:
    change = PasswordChange(old_hash=account.password_hash, new_hash=planted, ends_sessions=False)
    event = Event(kind="password_changed", at_ms=0, subject=account.id)
    assert (await store.change_account(account.id, change, event, now=0)).result


REFUSED = [
    ("nobody", GOOD),
    ("ann", OTHER),
    ("ann", ""),
    ("ann", "x" * 5000),
    ("ann", "\udcff\udcfe"),
    ("ann", "nul\0nul"),
    ("disabled", GOOD),
    ("disabled", OTHER),
    ("robot", ""),
    ("robot", GOOD),
    ("older", OTHER),
    ("poisoned", GOOD),
    ("", GOOD),
    ("a\u200bnn", GOOD),
    ("x" * 5000, GOOD),
    ("\udcff", GOOD),
]
"""Every kind of account and every kind of input that must look alike."""


def test_u1_all_refusals_look_alike_and_cost_alike() -> None:
    async def scenario() -> None:
        house = await houses_with_everybody(account_rate=NO_LIMIT, address_rate=NO_LIMIT)
        seen = set()
        for name, password in REFUSED:
            before, events = house.hasher.computed, len(await house.store.read_events())
            with pytest.raises(WrongCredentials) as refused:
                await house.authenticate(name, password, HOME)
            hashed = house.hasher.computed - before
            written = len(await house.store.read_events()) - events
            error = refused.value
            seen.add((type(error), error.args, tuple(vars(error)), error.__cause__, hashed, written))
        assert seen == {(WrongCredentials, ("username or password is wrong",), (), None, 1, 1)}

    run(scenario)


@pytest.mark.parametrize("name", ["ann", "nobody", "disabled", "robot", "a\u200bnn"])
def test_u1_throttled_names_look_alike_whether_they_exist_or_not(name: str) -> None:
    async def scenario() -> None:
        house = await houses_with_everybody(account_rate=RateLimit(3, 300), address_rate=NO_LIMIT)
        assert [await house.attempt(name, OTHER) for _ in range(3)] == ["WrongCredentials"] * 3
        before = house.hasher.computed
        for password in (GOOD, OTHER, ""):
            with pytest.raises(Throttled) as refused:
                await house.authenticate(name, password, HOME)
            # in whole seconds, and the same: 100 s until a third of the window has gone by, or the 5 s remembered
            assert refused.value.args == ("too many attempts",)
            assert refused.value.retry_after in {5, 100}
        assert house.hasher.computed == before

    run(scenario)


@pytest.mark.slow
def test_u2_all_refusals_take_the_same_time() -> None:
    samples, limit = 5000, 4.5

    async def scenario() -> dict[int, list[float]]:
        house = await houses_with_everybody(account_rate=NO_LIMIT, address_rate=NO_LIMIT, answer_grid_ms=4)
        seconds: dict[int, list[float]] = {kind: [] for kind in range(len(REFUSED))}
        order = list(seconds)
        for _ in range(samples):
            random.shuffle(order)
            house.now_ms += 100 * 3_600_000  # so that no bucket of a hundred in a row ever fills
            for kind in order:
                began = time.perf_counter()
                outcome = await house.attempt(*REFUSED[kind])
                seconds[kind].append(time.perf_counter() - began)
                assert outcome == "WrongCredentials"
        return seconds

    seconds = asyncio.run(scenario())
    unknown = seconds.pop(0)
    found = {REFUSED[kind]: welch_t(unknown, taken) for kind, taken in seconds.items()}
    assert {kind: round(t, 1) for kind, t in found.items() if abs(t) >= limit} == {}


@pytest.mark.slow
def test_u2_throttled_names_take_the_same_time_whether_they_exist_or_not() -> None:
    async def scenario() -> tuple[list[float], list[float]]:
        house = await houses_with_everybody(account_rate=RateLimit(1, 300), address_rate=NO_LIMIT)
        seconds: dict[str, list[float]] = {"ann": [], "bob": []}  # of one length: names take time of their own
        for name in seconds:
            await house.attempt(name, OTHER)
        for _ in range(20_000):
            for name in random.sample(list(seconds), 2):
                began = time.perf_counter()
                assert await house.attempt(name, OTHER) == "Throttled"
                seconds[name].append(time.perf_counter() - began)
        return seconds["ann"], seconds["bob"]

    known, unknown = asyncio.run(scenario())
    assert abs(welch_t(known, unknown)) < 4.5


def welch_t(first: list[float], second: list[float]) -> float:
    """Welch's t of two samples, each without its slowest twentieth: what the machine did meanwhile."""
    first, second = (sorted(sample)[: len(sample) * 19 // 20] for sample in (first, second))
    spread = statistics.variance(first) / len(first) + statistics.variance(second) / len(second)
    return (statistics.mean(first) - statistics.mean(second)) / math.sqrt(spread)


def test_u3_twenty_registrations_of_one_name_make_one_account() -> None:
    async def scenario() -> None:
        house = House()
        names = ["Ann", "ANN", "ann", "\uff21nn"] * 5
        done = await asyncio.gather(
            *(house.accounts.register(name, GOOD, None, HOME) for name in names), return_exceptions=True
        )
        assert Counter(type(one) for one in done) == {Account: 1, NameTaken: 19}
        assert len(await house.store.list_accounts()) == 1

    run(scenario)


def test_u3_whether_an_address_is_known_never_shows() -> None:
    async def scenario() -> None:
        house = House()
        await house.accounts.create("owner", GOOD, email="ann@example.com")  # known and reserved
        await house.register("first", email="bob@example.com")  # known, stated by its user
        steps = set()
        for number, email in enumerate(["ann@example.com", "ANN@EXAMPLE.com", "bob@example.com", "new@example.com"]):
            before, events = house.hasher.computed, len(await house.store.read_events())
            account = await house.register(f"user{number}", email=email)
            hashed, written = house.hasher.computed - before, len(await house.store.read_events()) - events
            assert account.email == email  # what the user sees of it is what they typed
            steps.add((account.email_verified_at, account.status, hashed, written))
        assert steps == {(None, "active", 1, 1)}

    run(scenario)


@pytest.mark.parametrize(
    ("registered", "typed"),
    [
        ("Admin", "ADMIN"),
        ("straße", "STRASSE"),
        ("strasse", "stra\u1e9ee"),
        ("admin", "\uff21\uff24\uff2d\uff29\uff2e"),
        ("fish", "\ufb01sh"),
        ("kelvin", "\u212aelvin"),
        ("caf\u00e9", "cafe\u0301"),
        ("cafe\u0301", "CAF\u00c9"),
        ("ang\u212bstrom", "ANG\u00c5STROM"),
        ("\u03c3\u03bf\u03c6\u03cc\u03c2", "\u03a3\u039f\u03a6\u038c\u03a3"),
        ("1", "\u00b9"),
    ],
)
def test_u4_spellings_of_one_name_are_one_account(registered: str, typed: str) -> None:
    async def scenario() -> None:
        house = House()
        account = await house.register(registered)
        assert (await house.authenticate(typed, GOOD, HOME)).id == account.id
        with pytest.raises(NameTaken):
            await house.register(typed)

    run(scenario)


@pytest.mark.parametrize(
    "name",
    [
        *("a\u200bnn", "a\u200cnn", "a\u200dnn", "\u2060ann", "\ufeffann", "ann\u00ad"),  # zero width, soft hyphen
        *("ann\u034f", "ann\u115f", "\u3164", "\u2800", "ann\ufe0f", "ann\U000e0100", "ann\U000e0041"),  # draw nothing
        *("\u202eann", "a\u2066nn", "ann\u200e", "ann\u061c"),  # bidi
        *("ann\0", "ann\n", "an\tn", "\x7fann", "a\x85nn", "ann\u2028", "ann\u2029"),
        *(" ann", "ann ", "\u00a0ann", "ann\u3000", "\u1680ann"),
        *("ann\ud800", "ann\ue000", "ann\u0378", "ann\uffff", "ann\U0010ffff"),
        *("\u0430nn", "ann\u043e", "p\u0430ypal", "\u0391nn", "\u0430\u03b1"),  # Cyrillic and Greek among Latin
    ],
)
def test_u5_invisible_and_imitating_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidField) as refused:
        check_name(name)
    assert refused.value.field == "username"
    assert refused.value.reason.isascii()


def test_u5_a_whole_name_of_look_alikes_is_logged_by_its_id(caplog: pytest.LogCaptureFixture) -> None:
    def warnings() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    async def scenario() -> None:
        house = House()
        await house.register("cop")
        assert warnings() == []
        registered = await house.register("\u0441\u043e\u0440")
        created = await house.accounts.create("\u0445\u043e\u0440", None)
        said = "account {} has a name that looks Latin but uses other letters"
        assert warnings() == [said.format(registered.id), said.format(created.id)]

    run(scenario)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ann\uff20evil.example", "ann@evil.example"),  # one address, and the one that is kept is the one judged
        ("\u2100@example.com", "a/c@example.com"),
        ("ann@example.com\uff20evil.example", None),
        ("ann\uff20evil.example@example.com", None),
        ("ann\ufe6bevil.example@example.com", None),
        ("ann@evil.example\uff0ccom", None),
        ("ann@example.com\uff0cbob@example.com", None),
        ("ann@exam\u2105ple.com", None),
        ("ann\uff1cbob@evil.example\uff1e@example.com", None),
    ],
)
def test_u6_addresses_are_judged_after_normalising(typed: str, kept: str | None) -> None:
    if kept is None:
        with pytest.raises(InvalidField):
            check_email(typed)
    else:
        assert check_email(typed)[0] == kept


@pytest.mark.parametrize(
    ("password", "accepted"),
    [
        ("a fourteen-char"[:14], False),
        ("fifteen letters", True),
        ("\U0001f600\U0001f680\U0001f40d\U0001f3b8\U0001f30d" * 2 + " five", True),  # 15 code points, 45 bytes
        ("word " * 12 + "end!", True),  # 64
        (("many words, " * 6)[:60] + "end!", True),
        ("".join(chr(0x21 + n % 90) for n in range(1024)), True),
        ("".join(chr(0x21 + n % 90) for n in range(1025)), False),
        ("".join(chr(0x430 + n % 31) for n in range(512)), True),
        ("".join(chr(0x430 + n % 31) for n in range(513)), False),
        ("x" * 1_000_000, False),
        ("correct horse\0fine", False),
        ("correct horse\ud800fine", False),
        (" " * 20, False),
        ("\u3000" * 20, False),
        ("\t" * 20, False),
    ],
)
def test_u7_lengths_and_letters(password: str, accepted: bool) -> None:  # noqa: FBT001 - a column of the table
    if accepted:
        assert check_password(password, min_length=15) == password
    else:
        with pytest.raises(InvalidField) as refused:
            check_password(password, min_length=15)
        assert refused.value.field == "password"


def test_u7_nfc_and_nfd_log_in_alike_and_nothing_is_cut() -> None:
    async def scenario() -> None:
        house = House(account_rate=NO_LIMIT)
        nfc, nfd = "caf\u00e9 na\u00efve \u00e0 la carte", "cafe\u0301 nai\u0308ve a\u0300 la carte"
        await house.accounts.register("ann", nfd, None, HOME)
        assert await house.attempt("ann", nfc) == "in"
        assert await house.attempt("ann", nfd) == "in"
        long = "".join(chr(0x21 + n % 90) for n in range(1024))
        await house.accounts.register("bob", long, None, HOME)
        assert await house.attempt("bob", long) == "in"
        for other in (long[:-1], long[:72], long + "x", long[:-1] + "~~", long[:72] + "\0" + long[73:]):
            assert await house.attempt("bob", other) == "WrongCredentials"

    run(scenario)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("passwordpassword", "most common"),
        ("passwordpassword1", "most common"),
        ("letmeinletmein123", "most common"),
        ("ann.lee@example.com", "your name, your email"),
        ("ANN.LEE@EXAMPLE.COM1", "your name, your email"),
        ("annabella annabella", "your name, your email"),
        ("annabellaexample", "your name, your email"),
        ("sealring-sealring", "name of this service"),
        ("annabella12345678", "name of this service"),
    ],
)
def test_u8_common_and_own_words_are_refused_with_the_reason(password: str, why: str) -> None:
    context = ("annabella", "ann.lee@example.com", "sealring")
    with pytest.raises(InvalidField) as refused:
        check_password(password, min_length=15, context=context)
    assert why in refused.value.reason


def test_u8_long_input_is_bounded_before_it_is_normalised() -> None:
    # 256 Ki combining marks out of order: normalising them takes minutes, so this test ends only if nothing does
    hostile = "\u0301\u0316" * 131_072
    with pytest.raises(InvalidField):
        check_password(hostile, min_length=15)
    with pytest.raises(InvalidField):
        check_name(hostile)
    with pytest.raises(InvalidField):
        check_email("a" + hostile + "@example.com")

    async def scenario() -> None:
        assert await House().attempt(hostile, hostile) == "WrongCredentials"

    run(scenario)


def test_u9_of_a_hundred_parallel_guesses_ten_are_verified() -> None:
    async def scenario() -> None:
        house = House(account_rate=RateLimit(10, 300), address_rate=NO_LIMIT)
        await house.register()
        before = house.hasher.computed
        clients = [ClientInfo(f"198.51.100.{number}") for number in range(100)]
        outcomes = await asyncio.gather(*(house.attempt("ann", OTHER, client) for client in clients))
        assert Counter(outcomes) == {"WrongCredentials": 10, "Throttled": 90}
        assert house.hasher.computed - before == 10

    run(scenario)


def test_u9_a_right_guess_among_too_many_is_not_told() -> None:
    async def scenario() -> None:
        house = House(account_rate=RateLimit(10, 300), address_rate=NO_LIMIT)
        await house.register()
        for _ in range(10):
            assert await house.attempt("ann", OTHER) == "WrongCredentials"
        assert await house.attempt("ann", GOOD) == "Throttled"

    run(scenario)


def test_u10_a_spray_over_many_names_fills_the_bucket_of_its_address() -> None:
    async def scenario() -> None:
        house = House(address_rate=RateLimit(60, 60))
        outcomes = Counter([await house.attempt(f"user{number}", OTHER) for number in range(500)])
        assert 60 <= outcomes["WrongCredentials"] <= 61  # the one that finds it full has been hashed already
        assert outcomes["Throttled"] == 500 - outcomes["WrongCredentials"]
        house.now_ms += 10_000  # ten more by then, and one at a time
        outcomes = Counter(await asyncio.gather(*(house.attempt(f"more{number}", OTHER) for number in range(100))))
        assert outcomes == {"WrongCredentials": 1, "Throttled": 99}
        assert await house.attempt("anybody", OTHER, ClientInfo("198.51.100.1")) == "WrongCredentials"

    run(scenario)


def test_u10_a_parallel_spray_overshoots_by_no_more_than_the_places() -> None:
    async def scenario() -> None:
        house = House(address_rate=RateLimit(60, 60))
        outcomes = Counter(await asyncio.gather(*(house.attempt(f"user{n}", OTHER) for n in range(500))))
        assert 60 <= outcomes["WrongCredentials"] <= 60 + house.hasher.places

    run(scenario)


@pytest.mark.parametrize(
    "addresses",
    [
        [f"2001:db8:0:1::{number:x}" for number in range(1, 80)],  # one customer's /64
        [f"::ffff:192.0.2.{1}" for _ in range(80)],
        ["unknown", "", "\0", "192.0.2.1:80", "a" * 1000, "' OR 1=1--", "1.2.3.4, 5.6.7.8"] * 12,
    ],
)
def test_u10_addresses_that_cost_nothing_share_a_bucket(addresses: list[str]) -> None:
    async def scenario() -> None:
        house = House(address_rate=RateLimit(20, 60))
        outcomes = Counter([await house.attempt(f"u{n}", OTHER, ClientInfo(a)) for n, a in enumerate(addresses)])
        assert 20 <= outcomes["WrongCredentials"] <= 21
        assert outcomes["Throttled"] == len(addresses) - outcomes["WrongCredentials"]

    run(scenario)


def test_u11_a_known_device_gets_in_while_strangers_guess() -> None:
    async def scenario() -> None:
        house = House(account_rate=RateLimit(5, 300), address_rate=NO_LIMIT)
        account = await house.register()
        cookie = house.devices.issue(account.canonical_name, bytes(16))
        for _ in range(20):
            await house.attempt("ann", OTHER)
        assert await house.attempt("ann", GOOD) == "Throttled"
        # neither a forged cookie nor one of another account opens a bucket
        other = house.devices.issue("bob", bytes(16))
        for text in (cookie[:-1] + ("A" if cookie[-1] != "A" else "B"), other, "", "x" * 5000, "\ud800"):
            assert await house.attempt("ann", GOOD, ClientInfo("192.0.2.1", "", text)) == "Throttled"
        # the known device has a bucket, not a free pass
        outcomes = [await house.attempt("ann", OTHER, ClientInfo("192.0.2.1", "", cookie)) for _ in range(4)]
        assert outcomes == ["WrongCredentials"] * 4
        assert await house.attempt("ANN", GOOD, ClientInfo("192.0.2.1", "", cookie)) == "in"

    run(scenario)


def test_u12_valid_log_ins_all_at_once_succeed() -> None:
    async def scenario() -> None:
        house = House(account_rate=RateLimit(10, 300), address_rate=RateLimit(10, 60))
        await house.register()
        outcomes = await asyncio.gather(*(house.attempt("ann", GOOD) for _ in range(100)))
        assert Counter(outcomes) == {"in": 100}

    run(scenario)


def test_u12_valid_log_ins_all_at_once_succeed_through_a_rehash() -> None:
    async def scenario() -> None:
        older = House(profile=OLDER)
        await older.register()
        house = House(older.store, account_rate=RateLimit(10, 300))
        outcomes = await asyncio.gather(*(house.attempt("ann", GOOD) for _ in range(20)))
        assert Counter(outcomes) == {"in": 20}

    run(scenario)


def test_u12_a_valid_log_in_succeeds_while_others_fail() -> None:
    async def scenario() -> None:
        house = House(account_rate=RateLimit(10, 300), address_rate=NO_LIMIT)
        await house.register("ann")
        await house.register("bob")
        wrong = [house.attempt("ann", OTHER, ClientInfo("203.0.113.9")) for _ in range(50)]
        right = [house.attempt("bob", GOOD) for _ in range(5)]
        outcomes = await asyncio.gather(*wrong, *right)
        assert outcomes[50:] == ["in"] * 5

    run(scenario)


def session_of(account: Account) -> Session:
    return Session(
        id="s" * 22,
        subject=account.id,
        client_id="test",
        scopes=(),
        created_at=1_800_000_000,
        auth_time=1_800_000_000,
        last_seen_at=1_800_000_000,
        idle_seconds=3600,
        expires_at=1_800_003_600,
        minted_ms=1_800_000_000_000,
        confirmed_ms=1_800_000_000_000,
    )


@pytest.mark.parametrize("meanwhile", ["nothing", "changed", "disabled", "deleted", "set"])
def test_u13_a_session_starts_only_on_what_was_proved(meanwhile: str) -> None:
    async def scenario() -> None:
        house = House()
        account = await house.register()
        proved = await house.authenticate("ann", GOOD, HOME)
        if meanwhile == "changed":
            await house.accounts.change_password(account.id, GOOD, OTHER, keep_session=None, client=HOME)
        elif meanwhile == "disabled":
            await house.accounts.disable(account.id)
        elif meanwhile == "deleted":
            await house.accounts.delete(account.id)
        elif meanwhile == "set":
            await house.accounts.set_password(account.id, GOOD)  # the same password, yet not the same hash
        started = await house.store.start_session(
            session_of(proved),
            Event(kind="login", at_ms=0, subject=account.id),
            guard=LoginGuard(epoch=proved.epoch),
            cap=10,
            replaces=None,
        )
        assert (started.result is not None) == (meanwhile == "nothing")

    run(scenario)


class Overtaken(MemoryStore):
    """A store in which something else gets in first, once, just before a rehash is written."""

    first: Callable[[], Coroutine[Any, Any, None]] | None = None

    async def change_account(self, id: str, change: AccountChange, event: Event, *, now: int) -> Committed[bool]:
        first, self.first = self.first, None
        if first is not None:
            await first()
        return await super().change_account(id, change, event, now=now)


@pytest.mark.parametrize("meanwhile", ["changed", "disabled", "deleted", "rehashed"])
def test_u14_a_rehash_never_writes_an_old_password_back(meanwhile: str) -> None:
    async def scenario() -> None:
        store = Overtaken()
        older = House(store, profile=OLDER)
        account = await older.register()
        house = House(store)

        async def change() -> None:
            if meanwhile == "changed":
                await house.accounts.set_password(account.id, OTHER)
            elif meanwhile == "disabled":
                await store.change_account(
                    account.id,
                    StatusChange(status="disabled"),
                    Event(kind="account_disabled", at_ms=0),
                    now=0,
                )
            elif meanwhile == "deleted":
                await house.accounts.delete(account.id)
            else:
                await house.authenticate("ann", GOOD, HOME)

        store.first = change
        outcome = await house.attempt("ann", GOOD)
        if meanwhile == "disabled":
            # the hash had not moved, so it was rehashed; the guard of the session refuses the rest (U13)
            assert outcome == "in"
            assert await house.attempt("ann", GOOD) == "WrongCredentials"
        else:
            assert outcome == ("in" if meanwhile == "rehashed" else "WrongCredentials")
        if meanwhile == "changed":
            assert await house.attempt("ann", GOOD) == "WrongCredentials"
            assert await house.attempt("ann", OTHER) == "in"

    run(scenario)


def test_u14_a_change_by_the_user_outlives_a_rehash_that_got_in_first() -> None:
    async def scenario() -> None:
        store = Overtaken()
        older = House(store, profile=OLDER)
        account = await older.register()
        house = House(store)

        async def rehash() -> None:
            await house.authenticate("ann", GOOD, HOME)

        store.first = rehash
        await house.accounts.change_password(account.id, GOOD, OTHER, keep_session=None, client=HOME)
        assert await house.attempt("ann", OTHER) == "in"
        assert await house.attempt("ann", GOOD) == "WrongCredentials"

    run(scenario)


@pytest.mark.parametrize(
    "planted",
    [
        "$argon2id$v=19$m=8388608,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43,  # 8 GiB
        "$argon2id$v=19$m=65536,t=9999,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=1,p=99$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43,
        "$argon2id$v=19$m=99999999999999999999,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43,
        "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 100_000,
        "$2b$31$abcdefghijklmnopqrstuu5Mj2uV2F5yUeYm4jv0bM1c8M0jM2yW.",
        "$2b$15$" + "a" * 53,
        "$pbkdf2-sha256$i=2000001$c2FsdHNhbHQ$" + "A" * 43,
        "$scrypt$ln=20,r=8,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "$scrypt$ln=10,r=8,p=1025$c2FsdHNhbHQ$" + "A" * 43,
        "correct horse fine staple",
        "",
    ],
)
def test_u15_a_poisoned_hash_costs_no_more_than_any_and_never_matches(
    planted: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        house = House()
        account = await house.register()
        await plant_hash(house.store, account, planted)
        before = house.hasher.computed
        assert await house.attempt("ann", GOOD) == "WrongCredentials"
        assert house.hasher.computed == before + 1
        assert any("never matches" in record.getMessage() for record in caplog.records)
        assert not any(planted in record.getMessage() for record in caplog.records if planted)

    run(scenario)


def test_d1_a_flood_of_log_ins_is_refused_beyond_the_queue() -> None:
    async def scenario() -> None:
        house = House(address_rate=NO_LIMIT)
        house.hasher.queue.max_waiting = 20
        outcomes = Counter(await asyncio.gather(*(house.attempt(f"user{n}", OTHER) for n in range(500))))
        assert outcomes["WrongCredentials"] == house.hasher.places + 20
        assert outcomes["Overloaded"] == 500 - house.hasher.places - 20

    run(scenario)


def test_d2_registrations_from_one_address_are_bounded() -> None:
    async def scenario() -> None:
        house = House(address_rate=RateLimit(2, 60), registration_rate=RateLimit(20, 3600))
        outcomes: Counter[str] = Counter()
        for number in range(40):
            try:
                await house.register(f"user{number}")
                outcomes["in"] += 1
            except Throttled:
                outcomes["Throttled"] += 1
        assert outcomes == {"in": 20, "Throttled": 20}

    run(scenario)


def test_d2_asking_for_taken_names_fills_the_bucket_of_the_address() -> None:
    async def scenario() -> None:
        house = House(address_rate=RateLimit(5, 60))
        await house.register()
        outcomes: Counter[str] = Counter()
        for _ in range(20):
            try:
                await house.register()
            except SealringError as refused:
                outcomes[type(refused).__name__] += 1
        assert 5 <= outcomes["NameTaken"] <= 6
        assert outcomes["Throttled"] == 20 - outcomes["NameTaken"]

    run(scenario)
