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

from sealring.audit.event import Event
from sealring.revocation.entry import Entry, EntryKind, entry_digest
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.sessions.session import EndCause
from sealring.store.records import Committed

Result = TypeVar("Result")


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
        tuple(replace(draft, number=n, expires_at=expires_at) for n, draft in enumerate(drafts, start=head + 1)),
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


def is_complete(after: int | None, head: int, entries: Sequence[Entry]) -> bool:
    """Whether a page holds every number after its cursor; numbers are gapless, so counting them tells."""
    return after is None or len(entries) == head - after


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
