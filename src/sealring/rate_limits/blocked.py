"""Full buckets that this process knows of, each as "blocked until". Pure: `now_ms` is passed in.

A flood against a full bucket is then refused without a hash, a store call or an audit line.
"""

from __future__ import annotations

from typing import NamedTuple

from sealring.rate_limits.bucket import Bucket

MAX_BLOCKED_BUCKETS = 10_000
"""Buckets that one process remembers; the oldest are forgotten, and then the store is asked again."""


class _Blocked(NamedTuple):
    until_ms: int
    recheck_ms: int


class BlockedBuckets:
    """Which buckets are blocked, and until when.

    An address counts failures only, so its attempts are decided before they can be counted, and several at once could
    overshoot. `admit` therefore lets one attempt at a time pass, at the bucket's own pace, for one window after the
    bucket was full. The first burst may overshoot by the attempts that are under way.
    """

    def __init__(self) -> None:
        self._blocked: dict[tuple[str, str], _Blocked] = {}

    def wait(self, bucket: Bucket, *, now_ms: int) -> int:
        """Seconds until the bucket opens; 0 when it is not known to be blocked."""
        blocked = self._blocked.get(bucket.id)
        if blocked is None or now_ms >= blocked.recheck_ms:
            return 0
        return -(-(blocked.until_ms - now_ms) // 1000)

    def admit(self, bucket: Bucket, *, now_ms: int) -> int:
        """As `wait`; an admitted attempt blocks a recently full bucket for the others, for one step of its rate."""
        if (wait := self.wait(bucket, now_ms=now_ms)) == 0:
            blocked = self._blocked.pop(bucket.id, None)
            if blocked is not None and now_ms - blocked.until_ms < bucket.rate.window_seconds * 1000:
                self._block_until(bucket, now_ms + bucket.rate.window_seconds * 1000 // bucket.rate.limit)
        return wait

    def block(self, bucket: Bucket, wait_seconds: int, *, now_ms: int, recheck_seconds: int | None = None) -> None:
        """The store reported the bucket as full.

        Args:
            bucket: which.
            wait_seconds: for how long; the error says so to callers.
            now_ms: the present.
            recheck_seconds: after which the store is asked again, for buckets that can be emptied early.
        """
        recheck = wait_seconds if recheck_seconds is None else min(wait_seconds, recheck_seconds)
        # The store counts in whole seconds. To count from `now_ms` would block for up to a second too long, and a
        # stranger's attempt in the last second would make the owner's Retry-After untrue (N6).
        asked_ms = now_ms - now_ms % 1000
        self._block_until(bucket, asked_ms + wait_seconds * 1000, asked_ms + recheck * 1000)

    def release(self, bucket: Bucket, *, now_ms: int) -> None:
        """An admitted attempt succeeded, so it costs its bucket nothing: the next one may follow at once."""
        if bucket.id in self._blocked:
            self._block_until(bucket, now_ms)

    def forget(self, owner: str) -> None:
        """All buckets of that owner were emptied."""
        for bucket_id in [bucket_id for bucket_id in self._blocked if bucket_id[0] == owner]:
            del self._blocked[bucket_id]

    def _block_until(self, bucket: Bucket, until_ms: int, recheck_ms: int | None = None) -> None:
        self._blocked.pop(bucket.id, None)  # so that it becomes the newest
        self._blocked[bucket.id] = _Blocked(until_ms, until_ms if recheck_ms is None else recheck_ms)
        if len(self._blocked) > MAX_BLOCKED_BUCKETS:
            del self._blocked[next(iter(self._blocked))]
