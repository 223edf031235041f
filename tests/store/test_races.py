"""Races between two processes on one real store: whichever commits second sees the first."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealring.accounts.account import Account
from sealring.accounts.changes import (
    CredentialAdded,
    CredentialRemoved,
    Deletion,
    PasswordChange,
    ScopesChange,
    StatusChange,
)
from sealring.accounts.credential import Credential
from sealring.authentication.one_time import OneTime, digest_of
from sealring.authentication.recovery_codes import RecoveryCodes
from sealring.authentication.sealed import Sealed
from sealring.authentication.totp import code_at, step_at
from sealring.errors import NameTaken
from sealring.issuer.methods import Proved
from sealring.issuer.methods.recovery_code import RecoveryCodeMethod
from sealring.issuer.methods.recovery_code import credential_id as recovery_id
from sealring.issuer.methods.totp import TotpMethod
from sealring.issuer.totp_enrollment import TotpEnrollment
from sealring.issuer.totp_enrollment import credential_id as totp_id
from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.rate import RateLimit
from sealring.revocation.entry import Entry
from sealring.sessions.revocation import EndSession, EndSubject
from sealring.sessions.session import Session
from sealring.signing_keys.key import KeyRing
from sealring.store import open_store
from sealring.store.protocol import Store
from sealring.store.records import LoginGuard
from sealring.testing.store_contract.samples import (
    NOW,
    Started,
    a_key,
    a_session,
    an_account,
    an_event,
    entries_of,
    started_of,
)
from tests.store.race import Arena, Side

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("races")]

ROUNDS = 60


@pytest.fixture(params=[ROUNDS, pytest.param(600, marks=pytest.mark.slow)], autouse=True)
def rounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each race is begun so often; in the slow run far more often."""
    monkeypatch.setattr(sys.modules[__name__], "ROUNDS", request.param)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param in {"postgres", "pooled"}:
        dsn: str = request.getfixturevalue("postgres_dsn" if request.param == "postgres" else "pooled_dsn")
        yield dsn
    else:
        yield f"sqlite:///{tmp_path}/sealring.db"


also_pooled = pytest.mark.parametrize(
    "url",
    ["sqlite", *(pytest.param(kind, marks=pytest.mark.postgres) for kind in ("postgres", "pooled"))],
    indirect=True,
)


@pytest.fixture
async def shared(url: str) -> AsyncIterator[Store]:
    """The parent's own view of what the two processes fight over."""
    store = open_store(url)
    await store.open()
    yield store
    await store.close()


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with Arena() as processes:
        yield processes


Race = Callable[[Side, Side, Sequence[Any]], Awaitable[list[tuple[Any, Any]]]]


@pytest.fixture
def race(arena: Arena, url: str) -> Race:
    """Both sides against the store that the parent looks at, `shared`."""

    async def run(left: Side, right: Side, rounds: Sequence[Any]) -> list[tuple[Any, Any]]:
        return await asyncio.to_thread(arena.race, url, left, right, rounds)

    return run


def advanced(session: Session, mark: int) -> Session:
    return replace(session, generation=session.generation + 1, minted_ms=mark, child_minted_ms=mark)


async def refresh_left(store: Store, session: Session) -> bool:
    return await store.advance_session(session, advanced(session, 1))


async def refresh_right(store: Store, session: Session) -> bool:
    return await store.advance_session(session, advanced(session, 2))


async def refresh_many(store: Store, session: Session) -> list[bool]:
    swaps = (store.advance_session(session, advanced(session, mark)) for mark in range(25))
    return list(await asyncio.gather(*swaps))


async def log_out(store: Store, session: Session) -> tuple[Entry, ...]:
    end = EndSession(id=session.id, cause="logout")
    return (await store.revoke(end, an_event("session_ended"), now=NOW)).entries


async def end_for_reuse(store: Store, session: Session) -> tuple[Entry, ...]:
    end = EndSession(id=session.id, cause="reuse", unmoved=session)
    return (await store.revoke(end, an_event("refresh_reused"), now=NOW)).entries


async def end_all(store: Store, session: Session) -> tuple[Entry, ...]:
    end = EndSubject(subject=session.subject, cause="ended_by_operator")
    return (await store.revoke(end, an_event("subject_revoked"), now=NOW)).entries


async def log_in_guarded(store: Store, account: Account) -> tuple[str, Started | None]:
    session = a_session(account.id)
    started = await store.start_session(
        session,
        an_event(),
        guard=LoginGuard(epoch=account.epoch),
        cap=10,
        replaces=None,
    )
    return session.id, started_of(started)


