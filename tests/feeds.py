"""A source of revocations that is a plain list: what a store would answer, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sealring import jwt
from sealring.errors import StoreUnavailable
from sealring.revocation.entry import Entry, entry_digest
from sealring.revocation.feed import FeedPage
from sealring.verifier.source import VerifyingKeys
from tests.clocks import FrozenClock


class Feed:
    """Followed by a node; tests change it by its attributes."""

    def __init__(self, clock: FrozenClock) -> None:
        self.clock = clock
        self.entries: list[Entry] = []
        self.incarnation = "first life"
        self.keys_version = 1
        self.longest_access_ttl = 1800
        self.asked: list[int | None] = []
        self.broken = False
        self.ahead_ms = 0
        self.forgotten = 0
        self.keys_read = 0
        self.while_answering: Callable[[], None] = lambda: None

    async def load(self, after: int | None) -> FeedPage:
        self.asked.append(after)
        if self.broken:
            raise StoreUnavailable("no way to the store")
        page = self.page(after)
        self.while_answering()
        await asyncio.sleep(0)
        return page

    def page(self, after: int | None) -> FeedPage:
        head = self.entries[-1].number if self.entries else 0
        kept = [entry for entry in self.entries if entry.number > self.forgotten]
        wanted = tuple(entry for entry in kept if after is None or entry.number > after)
        digest = 0
        for entry in self.entries:
            digest ^= entry_digest(entry.id)
        complete = after is None or len(wanted) == head - after
        return FeedPage(
            incarnation=self.incarnation,
            head=head,
            complete=complete,
            entries=wanted,
            digest=digest,
            keys_version=self.keys_version,
            time_ms=self.clock.now_ms() + self.ahead_ms,
            longest_access_ttl=self.longest_access_ttl,
        )

    async def wait_for_change(self) -> None:
        await asyncio.Event().wait()

    async def keys(self) -> VerifyingKeys:
        self.keys_read += 1
        return VerifyingKeys(jwt.KeySet([]), self.keys_version)


async def answers_in_each_turn(count: int, ask: Callable[[], Awaitable[object]]) -> list[int]:
    """So many ask at the same moment: how many were answered in each turn of the event loop. In order, or it fails."""
    loop = asyncio.get_running_loop()
    answered: list[int] = []
    turns: list[int] = []

    async def one(number: int) -> None:
        await ask()
        answered.append(number)
        turns[-1] += 1

    def next_turn() -> None:
        turns.append(0)
        if len(answered) < count:
            loop.call_soon(next_turn)

    next_turn()
    async with asyncio.timeout(60):
        await asyncio.gather(*map(one, range(count)))
    assert answered == list(range(count))
    return turns
