"""`auth.sync()`: every use case without an event loop, and what it does beside one."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import Iterator
from contextvars import Context, ContextVar
from pathlib import Path
from typing import assert_type
from weakref import ref

import pytest
from anyio import to_thread

from sealring import Account, Grant, Issued, LoggedIn, NoSuchAccount, Principal, Sealring, Session, WrongCredentials
from sealring.errors import ConfigurationError, Revoked, Stale, StoreUnavailable, Unavailable
from sealring.issuer.account_commands import AccountCommands
from sealring.store.memory import MemoryStore
from sealring.sync import SyncAccounts, SyncSealring
from tests.clocks import FrozenClock
from tests.serving import PASSWORD, SECRET, cheap_sealring, fresh_name

ADDRESS = "192.0.2.7"
ASYNCHRONOUS_ONLY = {"problem_response"}
"""Speaks ASGI: WSGI frameworks have an answer of their own."""


@pytest.fixture
def auth() -> Iterator[Sealring]:
    auth = cheap_sealring()
    yield auth
    auth.sync().close()


@pytest.fixture
def threads() -> Threads:
    return Threads()


class Threads:
    """The threads that a test has started: another test of the same process may have left some of its own."""

    def __init__(self) -> None:
        self._before = set(threading.enumerate())

    def running(self) -> int:
        return len(set(threading.enumerate()) - self._before)

    def of_a_sealring(self) -> int:
        return sum(thread.name == "sealring" for thread in set(threading.enumerate()) - self._before)


@pytest.mark.parametrize(("asynchronous", "synchronous"), [(Sealring, SyncSealring), (AccountCommands, SyncAccounts)])
def test_every_use_case_has_its_row(asynchronous: type, synchronous: type) -> None:
    names = {name for name, method in inspect.getmembers_static(asynchronous, inspect.iscoroutinefunction)}
    names = {name for name in names if not name.startswith("_")} - ASYNCHRONOUS_ONLY - {"close"}
    assert names
    for name in names:
        original, row = getattr(asynchronous, name), getattr(synchronous, name, None)
        assert row is not None, f"{synchronous.__name__} has no {name}"
        assert inspect.unwrap(row) is original
        assert not inspect.iscoroutinefunction(row)
        assert row.__doc__ == original.__doc__
        assert inspect.signature(row) == inspect.signature(original)
        assert row.__name__ == name


def test_a_day_without_an_event_loop(auth: Sealring) -> None:
    name = fresh_name()
    with auth.sync() as s:
        assert_type(s, SyncSealring)
        assert_type(s.register(name, PASSWORD, address=ADDRESS), LoggedIn)
        logged_in = s.log_in(name, PASSWORD, address=ADDRESS)
        assert_type(logged_in, LoggedIn)
        assert_type(s.verify(logged_in.issued.access_token.text), Principal)
        issued = s.refresh_session(logged_in.issued.refresh_token)
        assert_type(issued, Issued)
        account = s.accounts.find(name)
        assert_type(account, Account)
        assert_type(s.accounts.list(), list[Account])
        assert [session.id for session in s.list_sessions(account.id)].count(issued.session.id) == 1
        s.accounts.set_scopes(account.id, ["orders:read"])
        assert s.revoke_session(issued.session.id)
        with pytest.raises(Revoked):
            s.verify(issued.access_token.text)
        own = s.start_session("42", scopes=["orders:read"])
        assert s.verify(own.access_token.text).scopes == {"orders:read"}
        s.revoke_subject("42")
        with pytest.raises(Revoked):
            s.verify(own.access_token.text)


def test_errors_are_those_of_the_asynchronous_method(auth: Sealring) -> None:
    s = auth.sync()
    with pytest.raises(WrongCredentials):
        s.log_in("nobody", PASSWORD, address=ADDRESS)
    with pytest.raises(NoSuchAccount):
        s.accounts.find("nobody")
    with pytest.raises(TypeError, match="give request="):
        s.log_in("nobody", PASSWORD)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'password'"):
        s.log_in("nobody")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="subject must be"):
        s.start_session("")


def test_the_first_call_opens_and_close_closes_and_the_next_opens_anew(auth: Sealring, threads: Threads) -> None:
    s = auth.sync()
    for _ in range(3):
        token = s.start_session("42").access_token.text
        assert auth.verify(token).subject == "42"
        assert threads.of_a_sealring() == 1
        s.close()
        assert threads.running() == 0
        assert auth.sync().verify(token).subject == "42"
        auth.sync().close()
        s.close()


def test_all_faces_of_one_sealring_share_one_thread(auth: Sealring, threads: Threads) -> None:
    with auth.sync() as s, auth.sync() as other:
        s.start_session("42")
        other.start_session("43")
        assert threads.of_a_sealring() == 1


def test_many_first_callers_share_one_opening(auth: Sealring, threads: Threads) -> None:
    opened: list[str] = []
    start = auth.store.open

    async def counted() -> None:
        opened.append("open")
        await start()

    auth.store.open = counted  # type: ignore[method-assign]
    barrier = threading.Barrier(8)

    def first() -> None:
        barrier.wait()
        auth.sync().start_session("42")

    callers = [threading.Thread(target=first) for _ in range(8)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(30)
    assert opened == ["open"]
    assert threads.of_a_sealring() == 1


def test_a_check_needs_no_other_thread(auth: Sealring) -> None:
    with auth.sync() as s:
        token = s.start_session("42").access_token.text
        blocked, go_on = threading.Event(), threading.Event()

        async def block() -> None:
            blocked.set()
            go_on.wait(30)

        asyncio.run_coroutine_threadsafe(block(), auth._runner._loop())
        assert blocked.wait(30)
        assert s.verify(token).subject == "42"  # would wait for ever if it asked the event loop
        go_on.set()


def test_a_stale_node_stays_stale_however_often_it_is_asked(auth: Sealring) -> None:
    with auth.sync() as s:
        token = s.start_session("42").access_token.text
        auth.node.fresh_until = float("-inf")
        with pytest.raises(Stale):
            s.verify(token)


def test_what_cannot_be_opened_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    auth = Sealring(secret=SECRET, database_url=f"sqlite:///{tmp_path}/nowhere/sealring.db")
    with pytest.raises(ConfigurationError, match="the folder of sealring"), auth.sync():
        raise AssertionError("opened")
    assert [record.getMessage() for record in caplog.records] == ["cannot open: every check answers 503"]
    assert "does not exist" in caplog.records[0].__dict__["sealring"]["cause"]
    auth.sync().close()


def test_what_a_store_refuses_is_raised_and_the_next_call_tries_again() -> None:
    class Away(MemoryStore):
        away = True

        async def open(self) -> None:
            if self.away:
                raise StoreUnavailable("away")
            await super().open()

    clock = FrozenClock()
    store = Away(clock.now_ms)
    auth = cheap_sealring(store, clock)
    with pytest.raises(StoreUnavailable, match="away"):
        auth.sync().start_session("42")
    store.away = False
    assert auth.sync().start_session("42").expires_in == 1800
    auth.sync().close()


def test_hooks_see_the_context_variables_of_the_caller() -> None:
    tenant: ContextVar[str] = ContextVar("tenant")
    seen: list[str] = []

    async def grant_for(_: Session) -> Grant:
        seen.append(tenant.get())
        return Grant([])

    auth = cheap_sealring(grant_for=grant_for)
    for name in ("first", "second"):
        tenant.set(name)
        auth.sync().start_session("42")
    assert seen == ["first", "second"]
    auth.sync().close()


def test_what_a_request_opens_keeps_nothing_of_its_context(auth: Sealring) -> None:
    class Tenant:
        pass

    tenant: ContextVar[Tenant] = ContextVar("tenant")

    def first_request() -> ref[Tenant]:
        one = Tenant()
        tenant.set(one)
        auth.sync().start_session("42", scopes=[])
        return ref(one)

    kept = Context().run(first_request)
    gc.collect()
    assert kept() is None, "what runs in the background holds the request that opened it"


def test_who_waits_while_it_closes_is_refused(auth: Sealring) -> None:
    s = auth.sync()
    s.start_session("42")
    entered = threading.Event()
    refused: list[Exception] = []

    async def forever() -> None:
        entered.set()
        await asyncio.Event().wait()

    def wait() -> None:
        try:
            auth._runner.run(forever())
        except Unavailable as error:
            refused.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert entered.wait(30)
    s.close()
    thread.join(30)
    assert [str(error) for error in refused] == ["sealring is being closed"]


@pytest.mark.anyio
async def test_beside_an_event_loop_that_has_it_open_there_is_no_thread(auth: Sealring, threads: Threads) -> None:
    async with auth.lifespan():
        issued = await to_thread.run_sync(lambda: auth.sync().start_session("42"))
        assert auth.verify(issued.access_token.text).subject == "42"
        assert threads.of_a_sealring() == 0
        await to_thread.run_sync(auth.sync().close)
        assert auth.node.is_fresh
        await auth.start_session("42")  # still open


@pytest.mark.anyio
async def test_in_the_thread_of_its_event_loop_it_says_what_to_do(auth: Sealring) -> None:
    async with auth.lifespan():
        with pytest.raises(RuntimeError, match="await its own method instead"):
            auth.sync().start_session("42")


def test_two_event_loops_that_open_at_once_open_once(auth: Sealring, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain view calls `auth.sync()` while an asynchronous one opens the same `Sealring` in the server's loop."""
    opened: list[str] = []
    start = auth.store.open

    async def slowly() -> None:
        opened.append(threading.current_thread().name)
        await asyncio.sleep(0.05)
        await start()

    monkeypatch.setattr(auth.store, "open", slowly)
    barrier = threading.Barrier(3)
    end = threading.Event()

    async def serve() -> None:
        barrier.wait()
        await auth.open()
        await asyncio.to_thread(end.wait, 30)
        await auth.close()

    servers = [threading.Thread(target=asyncio.run, args=(serve(),)) for _ in range(2)]
    for server in servers:
        server.start()
    barrier.wait()
    issued = auth.sync().start_session("42")
    assert auth.verify(issued.access_token.text).subject == "42"
    assert len(opened) == 1
    end.set()
    for server in servers:
        server.join(30)
        assert not server.is_alive()


def test_an_event_loop_that_ends_while_it_opens_keeps_nobody_waiting(
    auth: Sealring, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = auth.store.open
    monkeypatch.setattr(auth.store, "open", asyncio.Event().wait)
    loop = asyncio.new_event_loop()
    stuck = loop.create_task(auth.open())
    loop.run_until_complete(asyncio.sleep(0.01))
    monkeypatch.setattr(auth.store, "open", start)
    assert auth.sync().start_session("42").session.subject == "42"
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(stuck)
    loop.close()
    assert auth.sync().start_session("42").session.subject == "42"
