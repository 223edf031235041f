"""One refresh at a time, over threads, tasks and event loops, whoever is canceled when."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealring.client import Auth, LoggedOut, MemoryTokens, Tokens
from sealring.client.single_flight import Flight, SingleFlight, wait_in_loop, wait_in_thread
from tests.client.scripted import Received, Reply, Scripted, problem, scripted

OLD = Tokens(access_token="access-0", refresh_token="refresh-0", expires_in=600, obtained_at=0.0)


class OneAtATime:
    """An auth service that takes a while for a refresh, and a resource; it notes refreshes that overlap."""

    def __init__(self, seconds: float = 0.1) -> None:
        self.refreshed = self.at_once = self.most = 0
        self.ends = False
        self.asked = threading.Event()
        self._seconds = seconds
        self._mutex = threading.Lock()

    def __call__(self, received: Received) -> Reply:
        if received.path != "/auth/refresh":
            return Reply(200, {"token": received.fields.get("authorization")})
        with self._mutex:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.asked.set()
        time.sleep(self._seconds)
        with self._mutex:
            self.at_once -= 1
            self.refreshed += 1
            at = self.refreshed
        if self.ends:
            return problem(401, "session_ended")
        return Reply(200, {"access_token": f"access-{at}", "refresh_token": f"refresh-{at}", "expires_in": 600})


@pytest.fixture
def service() -> OneAtATime:
    return OneAtATime()


@pytest.fixture
def peer(service: OneAtATime) -> Iterator[Scripted]:
    with scripted(service) as running:
        yield running


def expired(peer: Scripted, **options: Any) -> Auth:
    """A scheme whose access token has expired."""
    store = MemoryTokens()
    store.save(OLD)
    return Auth(f"{peer.url}/auth", store=store, **options)


FRESH = {"token": "Bearer access-1"}


def test_threads_share_one_refresh(peer: Scripted, service: OneAtATime) -> None:
    auth = expired(peer)
    clients = [kind(auth=auth, trust_env=False) for kind in (httpx2.Client, httpx.Client)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda at: clients[at % 2].get(f"{peer.url}/x").json(), range(32)))
    assert answers == [FRESH] * 32
    assert service.refreshed == 1
    for client in clients:
        client.close()


async def ask(auth: Auth, peer: Scripted, times: int) -> list[Any]:
    async with httpx2.AsyncClient(auth=auth, trust_env=False) as http:
        return [one.json() for one in await asyncio.gather(*(http.get(f"{peer.url}/x") for _ in range(times)))]


def test_tasks_share_one_refresh(peer: Scripted, service: OneAtATime) -> None:
    assert asyncio.run(ask(expired(peer), peer, 32)) == [FRESH] * 32
    assert service.refreshed == 1


def test_two_loops_and_a_thread_share_one_refresh(peer: Scripted, service: OneAtATime) -> None:
    auth = expired(peer)

    def ask_here(_: int) -> Any:
        with httpx.Client(auth=auth, trust_env=False) as http:
            return http.get(f"{peer.url}/x").json()

    with ThreadPoolExecutor(4) as pool:
        loops = [pool.submit(lambda: asyncio.run(ask(auth, peer, 8))) for _ in range(2)]
        assert list(pool.map(ask_here, range(2))) == [FRESH] * 2
        assert [loop.result() for loop in loops] == [[FRESH] * 8] * 2
    assert service.refreshed == 1


def test_no_loop_stands_still_while_a_thread_refreshes(peer: Scripted, service: OneAtATime) -> None:
    service._seconds = 0.5
    auth = expired(peer)

    async def watch() -> float:
        longest, waiting = 0.0, asyncio.ensure_future(ask(auth, peer, 4))
        while not waiting.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)
        assert waiting.result() == [FRESH] * 4
        return longest

    with httpx2.Client(auth=auth, trust_env=False) as http, ThreadPoolExecutor(1) as pool:
        first = pool.submit(http.get, f"{peer.url}/x")
        assert service.asked.wait(10)
        assert asyncio.run(watch()) < 0.3
        assert first.result().json() == FRESH
    assert service.refreshed == 1


def test_when_the_one_that_refreshes_is_canceled_another_takes_over(peer: Scripted, service: OneAtATime) -> None:
    auth = expired(peer)

    async def work() -> None:
        async with httpx2.AsyncClient(auth=auth, trust_env=False) as http:
            first = asyncio.ensure_future(http.get(f"{peer.url}/x"))
            await asyncio.to_thread(service.asked.wait, 10)
            others = [asyncio.ensure_future(http.get(f"{peer.url}/x")) for _ in range(8)]
            await asyncio.sleep(0.02)
            others[0].cancel()  # one that waits: it disturbs nobody
            first.cancel()
            answers = await asyncio.gather(first, *others, return_exceptions=True)
            assert [type(one) for one in answers[:2]] == [asyncio.CancelledError] * 2
            assert all(one.status_code == 200 for one in answers[2:] if not isinstance(one, BaseException))
            assert len([one for one in answers if isinstance(one, BaseException)]) == 2

    asyncio.run(work())
    refreshed = peer.paths().count("/auth/refresh")
    assert refreshed == 2, "the canceled one, and one for all others"
    sent = {one.body for one in peer.received if one.path == "/auth/refresh"}
    assert sent == {b'{"refresh_token":"refresh-0"}'}, "its answer was lost, so the same token is asked with again"


LEFT = """
import asyncio, sys, threading, httpx2
from sealring.client import Auth, FileTokens, Tokens
store = FileTokens(sys.argv[2])
store.save(Tokens(access_token="access-0", refresh_token="refresh-0", expires_in=600, obtained_at=0.0))
auth = Auth(sys.argv[1] + "/auth", store=store, max_wait=5)
sent = threading.Event()
async def note(request): sent.set()
async def ask():
    http = httpx2.AsyncClient(auth=auth, event_hooks={"request": [note]}, trust_env=False)
    await http.get(sys.argv[1] + "/x")
