"""Credentials and what counts once: each moves by compare-and-swap, or is taken by one (design D11, D21)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from sealring.accounts.changes import (
    CredentialAdded,
    CredentialRemoved,
    Deletion,
)
from sealring.authentication.one_time import digest_of as one_time_digest
from sealring.errors import InvalidField
from sealring.store.protocol import Store
from sealring.store.records import CredentialUse, LoginGuard, StatusIndexTaken
from sealring.testing.store_contract.contract import Contract
from sealring.testing.store_contract.samples import (
    NOW,
    a_credential,
    a_link,
    a_session,
    add_credential,
    an_account,
    an_event,
    epoch_of,
    with_account,
)


class CredentialContract(Contract):
    """The tests of this part."""

    # credentials

    async def test_credentials_come_back_as_they_were_written(self, store: Store) -> None:
        ada, bob = await with_account(store), await with_account(store, "bob")
        later = a_credential(ada, "a later one", created_at=NOW + 1, counter=2**40, last_used_at=NOW + 2, label="")
        own, other = a_credential(ada), a_credential(bob, "key-2", public=b"", encrypted=b"")
        for credential in (later, own, other):
            assert await add_credential(store, credential)
        assert await store.find_credentials(account_id=ada) == [own, later]
        assert await store.find_credentials(id="key-2") == [other]
        assert await store.find_credentials(id="unknown") == []
        assert await store.find_credentials(account_id="nobody") == []
        for odd in ("a\0b", "\ud800"):
            assert await store.find_credentials(account_id=odd) == []
            assert await store.find_credentials(id=odd) == []

    async def test_a_credential_comes_with_its_account_and_epoch(self, store: Store) -> None:
        ada, bob = await with_account(store), await with_account(store, "bob")
        own = a_credential(ada, counter=7)
        for credential in (own, a_credential(bob, "key-2")):
            assert await add_credential(store, credential)
        account = await store.find_account(id=ada)
        assert account is not None
        assert account.epoch == 1
        assert await store.find_credential_owner("key-1") == (account, own)
        for odd in ("unknown", ada, "a\0b", "\ud800"):
            assert await store.find_credential_owner(odd) is None

    async def test_a_session_starts_with_what_its_proof_writes(self, store: Store) -> None:
        ada = await with_account(store)
        before = a_credential(ada)
        assert await add_credential(store, before)
        after = replace(before, counter=7, last_used_at=NOW + 5)
        use = CredentialUse(before=before, after=after, spent=a_link("challenge"), events=(an_event("login"),))
        guard = LoginGuard(epoch=1, use=use)
        event = an_event("session_started")
        done = await store.start_session(a_session(ada), event, guard=guard, cap=9, replaces=None)
        assert done.result == 1
        assert [event.kind for event in done.events] == ["login", "session_started"]
        assert await store.find_credentials(id=before.id) == [after]
        assert not await store.put_once(a_link("challenge"))

    async def test_what_is_spent_starts_no_second_session_and_writes_nothing(self, store: Store) -> None:
        ada = await with_account(store)
        before = a_credential(ada)
        assert await add_credential(store, before)
        used = replace(before, counter=7)
        assert await store.put_once(a_link("challenge"))
        use = CredentialUse(before=before, after=used, spent=a_link("challenge"), events=(an_event("login"),))
        session = a_session(ada)
        await store.start_session(session, an_event(), guard=LoginGuard(epoch=1), cap=9, replaces=None)
        held = session.id
        guard = LoginGuard(epoch=1, use=use)
        done = await store.start_session(a_session(ada), an_event(), guard=guard, cap=1, replaces=held)
        assert (done.result, done.entries, done.events) == (None, (), ())
        assert await store.find_credentials(id=before.id) == [before]
        assert [session.id for session in await store.list_sessions(ada, now=NOW)] == [held]

    async def test_a_guard_that_does_not_hold_spends_nothing(self, store: Store) -> None:
        ada = await with_account(store)
        before = a_credential(ada)
        assert await add_credential(store, before)
        use = CredentialUse(before=before, after=replace(before, counter=7), spent=a_link("challenge"))
        guard = LoginGuard(epoch=0, use=use)
        assert (await store.start_session(a_session(ada), an_event(), guard=guard, cap=9, replaces=None)).result is None
        assert await store.find_credentials(id=before.id) == [before]
        assert await store.put_once(a_link("challenge"))

    async def test_a_use_that_another_has_overtaken_counts_and_leaves_the_others(self, store: Store) -> None:
        ada = await with_account(store)
        before = a_credential(ada)
        assert await add_credential(store, before)
        newer = replace(before, counter=9)
        assert await store.advance_credential(before, newer)
        use = CredentialUse(before=before, after=replace(before, counter=7), spent=a_link("challenge"))
        guard = LoginGuard(epoch=1, use=use)
        done = await store.start_session(a_session(ada), an_event(), guard=guard, cap=9, replaces=None)
        assert done.result == 1
        assert await store.find_credentials(id=before.id) == [newer]

    async def test_of_many_sessions_that_spend_one_thing_at_once_one_starts(self, store: Store) -> None:
        ada = await with_account(store)
        before = a_credential(ada)
        assert await add_credential(store, before)
        use = CredentialUse(before=before, after=replace(before, counter=7), spent=a_link("challenge"))
        guard = LoginGuard(epoch=1, use=use)
        starts = (store.start_session(a_session(ada), an_event(), guard=guard, cap=9, replaces=None) for _ in range(8))
        assert [done.result for done in await asyncio.gather(*starts)].count(1) == 1
        assert len(await store.list_sessions(ada, now=NOW)) == 1

    async def test_a_place_in_the_status_list_that_is_taken_spends_nothing(self, store: Store) -> None:
        ada = await with_account(store)
        before = a_credential(ada)
        assert await add_credential(store, before)
        await store.start_session(
            a_session(ada, status_index=7), an_event(), guard=LoginGuard(epoch=1), cap=9, replaces=None
        )
        use = CredentialUse(before=before, after=replace(before, counter=7), spent=a_link("challenge"))
        guard = LoginGuard(epoch=1, use=use)
        with pytest.raises(StatusIndexTaken):
            await store.start_session(a_session(ada, status_index=7), an_event(), guard=guard, cap=9, replaces=None)
        assert await store.find_credentials(id=before.id) == [before]
        assert await store.put_once(a_link("challenge"))

    async def test_a_credential_more_or_less_raises_the_epoch_and_ends_no_session(self, store: Store) -> None:
        ada = await with_account(store)
        session = a_session(ada)
        await store.start_session(session, an_event(), guard=LoginGuard(epoch=0), cap=9, replaces=None)
        assert await add_credential(store, a_credential(ada))
        assert await epoch_of(store, ada) == 1
        removal = CredentialRemoved(credential_id="key-1", epoch=1)
        assert (await store.change_account(ada, removal, an_event(), now=NOW)).result
        assert await epoch_of(store, ada) == 2
        assert await store.find_credentials(account_id=ada) == []
        assert [own.id for own in await store.list_sessions(ada, now=NOW)] == [session.id]
        page = await store.load_feed(0)
        assert [(entry.kind, entry.target, entry.epoch) for entry in page.entries] == [
            ("subject", ada, 1),
            ("subject", ada, 2),
        ]

    async def test_an_account_is_made_with_its_first_credential_or_not_at_all(self, store: Store) -> None:
        ada, bob = an_account("ada"), an_account("bob")
        own = a_credential(ada.id)
        await store.create_account(ada, an_event("account_created"), credential=own)
        assert await store.find_credentials(account_id=ada.id) == [own]
        assert await epoch_of(store, ada.id) == 0
        written = len(await store.read_events())
        with pytest.raises(InvalidField) as taken:
            await store.create_account(bob, an_event("account_created"), credential=a_credential(bob.id))
        assert taken.value.field == "credential"
        assert await store.find_account(id=bob.id) is None
        assert len(await store.read_events()) == written
        await store.create_account(bob, an_event("account_created"), credential=a_credential(bob.id, "key-2"))
        assert await store.find_credentials(id="key-1") == [own]

    async def test_of_many_accounts_with_one_credential_at_once_one_is_made(self, store: Store) -> None:
        accounts = [an_account(f"user{number}") for number in range(8)]
        made = await asyncio.gather(
            *(
                store.create_account(account, an_event("account_created"), credential=a_credential(account.id))
                for account in accounts
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(one, InvalidField) for one in made) == len(accounts) - 1
        assert len(await store.list_accounts()) == 1

    async def test_a_credential_of_another_account_is_neither_taken_over_nor_removed(self, store: Store) -> None:
        ada, bob = await with_account(store), await with_account(store, "bob")
        assert await add_credential(store, a_credential(ada))
        written = len(await store.read_events())
        assert not await add_credential(store, a_credential(bob))
        assert not await add_credential(store, a_credential(ada, label="again"))
        for_ada = CredentialAdded(credential=a_credential(ada, "key-3"), epoch=0)
        assert not (await store.change_account(bob, for_ada, an_event(), now=NOW)).result
        removal = CredentialRemoved(credential_id="key-1", epoch=0)
        assert not (await store.change_account(bob, removal, an_event(), now=NOW)).result
        assert not (await store.change_account("nobody", removal, an_event(), now=NOW)).result
        for own_id, epoch in (("key-9", 1), ("key-1", 0), ("key-1", 2)):
            unfit = CredentialRemoved(credential_id=own_id, epoch=epoch)
            assert not (await store.change_account(ada, unfit, an_event(), now=NOW)).result
        for epoch in (0, 2):
            unfit_addition = CredentialAdded(credential=a_credential(ada, "key-4"), epoch=epoch)
            assert not (await store.change_account(ada, unfit_addition, an_event(), now=NOW)).result
        assert not await add_credential(store, a_credential("nobody"))
        assert await store.find_credentials(id="key-1") == [a_credential(ada)]
        assert [await epoch_of(store, account) for account in (ada, bob)] == [1, 0]
        assert len(await store.read_events()) == written

    async def test_a_deleted_account_leaves_no_credential(self, store: Store) -> None:
        ada, bob = await with_account(store), await with_account(store, "bob")
        assert await add_credential(store, a_credential(ada))
        assert await add_credential(store, a_credential(bob, "key-2"))
        assert (await store.change_account(ada, Deletion(), an_event(), now=NOW)).result
        assert await store.find_credentials(account_id=ada) == []
        assert not await add_credential(store, a_credential(ada))
        assert [own.id for own in await store.find_credentials(account_id=bob)] == ["key-2"]

    @pytest.mark.parametrize("moved", [{"counter": 1}, {"label": "another"}, {"last_used_at": NOW}])
    async def test_a_credential_that_has_moved_is_not_moved_again(self, store: Store, moved: dict[str, Any]) -> None:
        ada = await with_account(store)
        before = a_credential(ada)
        assert await add_credential(store, before)
        after = replace(before, **moved)
        assert await store.advance_credential(before, after)
        assert not await store.advance_credential(before, replace(before, counter=7))
        assert await store.find_credentials(id=before.id) == [after]
        assert await store.advance_credential(after, before)
        assert not await store.advance_credential(a_credential(ada, "unknown"), after)

    async def test_the_use_of_a_credential_changes_neither_its_owner_nor_its_keys(self, store: Store) -> None:
        ada = await with_account(store)
        before = a_credential(ada)
        assert await add_credential(store, before)
        forged = replace(before, account_id="bob", method="x", public=b"x", encrypted=b"x", created_at=0, counter=1)
        assert await store.advance_credential(before, forged)
        assert await store.find_credentials(id=before.id) == [replace(before, counter=1)]
        assert await epoch_of(store, ada) == 1

    async def test_of_fifty_uses_of_one_code_one_wins(self, store: Store) -> None:
        ada = await with_account(store)
        before = a_credential(ada, counter=5)
        assert await add_credential(store, before)
        uses = (store.advance_credential(before, replace(before, counter=6)) for _ in range(50))
        assert (await asyncio.gather(*uses)).count(True) == 1

    # what counts once

    async def test_what_counts_once_is_taken_once(self, store: Store) -> None:
        link = a_link()
        assert await store.put_once(link)
        assert await store.take_once(link.digest, purpose="reset", now=NOW) == link
        assert await store.take_once(link.digest, purpose="reset", now=NOW) is None
        assert await store.put_once(link)

    async def test_it_is_worth_nothing_for_another_purpose_or_too_late_and_stays(self, store: Store) -> None:
        link = a_link()
        assert await store.put_once(link)
        assert await store.take_once(link.digest, purpose="verify", now=NOW) is None
        assert await store.take_once(link.digest, purpose="reset", now=link.expires_at) is None
        assert await store.take_once(one_time_digest("reset", "another"), purpose="reset", now=NOW) is None
        for odd in ("a\0b", "\ud800"):
            assert await store.take_once(odd, purpose="reset", now=NOW) is None
            assert await store.take_once(link.digest, purpose=odd, now=NOW) is None
        assert await store.take_once(link.digest, purpose="reset", now=link.expires_at - 1) == link

    async def test_one_digest_is_put_once(self, store: Store) -> None:
        assert await store.put_once(a_link())
        assert not await store.put_once(a_link(subject="another", purpose="verify"))
        assert await store.take_once(a_link().digest, purpose="reset", now=NOW) == a_link()

    async def test_of_fifty_puts_and_of_fifty_takes_one_wins(self, store: Store) -> None:
        link = a_link()
        assert (await asyncio.gather(*(store.put_once(link) for _ in range(50)))).count(True) == 1
        takes = (store.take_once(link.digest, purpose="reset", now=NOW) for _ in range(50))
        assert [taken for taken in await asyncio.gather(*takes) if taken is not None] == [link]

    async def test_purge_forgets_what_has_expired(self, store: Store) -> None:
        links = [a_link(f"{place}", expires_at=NOW + place % 2) for place in range(1100)]
        for at in range(0, len(links), 100):
            await asyncio.gather(*(store.put_once(link) for link in links[at : at + 100]))
        await store.purge(now=NOW, audit_seconds=10**6)
        assert await store.put_once(links[0])  # its digest is free again
        assert not await store.put_once(links[1])
        await store.purge(now=NOW + 1, audit_seconds=10**6)
        assert await store.put_once(links[1])

    async def test_p7_after_a_restore_nothing_that_counted_once_counts_again(self, store: Store) -> None:
        ada = await with_account(store)
        assert await add_credential(store, a_credential(ada))
        link = a_link()
        assert await store.put_once(link)
        await store.reset_after_restore(an_event("store_restored"), now=NOW)
        assert await store.take_once(link.digest, purpose="reset", now=NOW) is None
        assert await store.find_credentials(account_id=ada) == [a_credential(ada)]
