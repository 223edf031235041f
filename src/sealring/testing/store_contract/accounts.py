"""Accounts: what is written comes back, a change and what it revokes are one step (I7)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from sealring.accounts.changes import (
    Deletion,
    EmailChange,
    PasswordChange,
    ScopesChange,
    StatusChange,
)
from sealring.authentication.one_time import OneTime
from sealring.errors import InvalidField, InvitationRequired, NameTaken
from sealring.sessions.revocation import EndSubject
from sealring.store.protocol import Store
from sealring.store.records import Committed, LoginGuard
from sealring.testing.store_contract.contract import Contract
from sealring.testing.store_contract.samples import (
    ACTIVE,
    NOW,
    RETAIN,
    Started,
    a_session,
    an_account,
    an_event,
    an_invitation,
    declare_ttl,
    end_of,
    entries_of,
    revoke,
    start,
)

VERIFIED: dict[str, Any] = {"email": "a@x.example", "canonical_email": "a@x.example", "email_verified_at": NOW}


class AccountContract(Contract):
    """The tests of this part."""

    # accounts

    async def test_an_account_comes_back_as_it_was_written(self, store: Store) -> None:
        account = an_account(
            "straße",
            name="Straße ✓",
            email="A@x.example",
            canonical_email="a@x.example",
            email_verified_at=5,
            scopes=("a", "b c", "ü"),
        )
        await store.create_account(account, an_event("account_created", subject=account.id))
        assert await store.find_account(canonical_name="straße") == account
        assert await store.find_account(id=account.id) == account
        assert await store.find_account(canonical_name="strasse") is None
        assert await store.find_account(id="nobody") is None

    async def test_a_taken_name_is_refused_and_leaves_nothing_behind(self, store: Store) -> None:
        await store.create_account(an_account(), an_event("account_created"))
        with pytest.raises(NameTaken):
            await store.create_account(an_account(), an_event("account_created"))
        assert len(await store.list_accounts()) == 1
        assert len(await store.read_events()) == 1

    async def test_a_taken_email_is_refused_by_field(self, store: Store) -> None:
        await store.create_account(an_account("ada", **VERIFIED), an_event("account_created"))
        with pytest.raises(InvalidField) as refused:
            await store.create_account(an_account("bob", **VERIFIED), an_event("account_created"))
        assert refused.value.field == "email"
        await store.create_account(an_account("cy", **(VERIFIED | {"email_verified_at": None})), an_event())
        await store.create_account(an_account("di"), an_event("account_created"))
        assert [account.name for account in await store.list_accounts()] == ["ada", "cy", "di"]

    async def test_u3_of_twenty_registrations_of_one_name_one_succeeds(self, store: Store) -> None:
        attempts = [store.create_account(an_account(), an_event("account_created")) for _ in range(20)]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        assert sum(isinstance(outcome, Committed) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, NameTaken) for outcome in outcomes) == 19
        assert len(await store.list_accounts()) == 1

    async def test_an_invitation_is_used_up_with_the_account_or_not_at_all(self, store: Store) -> None:
        event = an_event("account_created")
        await store.create_account(an_account("ada"), event)
        await store.create_invitation(an_invitation(), an_event("invitation_created"))
        with pytest.raises(NameTaken):
            await store.create_account(an_account("ada"), event, invitation="d1")
        await store.create_account(an_account("bob"), event, invitation="d1")
        for digest in ("d1", "unknown"):
            with pytest.raises(InvitationRequired):
                await store.create_account(an_account("eve"), event, invitation=digest)
        await store.create_invitation(an_invitation("old", expires_at=NOW), an_event("invitation_created"))
        await store.put_once(OneTime(digest="other", purpose="mail link", subject="", expires_at=NOW + 60))
        for digest in ("old", "other"):
            with pytest.raises(InvitationRequired):
                await store.create_account(an_account("eve", created_at=NOW), event, invitation=digest)
        assert [account.name for account in await store.list_accounts()] == ["ada", "bob"]
        kinds = [event.kind for event in await store.read_events()]
        assert kinds.count("account_created") == 2, "a refused registration leaves nothing behind"

    async def test_an_invitation_is_kept_with_its_audit_line_or_not_at_all(self, store: Store) -> None:
        made = await store.create_invitation(an_invitation(), an_event("invitation_created"))
        assert (made.entries, [event.kind for event in made.events]) == ((), ["invitation_created"])
        with pytest.raises(ValueError, match="made once"):
            await store.create_invitation(an_invitation(), an_event("invitation_created"))
        assert [event.kind for event in await store.read_events()] == ["invitation_created"]

    async def test_of_twenty_registrations_with_one_invitation_one_succeeds(self, store: Store) -> None:
        await store.create_invitation(an_invitation(), an_event("invitation_created"))
        event = an_event("account_created")
        attempts = [store.create_account(an_account(f"u{number}"), event, invitation="d1") for number in range(20)]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        assert sum(isinstance(outcome, Committed) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, InvitationRequired) for outcome in outcomes) == 19
        assert len(await store.list_accounts()) == 1

    async def test_an_email_address_is_reserved_for_one_account(self, store: Store) -> None:
        ada, bob = an_account("ada", **VERIFIED), an_account("bob")
        for account in (ada, bob):
            await store.create_account(account, an_event("account_created"))
        own, none, typed = (
            EmailChange(email=email, canonical_email=email, verified_at=verified_at)
            for email, verified_at in (("a@x.example", NOW), (None, None), ("a@x.example", None))
        )
        with pytest.raises(InvalidField) as refused:
            await store.change_account(bob.id, own, an_event(), now=NOW)
        assert refused.value.field == "email"
        for account, change in ((ada, own), (bob, typed), (ada, none), (bob, none), (bob, own), (ada, typed)):
            assert (await store.change_account(account.id, change, an_event(), now=NOW)).result
        found = await store.find_account(id=bob.id)
        assert found is not None
        assert (found.email, found.canonical_email, found.email_verified_at) == ("a@x.example", "a@x.example", NOW)

    async def test_accounts_are_found_by_their_address_the_verified_one_first(self, store: Store) -> None:
        typed = VERIFIED | {"email_verified_at": None}
        for number, fields in enumerate((typed, typed, VERIFIED, typed | {"canonical_email": "b@x.example"})):
            account = an_account(f"u{number}", created_at=NOW + number, **fields)
            await store.create_account(account, an_event("account_created"))
        found = await store.find_accounts_by_email("a@x.example", limit=9)
        assert [account.name for account in found] == ["u2", "u0", "u1"]
        assert [account.name for account in await store.find_accounts_by_email("a@x.example", limit=2)] == ["u2", "u0"]
        assert await store.find_accounts_by_email("c@x.example", limit=9) == []
        assert await store.find_accounts_by_email("a\0@x.example", limit=9) == []

    async def test_i7_a_change_that_another_has_overtaken_is_not_made(self, store: Store) -> None:
        ada = an_account("ada", **VERIFIED)
        await store.create_account(ada, an_event("account_created"))
        await store.change_account(ada.id, ScopesChange(scopes=("a",)), an_event(), now=NOW)
        for epoch, made in ((0, False), (1, True)):
            email = EmailChange(email="b@x.example", canonical_email="b@x.example", epoch=epoch, revokes="nothing")
            assert (await store.change_account(ada.id, email, an_event(), now=NOW)).result is made
            password = PasswordChange(
                old_hash=ada.password_hash, new_hash="$argon2id$two", ends_sessions=False, epoch=epoch
            )
            assert (await store.change_account(ada.id, password, an_event(), now=NOW)).result is made

    async def test_j17_the_subject_of_a_deleted_account_is_never_used_again(self, store: Store) -> None:
        account = an_account()
        await store.create_account(account, an_event("account_created"))
        await store.change_account(account.id, Deletion(), an_event("account_deleted"), now=NOW)
        with pytest.raises(ValueError, match="never used again"):
            await store.create_account(account, an_event("account_created"))
        await store.create_account(an_account(), an_event("account_created"))

    async def test_j17_the_id_of_an_account_is_not_that_of_a_second_one(self, store: Store) -> None:
        account = an_account()
        await store.create_account(account, an_event("account_created"))
        with pytest.raises(ValueError, match="never used again"):
            await store.create_account(an_account("bob", id=account.id), an_event("account_created"))
        assert [one.canonical_name for one in await store.list_accounts()] == ["ada"]

    @pytest.mark.parametrize("ended", [False, True])
    async def test_a_subject_of_an_application_becomes_an_account_with_its_epoch_and_its_sessions(
        self, store: Store, *, ended: bool
    ) -> None:
        session = a_session("42")
        await start(store, session)
        if ended:
            await revoke(store, EndSubject(subject="42", cause="logout"))
        await store.create_account(an_account(id="42"), an_event("account_created"))
        found = await store.find_account(id="42")
        assert found is not None
        assert found.epoch == await store.read_epoch("42") == int(ended)
        assert len(await store.list_sessions("42", now=NOW)) == (not ended)
        await store.change_account("42", StatusChange(status="disabled"), an_event(), now=NOW)
        assert await store.list_sessions("42", now=NOW) == []

    async def test_accounts_are_listed_by_canonical_name_in_pages(self, store: Store) -> None:
        for name in ("b", "a", "Z", "é", "c"):
            await store.create_account(an_account(name), an_event("account_created"))
        names = [account.canonical_name for account in await store.list_accounts()]
        assert names == ["Z", "a", "b", "c", "é"]
        page = await store.list_accounts(after="a", limit=2)
        assert [account.canonical_name for account in page] == ["b", "c"]

    # changing an account

    async def test_a_rehash_revokes_nothing(self, store: Store) -> None:
        account = an_account()
        await store.create_account(account, an_event("account_created"))
        await start(store, a_session(account.id), guard=ACTIVE)
        change = PasswordChange(old_hash=account.password_hash, new_hash="$argon2id$two", ends_sessions=False)
        assert entries_of(await store.change_account(account.id, change, an_event(), now=NOW)) == ()
        changed = await store.find_account(id=account.id)
        assert changed == replace(account, password_hash="$argon2id$two")
        assert len(await store.list_sessions(account.id, now=NOW)) == 1

    async def test_u14_the_old_hash_is_never_written_back(self, store: Store) -> None:
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

    async def test_i7_a_password_change_ends_every_session_but_the_kept_one_in_one_entry(self, store: Store) -> None:
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
    async def test_disable_and_delete_end_every_session(self, store: Store, change: StatusChange | Deletion) -> None:
        account = an_account()
        await store.create_account(account, an_event("account_created"))
        session = a_session(account.id)
        await start(store, session, guard=ACTIVE)
        entries = entries_of(await store.change_account(account.id, change, an_event(), now=NOW))
        assert entries is not None
        assert [(entry.kind, entry.epoch) for entry in entries] == [("subject", 1)]
        assert await end_of(store, session) == "subject_revoked"
        assert await start(store, a_session(account.id), guard=ACTIVE) is None

    async def test_enabling_revokes_nothing_and_revives_nothing(self, store: Store) -> None:
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

    async def test_other_scopes_make_tokens_stale_and_keep_sessions(self, store: Store) -> None:
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

    async def test_changing_nobody_changes_nothing(self, store: Store) -> None:
        for change in (StatusChange(status="disabled"), Deletion(), ScopesChange(scopes=())):
            assert entries_of(await store.change_account("nobody", change, an_event(), now=NOW)) is None
        assert await store.read_events() == []