loop = asyncio.new_event_loop()
task = loop.create_task(ask())
while not sent.is_set():
    loop.run_until_complete(asyncio.sleep(0.001))
loop.close()
print(httpx2.Client(auth=auth, trust_env=False).get(sys.argv[1] + "/x").status_code)
"""


def test_a_loop_that_is_closed_in_the_middle_keeps_nobody_from_refreshing(peer: Scripted, tmp_path: Path) -> None:
    program = [sys.executable, "-c", LEFT, peer.url, str(tmp_path / "tokens.json")]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.stdout == "200\n", done.stderr


def test_the_end_of_a_session_reaches_all_who_wait(peer: Scripted, service: OneAtATime) -> None:
    service.ends = True
    auth = expired(peer)

    async def work() -> list[Any]:
        async with httpx.AsyncClient(auth=auth, trust_env=False) as http:
            return await asyncio.gather(*(http.get(f"{peer.url}/x") for _ in range(8)), return_exceptions=True)

    answers = asyncio.run(work())
    assert {type(one) for one in answers} == {LoggedOut}
    assert peer.paths() == ["/auth/refresh"]


def test_who_waits_keeps_no_connection_that_the_refresh_needs(service: OneAtATime) -> None:
    """All connections of a pool may be held by requests that were refused their token."""
    revoked = {"Bearer access-0"}

    def reply(received: Received) -> Reply:
        if received.fields.get("authorization") in revoked:
            time.sleep(0.05)
            return problem(401, "invalid_token", **{"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return service(received)

    store = MemoryTokens()
    store.save(Tokens(access_token="access-0", refresh_token="refresh-0", expires_in=600, obtained_at=time.time()))
    with scripted(reply) as refusing:
        auth = Auth(f"{refusing.url}/auth", store=store)

        async def work() -> list[int]:
            limits = httpx2.Limits(max_connections=4)
            async with httpx2.AsyncClient(auth=auth, limits=limits, timeout=5, trust_env=False) as http:
                answers = await asyncio.gather(*(http.get(f"{refusing.url}/x") for _ in range(12)))
                return [one.status_code for one in answers]

        assert asyncio.run(work()) == [200] * 12
    assert service.refreshed == 1


class Counting(MemoryTokens):
    """A store that counts how often it is locked."""

    def __init__(self) -> None:
        super().__init__()
        self.locked = 0

    def try_lock(self) -> bool:
        taken = super().try_lock()
        self.locked += taken
        return taken


def test_who_waited_for_a_refresh_needs_neither_the_store_nor_its_lock(peer: Scripted) -> None:
    store = Counting()
    store.save(OLD)
    assert asyncio.run(ask(Auth(f"{peer.url}/auth", store=store), peer, 32)) == [FRESH] * 32
    assert store.locked == 1


class SlowToSave(MemoryTokens):
    """A store whose disk hangs until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.saving, self.go_on = threading.Event(), threading.Event()

    def save(self, tokens: Tokens) -> None:
        if tokens != OLD:
            self.saving.set()
            assert self.go_on.wait(10)
        super().save(tokens)