async def log_in_by_a_guard_outside_the_transaction(store: Store, account: Account) -> Started | None:
    """The fault that the races must find: the epoch is looked at first, and the session starts after."""
    found = await store.find_account(id=account.id)
    if found is None or found.epoch != account.epoch:
        return None
    await asyncio.sleep(int(account.id[-1], 36) / 10_000)  # 0 to 3.5 ms: on every machine some changes fall in between
    return started_of(await store.start_session(a_session(account.id), an_event(), guard=None, cap=10, replaces=None))


async def change_scopes(store: Store, account: Account) -> tuple[Entry, ...] | None:
    return entries_of(await store.change_account(account.id, ScopesChange(scopes=("admin",)), an_event(), now=NOW))


async def log_in_unguarded(store: Store, session: Session) -> Started | None:
    mine = replace(session, id=a_session().id)
    return started_of(await store.start_session(mine, an_event(), guard=None, cap=1, replaces=None))


async def change_password(store: Store, account: Account) -> tuple[Entry, ...] | None:
    change = PasswordChange(old_hash=account.password_hash, new_hash="$argon2id$new")
    return entries_of(await store.change_account(account.id, change, an_event(), now=NOW))


async def rehash(store: Store, account: Account) -> tuple[Entry, ...] | None:
    change = PasswordChange(old_hash=account.password_hash, new_hash="$argon2id$old-rehashed", ends_sessions=False)
    return entries_of(await store.change_account(account.id, change, an_event(), now=NOW))


async def disable(store: Store, account: Account) -> tuple[Entry, ...] | None:
    change = StatusChange(status="disabled")
    return entries_of(await store.change_account(account.id, change, an_event(), now=NOW))


async def register(store: Store, name: str) -> bool:
    try:
        await store.create_account(an_account(name), an_event("account_created"))
    except NameTaken:
        return False
    return True


async def create_first_key(store: Store, version: int) -> str | None:
    key = a_key(an_account().id)
    written = await store.write_keys(version, [key], an_event("key_published"), now=NOW)
    return key.kid if written.result else None


async def attempt_fifty_times(store: Store, key: str) -> list[int]:
    bucket = Bucket(key=key, rate=RateLimit(10, 300))
    return list(await asyncio.gather(*(store.count_attempt([bucket], now=NOW) for _ in range(50))))


async def take_many(store: Store, digest: str) -> list[OneTime | None]:
    takes = (store.take_once(digest, purpose="reset", now=NOW) for _ in range(25))
    return list(await asyncio.gather(*takes))


async def put_many(store: Store, digest: str) -> list[bool]:
    one_time = OneTime(digest=digest, purpose="reset", subject="42", expires_at=NOW + 60)
    return list(await asyncio.gather(*(store.put_once(one_time) for _ in range(25))))


async def use_many(store: Store, credential: Credential) -> list[bool]:
    used = replace(credential, counter=credential.counter + 1)
    return list(await asyncio.gather(*(store.advance_credential(credential, used) for _ in range(25))))


SEALED = Sealed([bytes(32)])
PHONE = b"12345678901234567890"


def totp_of(store: Store) -> TotpMethod:
    """The method as an issuer has it, on a store of this process."""
    committing: Any = store  # what it does here neither revokes nor publishes
    return TotpMethod(committing, SEALED, TotpEnrollment(sealed=SEALED, issuer="", clock=lambda: 0), enrolls=False)


async def show_one_code(store: Store, account: Account) -> list[bool]:
    way, response = totp_of(store), {"code": code_at(PHONE, step_at(NOW))}
    shown = (way.prove(account, response, slot=None, browser="", now=NOW) for _ in range(25))
    return [isinstance(one, Proved) for one in await asyncio.gather(*shown)]


async def show_one_recovery_code(store: Store, account: Account) -> list[bool]:
    committing: Any = store
    way = RecoveryCodeMethod(committing, RecoveryCodes([PHONE * 2]))
    shown = (way.prove(account, {"code": "aaaa"}, slot=None, browser="", now=NOW) for _ in range(25))
    return [isinstance(one, Proved) for one in await asyncio.gather(*shown)]


async def started_sessions(store: Store, number: int = 0) -> list[Session]:
    sessions = [a_session(f"subject-{place}") for place in range(number or ROUNDS)]
    starts = (store.start_session(session, an_event(), guard=None, cap=10, replaces=None) for session in sessions)
    await asyncio.gather(*starts)
    return sessions


