"""Argon2id in a bounded pool: right answers, bounded costs, bounded waiting, lowest priority."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import argon2
import bcrypt
import pytest

from sealring.accounts.argon2id import Argon2Profile, write_phc
from sealring.accounts.foreign_hash import Scrypt
from sealring.accounts.hash_notations import read_hash
from sealring.errors import Overloaded
from sealring.issuer.hashing import HashingSlot, PasswordHasher
from sealring.issuer.thread_priority import LoopLoad

CHEAP = Argon2Profile(memory_kib=64, passes=1)


def test_a_hash_verifies_and_another_password_does_not() -> None:
    hasher = PasswordHasher(profile=CHEAP)
    stored = hasher.hash_now("correct horse")
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert hasher.verify_now(stored, "correct horse")
    assert not hasher.verify_now(stored, "correct horsf")
    assert not hasher.verify_now(stored, "")
    assert hasher.hash_now("correct horse") != stored


def test_argon2_cffi_agrees() -> None:
    theirs = argon2.PasswordHasher(time_cost=2, memory_cost=128, parallelism=2)
    ours = PasswordHasher(profile=CHEAP)
    assert ours.verify_now(theirs.hash("pässword"), "pässword")
    assert theirs.verify(ours.hash_now("pässword"), "pässword")


def test_none_never_matches() -> None:
    hasher = PasswordHasher(profile=CHEAP)
    stored = hasher.hash_now("x")
    for against, password in ((None, "x"), (None, None), (stored, None), (None, ""), ("$argon2id$nonsense", "x")):
        assert not hasher.verify_now(against, password)


def test_empty_password_matches_only_its_own_hash() -> None:
    hasher = PasswordHasher(profile=CHEAP)
    assert hasher.verify_now(hasher.hash_now(""), "")
    assert not hasher.verify_now(hasher.hash_now(""), None)


def test_a_hash_of_another_scheme_is_verified_and_wants_a_rehash(caplog: pytest.LogCaptureFixture) -> None:
    hasher = PasswordHasher(profile=CHEAP)
    stored = read_hash(bcrypt.hashpw(b"hunter22", bcrypt.gensalt(4)).decode())
    assert hasher.verify_now(stored, "hunter22")
    assert not hasher.verify_now(stored, "hunter23")
    assert not hasher.verify_now(stored, None)
    assert hasher.needs_rehash(stored)
    assert caplog.text == ""
    assert not hasher.verify_now("$2b$15$" + "a" * 53, "hunter22")
    assert "above its bounds" in caplog.text


def test_none_is_not_the_empty_password_of_another_scheme() -> None:
    stored = read_hash(bcrypt.hashpw(b"", bcrypt.gensalt(4)).decode())
    assert PasswordHasher(profile=CHEAP).verify_now(stored, "")
    assert not PasswordHasher(profile=CHEAP).verify_now(stored, None)


def test_u2_a_cheap_hash_of_another_scheme_costs_a_hash_of_ours_besides() -> None:
    class Recording(PasswordHasher):
        def verify_now(self, phc: str | None, password: str | None) -> bool:
            verified.append(phc)
            return super().verify_now(phc, password)

    verified: list[str | None] = []
    cheap = "$pbkdf2-sha256$i=1$c2FsdHNhbHQ$" + "A" * 43
    assert not Recording(profile=CHEAP).verify_now(cheap, "x")
    assert verified == [cheap, None]


def test_a_large_hash_of_another_scheme_waits_for_the_room_of_larger_ones() -> None:
    """The memory budget holds one hash that is larger than those of the profile."""
    hasher = PasswordHasher(profile=CHEAP)
    large = Scrypt(10, 8, 1, b"saltsalt", bytes(32))
    assert large.memory_kib > CHEAP.memory_kib
    with hasher._larger, ThreadPoolExecutor(1) as pool:
        waits = pool.submit(hasher.verify_now, large.phc, "x")
        with pytest.raises(TimeoutError):
            waits.result(0.2)
        hasher._larger.release()
        assert waits.result(10) is False
        hasher._larger.acquire()


def test_without_the_package_of_a_scheme_its_hashes_never_match(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = read_hash(bcrypt.hashpw(b"hunter22", bcrypt.gensalt(4)).decode())
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    assert not PasswordHasher(profile=CHEAP).verify_now(stored, "hunter22")
    assert "pip install 'sealring[bcrypt]'" in caplog.text


def test_other_costs_want_a_rehash() -> None:
    hasher = PasswordHasher(profile=CHEAP)
    assert not hasher.needs_rehash(hasher.hash_now("x"))
    for other in (Argon2Profile(128, 1), Argon2Profile(32, 1), Argon2Profile(64, 2)):
        assert hasher.needs_rehash(write_phc("x", other, bytes(16)))


@pytest.mark.parametrize(("budget_mib", "threads"), [(100, 1), (119, 2), (138, 3), (256, 9)])
def test_threads_fit_into_the_memory_budget(budget_mib: int, threads: int) -> None:
    hasher = PasswordHasher(memory_budget_bytes=budget_mib * 2**20, threads=64)
    assert hasher.threads == threads
    # all threads at the current profile but one at the largest that a stored hash may have
    assert (threads - 1) * 19 + 100 <= budget_mib


def test_a_budget_below_one_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="100 MiB at least"):
        PasswordHasher(memory_budget_bytes=99 * 2**20)


def test_places_are_bounded_and_the_queue_too() -> None:
    async def scenario() -> None:
        hasher = PasswordHasher(profile=CHEAP, threads=2, max_waiting=3)
        leave = asyncio.Event()
        inside: list[HashingSlot] = []

        async def hold() -> None:
            async with hasher.slot() as slot:
                inside.append(slot)
                await leave.wait()

        tasks = [asyncio.create_task(hold()) for _ in range(hasher.places + 3)]
        await asyncio.sleep(0)
        assert len(inside) == hasher.places == 4
        assert hasher.waiting == 3
        with pytest.raises(Overloaded) as refused:
            async with hasher.slot():
                pass
        assert refused.value.retry_after >= 1
        leave.set()
        await asyncio.gather(*tasks)
        assert len(inside) == 7
        assert hasher.waiting == 0
        async with hasher.slot() as slot:
            assert await slot.verify(await slot.hash("x"), "x")
        hasher.close()

    asyncio.run(scenario())


def test_one_share_leaves_places_to_others() -> None:
    async def scenario() -> None:
        hasher = PasswordHasher(profile=CHEAP, threads=2)
        leave = asyncio.Event()
        inside: list[str] = []

        async def hold(share: str) -> None:
            async with hasher.slot(share=share, share_width=2):
                inside.append(share)
                await leave.wait()

        tasks = [asyncio.create_task(hold("loud")) for _ in range(10)]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(hold("quiet"))]
        await asyncio.sleep(0)
        assert sorted(inside) == ["loud", "loud", "quiet"]
        leave.set()
        await asyncio.gather(*tasks)
        assert len(inside) == 11
        assert hasher.queue._held == {}

    asyncio.run(scenario())


def test_the_queue_of_one_share_is_bounded_too() -> None:
    async def scenario() -> None:
        hasher = PasswordHasher(profile=CHEAP, threads=2, max_waiting=3)
        leave = asyncio.Event()

        async def hold(share: str) -> None:
            async with hasher.slot(share=share, share_width=1):
                await leave.wait()

        tasks = [asyncio.create_task(hold("loud")) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await hold("loud")
        tasks.append(asyncio.create_task(hold("quiet")))  # has a place, so it need not wait
        await asyncio.sleep(0)
        assert hasher.waiting == 3
        leave.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())


def test_who_gives_up_waiting_leaves_no_trace() -> None:
    async def scenario() -> None:
        hasher = PasswordHasher(profile=CHEAP, threads=1)
        leave = asyncio.Event()

        async def hold() -> None:
            async with hasher.slot(share="one", share_width=1):
                await leave.wait()

        tasks = [asyncio.create_task(hold()) for _ in range(5)]
        await asyncio.sleep(0)
        assert hasher.waiting == 4
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks[1:], return_exceptions=True)
        assert hasher.waiting == 0
        leave.set()
        await tasks[0]
        assert hasher.queue._held == {}
        async with hasher.slot() as slot:
            assert not await slot.verify(None, "x")

    asyncio.run(scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux only")
def test_hashing_threads_give_way_and_most_so_when_there_are_many() -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def scenario() -> None:
        hasher = PasswordHasher(profile=CHEAP, threads=2)
        assert priority() == 0
        assert await hasher.run(priority) == 5
        assert sorted(await asyncio.gather(*(hasher.run(priority) for _ in range(6))))[2:] == [19] * 4
        hasher.queue.waiting = 1
        assert await hasher.run(priority) == 19
        hasher.queue.waiting = 0
        assert await hasher.run(priority) == 5

    asyncio.run(scenario())


@pytest.mark.parametrize(("busy", "threads", "at_once"), [(False, 3, 3), (True, 3, 2), (True, 1, 1)])
def test_i14_a_busy_event_loop_keeps_a_core_for_itself(*, busy: bool, threads: int, at_once: int) -> None:
    async def scenario() -> None:
        hasher = PasswordHasher(profile=CHEAP, threads=threads)
        hasher._loop._busy, hasher._loop._looked = busy, time.monotonic() + 3600
        go_on = threading.Event()
        begun = threading.Semaphore(0)

        def work() -> None:
            begun.release()
            go_on.wait(10)

        tasks = [asyncio.create_task(hasher.run(work)) for _ in range(5)]
        for _ in range(at_once):
            assert await asyncio.to_thread(begun.acquire, timeout=10)
        for _ in range(10):
            await asyncio.sleep(0)
        free = hasher._threads._value
        go_on.set()
        await asyncio.gather(*tasks)
        assert free == threads - at_once
        assert hasher._beside_the_loop._value == max(1, threads - 1)

    asyncio.run(scenario())


def test_the_loop_is_busy_when_it_used_most_of_a_core_since_the_last_look() -> None:
    loop = LoopLoad()
    assert not loop.is_busy(1000.0, 5.0)
    assert not loop.is_busy(1000.05, 5.05), "too soon to look again"
    assert loop.is_busy(1000.2, 5.15)
    assert loop.is_busy(1000.25, 5.15), "too soon to look again"
    assert not loop.is_busy(1000.4, 5.28)


def test_a_job_dropped_by_close_cancels_who_waits_for_it() -> None:
    async def scenario() -> None:
        hasher = PasswordHasher(profile=CHEAP, threads=2)
        go_on = threading.Event()
        begun = threading.Event()

        def hold() -> None:
            begun.set()
            go_on.wait(10)

        hasher._alone.submit(hold)
        assert await asyncio.to_thread(begun.wait, 10)
        waits = asyncio.create_task(hasher.run(lambda: None))
        await asyncio.sleep(0)
        hasher._alone.shutdown(wait=False, cancel_futures=True)
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert hasher.running == 0
        go_on.set()
        await asyncio.to_thread(hasher.close)

    asyncio.run(scenario())


def test_who_gives_up_makes_no_room_before_the_thread_is_done() -> None:
    async def scenario() -> None:
        hasher = PasswordHasher(profile=CHEAP, threads=1)
        trouble: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
        go_on = threading.Event()
        task = asyncio.create_task(hasher.run(go_on.wait, 10))
        await asyncio.sleep(0)
        next_one = asyncio.create_task(hasher.run(lambda: "next"))
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        gave_way = (hasher.running, task.done(), next_one.done())
        go_on.set()
        assert gave_way == (2, False, False)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await next_one == "next"
        assert hasher.running == 0
        assert trouble == []

    asyncio.run(scenario())
