"""What every store promises, asked of each of them (D11)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sealring.accounts.changes import AccountChange, Deletion, EmailChange, PasswordChange, ScopesChange, StatusChange
from sealring.authentication.one_time import INVITATION, OneTime
from sealring.errors import InvalidField, InvitationRequired, NameTaken
from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.rate import RateLimit
from sealring.revocation.entry import Entry
from sealring.sessions.access_ttl import DeclaredTtl
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.sessions.revocation import EndSession, EndSubject, RefreshClaims
from sealring.sessions.session import Session
from sealring.store.protocol import FINISHED_SESSION_SECONDS, Store
from sealring.store.records import Committed, LoginGuard
from sealring.store.revocation_log import digest_of
from tests.store.samples import (
    NOW,
    RETAIN,
    TTL,
    Started,
    a_key,
    a_session,
    an_account,
    an_event,
    declare_ttl,
    entries_of,
    started_of,
)

KINDS = ["memory", "sqlite", *(pytest.param(kind, marks=pytest.mark.postgres) for kind in ("postgres", "pooled"))]
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("store", KINDS, indirect=True)]

ACTIVE = LoginGuard(epoch=0)


async def start(
    store: Store, session: Session, *, guard: LoginGuard | None = None, cap: int = 100, replaces: str | None = None
) -> Started | None:
    return started_of(await store.start_session(session, an_event(), guard=guard, cap=cap, replaces=replaces))


async def revoke(store: Store, revocation: EndSession | EndSubject | RefreshClaims) -> tuple[Entry, ...]:
    return (await store.revoke(revocation, an_event("session_ended"), now=NOW)).entries


async def end_of(store: Store, session: Session) -> str | None:
    record = await store.read_session(session.id)
    assert record is not None
    return record.session.ended_by


def moved(session: Session, **fields: object) -> Session:
    step: dict[str, object] = {
        "generation": session.generation + 1,
        "minted_ms": session.minted_ms + 60_000,
        "parent_minted_ms": session.minted_ms,
        "confirmed_ms": session.confirmed_ms + 61_000,
        "child_minted_ms": session.minted_ms + 61_000,
        "last_seen_at": session.last_seen_at + 61,
    }
    return replace(session, **(step | fields))  # type: ignore[arg-type]


# accounts


async def test_an_account_comes_back_as_it_was_written(store: Store) -> None:
    account = an_account(
        "straße", name="Straße ✓", email="A@x.example", canonical_email="a@x.example", scopes=("a", "b c", "ü")
    )
    await store.create_account(account, an_event("account_created", subject=account.id))
    assert await store.find_account(canonical_name="straße") == account
    assert await store.find_account(id=account.id) == account
    assert await store.find_account(canonical_name="strasse") is None
    assert await store.find_account(id="nobody") is None


async def test_a_taken_name_is_refused_and_leaves_nothing_behind(store: Store) -> None:
    await store.create_account(an_account(), an_event("account_created"))
    with pytest.raises(NameTaken):
        await store.create_account(an_account(), an_event("account_created"))
    assert len(await store.list_accounts()) == 1
    assert len(await store.read_events()) == 1


async def test_a_taken_email_is_refused_by_field(store: Store) -> None:
    await store.create_account(an_account("ada", canonical_email="a@x.example"), an_event("account_created"))
    with pytest.raises(InvalidField) as refused:
        await store.create_account(an_account("bob", canonical_email="a@x.example"), an_event("account_created"))
    assert refused.value.field == "email"
    await store.create_account(an_account("cy"), an_event("account_created"))
    await store.create_account(an_account("di"), an_event("account_created"))
    assert [account.name for account in await store.list_accounts()] == ["ada", "cy", "di"]


async def test_u3_of_twenty_registrations_of_one_name_one_succeeds(store: Store) -> None:
    attempts = [store.create_account(an_account(), an_event("account_created")) for _ in range(20)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(outcome, Committed) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, NameTaken) for outcome in outcomes) == 19
    assert len(await store.list_accounts()) == 1


def an_invitation(digest: str = "d1", expires_at: int = NOW + 60) -> OneTime:
    return OneTime(digest=digest, purpose=INVITATION, subject="", expires_at=expires_at)


async def test_an_invitation_is_used_up_with_the_account_or_not_at_all(store: Store) -> None:
    event = an_event("account_created")
    await store.create_account(an_account("ada"), event)
    await store.put_once(an_invitation())
    with pytest.raises(NameTaken):
        await store.create_account(an_account("ada"), event, invitation="d1")
    await store.create_account(an_account("bob"), event, invitation="d1")
    for digest in ("d1", "unknown"):
        with pytest.raises(InvitationRequired):
            await store.create_account(an_account("eve"), event, invitation=digest)
    await store.put_once(an_invitation("old", expires_at=NOW))
    await store.put_once(OneTime(digest="other", purpose="mail link", subject="", expires_at=NOW + 60))
    for digest in ("old", "other"):
        with pytest.raises(InvitationRequired):
            await store.create_account(an_account("eve", created_at=NOW), event, invitation=digest)
    assert [account.name for account in await store.list_accounts()] == ["ada", "bob"]
    assert len(await store.read_events()) == 2, "a refused registration leaves nothing behind"


async def test_of_twenty_registrations_with_one_invitation_one_succeeds(store: Store) -> None:
    await store.put_once(an_invitation())
    event = an_event("account_created")
    attempts = [store.create_account(an_account(f"u{number}"), event, invitation="d1") for number in range(20)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(outcome, Committed) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, InvitationRequired) for outcome in outcomes) == 19
    assert len(await store.list_accounts()) == 1


async def test_an_email_address_is_reserved_for_one_account(store: Store) -> None:
    ada, bob = an_account("ada", canonical_email="a@x.example"), an_account("bob")
    for account in (ada, bob):
        await store.create_account(account, an_event("account_created"))
    own, none = (EmailChange(email=email, canonical_email=email) for email in ("a@x.example", None))
    with pytest.raises(InvalidField) as refused:
        await store.change_account(bob.id, own, an_event(), now=NOW)
    assert refused.value.field == "email"
    for account, change in ((ada, own), (ada, none), (bob, none), (bob, own)):
        assert (await store.change_account(account.id, change, an_event(), now=NOW)).result
    found = await store.find_account(id=bob.id)
    assert found is not None
    assert (found.email, found.canonical_email) == ("a@x.example", "a@x.example")


async def test_j17_the_subject_of_a_deleted_account_is_never_used_again(store: Store) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    await store.change_account(account.id, Deletion(), an_event("account_deleted"), now=NOW)
    with pytest.raises(ValueError, match="never used again"):
        await store.create_account(account, an_event("account_created"))
    await store.create_account(an_account(), an_event("account_created"))


async def test_accounts_are_listed_by_canonical_name_in_pages(store: Store) -> None:
    for name in ("b", "a", "Z", "é", "c"):
        await store.create_account(an_account(name), an_event("account_created"))
    names = [account.canonical_name for account in await store.list_accounts()]
    assert names == ["Z", "a", "b", "c", "é"]
    page = await store.list_accounts(after="a", limit=2)
    assert [account.canonical_name for account in page] == ["b", "c"]


# changing an account


async def test_a_rehash_revokes_nothing(store: Store) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    await start(store, a_session(account.id), guard=ACTIVE)
    change = PasswordChange(old_hash=account.password_hash, new_hash="$argon2id$two", ends_sessions=False)
    assert entries_of(await store.change_account(account.id, change, an_event(), now=NOW)) == ()
    changed = await store.find_account(id=account.id)
    assert changed == replace(account, password_hash="$argon2id$two")
    assert len(await store.list_sessions(account.id, now=NOW)) == 1


async def test_u14_the_old_hash_is_never_written_back(store: Store) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    change = PasswordChange(old_hash=account.password_hash, new_hash="$argon2id$new")
    assert entries_of(await store.change_account(account.id, change, an_event(), now=NOW))
    rehash = PasswordChange(old_hash=account.password_hash, new_hash="$argon2id$old-rehashed", ends_sessions=False)
    before = len(await store.read_events())
    assert entries_of(await store.change_account(account.id, rehash, an_event(), now=NOW)) is None
    changed = await store.find_account(id=account.id)
    assert changed is not None
    assert changed.password_hash == "$argon2id$new"
    assert len(await store.read_events()) == before


async def test_i7_a_password_change_ends_every_session_but_the_kept_one_in_one_entry(store: Store) -> None:
    await declare_ttl(store)
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    kept, other = a_session(account.id), a_session(account.id)
    await start(store, kept, guard=ACTIVE)
    await start(store, other, guard=ACTIVE)
    change = PasswordChange(old_hash=account.password_hash, new_hash="new", keep_session=kept.id)
    entries = entries_of(await store.change_account(account.id, change, an_event("password_changed"), now=NOW))
    assert entries is not None
    assert [(entry.kind, entry.target, entry.epoch, entry.expires_at) for entry in entries] == [
        ("subject", account.id, 1, NOW + RETAIN)
    ]
    assert [session.id for session in await store.list_sessions(account.id, now=NOW)] == [kept.id]
    assert await end_of(store, other) == "subject_revoked"
    record = await store.read_session(kept.id)
    assert record is not None
    assert record.epoch == 1
    assert record.account == replace(account, password_hash="new", epoch=1)


@pytest.mark.parametrize("change", [StatusChange(status="disabled"), Deletion()])
async def test_disable_and_delete_end_every_session(store: Store, change: StatusChange | Deletion) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    session = a_session(account.id)
    await start(store, session, guard=ACTIVE)
    entries = entries_of(await store.change_account(account.id, change, an_event(), now=NOW))
    assert entries is not None
    assert [(entry.kind, entry.epoch) for entry in entries] == [("subject", 1)]
    assert await end_of(store, session) == "subject_revoked"
    assert await start(store, a_session(account.id), guard=ACTIVE) is None


async def test_enabling_revokes_nothing_and_revives_nothing(store: Store) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    session = a_session(account.id)
    await start(store, session, guard=ACTIVE)
    off, on = StatusChange(status="disabled"), StatusChange(status="active")
    assert entries_of(await store.change_account(account.id, off, an_event(), now=NOW))
    entries = entries_of(await store.change_account(account.id, on, an_event(), now=NOW))
    assert entries == ()
    assert await end_of(store, session) == "subject_revoked"
    assert await start(store, a_session(account.id), guard=ACTIVE) is None
    started = await start(store, a_session(account.id), guard=LoginGuard(epoch=1))
    assert started == Started(1, ())


async def test_other_scopes_make_tokens_stale_and_keep_sessions(store: Store) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    session = a_session(account.id)
    await start(store, session, guard=ACTIVE)
    change = ScopesChange(scopes=("admin",))
    entries = entries_of(await store.change_account(account.id, change, an_event(), now=NOW))
    assert entries is not None
    assert [(entry.kind, entry.epoch) for entry in entries] == [("subject", 1)]
    record = await store.read_session(session.id)
    assert record is not None
    assert record.session.ended_at is None
    assert record.account is not None
    assert record.account.scopes == ("admin",)


async def test_changing_nobody_changes_nothing(store: Store) -> None:
    for change in (StatusChange(status="disabled"), Deletion(), ScopesChange(scopes=())):
        assert entries_of(await store.change_account("nobody", change, an_event(), now=NOW)) is None
    assert await store.read_events() == []


# starting sessions


async def test_a_session_comes_back_as_it_was_written(store: Store) -> None:
    session = a_session(
        claims={"roles": ["a", "ü"], "n": 2**53, "deep": {"x": None}},
        device="Firefox on Linux",
        address="2001:db8::1",
        generation=3,
        parent_minted_ms=5,
        child_minted_ms=7,
        auth_time=NOW - 60,
        amr=("pwd", "otp", "mfa"),
        acr="mfa",
    )
    assert await start(store, session) == Started(0, ())
    record = await store.read_session(session.id)
    assert record is not None
    assert record.session == session
    assert (record.epoch, record.account) == (0, None)
    assert await store.read_session("unknown") is None


async def test_a_name_that_no_column_can_hold_names_nothing(store: Store) -> None:
    for odd in ("a\0b", "\ud800", "🜨" * 1000):
        assert await store.find_account(canonical_name=odd) is None
        assert await store.find_account(id=odd) is None
        assert await store.read_session(odd) is None
        assert await revoke(store, EndSession(id=odd, cause="ended_by_user")) == ()
        assert await revoke(store, EndSession(id="x", cause="ended_by_user", subject=odd)) == ()
        assert await store.count_attempt([Bucket(key=odd, rate=RateLimit(1, 60))], now=NOW) == 0
        await store.settle_attempt("", an_event("login_failed", detail={"name": odd}, address=odd))
    assert len(await store.read_events()) == 3
    assert [event.detail for event in await store.read_events()][:2] == [{"name": "a\0b"}, {"name": "\ud800"}]


async def test_d14_odd_text_from_outside_is_kept_in_a_form_that_columns_hold(store: Store) -> None:
    session = a_session(device="odd\0\ud800", address="::1")
    await start(store, session)
    other = a_session(device="fine")
    await start(store, other)
    swaps = [
        store.advance_session(session, moved(session, device="\0", address='"\\{},NULL')),
        store.advance_session(other, moved(other, device="NULL", address="")),
    ]
    assert all(await asyncio.gather(*swaps))
    first, second = await store.read_session(session.id), await store.read_session(other.id)
    assert first is not None
    assert second is not None
    assert first.session.address == '"\\{},NULL'
    assert (second.session.device, second.session.address) == ("NULL", "")


@pytest.mark.parametrize("epoch", [-1, 1, 2])
async def test_u13_a_session_starts_only_with_the_epoch_that_was_proved_against(store: Store, epoch: int) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    session = a_session(account.id)
    assert await start(store, session, guard=LoginGuard(epoch=epoch)) is None
    assert await store.read_session(session.id) is None
    assert len(await store.read_events()) == 1


OVERTAKING: list[tuple[AccountChange, bool]] = [
    (PasswordChange(old_hash="$argon2id$one", new_hash="$argon2id$two", ends_sessions=False), True),
    (PasswordChange(old_hash="$argon2id$one", new_hash="$argon2id$two"), False),
    (PasswordChange(old_hash="$argon2id$one", new_hash="$argon2id$one"), False),
    (ScopesChange(scopes=("admin",)), False),
    (EmailChange(email="b@x.example", canonical_email="b@x.example"), False),
    (StatusChange(status="disabled"), False),
    (StatusChange(status="active"), True),
    (Deletion(), False),
]


@pytest.mark.parametrize(("change", "starts"), OVERTAKING)
async def test_u13_what_overtakes_a_login_keeps_its_session_from_starting(
    store: Store, change: AccountChange, *, starts: bool
) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    assert entries_of(await store.change_account(account.id, change, an_event(), now=NOW)) is not None
    assert (await start(store, a_session(account.id), guard=ACTIVE) is not None) == starts


async def test_u13_a_session_does_not_start_after_all_were_ended(store: Store) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    assert await revoke(store, EndSubject(subject=account.id, cause="ended_by_user"))
    assert await start(store, a_session(account.id), guard=ACTIVE) is None
    found = await store.find_account(id=account.id)
    assert found is not None
    assert await start(store, a_session(account.id), guard=LoginGuard(epoch=found.epoch)) is not None


async def test_u13_a_disabled_account_starts_no_session_at_its_present_epoch(store: Store) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    assert entries_of(await store.change_account(account.id, StatusChange(status="disabled"), an_event(), now=NOW))
    assert await start(store, a_session(account.id), guard=LoginGuard(epoch=1)) is None


async def test_a_guard_for_nobody_does_not_hold(store: Store) -> None:
    assert await start(store, a_session("nobody"), guard=ACTIVE) is None


async def test_c1_the_session_that_the_browser_held_before_ends(store: Store) -> None:
    mallory, victim = a_session("mallory"), a_session("victim")
    await start(store, mallory)
    started = await start(store, victim, replaces=mallory.id)
    assert started is not None
    assert [(entry.kind, entry.target) for entry in started.entries] == [("session", mallory.id)]
    assert await end_of(store, mallory) == "replaced"
    again = await start(store, a_session("victim"), replaces=mallory.id)
    assert again is not None
    assert again.entries == ()
    ended = [event for event in await store.read_events() if event.kind == "session_ended"]
    assert [(event.session, event.subject, event.cause) for event in ended] == [(mallory.id, "mallory", "replaced")]


async def test_d2_the_oldest_sessions_beyond_the_cap_end(store: Store) -> None:
    sessions = [a_session(created_at=NOW + age) for age in range(5)]
    stranger = a_session("43", created_at=NOW - 100)
    await start(store, stranger)
    for session in sessions[:4]:
        await start(store, session)
    started = await start(store, sessions[4], cap=2)
    assert started is not None
    assert {entry.target for entry in started.entries} == {session.id for session in sessions[:3]}
    live = await store.list_sessions("42", now=NOW + 5)
    assert [session.id for session in live] == [sessions[4].id, sessions[3].id]
    assert await end_of(store, sessions[0]) == "over_cap"
    assert await end_of(store, stranger) is None


async def test_sessions_past_their_limits_do_not_count_against_the_cap(store: Store) -> None:
    idle = a_session(idle_seconds=10)
    over = a_session(expires_at=NOW + 10)
    for session in (idle, over):
        await start(store, session)
    started = await start(store, a_session(created_at=NOW + 10), cap=1)
    assert started is not None
    assert started.entries == ()


async def test_concurrent_starts_do_not_exceed_the_cap(store: Store) -> None:
    sessions = [a_session(created_at=NOW + age) for age in range(12)]
    await asyncio.gather(*(start(store, session, cap=3) for session in sessions))
    assert len(await store.list_sessions("42", now=NOW + 20)) == 3


# refreshing


async def test_a_swap_moves_the_row_once(store: Store) -> None:
    session = a_session()
    await start(store, session)
    after = moved(session, claims={"a": 1}, scopes=("x",), device="curl", address="192.0.2.1")
    assert await store.advance_session(session, after)
    record = await store.read_session(session.id)
    assert record is not None
    assert record.session == after
    assert not await store.advance_session(session, after)
    assert await store.advance_session(after, moved(after))


async def test_a_swap_never_changes_whose_the_session_is_or_its_limits(store: Store) -> None:
    session = a_session()
    await start(store, session)
    hostile = moved(session, subject="root", expires_at=2**40, idle_seconds=2**40, ended_at=NOW, ended_by="logout")
    assert await store.advance_session(session, hostile)
    record = await store.read_session(session.id)
    assert record is not None
    assert record.session == moved(session)


@pytest.mark.parametrize("field", ["generation", "minted_ms", "child_minted_ms"])
async def test_a_swap_fails_when_any_part_of_the_confirmed_state_differs(store: Store, field: str) -> None:
    session = a_session(child_minted_ms=5)
    await start(store, session)
    assert not await store.advance_session(replace(session, **{field: 6}), moved(session))  # type: ignore[arg-type]
    no_child = a_session()
    await start(store, no_child)
    assert not await store.advance_session(replace(no_child, child_minted_ms=0), moved(no_child))
    assert await store.advance_session(no_child, moved(no_child))


async def test_r1_of_fifty_swaps_of_one_row_one_succeeds(store: Store) -> None:
    session = a_session()
    await start(store, session)
    swaps = [store.advance_session(session, moved(session, child_minted_ms=number)) for number in range(50)]
    won = [number for number, swapped in enumerate(await asyncio.gather(*swaps)) if swapped]
    assert len(won) == 1
    record = await store.read_session(session.id)
    assert record is not None
    assert record.session.child_minted_ms == won[0]


async def test_swaps_of_many_rows_at_once_each_move_their_own(store: Store) -> None:
    sessions = [a_session(str(number), minted_ms=number) for number in range(100)]
    for session in sessions:
        await start(store, session)
    stale = set(range(0, 100, 7))
    swaps = [
        store.advance_session(replace(session, generation=9) if number in stale else session, moved(session))
        for number, session in enumerate(sessions)
    ]
    assert {number for number, swapped in enumerate(await asyncio.gather(*swaps)) if not swapped} == stale
    for number, session in enumerate(sessions):
        record = await store.read_session(session.id)
        assert record is not None
        assert record.session == (session if number in stale else moved(session))


async def test_i5_an_ended_session_never_moves_again(store: Store) -> None:
    session = a_session()
    await start(store, session)
    await revoke(store, EndSession(id=session.id, cause="logout"))
    assert not await store.advance_session(session, moved(session))
    assert await end_of(store, session) == "logout"


# revoking


async def test_a_session_ends_once(store: Store) -> None:
    await declare_ttl(store)
    session = a_session()
    await start(store, session)
    entries = await revoke(store, EndSession(id=session.id, cause="logout", subject="42"))
    assert [(e.number, e.kind, e.target, e.epoch, e.expires_at) for e in entries] == [
        (1, "session", session.id, 0, NOW + RETAIN)
    ]
    events = len(await store.read_events())
    assert await revoke(store, EndSession(id=session.id, cause="reuse")) == ()
    assert await end_of(store, session) == "logout"
    assert len(await store.read_events()) == events


async def test_q21_nobody_ends_a_session_of_another(store: Store) -> None:
    session = a_session("victim")
    await start(store, session)
    assert await revoke(store, EndSession(id=session.id, cause="ended_by_user", subject="mallory")) == ()
    assert await revoke(store, EndSession(id="unknown", cause="ended_by_user")) == ()
    assert await end_of(store, session) is None


async def test_a_session_past_its_limits_can_be_ended(store: Store) -> None:
    session = a_session(idle_seconds=1, created_at=NOW - 60)
    await start(store, session)
    assert len(await revoke(store, EndSession(id=session.id, cause="logout"))) == 1


async def test_an_end_for_a_row_that_has_moved_does_nothing(store: Store) -> None:
    session = a_session()
    await start(store, session)
    after = moved(session)
    await store.advance_session(session, after)
    assert await revoke(store, EndSession(id=session.id, cause="reuse", unmoved=session)) == ()
    assert await end_of(store, session) is None
    assert len(await revoke(store, EndSession(id=session.id, cause="reuse", unmoved=after))) == 1


@pytest.mark.parametrize("keep", [False, True])
async def test_ending_a_subject_is_one_entry_whatever_the_number_of_sessions(store: Store, *, keep: bool) -> None:
    sessions = [a_session() for _ in range(5)]
    stranger = a_session("43")
    for session in (*sessions, stranger):
        await start(store, session)
    kept = sessions[2].id if keep else None
    entries = await revoke(store, EndSubject(subject="42", cause="ended_by_operator", keep=kept))
    assert [(entry.kind, entry.target, entry.epoch) for entry in entries] == [("subject", "42", 1)]
    assert [session.id for session in await store.list_sessions("42", now=NOW)] == ([kept] if keep else [])
    assert await end_of(store, sessions[0]) == "ended_by_operator"
    assert await end_of(store, stranger) is None
    started = await start(store, a_session())
    assert started == Started(1, ())


async def test_a_revocation_says_how_many_sessions_it_ended_and_none_where_it_did_nothing(store: Store) -> None:
    sessions = [a_session() for _ in range(4)]
    for session in (*sessions, a_session("43")):
        await start(store, session)
    everything: list[EndSession | EndSubject | RefreshClaims] = [
        EndSession(id=sessions[0].id, cause="logout"),
        EndSession(id=sessions[0].id, cause="logout"),
        RefreshClaims(subject="42"),
        EndSubject(subject="42", cause="ended_by_user", keep=sessions[1].id),
        EndSubject(subject="42", cause="ended_by_user"),
        EndSubject(subject="42", cause="ended_by_user"),
        EndSubject(subject="\0", cause="ended_by_user"),
    ]
    ended = [(await store.revoke(one, an_event("session_ended"), now=NOW)).result for one in everything]
    assert ended == [1, None, 0, 2, 1, 0, None]


async def test_j18_a_stale_subject_keeps_its_sessions(store: Store) -> None:
    session = a_session()
    await start(store, session)
    assert await store.read_epoch("42") == 0
    entries = await revoke(store, RefreshClaims(subject="42")) + await revoke(store, RefreshClaims(subject="42"))
    assert (await store.read_epoch("42"), await store.read_epoch("43")) == (2, 0)
    assert [(entry.kind, entry.epoch) for entry in entries] == [("subject", 1), ("subject", 2)]
    record = await store.read_session(session.id)
    assert record is not None
    assert (record.epoch, record.session.ended_at) == (2, None)


async def test_concurrent_epoch_raises_are_all_counted(store: Store) -> None:
    entries = await asyncio.gather(*(revoke(store, RefreshClaims(subject="42")) for _ in range(20)))
    assert sorted(entry.epoch for (entry,) in entries) == list(range(1, 21))
    assert sorted(entry.number for (entry,) in entries) == list(range(1, 21))


# listing sessions


async def test_live_sessions_are_listed_newest_first(store: Store) -> None:
    first, second = a_session(created_at=NOW), a_session(created_at=NOW + 5)
    other = a_session("43", created_at=NOW + 3)
    for session in (second, other, first):
        await start(store, session)
    assert await store.list_sessions("42", now=NOW + 9) == [second, first]
    assert await store.list_sessions(None, now=NOW + 9) == [second, other, first]
    assert await store.list_sessions(None, now=NOW + 9, limit=2) == [second, other]
    assert await store.list_sessions("nobody", now=NOW) == []


async def test_r11_limits_hold_to_the_second(store: Store) -> None:
    await start(store, a_session("idle", idle_seconds=100))
    await start(store, a_session("absolute", expires_at=NOW + 100))
    for subject in ("idle", "absolute"):
        assert len(await store.list_sessions(subject, now=NOW + 99)) == 1
        assert await store.list_sessions(subject, now=NOW + 100) == []


# throttling


BUCKET = Bucket(key="account:ada", rate=RateLimit(10, 300))


async def test_u9_of_a_hundred_attempts_at_once_ten_pass(store: Store) -> None:
    waits = await asyncio.gather(*(store.count_attempt([BUCKET], now=NOW) for _ in range(100)))
    assert waits.count(0) == 10
    assert set(waits) == {0, 30}


async def test_a_full_bucket_opens_when_it_said(store: Store) -> None:
    for _ in range(10):
        assert await store.count_attempt([BUCKET], now=NOW) == 0
    assert await store.count_attempt([BUCKET], now=NOW) == 30
    assert await store.count_attempt([BUCKET], now=NOW + 29) == 1
    assert await store.count_attempt([BUCKET], now=NOW + 30) == 0
    assert await store.count_attempt([BUCKET], now=NOW + 30) == 30
    passed = [await store.count_attempt([BUCKET], now=NOW + 330) for _ in range(11)]
    assert passed == [0] * 10 + [30]


async def test_when_one_bucket_is_full_nothing_is_counted_in_any(store: Store) -> None:
    wide = Bucket(key="address", rate=RateLimit(3, 60))
    narrow = Bucket(key="account", rate=RateLimit(1, 600))
    assert await store.count_attempt([wide, narrow], now=NOW) == 0
    for _ in range(5):
        assert await store.count_attempt([narrow, wide], now=NOW) == 600
    assert await store.count_attempt([wide], now=NOW) == 0
    assert await store.count_attempt([wide], now=NOW) == 0
    assert await store.count_attempt([wide], now=NOW) == 20


async def test_success_empties_every_bucket_of_its_owner_and_no_other(store: Store) -> None:
    def bucket(key: str, owner: str = "") -> Bucket:
        return Bucket(key=key, rate=RateLimit(1, 60), owner=owner)

    own = [bucket(key, "ann") for key in ("here", "there", "", "\0", "\ud800", "x" * 5000)]
    others = [
        bucket("here"),
        bucket("ann"),
        bucket("here", "bob"),
        bucket("ann", "bob"),
        bucket("", "annn"),
        bucket("n", "an"),
    ]
    for one in own + others:
        assert await store.count_attempt([one], now=NOW) == 0
    await store.settle_attempt("", an_event("login_failed"))
    assert [await store.count_attempt([one], now=NOW) for one in own + others] == [60] * len(own + others)
    await store.settle_attempt("ann", an_event("login"))
    assert [await store.count_attempt([one], now=NOW) for one in own] == [0] * len(own)
    assert [await store.count_attempt([one], now=NOW) for one in others] == [60] * len(others)
    assert [event.kind for event in await store.read_events()] == ["login_failed", "login"]


async def test_t2_a_clock_that_steps_back_does_not_freeze_a_bucket(store: Store) -> None:
    for _ in range(10):
        await store.count_attempt([BUCKET], now=NOW)
    assert await store.count_attempt([BUCKET], now=NOW - 3600) == 0


async def test_no_buckets_are_never_full(store: Store) -> None:
    assert await store.count_attempt([], now=NOW) == 0


# the life of access tokens


async def test_n1_d19_every_revocation_is_kept_for_the_longest_declared_life(store: Store) -> None:
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    replaced = a_session(account.id)
    await start(store, replaced)
    assert (await store.load_feed(None)).longest_access_ttl == (await store.read_keys()).longest_access_ttl == 0
    for seconds in (600, TTL, 20):
        await declare_ttl(store, seconds)
    assert (await store.load_feed(None)).longest_access_ttl == (await store.read_keys()).longest_access_ttl == TTL
    (killed,) = (await store.write_keys(0, [a_key()], an_event(), revoked_kid="k1", now=NOW)).entries
    started = await start(store, a_session(account.id), replaces=replaced.id)
    assert started is not None
    (stale,) = await revoke(store, RefreshClaims(subject="42"))
    (ended,) = await revoke(store, EndSubject(subject="42", cause="logout"))
    (changed,) = (await store.change_account(account.id, ScopesChange(scopes=()), an_event(), now=NOW)).entries
    (anew,) = (await store.reset_after_restore(an_event("store_restored"), now=NOW)).entries
    for entry in (killed, *started.entries, stale, ended, changed, anew):
        assert entry.expires_at == NOW + RETAIN
    assert {entry.expires_at for entry in (await store.load_feed(None)).entries} == {NOW + RETAIN}
    assert [key.verifies_until for key in (await store.read_keys()).keys] == [NOW + RETAIN]


async def test_n1_a_life_lapses_when_nobody_renews_it_and_not_before(store: Store) -> None:
    first = await store.declare_access_ttl(600, now=1000, signs_until=2000)
    assert first == (DeclaredTtl(600, since=1000, until=2600),)
    assert await store.declare_access_ttl(600, now=1500, signs_until=1900) == first, "never sooner than it was"
    renewed = await store.declare_access_ttl(600, now=1600, signs_until=2100)
    assert renewed == (DeclaredTtl(600, since=1000, until=2700),)
    both = await store.declare_access_ttl(20, now=2700, signs_until=3000)
    assert both == (DeclaredTtl(600, since=1000, until=2700), DeclaredTtl(20, since=2700, until=3020))
    assert (await store.load_feed(None)).longest_access_ttl == 600
    left = await store.declare_access_ttl(20, now=2701, signs_until=3000)
    assert left == (DeclaredTtl(20, since=2700, until=3020),)
    assert (await store.load_feed(None)).longest_access_ttl == 20


async def test_n1_t1_a_clock_that_is_fast_makes_no_life_lapse(store: Store) -> None:
    at = (await store.load_feed(None)).time_ms // 1000
    await store.declare_access_ttl(600, now=at, signs_until=at + 3600)
    await store.declare_access_ttl(20, now=at + 86_400, signs_until=at + 90_000)
    assert (await store.load_feed(None)).longest_access_ttl == 600


async def test_n1_t1_a_clock_that_is_slow_keeps_a_revocation_no_shorter(store: Store) -> None:
    at = (await store.load_feed(None)).time_ms // 1000
    (entry,) = (await store.revoke(RefreshClaims(subject="42"), an_event(), now=at - 86_400)).entries
    assert entry.expires_at >= at + LEEWAY_SECONDS


async def test_n1_lives_declared_at_once_are_all_counted(store: Store) -> None:
    await asyncio.gather(*(declare_ttl(store, seconds) for seconds in range(1, 21)))
    assert (await store.load_feed(None)).longest_access_ttl == 20


# keys


async def test_the_ring_comes_back_as_it_was_written(store: Store) -> None:
    assert (await store.read_keys()).keys == ()
    keys = [a_key("a"), a_key("b", public_jwk=None, verifies_until=NOW, revoked_at=NOW, published_at=NOW + 1)]
    ring = await store.read_keys()
    written = entries_of(await store.write_keys(ring.version, keys, an_event("key_published"), now=NOW))
    assert written == ()
    changed = await store.read_keys()
    assert changed.keys == tuple(keys)
    assert changed.version != ring.version
    assert (await store.load_feed(None)).keys_version == changed.version


async def test_k6_of_two_that_create_the_first_key_one_wins(store: Store) -> None:
    version = (await store.read_keys()).version
    writes = [store.write_keys(version, [a_key(kid)], an_event("key_published"), now=NOW) for kid in ("a", "b", "c")]
    outcomes = await asyncio.gather(*writes)
    assert sorted(outcome.result for outcome in outcomes) == [False, False, True]
    (key,) = (await store.read_keys()).keys
    assert key.kid == "abc"[[outcome.result for outcome in outcomes].index(True)]
    assert len(await store.read_events()) == 1


async def test_k2_a_revoked_key_stands_in_the_feed(store: Store) -> None:
    version = (await store.read_keys()).version
    entries = entries_of(
        await store.write_keys(version, [a_key("b")], an_event("key_revoked"), revoked_kid="a", now=NOW)
    )
    assert entries is not None
    assert [(entry.kind, entry.target) for entry in entries] == [("key", "a")]
    assert (await store.load_feed(None)).entries == entries


async def test_f8_what_can_be_read_was_acknowledged_or_says_when_the_last_write_was(store: Store) -> None:
    began = (await store.load_feed(None)).time_ms
    acknowledged = await store.heartbeat(every_ms=60_000)
    page = await store.load_feed(None)
    assert acknowledged == (page.acknowledged_ms is not None)
    if page.acknowledged_ms is not None:
        assert began <= page.acknowledged_ms <= page.time_ms
        assert await store.heartbeat(every_ms=60_000)
        assert (await store.load_feed(None)).acknowledged_ms == page.acknowledged_ms, "it is young: nothing was written"


# the audit log


async def test_audit_lines_are_numbered_in_order(store: Store) -> None:
    for number in range(5):
        await store.settle_attempt("", an_event("login_failed", detail={"n": number}, address="192.0.2.1"))
    events = await store.read_events()
    assert [event.number for event in events] == [1, 2, 3, 4, 5]
    assert [event.detail["n"] for event in events] == [0, 1, 2, 3, 4]
    assert events[0] == an_event("login_failed", detail={"n": 0}, address="192.0.2.1", number=1)
    assert [event.number for event in await store.read_events(after=2, limit=2)] == [3, 4]


# housekeeping


async def test_purge_forgets_what_nothing_can_ask_for(store: Store) -> None:
    live, idle, over, ended = a_session(), a_session(idle_seconds=9), a_session(expires_at=NOW + 9), a_session()
    for session in (live, idle, over, ended):
        await start(store, session)
    await revoke(store, EndSession(id=ended.id, cause="logout"))
    later = NOW + FINISHED_SESSION_SECONDS + 9
    await store.purge(now=later - 10, audit_seconds=10**6)
    assert all([await store.read_session(session.id) for session in (live, idle, over, ended)][:3])
    await store.purge(now=later, audit_seconds=10**6)
    found = [await store.read_session(session.id) for session in (live, idle, over, ended)]
    assert [record is not None for record in found] == [True, False, False, False]
    assert len(await store.read_events()) == 5
    await store.purge(now=later, audit_seconds=60)
    assert await store.read_events() == []
    await store.settle_attempt("", an_event())
    assert [event.number for event in await store.read_events()] == [6]


async def test_purge_keeps_a_revocation_until_no_token_can_be_concerned(store: Store) -> None:
    await declare_ttl(store)
    await revoke(store, RefreshClaims(subject="42"))
    await store.purge(now=NOW + RETAIN, audit_seconds=0)
    assert len((await store.load_feed(None)).entries) == 1
    await store.purge(now=NOW + RETAIN + 1, audit_seconds=0)
    page = await store.load_feed(None)
    assert (page.entries, page.head) == ((), 1)
    record = await start(store, a_session())
    assert record is not None
    assert record.epoch == 1


async def test_purge_forgets_idle_buckets_only(store: Store) -> None:
    full = Bucket(key="full", rate=RateLimit(1, 600))
    await store.count_attempt([full], now=NOW)
    await store.purge(now=NOW + 1, audit_seconds=0)
    assert await store.count_attempt([full], now=NOW + 1) == 599
    await store.purge(now=NOW + 601, audit_seconds=0)
    assert await store.count_attempt([full], now=NOW + 601) == 0


async def test_purge_works_through_more_rows_than_one_piece(store: Store) -> None:
    for piece in range(0, 520, 104):
        subjects = [str(number) for number in range(piece, piece + 104)]
        await asyncio.gather(*(start(store, a_session(subject)) for subject in subjects))
        await asyncio.gather(*(revoke(store, RefreshClaims(subject=subject)) for subject in subjects))
    live = a_session("live", created_at=NOW + 100 * 86_400)
    await start(store, live)
    await store.purge(now=NOW + 100 * 86_400, audit_seconds=0)
    page = await store.load_feed(None)
    assert (page.head, page.entries) == (520, ())
    assert await store.list_sessions(None, now=NOW) == [live]
    assert await store.read_events() == []
    assert page.digest != digest_of(())
