"""The feed and the audit log in memory, and the lives of access tokens, by which the feed is kept."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from sealring.audit.event import Event
from sealring.revocation.entry import Entry
from sealring.revocation.feed import FeedPage
from sealring.sessions.access_ttl import DeclaredTtl
from sealring.store.memory.outbox import MemoryOutbox
from sealring.store.records import Committed
from sealring.store.revocation_log import digest_of, feed_page, number_all, retained_until

Result = TypeVar("Result")


class MemoryLogs:
    """Both logs, numbered by counters as in a database.

    Args:
        clock: the store's own, in Unix milliseconds.
        outbox: where the mails of audit lines go.
    """

    def __init__(self, clock: Callable[[], int], outbox: MemoryOutbox) -> None:
        self._clock = clock
        self._outbox = outbox
        self._incarnation = secrets.token_urlsafe(16)
        self._ttls: dict[int, DeclaredTtl] = {}
        self._entries: list[Entry] = []
        self._head = 0
        self._digest = 0
        self._events: list[Event] = []
        self._last_event = 0
        self._news = asyncio.Event()

    def append(self, drafts: Sequence[Entry], *events: Event, result: Result, now: int = 0) -> Committed[Result]:
        """Number entries and audit lines, and write them; `now` is the time of the revocation, with `drafts` only."""
        committed = number_all(
            drafts,
            events,
            head=self._head,
            last_event=self._last_event,
            expires_at=self.retained_until(now),
            result=result,
        )
        self._entries += committed.entries
        self._head += len(drafts)
        self._digest ^= digest_of(drafts)
        self._events += [replace(event, mails=()) for event in committed.events]
        self._outbox.put(events)
        self._last_event += len(events)
        if drafts:
            self._news.set()
            self._news = asyncio.Event()
        return committed

    def page(self, after: int | None, *, keys_version: int) -> FeedPage:
        """A page of the feed with its head."""
        entries = tuple(entry for entry in self._entries if after is None or entry.number > after)
        counters = self._incarnation, self._head, self._digest, keys_version, self.longest_ttl()
        return feed_page(counters, entries, after=after, time_ms=self._clock())

    async def wait_for_change(self) -> None:
        """Return when the feed has grown."""
        await self._news.wait()

    def events(self, after: int, limit: int) -> list[Event]:
        """Audit lines in order."""
        return [event for event in self._events if event.number > after][:limit]

    def declare_ttl(self, seconds: int, *, now: int, until: int) -> tuple[DeclaredTtl, ...]:
        """Drop what has ended, and put this life in or renew it; all of them, the longest first."""
        lapsed = min(now, self._clock() // 1000)
        self._ttls = {ttl.seconds: ttl for ttl in self._ttls.values() if ttl.until >= lapsed}
        held = self._ttls.get(seconds, DeclaredTtl(seconds, now, 0))
        self._ttls[seconds] = replace(held, until=max(held.until, until))
        return tuple(sorted(self._ttls.values(), key=lambda ttl: -ttl.seconds))

    def longest_ttl(self) -> int:
        """The longest life in use."""
        return max(self._ttls, default=0)

    def retained_until(self, now: int) -> int:
        """When a revocation of now may be forgotten."""
        return retained_until(self.longest_ttl(), now=now, store_now=self._clock() // 1000)

    def reset_after_restore(self) -> None:
        """After a restore: a history of its own, so that every node loads all."""
        self._incarnation = secrets.token_urlsafe(16)

    def purge(self, now: int, audit_seconds: int) -> None:
        """Forget expired revocations and old audit lines."""
        self._entries = [entry for entry in self._entries if entry.expires_at >= now]
        self._events = [event for event in self._events if event.at_ms >= (now - audit_seconds) * 1000]
