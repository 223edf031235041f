"""What every node does alike that serves the feed on to others, be it the issuer or a relay."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Final, Protocol

MAX_WAIT_SECONDS: Final = 20.0
"""Proxies cut a connection that is silent for longer than a minute, some sooner."""
MAX_WAITING: Final = 5_000
"""Who comes after them is answered at once, and asks again: memory for strangers stays bounded."""
BURST: Final = 20
"""Verifiers that are answered at once when there is something new, or when all come at the same moment."""
TURN_SECONDS: Final = 0.02
TURN_ANSWERS: Final = 20
"""Of more verifiers, so many are answered in each turn, in the order in which they came: 1,000 a second, a fifth of a
core. Other requests are served in between, and what is revoked meanwhile goes along in the same answers."""


class ServesFeed(Protocol):
    """The feed as it is served on."""

    async def page(self, after: int, wait: float) -> bytes:
        """All entries after a number, signed; where there are none, as soon as there are, or after `wait` seconds.

        Raises:
            Stale: this node's own revocation data is out of date.
            NotFound: this issuer has no feed: its keys are secrets.
        """

    async def snapshot(self) -> bytes:
        """All live entries, signed; most of them in segments.

        Raises:
            Stale, NotFound: as `page`.
            Unavailable: they cannot be read now.
        """

    async def segment(self, name: str) -> bytes:
        """A segment of a snapshot.

        Raises:
            NotFound: this node has no such segment: the reader takes another snapshot.
            Unavailable: as `snapshot`.
        """


class LongPolls:
    """Requests that wait for news, each with the number that its sender has."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[asyncio.Future[None], int] = OrderedDict()
        self._head = 0
        self._answering: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, after: int, seconds: float) -> None:
        """Return when there is an entry after that number, or when the time is over."""
        if seconds <= 0 or len(self._waiting) >= MAX_WAITING:
            return
        loop = asyncio.get_running_loop()
        news: asyncio.Future[None] = loop.create_future()
        self._waiting[news] = after
        # a thousand wait, most of them in vain: a timer is a third of what `asyncio.timeout` costs
        timer = loop.call_later(min(seconds, MAX_WAIT_SECONDS), _let_go, news)
        try:
            await news
        finally:
            timer.cancel()
            self._waiting.pop(news, None)

    def news(self, head: int) -> None:
        """There are entries up to that number: answer those who have fewer, or, after a restore, more."""
        self._head = head
        if self._waiting and (self._answering is None or self._answering.done()):
            self._answering = asyncio.get_running_loop().create_task(self._answer(), name="sealring long polls")

    def close(self) -> None:
        """Answer those who wait, and nobody after them."""
        if self._answering is not None:
            self._answering.cancel()
        for news in self._waiting:
            _let_go(news)

    async def _answer(self) -> None:
        left = BURST
        while self._waiting:
            news, after = next(iter(self._waiting.items()))
            if after == self._head:  # all after it have come later, and know as much
                return
            del self._waiting[news]
            _let_go(news)
            left -= 1
            if not left:
                await asyncio.sleep(TURN_SECONDS)
                left = TURN_ANSWERS


class PacedAnswers:
    """Requests that do not wait for news, answered some at a time, in the order in which they came.

    Ten thousand verifiers that restart together send as many in one turn of the event loop. This node's own poll takes
    several turns: were each of them as long as all those answers, the node itself would be out of date, and refuse all.
    """

    def __init__(self) -> None:
        self._queue: deque[asyncio.Future[None]] = deque()
        self._left = 0
        self._next: asyncio.TimerHandle | None = None

    async def take(self) -> None:
        """Return when it is this request's turn: at once, where few ask."""
        loop = asyncio.get_running_loop()
        if self._next is None:
            self._left = BURST
            self._next = loop.call_later(TURN_SECONDS, self._begin)
        if self._left:
            self._left -= 1
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._queue.append(turn)
        await turn

    def close(self) -> None:
        """Let all go."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        while self._queue:
            _let_go(self._queue.popleft())

    def _begin(self) -> None:
        if not self._queue:
            self._next = None
            return
        self._next = asyncio.get_running_loop().call_later(TURN_SECONDS, self._begin)
        self._left = TURN_ANSWERS
        while self._queue and self._left:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                self._left -= 1


def _let_go(news: asyncio.Future[None]) -> None:
    if not news.done():
        news.set_result(None)
