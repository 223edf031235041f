"""The same session seen through three shells: the pure machine over a dictionary, and `Sessions` over each store.

A driver can stop a refresh between reading and writing, which is where every race lives: `begin` runs up
to the write, `finish` runs the rest.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol, TypeVar, assert_never, cast, get_args

from sealring import jwt
from sealring.accounts.account import Account
from sealring.accounts.changes import AccountChange, Deletion, PasswordChange, StatusChange
from sealring.audit.event import Event
from sealring.authentication.client_info import ClientInfo
from sealring.errors import InvalidRefreshToken, RefreshRefused, RefreshReused, RefreshSuperseded, SessionEnded
from sealring.issuer.access_tokens import AccessTokenIssuer
from sealring.issuer.access_ttl import AccessTtl
from sealring.issuer.new_sessions import NewSessions
from sealring.issuer.session_tokens import SessionTokens
from sealring.issuer.sessions import SessionPolicy, Sessions
from sealring.revocation.entry import Entry
from sealring.sessions.device_proof import DeviceProofs
from sealring.sessions.refresh import Decision, Ended, LimitReached, Mint, Repeat, Reused, Superseded, decide_refresh
from sealring.sessions.refresh_token import RefreshToken, RefreshTokenCodec
from sealring.sessions.session import Session
from sealring.store.memory import MemoryStore
from sealring.store.postgres import PostgresStore
from sealring.store.protocol import Store
from sealring.store.records import Committed, LoginGuard
from sealring.store.sqlite import SqliteStore
from tests.clocks import FrozenClock, on_clock
from tests.nodes import a_node, committing

IDLE_SECONDS, MAX_SECONDS = 10 * 86_400, 30 * 86_400
RETAIN_SECONDS = 1_805
LEEWAY_SECONDS = 5

T = TypeVar("T")

Ending = Literal["logout", "ended by operator", "subject revoked", "disabled", "password changed", "deleted"]
ENDINGS: Sequence[Ending] = get_args(Ending)


@dataclass(slots=True)
class World:
    """What surrounds the shells: the time, each node's error of it, and the retry window."""

    retry_window_ms: int
    now_ms: int = 1_900_000_000_000
    skew_ms: tuple[int, int] = (0, 1_500)

    def clock(self, node: int) -> int:
        return self.now_ms + self.skew_ms[node]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a refresh came to; `child` is the new refresh token's text."""

    kind: Literal["tokens", "superseded", "reused", "over", "invalid"]
    child: str = ""


class Refresh(Protocol):
    """A refresh on its way through a node."""

    @property
    def is_decided(self) -> bool:
        """Whether there is nothing left to write."""


class Driver(Protocol):
    """One subject's sessions behind two nodes."""

    def start(self) -> str:
        """Log in; the first refresh token."""

    def begin(self, text: str, node: int) -> Refresh: ...
    def finish(self, refresh: Refresh) -> Answer: ...
    def end(self, session_id: str, how: Ending) -> None: ...
    def restart(self) -> None: ...
    def rotate_secret(self, *, keep_old: bool) -> None: ...
    def row(self, session_id: str) -> Session: ...
    def live_sessions(self) -> int: ...
    def close(self) -> None: ...


class _Keys:
    """The refresh MAC keys; reads what was ever encrypted, for the test's own eyes."""

    def __init__(self) -> None:
        self._ever = [secrets.token_bytes(32)]
        self._now = self._ever
        self.codec = RefreshTokenCodec(self._now)

    def rotate(self, *, keep_old: bool) -> None:
        key = secrets.token_bytes(32)
        self._ever = [key, *self._ever]
        self._now = [key, *(self._now if keep_old else [])]
        self.codec = RefreshTokenCodec(self._now)

    def read(self, text: str) -> RefreshToken:
        return RefreshTokenCodec(self._ever).decode(text)


Decide = Callable[..., Decision]
Swap = Callable[[dict[str, Session], Session, Session], bool]


def swap_if_unmoved(rows: dict[str, Session], before: Session, after: Session) -> bool:
    if rows[before.id] != before:
        return False
    rows[before.id] = after
    return True


@dataclass(slots=True)
class _PureRefresh:
    steps: Generator[None, None, Answer]
    answer: Answer | None = None

    @property
    def is_decided(self) -> bool:
        return self.answer is not None

    def step(self) -> None:
        try:
            next(self.steps)
        except StopIteration as stop:
            self.answer = stop.value


