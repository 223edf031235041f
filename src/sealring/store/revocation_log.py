"""What every store does alike when it writes the feed: entries before and after they have a number.

A store drafts entries while its transaction goes on (number 0, no end) and gives them both by the counter row at its
very end. The end must come from that row too: it holds the longest access-token life in use, and an issuer that
declares a longer life writes the same row. So of a revocation and a declaration that race, either the revocation sees
the longer life, or the issuer that declared it reads the session after the revocation and signs nothing (design D19,
N1).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from operator import xor
from typing import TypeVar

from msgspec import structs

from sealring.audit.event import Event
from sealring.revocation.entry import Entry, EntryKind, entry_digest
from sealring.revocation.feed import FeedPage
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.sessions.session import EndCause
from sealring.store.records import Committed

Result = TypeVar("Result")

COUNTER_COLUMNS = "incarnation, head, digest, keys_version, longest_access_ttl"
"""Of the counter row, in the order of `Counters`."""
Counters = tuple[str, int, int, int, int]


def draft_entry(kind: EntryKind, target: str, *, expires_at: int = 0, epoch: int = 0) -> Entry:
    """An entry that has no number yet; the store gives it its end with its number."""
    return Entry(number=0, id=secrets.token_urlsafe(16), kind=kind, target=target, epoch=epoch, expires_at=expires_at)


def number_all(
    drafts: Sequence[Entry], events: Sequence[Event], *, head: int, last_event: int, expires_at: int, result: Result
) -> Committed[Result]:
    """What a transaction has committed, numbered.

    Args:
        drafts: revocations.
        events: audit lines.
        head: the newest revocation's number before it.
        last_event: the newest audit line's number before it.
        expires_at: of its revocations.
        result: of the method that it carries out.
    """
    return Committed(
        result,
        tuple(
            structs.replace(draft, number=n, expires_at=expires_at) for n, draft in enumerate(drafts, start=head + 1)
        ),
        tuple(replace(event, number=n) for n, event in enumerate(events, start=last_event + 1)),
    )


def retained_until(longest_access_ttl: int, *, now: int, store_now: int) -> int:
    """When a revocation may be forgotten: every token that it can concern has expired on every node.

    Args:
        longest_access_ttl: the store's, in seconds.
        now: of the process that revokes.
        store_now: of the store. The later of the two counts: a revocation by a machine whose clock is an hour slow must
            not be forgotten an hour early (T1).
    """
    return max(now, store_now) + longest_access_ttl + LEEWAY_SECONDS


def digest_of(entries: Iterable[Entry]) -> int:
    """What these entries add to the feed's digest, by XOR."""
    return reduce(xor, (entry_digest(entry.id) for entry in entries), 0)


def feed_page(
    counters: Counters,
    entries: tuple[Entry, ...],
    *,
    after: int | None,
    time_ms: int,
    acknowledged_ms: int | None = None,
) -> FeedPage:
    """A page of the feed; numbers are gapless, so counting its entries tells whether it is complete.

    Args:
        counters: the counter row, from the same snapshot as the entries.
        entries: those after the cursor, in order.
        after: the cursor; None for all live ones.
        time_ms: the store's own clock.
        acknowledged_ms: see `FeedPage`.
    """
    incarnation, head, digest, keys_version, longest_access_ttl = counters
    return FeedPage(
        incarnation=incarnation,
        head=head,
        complete=after is None or len(entries) == head - after,
        entries=entries,
        digest=digest,
        keys_version=keys_version,
        time_ms=time_ms,
        longest_access_ttl=longest_access_ttl,
        acknowledged_ms=acknowledged_ms,
    )


def session_ended(started: Event, *, session: str, subject: str, cause: EndCause) -> Event:
    """The audit line of a session that another login ended."""
    return Event(
        kind="session_ended",
        at_ms=started.at_ms,
        subject=subject,
        session=session,
        address=started.address,
        cause=cause,
    )
