"""A bucket: a named counter of attempts with its rate limit. A value; pure."""

from __future__ import annotations

from dataclasses import dataclass

from sealring.rate_limits.rate import RateLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One counter of attempts, and how many it lets pass in how long."""

    key: str
    rate: RateLimit
    owner: str = ""
    """All buckets of one owner are emptied together, by the owner's success or by the operator; "" is nobody."""

    @property
    def id(self) -> tuple[str, str]:
        """What tells this bucket from all others: two rates under one key are one bucket."""
        return self.owner, self.key
