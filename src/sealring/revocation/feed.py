"""A page of the revocation feed: what a verifier follows. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sealring.revocation.entry import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """A piece of the revocation feed, read in one consistent snapshot."""

    incarnation: str
    """Random id of this life of the store; it changes when the store was restored."""
    head: int
    """The highest number given so far."""
    complete: bool
    """False when not every number after the cursor up to `head` is among `entries` (forgotten, or the cursor is ahead
    of this store): the follower then loads all."""
    entries: tuple[Entry, ...]
    """All entries after the cursor, in number order (all live ones when the cursor was none)."""
    digest: int
    """XOR of `entry_digest` over every entry ever numbered up to `head`, kept beside the counter and moved by the
    same statement. A follower that XORs what it was given must come to the same number: one that skipped an entry,
    or whose store went back in time and used a number twice, does not (I8, F7, F14)."""
    keys_version: int
    time_ms: int
    """The store's own clock."""
    longest_access_ttl: int
    """Seconds: no issuer of this store signs an access token that lives longer, and every revocation is kept for at
    least as long (design D19). 0 before the first issuer has declared a life."""
    acknowledged_ms: int | None = None
    """When, on that clock, the newest write was made that this snapshot proves to have been acknowledged: see
    `Store.heartbeat`. None where whatever can be read has been acknowledged."""