def test_a_task_canceled_while_it_saves_gives_the_lock_back_afterwards(peer: Scripted, service: OneAtATime) -> None:
    store = SlowToSave()
    store.save(OLD)
    auth = Auth(f"{peer.url}/auth", store=store)

    async def work() -> None:
        async with httpx2.AsyncClient(auth=auth, trust_env=False) as http:
            first = asyncio.ensure_future(http.get(f"{peer.url}/x"))
            assert await asyncio.to_thread(store.saving.wait, 10)
            for _ in range(3):  # and again, while it waits for the disk
                first.cancel()
                await asyncio.sleep(0.02)
            assert not store.try_lock(), "the write is still under way"
            store.go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await first
            assert (await http.get(f"{peer.url}/x")).json() == FRESH

    asyncio.run(work())
    assert service.refreshed == 1, "what was saved is used"


def test_a_flight_of_a_closed_loop_is_taken_over_and_its_late_end_disturbs_nobody() -> None:
    flight = SingleFlight()

    async def take() -> Flight:
        taken, is_mine = flight.join()
        assert is_mine
        return taken

    left = asyncio.run(take())
    mine, is_mine = flight.join()
    assert is_mine
    assert left.done.done(), "who waited for it looks again"
    flight.leave(left)
    assert flight.is_running
    assert flight.join() == (mine, False)
    flight.leave(mine)
    assert not flight.is_running


class Callers:
    """Callers of two loops and of threads; each holds the place for some half milliseconds, once others let it."""

    def __init__(self) -> None:
        self.flight = SingleFlight()
        self.inside = self.most = self.ended = 0
        self._mutex = threading.Lock()

    def enter(self) -> None:
        with self._mutex:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def leave(self, flight: Flight) -> None:
        with self._mutex:
            self.inside -= 1
            self.ended += 1
        self.flight.leave(flight)

    async def task(self, delay: int, moments: int) -> None:
        await asyncio.sleep(delay / 2000)
        while not (joined := self.flight.join())[1]:
            assert await wait_in_loop(joined[0], 10)
        self.enter()
        try:
            await asyncio.sleep(moments / 2000)
        finally:
            self.leave(joined[0])

    def thread(self, delay: int, moments: int) -> None:
        time.sleep(delay / 2000)
        while not (joined := self.flight.join())[1]:
            assert wait_in_thread(joined[0], 10)
        self.enter()
        time.sleep(moments / 2000)
        self.leave(joined[0])

    async def loop(self, plan: list[Caller]) -> int:
        """How many of these tasks got their turn; the others were canceled."""
        tasks = [asyncio.ensure_future(self.task(delay, moments)) for delay, moments, _ in plan]
        await asyncio.sleep(0.0005)
        for one, (_, _, canceled) in zip(tasks, plan, strict=True):
            if canceled:
                one.cancel()
        done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
        assert {type(one) for one in done} <= {type(None), asyncio.CancelledError}
        return done.count(None)


Caller = tuple[int, int, bool]
"""Half milliseconds until it comes, and for which it stays; whether it is canceled soon."""
CALLERS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=6)


@settings(max_examples=60, deadline=None)
@given(CALLERS, CALLERS, CALLERS)
def test_the_place_has_one_holder_and_everybody_gets_it_or_is_canceled(
    first: list[Caller], second: list[Caller], threads: list[Caller]
) -> None:
    callers = Callers()
    with ThreadPoolExecutor(8) as pool:
        loops = [pool.submit(asyncio.run, callers.loop(plan)) for plan in (first, second)]
        others = [pool.submit(callers.thread, delay, moments) for delay, moments, _ in threads]
        finished = sum(one.result(30) for one in loops)
        for other in others:
            other.result(30)
    kept = sum(not canceled for _, _, canceled in first + second)
    assert finished >= kept
    assert callers.ended >= finished + len(threads)
    assert callers.most <= 1
    assert callers.inside == 0
    assert not callers.flight.is_running
