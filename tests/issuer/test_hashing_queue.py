"""The queue for places in the hasher: fair by network, bounded, and clean after those who give up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from sealring.errors import Overloaded
from sealring.issuer.hashing_queue import HashingQueue


class Crowd:
    """Log-ins that hold a place until they are let go, and what became of each."""

    def __init__(self, queue: HashingQueue) -> None:
        self.queue = queue
        self.inside: list[str] = []
        self.refused: list[str] = []
        self.leave = asyncio.Semaphore(0)
        self.tasks: list[asyncio.Task[None]] = []

    async def _one(self, network: str, share: str, width: int) -> None:
        try:
            async with self.queue.place(network, share=share, width=width):
                self.inside.append(network)
                await self.leave.acquire()
        except Overloaded:
            self.refused.append(network)

    async def arrive(self, network: str, times: int = 1, *, share: str = "", width: int = 0) -> None:
        self.tasks += [asyncio.create_task(self._one(network, share, width)) for _ in range(times)]
        await settled()

    async def let_go(self, times: int) -> None:
        for _ in range(times):
            self.leave.release()
            await settled()

    async def end(self) -> None:
        for _ in self.tasks:
            self.leave.release()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """As soon as that holds, before anybody whom it woke has run on."""
    for _ in range(20):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never held")


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


def test_networks_take_turns_however_many_one_of_them_sends() -> None:
    async def scenario() -> None:
        crowd = Crowd(HashingQueue(1, 64))
        await crowd.arrive("flood", 30)
        await crowd.arrive("a", 2)
        await crowd.arrive("b")
        await crowd.let_go(6)
        assert crowd.inside == ["flood", "flood", "a", "b", "flood", "a", "flood"]
        await crowd.end()
        assert (crowd.queue.free, crowd.queue.waiting, crowd.queue._queues, crowd.queue._held) == (1, 0, {}, {})

    run(scenario)


def test_a_flood_makes_room_in_a_full_queue_for_networks_that_wait_less() -> None:
    async def scenario() -> None:
        crowd = Crowd(HashingQueue(1, 8))
        await crowd.arrive("flood", 9)
        await crowd.arrive("flood", 5)
        assert crowd.refused == ["flood"] * 5
        await crowd.arrive("a")
        await crowd.arrive("b", 4)
        assert Counter(crowd.refused) == {"flood": 5 + 1 + 3, "b": 1}, "8 places: 4 to the flood, 1 to a, 3 to b"
        assert crowd.queue.waiting == 8
        await crowd.end()
        assert Counter(crowd.inside) == {"flood": 5, "a": 1, "b": 3}

    run(scenario)


def test_what_is_asked_before_the_body_is_what_the_queue_will_say() -> None:
    async def scenario() -> None:
        crowd = Crowd(HashingQueue(1, 3))
        crowd.queue.refuse_when_full("flood")
        await crowd.arrive("flood", 4)
        with pytest.raises(Overloaded) as refused:
            crowd.queue.refuse_when_full("flood")
        assert refused.value.retry_after >= 1
        crowd.queue.refuse_when_full("other")
        await crowd.end()

    run(scenario)


def test_a_share_that_is_full_lets_others_of_its_network_pass() -> None:
    async def scenario() -> None:
        crowd = Crowd(HashingQueue(4, 64))
        await crowd.arrive("loud", 6, share="ann", width=2)
        assert (crowd.queue.free, crowd.queue.waiting) == (2, 4)
        await crowd.arrive("quiet", share="bob", width=2)
        assert crowd.inside == ["loud", "loud", "quiet"]
        await crowd.end()
        assert len(crowd.inside) == 7

    run(scenario)


def test_those_who_give_up_leave_nothing_behind_even_in_the_moment_of_their_turn() -> None:
    async def scenario() -> None:
        crowd = Crowd(HashingQueue(1, 2))
        await crowd.arrive("a", 3)
        crowd.tasks[2].cancel()
        await settled()
        assert crowd.queue.waiting == 1
        # the place is given and the task cancelled before it runs again
        crowd.leave.release()
        await until(lambda: not crowd.queue.waiting)
        crowd.tasks[1].cancel()
        await settled()
        assert (crowd.queue.free, crowd.queue.waiting, crowd.queue._held) == (1, 0, {})
        # sent away and cancelled in one moment
        await crowd.arrive("a", 3)
        crowd.tasks.append(asyncio.create_task(crowd._one("b", "", 0)))
        await until(lambda: "b" in crowd.queue._queues)
        crowd.tasks[-2].cancel()
        await crowd.end()
        assert (crowd.queue.free, crowd.queue.waiting, crowd.queue._held) == (1, 0, {})

    run(scenario)
