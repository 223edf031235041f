"""Two processes that do something at the same moment, many times over: barrier start, nothing is ever retried.

Each side gets its own store on the same URL and its own coroutine function, and both wait for each other before every
round. The processes live as long as the arena, for starting them costs more than most races.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import traceback
from collections.abc import Awaitable, Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from types import TracebackType
from typing import Any, Self

import pytest

from sealring.store import open_store
from sealring.store.protocol import Store

Side = Callable[[Store, Any], Awaitable[Any]]

_CONTEXT = multiprocessing.get_context("spawn")
WAIT_SECONDS = 60


class Arena:
    """Two processes, until `with` ends."""

    def __enter__(self) -> Self:
        self._barrier = _CONTEXT.Barrier(2)  # kept: its semaphores go with the parent's last reference
        self._ends: list[Connection] = []
        self._processes = []
        for _ in range(2):
            here, there = _CONTEXT.Pipe()
            process = _CONTEXT.Process(target=_take_part, args=(there, self._barrier), daemon=True)
            process.start()
            there.close()
            self._ends.append(here)
            self._processes.append(process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in self._ends:
            end.close()
        for process in self._processes:
            process.join(WAIT_SECONDS)

    def race(self, url: str, left: Side, right: Side, rounds: Sequence[Any]) -> list[tuple[Any, Any]]:
        """What each side returned in each round.

        Args:
            url: the store that both open.
            left: a module-level coroutine function, for it travels by name.
            right: the same, for the other process.
            rounds: what both are given in each round.
        """
        for end, side in zip(self._ends, (left, right), strict=True):
            end.send((url, side, list(rounds)))
        failures, outcomes = zip(*[end.recv() for end in self._ends], strict=True)
        if any(failures):
            self._barrier.reset()  # the race after this one is judged by itself
            pytest.fail(
                "\n".join(f"{side.__name__}: {text}" for side, text in zip((left, right), failures, strict=True))
            )
        return list(zip(*outcomes, strict=True))


def _take_part(parent: Connection, barrier: Barrier) -> None:
    while True:
        try:
            url, side, rounds = parent.recv()
        except EOFError:
            return
        try:
            parent.send((None, asyncio.run(_run(url, side, rounds, barrier))))
        except Exception:  # noqa: BLE001 - the parent fails with it
            barrier.abort()
            parent.send((traceback.format_exc(), None))


async def _run(url: str, side: Side, rounds: list[Any], barrier: Barrier) -> list[Any]:
    store = open_store(url)
    await store.open()
    outcomes = []
    try:
        for given in rounds:
            barrier.wait(WAIT_SECONDS)
            outcomes.append(await side(store, given))
    finally:
        await store.close()
    return outcomes
