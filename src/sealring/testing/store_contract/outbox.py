"""Mails to be sent: each with its event or not at all, and taken by one node at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sealring.audit.queued_mail import retry_seconds
from sealring.errors import NameTaken
from sealring.store.protocol import Store
from sealring.testing.store_contract.contract import Contract
from sealring.testing.store_contract.samples import NOW, a_mail, an_account, an_event


class OutboxContract(Contract):
    """The tests of this part."""

    async def test_a_mail_is_written_with_its_event_or_not_at_all(self, store: Store) -> None:
        created = an_event("account_created", mails=(a_mail("m-1"), a_mail("m-2", kind="verify")))
        await store.create_account(an_account("ada"), created)
        with pytest.raises(NameTaken):
            await store.create_account(an_account("ada"), replace(created, mails=(a_mail("m-3"),)))
        claimed = sorted(await store.claim_mails(now=NOW, limit=9), key=lambda mail: mail.id)
        written = [a_mail("m-1"), a_mail("m-2", kind="verify")]
        assert claimed == [replace(mail, tries=1, due_at=NOW + 60) for mail in written]
        assert [event.mails for event in await store.read_events()] == [()], "the audit log holds no addresses"

    async def test_a_mail_is_due_again_later_and_later_until_it_is_finished(self, store: Store) -> None:
        await store.settle_attempt("", an_event(mails=(a_mail(),)))
        now = NOW
        for tries in range(9):
            assert await store.claim_mails(now=now - 1, limit=9) == []
            (mail,) = await store.claim_mails(now=now, limit=9)
            assert (mail.tries, mail.due_at) == (tries + 1, now + retry_seconds(tries))
            now = mail.due_at
        assert await store.finish_mail("m-1")
        assert not await store.finish_mail("m-1")
        assert await store.claim_mails(now=now, limit=9) == []

    async def test_of_twenty_that_claim_at_once_each_mail_goes_to_one(self, store: Store) -> None:
        mails = tuple(a_mail(f"m-{number}") for number in range(30))
        await store.settle_attempt("", an_event(mails=mails))
        claims = await asyncio.gather(*(store.claim_mails(now=NOW, limit=2) for _ in range(20)))
        ids = [mail.id for claimed in claims for mail in claimed]
        assert len(ids) == len(set(ids))
        while more := await store.claim_mails(now=NOW, limit=9):
            ids += [mail.id for mail in more]
        assert sorted(ids) == sorted(mail.id for mail in mails)

    async def test_a_mail_that_is_of_no_use_any_more_is_purged(self, store: Store) -> None:
        await store.settle_attempt("", an_event(mails=(a_mail("old", expires_at=NOW), a_mail("new"))))
        await store.purge(now=NOW, audit_seconds=3600)
        assert [mail.id for mail in await store.claim_mails(now=NOW, limit=9)] == ["new"]

    async def test_p7_a_restored_store_sends_nothing_of_before(self, store: Store) -> None:
        await store.settle_attempt("", an_event(mails=(a_mail(),)))
        await store.reset_after_restore(an_event("store_restored"), now=NOW)
        assert await store.claim_mails(now=NOW, limit=9) == []