class PureDriver:
    """The pure machine and the smallest shell that obeys it; either can be exchanged for a faulty one."""

    def __init__(self, world: World, *, decide: Decide = decide_refresh, swap: Swap = swap_if_unmoved) -> None:
        self._world, self._decide, self._swap = world, decide, swap
        self._rows: dict[str, Session] = {}
        self.keys = _Keys()

    def start(self) -> str:
        now_ms = self._world.clock(0)
        session = new_session(now_ms)
        self._rows[session.id] = session
        return self.keys.codec.encode(RefreshToken(session.id, 0, now_ms, None))

    def begin(self, text: str, node: int) -> Refresh:
        refresh = _PureRefresh(self._refresh(text, node))
        refresh.step()
        return refresh

    def finish(self, refresh: Refresh) -> Answer:
        own = cast("_PureRefresh", refresh)
        while own.answer is None:
            own.step()
        return own.answer

    def _refresh(self, text: str, node: int) -> Generator[None, None, Answer]:
        try:
            token = self.keys.codec.decode(text)
        except InvalidRefreshToken:
            return Answer("invalid")
        while True:
            row = self._rows[token.session_id]
            now_ms = self._world.clock(node)
            decision = self._decide(row, token, now_ms=now_ms, retry_window_ms=self._world.retry_window_ms)
            match decision:
                case Ended():
                    return Answer("over")
                case Superseded():
                    return Answer("superseded")
                case Repeat(child):
                    return Answer("tokens", self.keys.codec.encode(child))
                case Reused():
                    after, answer = replace(row, ended_at=now_ms // 1000, ended_by="reuse"), Answer("reused")
                case LimitReached(limit):
                    after, answer = replace(row, ended_at=now_ms // 1000, ended_by=limit), Answer("over")
                case Mint(child, after):
                    answer = Answer("tokens", self.keys.codec.encode(child))
                case _:
                    assert_never(decision)
            yield
            if self._swap(self._rows, row, after):
                return answer

    def end(self, session_id: str, how: Ending) -> None:
        del how
        row = self._rows[session_id]
        if row.ended_at is None:
            self._rows[session_id] = replace(row, ended_at=self._world.now_ms // 1000, ended_by="logout")

    def restart(self) -> None:
        """The rows are all that there is."""

    def rotate_secret(self, *, keep_old: bool) -> None:
        self.keys.rotate(keep_old=keep_old)

    def row(self, session_id: str) -> Session:
        return self._rows[session_id]

    def live_sessions(self) -> int:
        return sum(row.ended_at is None for row in self._rows.values())

    def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class _Gate:
    """Where a refresh waits before it writes."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


_gate: ContextVar[_Gate | None] = ContextVar("gate", default=None)


class _Gated:
    """A store whose refreshes stop before they write, as a busy machine may stop them. Its clock is the world's."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = on_clock(store, now_ms)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def advance_session(self, before: Session, after: Session) -> bool:
        await self._wait()
        return await self._store.advance_session(before, after)

    async def revoke(self, *args: Any, **options: Any) -> Committed[int | None]:
        await self._wait()
        return await self._store.revoke(*args, **options)

    async def _wait(self) -> None:
        if gate := _gate.get():
            gate.reached.set()
            await gate.opened.wait()


@dataclass(slots=True)
class _StoreRefresh:
    task: asyncio.Task[Answer]
    gate: _Gate

    @property
    def is_decided(self) -> bool:
        return self.task.done()


class _WorldClock(FrozenClock):
    """The clock of one node of the world."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__()
        self._world, self._number = world, number

    def now_ms(self) -> int:
        return self._world.clock(self._number)


class StoreDriver:
    """`Sessions` of two nodes over one store."""

    def __init__(self, world: World, make_store: Callable[[Path], Store]) -> None:
        self._world, self._make_store = world, make_store
        self._folder = TemporaryDirectory()
        self._runner = asyncio.Runner()
        self.keys = _Keys()
        self._signing_key = jwt.Key.from_secret(secrets.token_bytes(32), "HS256")
        self._store = make_store(Path(self._folder.name))
        self._runner.run(self._store.open())
        self._nodes = self._make_nodes()
        self._account: Account | None = None

    def _make_nodes(self) -> tuple[Sessions, Sessions]:
        def node(number: int) -> Sessions:
            clock = _WorldClock(self._world, number)
            node = a_node(clock)
            store = committing(_Gated(self._store, lambda: self._world.now_ms), node)
            return Sessions(
                store=store,
                tokens=SessionTokens(
                    AccessTokenIssuer(
                        issuer="i",
                        audience="a",
                        ttl=AccessTtl(store, 1_800, heard_seconds=10, node=node),
                        signing_key=lambda: self._signing_key,
                    ),
                    self.keys.codec,
                ),
                policy=SessionPolicy(
                    idle_seconds=IDLE_SECONDS,
                    max_seconds=MAX_SECONDS,
                    retry_window_ms=self._world.retry_window_ms,
                    leeway_seconds=LEEWAY_SECONDS,
                ),
                clock=clock.now_ms,
                devices=DeviceProofs([bytes(32)]),
            )

        return node(0), node(1)

    def start(self) -> str:
        return self._runner.run(self._start())

    async def _start(self) -> str:
        name = secrets.token_urlsafe(8)
        account = Account(
            id=secrets.token_urlsafe(16),
            name=name,
            canonical_name=name,
            password_hash="first",
            created_at=self._world.now_ms // 1000,
        )
        await self._store.create_account(account, self._event())
        self._account = account
        issued = await NewSessions(store=self._nodes[0].store, sessions=self._nodes[0]).start(
            account.id, client_id="http", client=ClientInfo(""), guard=LoginGuard(epoch=0)
        )
        assert issued is not None
        return issued.refresh_token

    def begin(self, text: str, node: int) -> Refresh:
        return self._runner.run(self._begin(text, node))

    async def _begin(self, text: str, node: int) -> _StoreRefresh:
        gate = _Gate()
        reset = _gate.set(gate)
        task = asyncio.create_task(self._refresh(self._nodes[node], text))
        _gate.reset(reset)
        reached = asyncio.create_task(gate.reached.wait())
        await asyncio.wait({task, reached}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        return _StoreRefresh(task, gate)

    async def _refresh(self, node: Sessions, text: str) -> Answer:
        try:
            return Answer("tokens", (await node.refresh(text, client=ClientInfo(""))).refresh_token)
        except RefreshRefused as refused:
            kinds: dict[type[RefreshRefused], Literal["invalid", "over", "reused", "superseded"]] = {
                InvalidRefreshToken: "invalid",
                SessionEnded: "over",
                RefreshReused: "reused",
                RefreshSuperseded: "superseded",
            }
            return Answer(kinds[type(refused)])

    def finish(self, refresh: Refresh) -> Answer:
        own = cast("_StoreRefresh", refresh)
        own.gate.opened.set()
        return self._runner.run(_result(own.task))

    def end(self, session_id: str, how: Ending) -> None:
        self._runner.run(self._end(session_id, how))

    async def _end(self, session_id: str, how: Ending) -> None:
        assert self._account is not None
        now = self._world.now_ms // 1000
        subject = self._account.id
        match how:
            case "logout":
                await self._nodes[0].end(session_id, cause="logout", subject=subject)
            case "ended by operator":
                await self._nodes[1].end(session_id, cause="ended_by_operator")
            case "subject revoked":
                await self._nodes[1].end_subject(subject)
            case "disabled" | "password changed" | "deleted":
                changes: dict[str, AccountChange] = {
                    "disabled": StatusChange(status="disabled"),
                    "password changed": PasswordChange(old_hash="first", new_hash="second"),
                    "deleted": Deletion(),
                }
                await self._store.change_account(subject, changes[how], self._event(), now=now)

    def restart(self) -> None:
        # an in-memory store is its process; what restarts with it is every shell
        if not isinstance(self._store, MemoryStore):
            self._runner.run(self._store.close())
            self._store = self._make_store(Path(self._folder.name))
            self._runner.run(self._store.open())
        self._nodes = self._make_nodes()

    def rotate_secret(self, *, keep_old: bool) -> None:
        self.keys.rotate(keep_old=keep_old)
        self._nodes = self._make_nodes()

    def row(self, session_id: str) -> Session:
        record = self._runner.run(_result(self._store.read_session(session_id)))
        assert record is not None
        return record.session

    def live_sessions(self) -> int:
        # at a time before every limit, so that not being ended is all that counts
        return len(self._runner.run(self._store.list_sessions(None, now=0)))

    def close(self) -> None:
        self._runner.run(self._store.close())
        self._runner.close()
        self._folder.cleanup()

    def _event(self) -> Event:
        return Event(kind="account_created", at_ms=self._world.now_ms)


async def _result(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _ignore(entries: Sequence[Entry]) -> None:
    """The row is what refreshes are judged by; the feed has tests of its own."""


def memory_driver(world: World) -> Driver:
    return StoreDriver(world, lambda folder: MemoryStore())  # noqa: ARG005 - it needs no folder


def sqlite_driver(world: World) -> Driver:
    return StoreDriver(world, lambda folder: SqliteStore(folder / "sealring.db"))


def postgres_driver(dsn: str) -> Callable[[World], Driver]:
    return lambda world: StoreDriver(world, lambda folder: PostgresStore(dsn))  # noqa: ARG005 - it needs no folder


def new_session(now_ms: int) -> Session:
    now = now_ms // 1000
    return Session(
        id=secrets.token_urlsafe(16),
        subject="42",
        client_id="http",
        scopes=(),
        created_at=now,
        auth_time=now,
        last_seen_at=now,
        idle_seconds=IDLE_SECONDS,
        expires_at=now + MAX_SECONDS,
        minted_ms=now_ms,
        confirmed_ms=now_ms,
    )
