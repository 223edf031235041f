"""The start of a session: guarded by what was proved, within the cap, in the place of another (U13, C1, D2)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from sealring.accounts.changes import (
    AccountChange,
    Deletion,
    EmailChange,
    PasswordChange,
    ScopesChange,
    StatusChange,
)
from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.rate import RateLimit
from sealring.sessions.revocation import EndSession, EndSubject
from sealring.store.protocol import Store
from sealring.store.records import LoginGuard, StatusIndexTaken
from sealring.testing.store_contract.contract import Contract
from sealring.testing.store_contract.samples import (
    ACTIVE,
    NOW,
    Started,
    a_session,
    an_account,
    an_event,
    end_of,
    entries_of,
    moved,
    revoke,
    start,
)

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


class StartContract(Contract):
    """The tests of this part."""

    # places in the status list

    async def test_a_place_in_the_status_list_is_given_once(self, store: Store) -> None:
        first, other = a_session("42", status_index=7), a_session("43", status_index=7)
        await start(store, first)
        with pytest.raises(StatusIndexTaken):
            await start(store, other)
        assert await store.read_session(other.id) is None
        await start(store, a_session("43", status_index=8))
        for _ in range(2):
            await start(store, a_session("43"))  # without one, there is nothing to be taken
        record = await store.read_session(first.id)
        assert record is not None
        assert record.session == first

    async def test_one_of_many_at_once_gets_the_place(self, store: Store) -> None:
        sessions = [a_session(str(number), status_index=5) for number in range(8)]
        done = await asyncio.gather(*(start(store, session) for session in sessions), return_exceptions=True)
        assert sorted(type(one).__name__ for one in done) == sorted(["Started", *["StatusIndexTaken"] * 7])

    async def test_a_session_that_finds_its_place_taken_ends_no_other(self, store: Store) -> None:
        held, kept = a_session("42", status_index=7), a_session("43")
        await start(store, held)
        await start(store, kept)
        with pytest.raises(StatusIndexTaken):
            await start(store, a_session("43", status_index=7), cap=1, replaces=held.id)
        assert [await end_of(store, session) for session in (held, kept)] == [None, None]
        assert await store.ended_status_indexes() == []

    async def test_a_refresh_keeps_the_place(self, store: Store) -> None:
        session = a_session("42", status_index=7)
        await start(store, session)
        assert await store.advance_session(session, moved(session, status_index=9))
        record = await store.read_session(session.id)
        assert record is not None
        assert record.session.status_index == 7

    async def test_the_key_of_a_session_is_that_of_its_start(self, store: Store) -> None:
        session = a_session("42", proof_key="k" * 43)
        await start(store, session)
        assert await store.advance_session(session, moved(session, proof_key=""))
        record = await store.read_session(session.id)
        assert record is not None
        assert record.session.proof_key == "k" * 43

    async def test_the_places_of_ended_sessions_are_known_until_their_rows_go(self, store: Store) -> None:
        ended, replaced, theirs = (a_session(subject, status_index=n) for n, subject in enumerate(("42", "43", "44")))
        for session in (ended, replaced, theirs, a_session("45", status_index=3), a_session("46")):
            await start(store, session)
        assert await store.ended_status_indexes() == []
        await revoke(store, EndSession(id=ended.id, cause="logout"))
        await start(store, a_session("43", status_index=4), replaces=replaced.id)
        await revoke(store, EndSubject(subject="44", cause="subject_revoked"))
        assert sorted(await store.ended_status_indexes()) == [0, 1, 2]
        with pytest.raises(StatusIndexTaken):  # its tokens may still be in date
            await start(store, a_session("42", status_index=0))
        await store.purge(now=NOW + 86_399, audit_seconds=10**6)
        assert sorted(await store.ended_status_indexes()) == [0, 1, 2]
        await store.purge(now=NOW + 86_400, audit_seconds=10**6)
        assert await store.ended_status_indexes() == []
        await start(store, a_session("42", status_index=0))

    async def test_a_session_comes_back_as_it_was_written(self, store: Store) -> None:
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
        assert await store.confirm_session(session.id) == record
        assert await store.read_session("unknown") is None
        assert await store.confirm_session("unknown") is None

    async def test_a_name_that_no_column_can_hold_names_nothing(self, store: Store) -> None:
        for odd in ("a\0b", "\ud800", "🜨" * 1000):
            assert await store.find_account(canonical_name=odd) is None
            assert await store.find_account(id=odd) is None
            assert await store.read_session(odd) is None
            assert await store.confirm_session(odd) is None
            assert await revoke(store, EndSession(id=odd, cause="ended_by_user")) == ()
            assert await revoke(store, EndSession(id="x", cause="ended_by_user", subject=odd)) == ()
            assert await store.count_attempt([Bucket(key=odd, rate=RateLimit(1, 60))], now=NOW) == 0
            await store.settle_attempt("", an_event("login_failed", detail={"name": odd}, address=odd))
        assert len(await store.read_events()) == 3
        assert [event.detail for event in await store.read_events()][:2] == [{"name": "a\0b"}, {"name": "\ud800"}]

    async def test_d14_odd_text_from_outside_is_kept_in_a_form_that_columns_hold(self, store: Store) -> None:
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
    async def test_u13_a_session_starts_only_with_the_epoch_that_was_proved_against(
        self, store: Store, epoch: int
    ) -> None:
        account = an_account()
        await store.create_account(account, an_event("account_created"))
        session = a_session(account.id)
        assert await start(store, session, guard=LoginGuard(epoch=epoch)) is None
        assert await store.read_session(session.id) is None
        assert len(await store.read_events()) == 1

    @pytest.mark.parametrize(("change", "starts"), OVERTAKING)
    async def test_u13_what_overtakes_a_login_keeps_its_session_from_starting(
        self, store: Store, change: AccountChange, *, starts: bool
    ) -> None:
        account = an_account()
        await store.create_account(account, an_event("account_created"))
        assert entries_of(await store.change_account(account.id, change, an_event(), now=NOW)) is not None
        assert (await start(store, a_session(account.id), guard=ACTIVE) is not None) == starts

    async def test_u13_a_session_does_not_start_after_all_were_ended(self, store: Store) -> None:
        account = an_account()
        await store.create_account(account, an_event("account_created"))
        assert await revoke(store, EndSubject(subject=account.id, cause="ended_by_user"))
        assert await start(store, a_session(account.id), guard=ACTIVE) is None
        found = await store.find_account(id=account.id)
        assert found is not None
        assert await start(store, a_session(account.id), guard=LoginGuard(epoch=found.epoch)) is not None

    async def test_u13_a_disabled_account_starts_no_session_at_its_present_epoch(self, store: Store) -> None:
        account = an_account()
        await store.create_account(account, an_event("account_created"))
        assert entries_of(await store.change_account(account.id, StatusChange(status="disabled"), an_event(), now=NOW))
        assert await start(store, a_session(account.id), guard=LoginGuard(epoch=1)) is None

    async def test_rfc9470_another_proof_changes_when_and_how_and_nothing_else(self, store: Store) -> None:
        account = an_account()
        await store.create_account(account, an_event("account_created"))
        session = a_session(account.id, auth_time=NOW, amr=("pwd",), acr="sfa")
        await start(store, session, guard=ACTIVE)
        proved: dict[str, Any] = {"auth_time": NOW + 60, "amr": ("pwd", "otp", "mfa"), "acr": "mfa"}
        hostile = moved(replace(session, **proved), subject=account.id, expires_at=2**40, scopes=("admin",))
        done = await store.reauthenticate_session(hostile, an_event("reauthenticated"), guard=ACTIVE)
        assert (done.result, done.entries, [event.kind for event in done.events]) == (True, (), ["reauthenticated"])
        record = await store.read_session(session.id)
        assert record is not None
        assert record.session == replace(session, **proved)
        assert await store.advance_session(session, moved(session)), "a refresh in flight goes on"
        record = await store.read_session(session.id)
        assert record is not None
        assert record.session == moved(replace(session, **proved)), "and does not take the proof back"

    @pytest.mark.parametrize(("change", "holds"), OVERTAKING)
    async def test_u13_what_overtakes_another_proof_keeps_it_from_being_put(
        self, store: Store, change: AccountChange, *, holds: bool
    ) -> None:
        account = an_account()
        await store.create_account(account, an_event("account_created"))
        session = a_session(account.id, auth_time=NOW)
        await start(store, session, guard=ACTIVE)
        assert (await store.change_account(account.id, change, an_event(), now=NOW)).result
        events = len(await store.read_events())
        proved = replace(session, auth_time=NOW + 60)
        done = await store.reauthenticate_session(proved, an_event("reauthenticated"), guard=ACTIVE)
        assert (done.result, len(done.events)) == (holds, int(holds))
        assert len(await store.read_events()) == events + holds

    async def test_i5_another_proof_revives_no_session_and_touches_none_of_another_subject(self, store: Store) -> None:
        ended, theirs = a_session("42", auth_time=NOW), a_session("43", auth_time=NOW)
        for session in (ended, theirs):
            await start(store, session)
        await revoke(store, EndSession(id=ended.id, cause="logout"))
        for session in (ended, replace(theirs, subject="42"), a_session("42"), a_session("nobody")):
            proved = replace(session, auth_time=NOW + 60)
            done = await store.reauthenticate_session(proved, an_event("reauthenticated"), guard=None)
            assert (done.result, done.events) == (False, ())
        assert await end_of(store, ended) == "logout"
        record = await store.read_session(theirs.id)
        assert record is not None
        assert record.session == theirs
        done = await store.reauthenticate_session(
            replace(theirs, auth_time=NOW + 60), an_event("reauthenticated"), guard=None
        )
        assert done.result

    async def test_a_guard_for_nobody_does_not_hold(self, store: Store) -> None:
        assert await start(store, a_session("nobody"), guard=ACTIVE) is None

    async def test_c1_the_session_that_the_browser_held_before_ends(self, store: Store) -> None:
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

    async def test_d2_the_oldest_sessions_beyond_the_cap_end(self, store: Store) -> None:
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

    async def test_sessions_past_their_limits_do_not_count_against_the_cap(self, store: Store) -> None:
        idle = a_session(idle_seconds=10)
        over = a_session(expires_at=NOW + 10)
        for session in (idle, over):
            await start(store, session)
        started = await start(store, a_session(created_at=NOW + 10), cap=1)
        assert started is not None
        assert started.entries == ()

    async def test_concurrent_starts_do_not_exceed_the_cap(self, store: Store) -> None:
        sessions = [a_session(created_at=NOW + age) for age in range(12)]
        await asyncio.gather(*(start(store, session, cap=3) for session in sessions))
        assert len(await store.list_sessions("42", now=NOW + 20)) == 3

    @pytest.mark.parametrize("change", [StatusChange(status="disabled"), Deletion()], ids=["disabled", "deleted"])
    async def test_an_account_that_is_inactive_starts_no_session_without_a_guard(
        self, store: Store, change: AccountChange
    ) -> None:
        account = an_account()
        await store.create_account(account, an_event("account_created"))
        await start(store, a_session(subject=account.id))
        assert (await store.change_account(account.id, change, an_event("account_disabled"), now=NOW)).result
        event = an_event("session_started")
        late = a_session(id="late", subject=account.id)
        assert (await store.start_session(late, event, guard=None, cap=50, replaces=None)).result is None
        assert await store.list_sessions(account.id, now=NOW) == []
        await store.revoke(EndSubject(subject="stranger", cause="subject_revoked"), event, now=NOW)
        assert await start(store, a_session(id="other", subject="stranger")) is not None
