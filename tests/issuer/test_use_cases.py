"""I2 for every use case that there is: what it revokes is in force on its own node before it returns (F1, F2, F3).

The rows are held against the methods of the code: a new public method without a row fails, and so does a method of the
store that writes and that no row comes to. What is checked is asked of the store itself: each entry that its feed has
gained must be refused by the node, which never polls, and each line that its audit log has gained must have been
published, just as it stands there.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, get_type_hints

import pytest

from sealring import Sealring
from sealring.audit.event import Event
from sealring.authentication.client_info import ClientInfo
from sealring.errors import SealringError
from sealring.issuer.accounts import Accounts
from sealring.issuer.authenticator import Authenticator
from sealring.issuer.issuer import Issuer
from sealring.issuer.keys import SigningKeys
from sealring.issuer.log_in import LoggedIn, LogIn
from sealring.issuer.sessions import Issued, Sessions
from sealring.revocation.entry import Entry
from sealring.store.memory import MemoryStore
from sealring.store.protocol import Store
from sealring.store.records import Committed
from sealring.verifier.node_state import NodeState
from tests.clocks import FrozenClock
from tests.serving import OTHER_PASSWORD, PASSWORD, cheap_sealring

pytestmark = pytest.mark.anyio

HERE = ClientInfo("192.0.2.7", "browser")


@dataclass
class Scene:
    """A node that has logged in two users and never polls, and what its listener was given."""

    auth: Sealring
    ann: LoggedIn
    bob: LoggedIn
    own: Issued
    published: list[Event] = field(default_factory=list)


UseCase = Callable[[Scene], Awaitable[object]]
READS = "reads only"


async def reuse(scene: Scene) -> None:
    """Refresh twice, let the retry window pass, and use the first token again."""
    text = scene.own.refresh_token
    for _ in range(2):
        text = (await scene.auth.issuer.sessions.refresh(text, client=HERE)).refresh_token
    clock = scene.auth.clock
    assert isinstance(clock, FrozenClock)
    clock.pass_seconds(60)
    with pytest.raises(SealringError):
        await scene.auth.refresh_session(scene.own.refresh_token)


async def fails(work: Awaitable[object]) -> None:
    with pytest.raises(SealringError):
        await work


# what it does, the kinds of entries that it must leave, the kinds of events
ROWS: dict[Callable[..., Any], str | tuple[UseCase, list[str], list[str]]] = {
    Issuer.register: (
        lambda s: s.auth.issuer.register("cyd", PASSWORD, email=None, client=HERE, replaces=s.ann.issued.session.id),
        ["session"],
        ["account_created", "session_ended", "session_started"],
    ),
    Issuer.log_in: (
        lambda s: s.auth.issuer.log_in("bob", PASSWORD, client=HERE, replaces=s.ann.issued.session.id),
        ["session"],
        ["login", "session_ended", "session_started"],
    ),
    Issuer.refresh: (reuse, ["session"], ["refresh_reused"]),
    Issuer.log_out: (
        lambda s: s.auth.issuer.log_out(s.ann.issued.session.id, client=HERE),
        ["session"],
        ["session_ended"],
    ),
    Issuer.end_session: (
        lambda s: s.auth.issuer.end_session(s.ann.issued.session.id, subject=s.ann.account.id, client=HERE),
        ["session"],
        ["session_ended"],
    ),
    Issuer.end_sessions: (
        lambda s: s.auth.issuer.end_sessions(s.ann.account.id, keep=None, client=HERE),
        ["subject"],
        ["subject_revoked"],
    ),
    Issuer.change_password: (
        lambda s: s.auth.issuer.change_password(
            s.ann.account.id, PASSWORD, OTHER_PASSWORD, keep_session=s.ann.issued.session.id, client=HERE
        ),
        ["subject"],
        ["password_changed", "throttled"],
    ),
    Issuer.revoke_key: (
        lambda s: s.auth.issuer.revoke_key(s.auth.issuer.keys.listing()[0]["kid"]),
        ["key"],
        ["key_revoked", "key_published"],
    ),
    Issuer.reset_after_restore: (
        lambda s: s.auth.issuer.reset_after_restore(),
        ["key", "key"],
        ["store_restored", "key_published", "key_published"],
    ),
    Accounts.register: (
        lambda s: s.auth.issuer.accounts.register("cyd", PASSWORD, None, HERE),
        [],
        ["account_created"],
    ),
    LogIn.step: (
        lambda s: s.auth.issuer.logins.step(
            None,
            "password",
            {"username": "ann", "password": PASSWORD},
            client=HERE,
            replaces=s.ann.issued.session.id,
        ),
        ["session"],
        ["login", "session_ended", "session_started"],
    ),
    LogIn.start_registered: (
        lambda s: s.auth.issuer.logins.start_registered(
            s.ann.account, client=HERE, replaces=s.bob.issued.session.id, max_access_chars=None
        ),
        ["session"],
        ["session_ended", "session_started"],
    ),
    LogIn.begin: READS,
    Authenticator.prove: (
        lambda s: fails(
            s.auth.issuer.logins.authenticator.prove(
                None, s.auth.issuer.accounts.password, {"username": "ann", "password": OTHER_PASSWORD}, HERE
            )
        ),
        [],
        ["login_failed"],
    ),
    Authenticator.may_use: READS,
    Authenticator.decide: READS,
    Accounts.change_password: (
        lambda s: s.auth.issuer.accounts.change_password(
            s.ann.account.id, PASSWORD, OTHER_PASSWORD, keep_session=None, client=HERE
        ),
        ["subject"],
        ["password_changed", "throttled"],
    ),
    Accounts.create: (lambda s: s.auth.issuer.accounts.create("cyd", PASSWORD), [], ["account_created"]),
    Accounts.set_password: (
        lambda s: s.auth.issuer.accounts.set_password(s.ann.account.id, OTHER_PASSWORD),
        ["subject"],
        ["password_changed", "throttled"],
    ),
    Accounts.set_scopes: (
        lambda s: s.auth.issuer.accounts.set_scopes(s.ann.account.id, ("admin",)),
        ["subject"],
        ["scopes_changed"],
    ),
    Accounts.disable: (
        lambda s: s.auth.issuer.accounts.disable(s.ann.account.id),
        ["subject"],
        ["account_disabled"],
    ),
    Accounts.enable: (
        lambda s: s.auth.issuer.accounts.enable(s.ann.account.id),
        [],
        ["account_enabled", "throttled"],
    ),
    Accounts.delete: (lambda s: s.auth.issuer.accounts.delete(s.ann.account.id), ["subject"], ["account_deleted"]),
    Accounts.find: READS,
    Accounts.list: READS,
    Accounts.close: READS,
    Sessions.start: (
        lambda s: s.auth.issuer.sessions.start(
            s.bob.account.id, client_id="c", client=HERE, replaces=s.ann.issued.session.id
        ),
        ["session"],
        ["session_ended", "session_started"],
    ),
    Sessions.refresh: (reuse, ["session"], ["refresh_reused"]),
    Sessions.check_fits: READS,
    Sessions.reissue: READS,
    Sessions.end: (
        lambda s: s.auth.issuer.sessions.end(s.own.session.id, cause="logout"),
        ["session"],
        ["session_ended"],
    ),
    Sessions.end_subject: (lambda s: s.auth.issuer.sessions.end_subject("42"), ["subject"], ["subject_revoked"]),
    Sessions.refresh_claims: (lambda s: s.auth.issuer.sessions.refresh_claims("42"), ["subject"], ["claims_refreshed"]),
    Sessions.read: READS,
    Sessions.list: READS,
    SigningKeys.read: READS,
    SigningKeys.read_verifying: READS,
    SigningKeys.load: READS,
    SigningKeys.start: READS,
    SigningKeys.rotate: (lambda s: s.auth.issuer.keys.rotate(), [], ["key_published"]),
    SigningKeys.revoke: (
        lambda s: s.auth.issuer.keys.revoke(s.auth.issuer.keys.listing()[0]["kid"]),
        ["key"],
        ["key_revoked", "key_published"],
    ),
    SigningKeys.reencrypt: READS,
    Sealring.start_session: (lambda s: s.auth.start_session("43"), [], ["session_started"]),
    Sealring.revoke_session: (
        lambda s: s.auth.revoke_session(s.own.session.id),
        ["session"],
        ["session_ended"],
    ),
    Sealring.revoke_subject: (lambda s: s.auth.revoke_subject("42"), ["subject"], ["subject_revoked"]),
    Sealring.refresh_claims: (lambda s: s.auth.refresh_claims("42"), ["subject"], ["claims_refreshed"]),
}

WRITING = {method.__qualname__: row for method, row in ROWS.items() if not isinstance(row, str)}


@pytest.fixture
async def scene(clock: FrozenClock, store: Store) -> Scene:
    published: list[Event] = []
    auth = cheap_sealring(store, clock, on_event=published.append)
    await auth.parts.access_ttl.declare()
    await auth.issuer.keys.start()
    ann = await auth.issuer.register("ann", PASSWORD, email=None, client=HERE, replaces=None)
    bob = await auth.issuer.register("bob", PASSWORD, email=None, client=HERE, replaces=None)
    own = await auth.issuer.sessions.start("42", client_id="c", client=HERE)
    published.clear()
    return Scene(auth, ann, bob, own, published)


def in_force(node: NodeState, entry: Entry) -> bool:
    """Whether the node refuses every token that this entry concerns."""
    match entry.kind:
        case "session":
            return node.revocations.cause(entry.target, "", 0, "") == "session"
        case "subject":
            return node.revocations.cause("", entry.target, entry.epoch - 1, "") == "subject"
        case "key":
            return node.revocations.cause("", "", 0, entry.target) == "key"


@pytest.mark.parametrize("name", WRITING)
async def test_i2_a_use_case_is_in_force_and_published_on_its_own_node_when_it_returns(scene: Scene, name: str) -> None:
    use_case, entries, events = WRITING[name]
    store = scene.auth.store
    head = (await store.load_feed(None)).head
    last = max(event.number for event in await store.read_events())
    await use_case(scene)
    gained = (await store.load_feed(head)).entries
    assert [entry.kind for entry in gained] == entries
    for entry in gained:
        assert in_force(scene.auth.node, entry), entry
    written = await store.read_events(after=last)
    assert sorted(event.kind for event in written if event.kind in events) == sorted(events)
    assert scene.published == written


async def test_f1_the_event_of_a_replaced_session_names_its_own_user(scene: Scene) -> None:
    ended = scene.ann.issued.session.id
    await scene.auth.issuer.log_in("bob", PASSWORD, client=HERE, replaces=ended)
    (event,) = (event for event in scene.published if event.kind == "session_ended")
    assert (event.session, event.subject, event.cause) == (ended, scene.ann.account.id, "replaced")


def test_every_use_case_has_a_row() -> None:
    for whole in (Issuer, LogIn, Authenticator, Accounts, Sessions, SigningKeys):
        for name, method in vars(whole).items():
            if inspect.iscoroutinefunction(method) and not name.startswith("_"):
                assert method in ROWS, f"{method.__qualname__} needs a row: is it in force when it returns?"


async def test_every_writing_method_of_the_store_is_reached_by_a_row(clock: FrozenClock) -> None:
    reached: set[str] = set()
    by_rows: set[str] = set()
    writes = {
        name
        for name, method in inspect.getmembers(Store, inspect.isfunction)
        if getattr(get_type_hints(method).get("return"), "__origin__", None) is Committed
    }

    class Watched(MemoryStore):
        def __getattribute__(self, name: str) -> Any:
            reached.add(name)
            return super().__getattribute__(name)

    for row in WRITING.values():
        auth = cheap_sealring(Watched(clock.now_ms), clock)
        await auth.parts.access_ttl.declare()
        await auth.issuer.keys.start()
        ann = await auth.issuer.register("ann", PASSWORD, email=None, client=HERE, replaces=None)
        bob = await auth.issuer.register("bob", PASSWORD, email=None, client=HERE, replaces=None)
        own = await auth.issuer.sessions.start("42", client_id="c", client=HERE)
        reached.clear()
        await row[0](Scene(auth, ann, bob, own))
        by_rows |= reached
    assert writes <= by_rows
    assert len(writes) == 7
