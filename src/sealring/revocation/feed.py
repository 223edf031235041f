"""A page of the revocation feed, which verifiers follow. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field

from sealring.revocation.entry import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """A piece of the revocation feed, read in one consistent snapshot."""

    incarnation: str
    """Random id of the store's history; it changes when the store was restored."""
    head: int
    """The highest number used so far."""
    complete: bool
    """False when not every number after the cursor up to `head` is among `entries` (deleted, or the cursor is ahead
    of this store): the follower then loads all."""
    entries: tuple[Entry, ...]
    """All entries after the cursor, in number order (all live ones when the cursor was none)."""
    digest: int
    """XOR of `entry_digest` over every entry ever numbered up to `head`, stored beside the counter and changed by
    the same statement. A follower that XORs the entries it received must get the same number. It does not if it
    skipped an entry, or if its store was restored and used a number twice (I8, F7, F14)."""
    keys_version: int
    time_ms: int
    """The store's own clock."""
    longest_access_ttl: int
    """Seconds: no issuer of this store signs an access token that lives longer, and every revocation is kept for at
    least as long (design D19). 0 before the first issuer has declared a lifetime."""
    acknowledged_ms: int | None = None
    """When, on that clock, the newest write was made that this snapshot proves to have been acknowledged: see
    `Store.heartbeat`. None where everything that can be read has been acknowledged."""
    rest: AsyncIterable[Sequence[Entry]] | None = field(default=None, compare=False, repr=False)
    """More live entries of a full load, read piece by piece while it is taken in: a million of them at once would stop
    every request meanwhile. None where `entries` are all."""
