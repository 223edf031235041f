"""Sessions that go on, and end: swaps, revocations, lists (design D5, I4, I5)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sealring.sessions.revocation import EndSession, EndSubject, RefreshClaims
from sealring.store.protocol import Store
from sealring.testing.store_contract.contract import Contract
from sealring.testing.store_contract.samples import (
    NOW,
    RETAIN,
    Started,
    a_session,
    an_event,
    declare_ttl,
    end_of,
    moved,
    revoke,
    start,
)


class SessionContract(Contract):
    """The tests of this part."""

    async def test_live_sessions_are_found_by_identity_and_by_the_session_at_its_provider(self, store: Store) -> None:
        here, phone, other, by_password = (
            a_session("42", identity="oidc_ada", provider_session="one"),
            a_session("42", identity="oidc_ada", provider_session="two", created_at=NOW + 1),
            a_session("43", identity="oidc_bob", provider_session="one"),
            a_session("42"),
        )
        for session in (here, phone, other, by_password):
            await start(store, session)
        found = {
            "ada": await store.list_sessions(None, now=NOW + 2, identity="oidc_ada"),
            "one": await store.list_sessions(None, now=NOW + 2, provider_session="one"),
            "both": await store.list_sessions("42", now=NOW + 2, identity="oidc_ada", provider_session="one"),
            "empty": await store.list_sessions(None, now=NOW + 2, identity=""),
            "no session": await store.list_sessions(None, now=NOW + 2, provider_session=""),
        }
        assert found["ada"] == [phone, here]
        assert {one.id for one in found["one"]} == {here.id, other.id}
        assert (found["both"], found["empty"], found["no session"]) == ([here], [], [])
        await revoke(store, EndSession(id=here.id, cause="ended_by_provider"))
        assert await store.list_sessions(None, now=NOW + 2, identity="oidc_ada") == [phone]
        assert await end_of(store, here) == "ended_by_provider"

    # binding to a device

    async def test_a_session_is_bound_once_and_nothing_else_of_it_changes(self, store: Store) -> None:
        session = a_session(device_binding="prefer")
        await start(store, session)
        bound = replace(session, device_jwk='{"kty":"EC"}', device_bound_at=NOW)
        hostile = replace(bound, subject="root", device_binding="off", expires_at=2**40)
        done = await store.bind_session(session, hostile, an_event("device_bound"))
        assert (done.result, [event.kind for event in done.events], done.entries) == (True, ["device_bound"], ())
        record = await store.read_session(session.id)
        assert record is not None
        assert record.session == bound
        other = replace(session, device_jwk='{"kty":"RSA"}', device_bound_at=NOW + 1)
        assert (await store.bind_session(session, other, an_event("device_bound"))).events == ()
        assert (await store.bind_session(bound, other, an_event("device_bound"))).result
        record = await store.read_session(session.id)
        assert record is not None
        assert record.session == other

    async def test_r1_of_twenty_bindings_at_once_one_counts(self, store: Store) -> None:
        session = a_session(device_binding="prefer")
        await start(store, session)
        keys = [replace(session, device_jwk=f'"{number}"', device_bound_at=NOW) for number in range(20)]
        done = await asyncio.gather(*(store.bind_session(session, bound, an_event("device_bound")) for bound in keys))
        won = [place for place, one in enumerate(done) if one.result]
        assert len(won) == 1
        record = await store.read_session(session.id)
        assert record is not None
        assert record.session == keys[won[0]]

    async def test_r5_a_session_that_has_ended_is_not_bound(self, store: Store) -> None:
        session = a_session(device_binding="prefer")
        bound = replace(session, device_jwk="{}", device_bound_at=NOW)
        assert not (await store.bind_session(session, bound, an_event("device_bound"))).result
        await start(store, session)
        await revoke(store, EndSession(id=session.id, cause="logout"))
        assert not (await store.bind_session(session, bound, an_event("device_bound"))).result
        record = await store.read_session(session.id)
        assert record is not None
        assert record.session.device_jwk is None

    async def test_a_refresh_leaves_the_device_key_in_place(self, store: Store) -> None:
        session = a_session(device_binding="prefer")
        await start(store, session)
        bound = replace(session, device_jwk="{}", device_bound_at=NOW)
        await store.bind_session(session, bound, an_event("device_bound"))
        assert await store.advance_session(session, moved(session))
        record = await store.read_session(session.id)
        assert record is not None
        assert record.session == moved(bound)

    # refreshing

    async def test_a_swap_moves_the_row_once(self, store: Store) -> None:
        session = a_session()
        await start(store, session)
        after = moved(session, claims={"a": 1}, scopes=("x",), device="curl", address="192.0.2.1")
        assert await store.advance_session(session, after)
        record = await store.read_session(session.id)
        assert record is not None
        assert record.session == after
        assert not await store.advance_session(session, after)
        assert await store.advance_session(after, moved(after))

    async def test_a_swap_never_changes_whose_the_session_is_or_its_limits(self, store: Store) -> None:
        session = a_session()
        await start(store, session)
        hostile = moved(session, subject="root", expires_at=2**40, idle_seconds=2**40, ended_at=NOW, ended_by="logout")
        assert await store.advance_session(session, hostile)
        record = await store.read_session(session.id)
        assert record is not None
        assert record.session == moved(session)

    @pytest.mark.parametrize("field", ["generation", "minted_ms", "child_minted_ms"])
    async def test_a_swap_fails_when_any_part_of_the_confirmed_state_differs(self, store: Store, field: str) -> None:
        session = a_session(child_minted_ms=5)
        await start(store, session)
        assert not await store.advance_session(replace(session, **{field: 6}), moved(session))  # type: ignore[arg-type]
        no_child = a_session()
        await start(store, no_child)
        assert not await store.advance_session(replace(no_child, child_minted_ms=0), moved(no_child))
        assert await store.advance_session(no_child, moved(no_child))

    async def test_r1_of_fifty_swaps_of_one_row_one_succeeds(self, store: Store) -> None:
        session = a_session()
        await start(store, session)
        swaps = [store.advance_session(session, moved(session, child_minted_ms=number)) for number in range(50)]
        won = [number for number, swapped in enumerate(await asyncio.gather(*swaps)) if swapped]
        assert len(won) == 1
        record = await store.read_session(session.id)
        assert record is not None
        assert record.session.child_minted_ms == won[0]

    async def test_swaps_of_many_rows_at_once_each_move_their_own(self, store: Store) -> None:
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

    async def test_i5_an_ended_session_never_moves_again(self, store: Store) -> None:
        session = a_session()
        await start(store, session)
        await revoke(store, EndSession(id=session.id, cause="logout"))
        assert not await store.advance_session(session, moved(session))
        assert await end_of(store, session) == "logout"

    # revoking

    async def test_a_session_ends_once(self, store: Store) -> None:
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

    async def test_q21_nobody_ends_a_session_of_another(self, store: Store) -> None:
        session = a_session("victim")
        await start(store, session)
        assert await revoke(store, EndSession(id=session.id, cause="ended_by_user", subject="mallory")) == ()
        assert await revoke(store, EndSession(id="unknown", cause="ended_by_user")) == ()
        assert await end_of(store, session) is None

    async def test_a_session_past_its_limits_can_be_ended(self, store: Store) -> None:
        session = a_session(idle_seconds=1, created_at=NOW - 60)
        await start(store, session)
        assert len(await revoke(store, EndSession(id=session.id, cause="logout"))) == 1

    async def test_an_end_for_a_row_that_has_moved_does_nothing(self, store: Store) -> None:
        session = a_session()
        await start(store, session)
        after = moved(session)
        await store.advance_session(session, after)
        assert await revoke(store, EndSession(id=session.id, cause="reuse", unmoved=session)) == ()
        assert await end_of(store, session) is None
        assert len(await revoke(store, EndSession(id=session.id, cause="reuse", unmoved=after))) == 1

    @pytest.mark.parametrize("keep", [False, True])
    async def test_ending_a_subject_is_one_entry_whatever_the_number_of_sessions(
        self, store: Store, *, keep: bool
    ) -> None:
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

    async def test_a_revocation_says_how_many_sessions_it_ended_and_none_where_it_did_nothing(
        self, store: Store
    ) -> None:
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

    async def test_j18_a_stale_subject_keeps_its_sessions(self, store: Store) -> None:
        session = a_session()
        await start(store, session)
        assert await store.read_epoch("42") == 0
        entries = await revoke(store, RefreshClaims(subject="42")) + await revoke(store, RefreshClaims(subject="42"))
        assert (await store.read_epoch("42"), await store.read_epoch("43")) == (2, 0)
        assert [(entry.kind, entry.epoch) for entry in entries] == [("subject", 1), ("subject", 2)]
        record = await store.read_session(session.id)
        assert record is not None
        assert (record.epoch, record.session.ended_at) == (2, None)

    async def test_concurrent_epoch_raises_are_all_counted(self, store: Store) -> None:
        entries = await asyncio.gather(*(revoke(store, RefreshClaims(subject="42")) for _ in range(20)))
        assert sorted(entry.epoch for (entry,) in entries) == list(range(1, 21))
        assert sorted(entry.number for (entry,) in entries) == list(range(1, 21))

    # listing sessions

    async def test_live_sessions_are_listed_newest_first(self, store: Store) -> None:
        first, second = a_session(created_at=NOW), a_session(created_at=NOW + 5)
        other = a_session("43", created_at=NOW + 3)
        for session in (second, other, first):
            await start(store, session)
        assert await store.list_sessions("42", now=NOW + 9) == [second, first]
        assert await store.list_sessions(None, now=NOW + 9) == [second, other, first]
        assert await store.list_sessions(None, now=NOW + 9, limit=2) == [second, other]
        assert await store.list_sessions("nobody", now=NOW) == []

    async def test_r11_limits_hold_to_the_second(self, store: Store) -> None:
        await start(store, a_session("idle", idle_seconds=100))
        await start(store, a_session("absolute", expires_at=NOW + 100))
        for subject in ("idle", "absolute"):
            assert len(await store.list_sessions(subject, now=NOW + 99)) == 1
            assert await store.list_sessions(subject, now=NOW + 100) == []
