"""What is told, and to whom."""

from __future__ import annotations

import logging

import pytest

from sealring.errors import NameTaken
from sealring.issuer.announcing import announcing
from sealring.store.memory import MemoryStore
from sealring.store.records import EndSubject, Event
from tests.store.samples import NOW, RETAIN, an_account, an_event

pytestmark = pytest.mark.anyio


async def test_what_happened_is_told_once_and_what_did_not_is_not() -> None:
    told: list[Event] = []
    store = announcing(MemoryStore(), [told.append])
    await store.open()
    event = an_event()
    await store.create_account(an_account(), event)
    with pytest.raises(NameTaken):
        await store.create_account(an_account(id="other"), event)
    assert told == [event]
    assert await store.revoke(EndSubject(subject="42", cause="subject_revoked"), event, now=NOW, retain_seconds=RETAIN)
    assert told == [event, event]
    ring = await store.read_keys()
    assert await store.write_keys(ring.version + 1, [], event, now=NOW, retain_seconds=RETAIN) is None
    assert told == [event, event]


async def test_a_hook_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def raise_it(_: Event) -> None:
        raise RuntimeError("the application's own fault")

    store = announcing(MemoryStore(), [raise_it])
    await store.open()
    account = an_account()
    with caplog.at_level(logging.INFO, "sealring.audit"):
        await store.create_account(account, an_event())
    assert await store.find_account(id=account.id) == account
    assert "the application's on_event raised" in caplog.text
