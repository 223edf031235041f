"""Steps that one generator asks for and two drivers carry out, so that nothing is written twice for sync and async.

A generator of `Auth` does no I/O: it yields what it needs, and is sent what came of it. httpx's own contract for auth
schemes is the same, for requests alone; a driver is such a flow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, assert_never

from sealring.client.single_flight import Flight, wait_in_loop, wait_in_thread

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class Send:
    """Send a request; its response is the answer, its body not read."""

    request: Any


@dataclass(frozen=True, slots=True, repr=False)
class Read:
    """Read the whole body of a response, which gives its connection back to the pool."""

    response: Any


@dataclass(frozen=True, slots=True)
class Pause:
    """Let `seconds` pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Join:
    """Wait for another request of this process, at most `seconds`; the answer is whether it is done."""

    running: Flight
    seconds: float


@dataclass(frozen=True, slots=True, repr=False)
class Do:
    """Call what waits for a disk, not on the event loop; what it returns is the answer."""

    work: Callable[[], Any]


Step: TypeAlias = Send | Read | Pause | Join | Do
Steps: TypeAlias = Generator[Step, Any, T]


def drive(steps: Steps[T]) -> Generator[Any, Any, T]:
    """Carry out steps in this thread; yields the requests, returns what the steps return."""
    came: Any = None
    try:
        while True:
            try:
                step = steps.send(came)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            match step:
                case Send(request):
                    came = yield request
                case Read(response):
                    came = response.read()
                case Pause(seconds):
                    time.sleep(seconds)
                    came = None
                case Join(running, seconds):
                    came = wait_in_thread(running, seconds)
                case Do(work):
                    came = work()
                case _:
                    assert_never(step)
    finally:
        steps.close()  # what they hold is given back, however this ends


async def drive_async(steps: Steps[Any]) -> AsyncGenerator[Any, Any]:
    """Carry out steps in this event loop (asyncio); yields the requests."""
    came: Any = None
    try:
        while True:
            try:
                step = steps.send(came)
            except StopIteration:
                return
            match step:
                case Send(request):
                    came = yield request
                case Read(response):
                    came = await response.aread()
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                    came = None
                case Join(running, seconds):
                    came = await wait_in_loop(running, seconds)
                case Do(work):
                    came = await _in_thread(work)
                case _:
                    assert_never(step)
    finally:
        steps.close()


async def _in_thread(work: Callable[[], T]) -> T:
    """Call `work` in a thread. When this task is canceled, wait for its end first: it uses what is then given back."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError:  # again: the work still uses it
                continue
        if not running.cancelled():
            running.exception()  # seen
        raise
