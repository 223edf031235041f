"""Which life an access token may have, of those that the issuers of a store have declared (design D19). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeclaredTtl:
    """A life of access tokens that some issuer of this store has declared before it signed one (design D19)."""

    seconds: int
    since: int
    """When it was first declared, by the clock of the issuer that did."""
    until: int
    """When the last token of this life has expired, unless the declaration is renewed."""


def usable_ttl(declared: Sequence[DeclaredTtl], wanted: int, *, now: int, heard_seconds: int) -> int:
    """How long a token may live that is signed now.

    The wanted life, once a life at least as long has been declared for so long that every node has read it. Until
    then the longest that they have read; or, where all is new, the one that was declared first.

    >>> old, new = DeclaredTtl(600, since=0, until=9000), DeclaredTtl(1800, since=1000, until=9000)
    >>> [usable_ttl((new, old), 1800, now=now, heard_seconds=10) for now in (1000, 1009, 1010)]
    [600, 600, 1800]
    >>> usable_ttl((new,), 1800, now=1000, heard_seconds=10)
    1800
    """
    heard = [ttl.seconds for ttl in declared if ttl.since + heard_seconds <= now]
    first = min(declared, key=lambda ttl: (ttl.since, ttl.seconds))
    return min(wanted, max(heard, default=first.seconds))
