"""What every store does alike when it writes the feed: entries before and after they have a number.

A store drafts entries while its transaction goes on (number 0) and numbers them by the counter row at its very end.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from operator import xor

from sealring.revocation.entry import Entry, EntryKind, entry_digest
from sealring.sessions.session import EndCause
from sealring.store.records import Event


def draft_entry(kind: EntryKind, target: str, *, expires_at: int, epoch: int = 0) -> Entry:
    """An entry that has no number yet."""
    return Entry(number=0, id=secrets.token_urlsafe(16), kind=kind, target=target, epoch=epoch, expires_at=expires_at)


def number_entries(drafts: Sequence[Entry], last: int) -> tuple[Entry, ...]:
    """The drafts with the numbers after `last`."""
    return tuple(replace(draft, number=last + place) for place, draft in enumerate(drafts, start=1))


def digest_of(entries: Iterable[Entry]) -> int:
    """What these entries add to the feed's digest, by XOR."""
    return reduce(xor, (entry_digest(entry.id) for entry in entries), 0)


def is_complete(after: int | None, head: int, entries: Sequence[Entry]) -> bool:
    """Whether a page holds every number after its cursor; numbers are gapless, so counting them tells."""
    return after is None or len(entries) == head - after


def session_ended(started: Event, *, session: str, subject: str, cause: EndCause) -> Event:
    """The audit line of a session that another log-in ended."""
    return Event(
        kind="session_ended",
        at_ms=started.at_ms,
        subject=subject,
        session=session,
        address=started.address,
        cause=cause,
    )
