"""How work gathers into batches, whatever the work is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg
import pytest

from sealring.errors import Overloaded, StoreUnavailable
from sealring.store.postgres import batcher
from sealring.store.postgres.batcher import Batcher

pytestmark = pytest.mark.anyio


class Server:
    """Does batches one step at a time: each waits until it may go on."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.may_go_on = asyncio.Event()
        self.error: Exception | None = None

    async def run(self, batch: Sequence[str]) -> list[str]:
        self.batches.append(list(batch))
        await self.may_go_on.wait()
        if self.error is not None:
            raise self.error
        return [item.upper() for item in batch]


def start(work: Batcher[str, str], *items: str) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(work.submit(item)) for item in items]


def batcher_of(server: Server, *, budget_seconds: float = 5.0) -> Batcher[str, str]:
    return Batcher(server.run, key=lambda item: item[0], what="words", budget_seconds=budget_seconds)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_work_that_arrives_meanwhile_travels_together_in_order_of_its_key_and_each_has_its_own_result() -> None:
    server = Server()
    work = batcher_of(server)
    first = start(work, "m1")
    await settle()
    second = start(work, "k1")
    await settle()
    third = start(work, "z1", "b1", "b2", "a1")
    await settle()
    assert server.batches == [["m1"], ["k1"]]
    server.may_go_on.set()
    assert await asyncio.gather(*first, *second, *third) == ["M1", "K1", "Z1", "B1", "B2", "A1"]
    assert server.batches[2:] == [["a1", "b1", "z1"], ["b2"]]


async def test_a_caller_that_gave_up_is_left_out_of_the_next_batch() -> None:
    server = Server()
    work = batcher_of(server)
    first = [*start(work, "x1")]
    await settle()
    first += start(work, "y1")
    await settle()
    gone, stays = start(work, "a1", "a2")
    await settle()
    gone.cancel()
    await settle()
    server.may_go_on.set()
    assert await asyncio.gather(*first, stays) == ["X1", "Y1", "A2"]
    assert server.batches[2:] == [["a2"]]


async def test_work_that_was_begun_goes_on_without_its_caller() -> None:
    server = Server()
    work = batcher_of(server)
    gone, stays = start(work, "a1", "b1")
    await settle()
    gone.cancel()
    await settle()
    server.may_go_on.set()
    assert await stays == "B1"
    assert server.batches == [["a1", "b1"]]


@pytest.mark.parametrize("error", [psycopg.OperationalError("lost"), StoreUnavailable("lost"), Overloaded("full")])
async def test_a_batch_that_fails_fails_for_all_its_callers_and_the_next_goes_on(error: Exception) -> None:
    server = Server()
    work = batcher_of(server)
    server.error = error
    server.may_go_on.set()
    for failed in await asyncio.gather(*start(work, "a1", "b1"), return_exceptions=True):
        assert isinstance(failed, StoreUnavailable)
        assert failed.__cause__ is error
    server.error = None
    assert await work.submit("c1") == "C1"


async def test_an_error_of_our_own_leaves_no_caller_waiting_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    work = batcher_of(server)
    server.error = ZeroDivisionError()
    server.may_go_on.set()
    with pytest.raises(StoreUnavailable):
        await work.submit("a1")
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [server.error]
    server.error = None
    assert await work.submit("b1") == "B1"


async def test_callers_beyond_the_limit_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher, "WAITING_LIMIT", 3)
    server = Server()
    work = batcher_of(server)
    first = start(work, "x1")
    await settle()
    first += start(work, "y1")
    await settle()
    waiting = start(work, "a1", "b1", "c1")
    await settle()
    with pytest.raises(Overloaded, match="words"):
        await work.submit("d1")
    server.may_go_on.set()
    await asyncio.gather(*first, *waiting)
    assert await work.submit("d1") == "D1"


async def test_no_caller_waits_longer_than_its_budget() -> None:
    server = Server()
    work = batcher_of(server, budget_seconds=0.01)
    with pytest.raises(StoreUnavailable):
        await work.submit("a1")
    server.may_go_on.set()
    await work.ended()


async def test_closing_waits_for_what_is_under_way() -> None:
    server = Server()
    work = batcher_of(server)
    tasks = start(work, "a1", "b1")
    await settle()
    closing = asyncio.create_task(work.close())
    await settle()
    assert not closing.done()
    server.may_go_on.set()
    assert await closing
    assert await asyncio.gather(*tasks) == ["A1", "B1"]


async def test_closing_waits_no_longer_than_a_caller_may_and_fails_what_has_not_begun() -> None:
    server = Server()
    work = batcher_of(server, budget_seconds=0.05)
    tasks = start(work, "x1")
    await settle()
    tasks += start(work, "y1")
    await settle()
    tasks += start(work, "a1")
    await settle()
    async with asyncio.timeout(5):
        assert not await work.close()
    for failed in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(failed, StoreUnavailable)
    server.may_go_on.set()
    await work.ended()
    assert server.batches == [["x1"], ["y1"]]


async def test_callers_that_come_again_as_the_last_batches_end_are_served() -> None:
    """Both places end in one turn of the loop: a caller who comes in that turn must find a place free."""
    server = Server()
    work = batcher_of(server)

    async def submit(item: str, times: int) -> list[str]:
        return [await work.submit(item) for _ in range(times)]

    again = asyncio.create_task(submit("a1", 2))
    await settle()
    once = asyncio.create_task(submit("b1", 1))
    await settle()
    server.may_go_on.set()
    async with asyncio.timeout(2):
        assert list(await asyncio.gather(again, once)) == [["A1", "A1"], ["B1"]]
