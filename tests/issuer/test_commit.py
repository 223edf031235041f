"""The one step between a commit and its return: in force on this node, published, whatever becomes of the caller."""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import replace
from typing import Any, get_type_hints

import pytest

from sealring.accounts.changes import CredentialAdded, StatusChange
from sealring.accounts.credential import Credential
from sealring.audit.event import Event
from sealring.authentication.one_time import OneTime
from sealring.errors import NameTaken, StoreUnavailable
from sealring.issuer.commit import CommittingStore
from sealring.revocation.entry import Entry
from sealring.sessions.revocation import EndSession, EndSubject, Revocation
from sealring.store.memory import MemoryStore
from sealring.store.protocol import Store
from sealring.store.records import Committed
from sealring.testing.store_contract.samples import NOW, a_key, a_session, an_account, an_event
from sealring.verifier.node_state import NodeState
from tests.nodes import a_node, committing

pytestmark = pytest.mark.anyio

END = EndSubject(subject="42", cause="subject_revoked")


def refuses(node: NodeState, subject: str = "42") -> bool:
    return node.revocations.cause("sid", subject, 0, "kid") is not None


async def test_what_happened_is_published_once_and_what_did_not_is_not() -> None:
    published: list[Event] = []
    store = committing(MemoryStore(), listeners=[published.append])
    event = an_event()
    await store.create_account(an_account(), event)
    with pytest.raises(NameTaken):
        await store.create_account(an_account(id="other"), event)
    assert [each.number for each in published] == [1]
    assert await store.revoke(END, event, now=NOW) == 0
    assert [each.number for each in published] == [1, 2]
    ring = await store.read_keys()
    assert not await store.write_keys(ring.version + 1, [], event, now=NOW)
    assert await store.revoke(EndSession(id="nobody's", cause="logout"), event, now=NOW) is None
    assert published == await store.read_events()


async def test_what_revokes_nothing_and_what_makes_room_is_published_too_with_its_own_subject() -> None:
    published: list[Event] = []
    store = committing(MemoryStore(), listeners=[published.append])
    account = an_account()
    await store.create_account(account, an_event("account_created"))
    enabled = StatusChange(status="active")
    await store.change_account(account.id, enabled, an_event("account_enabled"), now=NOW)
    ring = await store.read_keys()
    await store.write_keys(ring.version, [a_key()], an_event("key_published"), now=NOW)
    first, anns = a_session("bob"), a_session("ann")
    for session, replaces in ((first, None), (anns, None), (a_session("bob"), anns.id)):
        started = an_event("session_started", subject=session.subject, session=session.id)
        await store.start_session(session, started, guard=None, cap=1, replaces=replaces)
    assert [(event.kind, event.cause, event.subject) for event in published] == [
        ("account_created", "", ""),
        ("account_enabled", "", ""),
        ("key_published", "", ""),
        ("session_started", "", "bob"),
        ("session_started", "", "ann"),
        ("session_ended", "replaced", "ann"),
        ("session_ended", "over_cap", "bob"),
        ("session_started", "", "bob"),
    ]
    assert published == await store.read_events()


async def test_a_listener_that_raises_changes_nothing_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def raise_it(_: Event) -> None:
        raise RuntimeError("the application's own fault")

    published: list[Event] = []
    node = a_node()
    store = committing(MemoryStore(), node, [raise_it, published.append])
    with caplog.at_level(logging.INFO, "sealring.audit"):
        assert await store.revoke(END, an_event("subject_revoked"), now=NOW) == 0
    assert refuses(node)
    assert len(published) == 1
    assert "the application's on_event raised" in caplog.text


async def test_a_listener_finds_the_revocation_in_force() -> None:
    node = a_node()
    seen: list[bool] = []
    store = committing(MemoryStore(), node, [lambda _: seen.append(refuses(node))])
    await store.revoke(END, an_event("subject_revoked"), now=NOW)
    assert seen == [True]


class Slow(MemoryStore):
    """A store that has committed, and whose answer is on its way until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.committed, self.answer = asyncio.Event(), asyncio.Event()
        self.breaks = False

    async def revoke(self, revocation: Revocation, event: Event, *, now: int) -> Committed[int | None]:
        done = await super().revoke(revocation, event, now=now)
        self.committed.set()
        await self.answer.wait()
        if self.breaks:
            raise StoreUnavailable("the answer was lost")
        return done


async def cancelled_while_it_commits(store: CommittingStore, slow: Slow) -> None:
    caller = asyncio.create_task(store.revoke(END, an_event("subject_revoked"), now=NOW))
    await slow.committed.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_i2_what_was_committed_is_in_force_and_published_though_its_caller_was_canceled() -> None:
    slow, node, published = Slow(), a_node(), list[Event]()
    store = committing(slow, node, [published.append])
    await cancelled_while_it_commits(store, slow)
    assert not refuses(node)
    slow.answer.set()
    await store.finish()
    assert refuses(node)
    assert [event.kind for event in published] == ["subject_revoked"]


async def test_a_write_that_fails_after_its_caller_was_canceled_is_no_unhandled_error() -> None:
    slow = Slow()
    slow.breaks = True
    store = committing(slow)
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    await cancelled_while_it_commits(store, slow)
    slow.answer.set()
    await store.finish()
    assert unhandled == []


async def test_a_write_that_the_event_loop_cancels_as_it_ends_is_no_unhandled_error() -> None:
    slow = Slow()
    store = committing(slow)
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    caller = asyncio.create_task(store.revoke(END, an_event("subject_revoked"), now=NOW))
    await slow.committed.wait()
    for task in store._under_way:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await store.finish()
    assert unhandled == []


async def test_of_two_that_compare_and_swap_through_it_one_wins() -> None:
    store = committing(MemoryStore())
    session = a_session()
    await store.start_session(session, an_event("session_started"), guard=None, cap=9, replaces=None)
    moved = replace(session, child_minted_ms=NOW * 1000)
    assert [await store.advance_session(session, moved) for _ in range(2)] == [True, False]

    account = an_account()
    await store.create_account(account, an_event("account_created"))
    credential = Credential(id="c", account_id=account.id, method="code", created_at=NOW)
    added = CredentialAdded(credential=credential, epoch=0)
    assert await store.change_account(account.id, added, an_event(), now=NOW)
    used = replace(credential, counter=1)
    assert [await store.advance_credential(credential, used) for _ in range(2)] == [True, False]

    once = OneTime(digest="d", purpose="code", subject=account.id, expires_at=NOW + 60)
    assert [await store.put_once(once) for _ in range(2)] == [True, False]
    assert [await store.take_once("d", purpose="code", now=NOW) for _ in range(2)] == [once, None]


def test_every_method_of_a_store_that_takes_an_event_says_what_it_committed_and_goes_through_the_step() -> None:
    writes = set()
    for name, method in inspect.getmembers(Store):
        hints = get_type_hints(method) if inspect.isfunction(method) and not name.startswith("_") else {}
        says = getattr(hints.get("return"), "__origin__", None) is Committed
        assert (Event in hints.values()) == says, name
        if says:
            writes.add(name)
            here = get_type_hints(getattr(CommittingStore, name))
            assert here == {**hints, "return": hints["return"].__args__[0]}, name
    assert len(writes) == 12
    for name, method in vars(CommittingStore).items():
        if callable(method) and not name.startswith("_"):
            assert Entry not in get_type_hints(method).values(), name
