"""What is told, and to whom."""

from __future__ import annotations

import logging

import pytest

from sealring.accounts.changes import StatusChange
from sealring.audit.event import Event
from sealring.errors import NameTaken
from sealring.issuer.announcing import announcing
from sealring.sessions.revocation import EndSubject
from sealring.store.memory import MemoryStore
from tests.store.samples import NOW, a_key, a_session, an_account, an_event

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
    assert await store.revoke(EndSubject(subject="42", cause="subject_revoked"), event, now=NOW)
    assert told == [event, event]
    ring = await store.read_keys()
    assert await store.write_keys(ring.version + 1, [], event, now=NOW) is None
    assert told == [event, event]


async def test_what_revokes_nothing_and_what_makes_room_is_told_too() -> None:
    told: list[Event] = []
    store = announcing(MemoryStore(), [told.append])
    await store.open()
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    enabled = StatusChange(status="active")
    await store.change_account(account.id, enabled, an_event("account_enabled"), now=NOW)
    ring = await store.read_keys()
    await store.write_keys(ring.version, [a_key()], an_event("key_published"), now=NOW)
    first, second = a_session(), a_session()
    for session, replaces in ((first, None), (second, None), (a_session(), second.id)):
        started = an_event("session_started")
        await store.start_session(session, started, guard=None, cap=1, replaces=replaces)
    assert [(event.kind, event.cause, event.session) for event in told] == [
        ("account_created", "", ""),
        ("account_enabled", "", ""),
        ("key_published", "", ""),
        ("session_started", "", ""),
        ("session_started", "", ""),
        ("session_ended", "over_cap", first.id),
        ("session_started", "", ""),
        ("session_ended", "replaced", second.id),
    ]


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