async def created_accounts(store: Store) -> list[Account]:
    accounts = [an_account(f"user-{place}") for place in range(ROUNDS)]
    await asyncio.gather(*(store.create_account(account, an_event("account_created")) for account in accounts))
    return accounts


async def row(store: Store, session: Session) -> Session:
    record = await store.read_session(session.id)
    assert record is not None
    return record.session


async def test_r1_of_two_processes_that_refresh_one_token_one_moves_the_row(race: Race, shared: Store) -> None:
    sessions = await started_sessions(shared)
    outcomes = await race(refresh_left, refresh_right, sessions)
    for session, (left, right) in zip(sessions, outcomes, strict=True):
        assert {left, right} == {True, False}
        assert await row(shared, session) == advanced(session, 1 if left else 2)


@also_pooled
async def test_r1_fifty_at_once_from_two_processes_move_the_row_once(race: Race, shared: Store) -> None:
    sessions = await started_sessions(shared, ROUNDS // 4)
    outcomes = await race(refresh_many, refresh_many, sessions)
    for left, right in outcomes:
        assert (left + right).count(True) == 1


async def test_r5_after_a_log_out_nothing_moves(race: Race, shared: Store) -> None:
    sessions = await started_sessions(shared)
    outcomes = await race(refresh_left, log_out, sessions)
    for session, (swapped, entries) in zip(sessions, outcomes, strict=True):
        found = await row(shared, session)
        assert found.ended_by == "logout"
        assert len(entries) == 1
        assert (found.generation == 1) == swapped


async def test_r5_after_an_end_of_all_nothing_moves(race: Race, shared: Store) -> None:
    sessions = await started_sessions(shared)
    outcomes = await race(refresh_left, end_all, sessions)
    for session, (swapped, entries) in zip(sessions, outcomes, strict=True):
        found = await row(shared, session)
        assert found.ended_by == "ended_by_operator"
        assert [entry.epoch for entry in entries] == [1]
        assert (found.generation == 1) == swapped


@also_pooled
async def test_r5_an_end_for_reuse_and_a_refresh_exclude_each_other(race: Race, shared: Store) -> None:
    sessions = await started_sessions(shared)
    outcomes = await race(refresh_left, end_for_reuse, sessions)
    for session, (swapped, entries) in zip(sessions, outcomes, strict=True):
        assert bool(entries) != swapped
        assert ((await row(shared, session)).ended_at is None) == swapped


async def test_r5_a_log_in_racing_an_end_of_all_is_ended_or_has_the_raised_epoch(race: Race, shared: Store) -> None:
    sessions = [a_session(f"subject-{place}") for place in range(ROUNDS)]
    outcomes = await race(log_in_unguarded, end_all, sessions)
    for session, (started, _) in zip(sessions, outcomes, strict=True):
        live = await shared.list_sessions(session.subject, now=NOW)
        assert len(live) == started.epoch
        assert started.epoch in {0, 1}


async def test_r6_two_rotations_in_one_second_are_ordered_by_generation(race: Race, shared: Store) -> None:
    first = await started_sessions(shared)
    second = [advanced(session, session.minted_ms) for session in first]
    for before, after in zip(first, second, strict=True):
        assert await shared.advance_session(before, after)
    outcomes = await race(refresh_left, refresh_left, second)
    for before, after, (left, right) in zip(first, second, outcomes, strict=True):
        assert {left, right} == {True, False}
        assert not await shared.advance_session(before, after)
        assert (await row(shared, before)).generation == 2


@also_pooled
async def test_u13_a_log_in_racing_a_password_change_is_refused_or_ended(race: Race, shared: Store) -> None:
    accounts = await created_accounts(shared)
    outcomes = await race(log_in_guarded, change_password, accounts)
    for account, ((sid, started), entries) in zip(accounts, outcomes, strict=True):
        assert len(entries) == 1
        assert await shared.list_sessions(account.id, now=NOW) == []
        record = await shared.read_session(sid)
        assert (record is None) == (started is None)
        assert started is None or started.epoch == 0


async def test_u13_the_races_find_a_guard_outside_the_transaction(race: Race, shared: Store) -> None:
    accounts = await created_accounts(shared)
    await race(log_in_by_a_guard_outside_the_transaction, change_password, accounts)
    assert [account.id for account in accounts if await shared.list_sessions(account.id, now=NOW)]


@also_pooled
async def test_u13_a_grant_without_a_guard_racing_a_disable_leaves_no_session(race: Race, shared: Store) -> None:
    accounts = await created_accounts(shared)
    await race(log_in_by_a_guard_outside_the_transaction, disable, accounts)
    for account in accounts:
        assert await shared.list_sessions(account.id, now=NOW) == []


async def test_u13_a_log_in_racing_other_scopes_is_refused_or_has_an_outdated_token(race: Race, shared: Store) -> None:
    accounts = await created_accounts(shared)
    outcomes = await race(log_in_guarded, change_scopes, accounts)
    for account, ((sid, started), entries) in zip(accounts, outcomes, strict=True):
        assert [entry.epoch for entry in entries] == [1]
        assert started is None or started.epoch == 0
        live = [session.id for session in await shared.list_sessions(account.id, now=NOW)]
        assert live == ([] if started is None else [sid])


async def test_u13_a_log_in_racing_a_disable_is_refused_or_ended(race: Race, shared: Store) -> None:
    accounts = await created_accounts(shared)
    outcomes = await race(log_in_guarded, disable, accounts)
    for account, ((sid, started), entries) in zip(accounts, outcomes, strict=True):
        assert len(entries) == 1
        assert await shared.list_sessions(account.id, now=NOW) == []
        assert ((await shared.read_session(sid)) is None) == (started is None)


async def test_u14_a_rehash_racing_a_change_never_brings_the_old_password_back(race: Race, shared: Store) -> None:
    accounts = await created_accounts(shared)
    outcomes = await race(rehash, change_password, accounts)
    for account, (rehashed, changed) in zip(accounts, outcomes, strict=True):
        assert (rehashed is None) != (changed is None)
        found = await shared.find_account(id=account.id)
        assert found is not None
        assert found.password_hash == ("$argon2id$new" if changed else "$argon2id$old-rehashed")


async def test_u3_of_two_processes_that_register_one_name_one_succeeds(race: Race, shared: Store) -> None:
    names = [f"user-{place}" for place in range(ROUNDS)]
    outcomes = await race(register, register, names)
    for pair in outcomes:
        assert sorted(pair) == [False, True]
    assert len(await shared.list_accounts()) == ROUNDS


async def test_k6_two_processes_that_create_the_first_key_agree(race: Race, shared: Store) -> None:
    version = (await shared.read_keys()).version
    rounds = [version + place for place in range(ROUNDS)]
    outcomes = await race(create_first_key, create_first_key, rounds)
    for left, right in outcomes:
        assert (left is None) != (right is None)
    ring: KeyRing = await shared.read_keys()
    assert [key.kid for key in ring.keys] == [outcomes[-1][0] or outcomes[-1][1]]


async def test_u9_a_hundred_attempts_from_two_processes_pass_ten_times(race: Race, shared: Store) -> None:
    keys = [f"bucket-{place}" for place in range(20)]
    outcomes = await race(attempt_fifty_times, attempt_fifty_times, keys)
    assert [(left + right).count(0) for left, right in outcomes] == [10] * len(keys)
    assert await shared.count_attempt([Bucket(key=keys[0], rate=RateLimit(10, 300))], now=NOW) == 30


async def test_d2_two_log_ins_at_once_leave_one_session_at_a_cap_of_one(race: Race, shared: Store) -> None:
    sessions = [a_session(f"subject-{place}") for place in range(ROUNDS)]
    outcomes = await race(log_in_unguarded, log_in_unguarded, sessions)
    for session, (left, right) in zip(sessions, outcomes, strict=True):
        assert len(await shared.list_sessions(session.subject, now=NOW)) == 1
        assert sorted((len(left.entries), len(right.entries))) == [0, 1]


@also_pooled
async def test_f1_numbers_from_two_processes_are_gapless_and_never_given_twice(race: Race, shared: Store) -> None:
    sessions = [a_session(f"subject-{place}") for place in range(ROUNDS)]
    outcomes = await race(end_all, end_all, sessions)
    numbers = sorted(entry.number for pair in outcomes for entries in pair for entry in entries)
    assert numbers == list(range(1, 2 * ROUNDS + 1))
    page = await shared.load_feed(0)
    assert page.complete
    assert [entry.number for entry in page.entries] == numbers


@also_pooled
@pytest.mark.usefixtures("shared")
async def test_of_fifty_puts_and_of_fifty_takes_from_two_processes_one_wins(race: Race) -> None:
    digests = [digest_of("reset", str(place)) for place in range(40)]
    for left, right in await race(put_many, put_many, digests):
        assert (left + right).count(True) == 1
    for digest, (left, right) in zip(digests, await race(take_many, take_many, digests), strict=True):
        assert [taken.digest for taken in left + right if taken is not None] == [digest]


@also_pooled
async def test_of_fifty_uses_of_one_code_from_two_processes_one_wins(race: Race, shared: Store) -> None:
    account = an_account()
    await shared.create_account(account, an_event("account_created"))
    credentials = [
        Credential(id=f"key-{place}", account_id=account.id, method="code", created_at=NOW) for place in range(40)
    ]
    for epoch, credential in enumerate(credentials):
        change = CredentialAdded(credential=credential, epoch=epoch)
        assert (await shared.change_account(account.id, change, an_event(), now=NOW)).result
    for left, right in await race(use_many, use_many, credentials):
        assert (left + right).count(True) == 1


async def test_rfc6238_of_fifty_uses_of_one_code_from_two_processes_one_proves(race: Race, shared: Store) -> None:
    """RFC 6238 §5.2: the second attempt is refused, on whatever node."""
    accounts = [an_account(f"ann{place}") for place in range(10)]
    for account in accounts:
        await shared.create_account(account, an_event("account_created"))
        own_id = totp_id(account.id)
        seed = SEALED.encrypt(PHONE, context=own_id, nonce=bytes(12))
        own = Credential(id=own_id, account_id=account.id, method="totp", encrypted=seed, created_at=NOW)
        change = CredentialAdded(credential=own, epoch=0)
        assert (await shared.change_account(account.id, change, an_event("credential_added"), now=NOW)).result
    for account, (left, right) in zip(accounts, await race(show_one_code, show_one_code, accounts), strict=True):
        assert sum(left) + sum(right) == 1
        (own,) = await shared.find_credentials(account_id=account.id)
        assert own.counter == step_at(NOW)


async def test_of_fifty_uses_of_one_recovery_code_from_two_processes_one_proves(race: Race, shared: Store) -> None:
    accounts = [an_account(f"ann{place}") for place in range(10)]
    for account in accounts:
        await shared.create_account(account, an_event("account_created"))
        kept = RecoveryCodes([PHONE * 2]).keep(["bbbb", "aaaa"], account_id=account.id)
        own = Credential(
            id=recovery_id(account.id), account_id=account.id, method="recovery-code", public=kept, created_at=NOW
        )
        change = CredentialAdded(credential=own, epoch=0)
        assert (await shared.change_account(account.id, change, an_event("credential_added"), now=NOW)).result
    sides = await race(show_one_recovery_code, show_one_recovery_code, accounts)
    for account, (left, right) in zip(accounts, sides, strict=True):
        assert sum(left) + sum(right) == 1
        (own,) = await shared.find_credentials(account_id=account.id)
        assert own.counter == 0b10


async def remove_the_first(store: Store, account: Account) -> bool:
    change = CredentialRemoved(credential_id=f"{account.id} 1", epoch=2)
    return (await store.change_account(account.id, change, an_event(), now=NOW)).result


async def remove_the_second(store: Store, account: Account) -> bool:
    change = CredentialRemoved(credential_id=f"{account.id} 2", epoch=2)
    return (await store.change_account(account.id, change, an_event(), now=NOW)).result


@also_pooled
async def test_of_two_removals_at_once_which_each_leave_the_other_one_is_made(race: Race, shared: Store) -> None:
    accounts = [an_account(f"user{place}") for place in range(40)]
    for account in accounts:
        await shared.create_account(account, an_event("account_created"))
        for epoch in (0, 1):
            own = Credential(id=f"{account.id} {epoch + 1}", account_id=account.id, method="passkey", created_at=NOW)
            change = CredentialAdded(credential=own, epoch=epoch)
            assert (await shared.change_account(account.id, change, an_event(), now=NOW)).result
    outcomes = await race(remove_the_first, remove_the_second, accounts)
    assert all(left + right == 1 for left, right in outcomes)
    for account in accounts:
        assert len(await shared.find_credentials(account_id=account.id)) == 1


async def add_a_credential(store: Store, account: Account) -> tuple[Entry, ...] | None:
    credential = Credential(id=account.id, account_id=account.id, method="code", created_at=NOW)
    return entries_of(
        await store.change_account(account.id, CredentialAdded(credential=credential, epoch=0), an_event(), now=NOW)
    )


async def delete(store: Store, account: Account) -> tuple[Entry, ...] | None:
    return entries_of(await store.change_account(account.id, Deletion(), an_event(), now=NOW))


async def test_a_credential_added_while_its_account_is_deleted_does_not_outlive_it(race: Race, shared: Store) -> None:
    accounts = await created_accounts(shared)
    await race(add_a_credential, delete, accounts)
    for account in accounts:
        assert await shared.find_credentials(account_id=account.id) == []
