"""Dead targets by their text, and when each may be forgotten: exact, for some hundred thousand of them.

Targets that may be forgotten at about the same time form a bucket, so that nothing is searched
for what has expired, and a bucket is forgotten piece by piece, so that nobody waits for it. An
entry that is added again keeps the higher epoch and the later time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

BUCKET_SECONDS: Final = 60
"""Targets are kept at most this much longer than asked."""

FORGOTTEN_AT_ONCE: Final = 4_096
"""About a millisecond of work."""


class ExpiringSet:
    """A growing and ageing set of targets, each with an epoch.

    One writer; any number of threads may read `marks` meanwhile.
    """

    __slots__ = ("_buckets", "_expired", "_last_mark", "marks")

    def __init__(self) -> None:
        self.marks: dict[str, tuple[int, int]] = {}
        """Target → (epoch, bucket). Always this same object, so that it may be held on to."""
        self._buckets: dict[int, list[str]] = {}
        self._expired: deque[tuple[int, list[str]]] = deque()
        # most entries share epoch 0 and the newest bucket, and then one tuple
        self._last_mark = (0, 0)

    def add(self, target: str, expires_at: int, epoch: int = 0) -> None:
        """Remember the target at least until `expires_at` (Unix seconds)."""
        bucket = -(-expires_at // BUCKET_SECONDS)
        known = self.marks.get(target)
        if known is not None:
            epoch = max(epoch, known[0])
            if known[1] >= bucket:
                self.marks[target] = (epoch, known[1])
                return
        mark = (epoch, bucket)
        if mark == self._last_mark:
            mark = self._last_mark
        self._last_mark = mark
        self.marks[target] = mark
        self._buckets.setdefault(bucket, []).append(target)

    def hand_over(self, count: int) -> Iterator[tuple[str, int]]:
        """Yield up to `count` targets, each with the time until which it must be kept, to be kept elsewhere.

        Each is let go only when the next is asked for, so that a reader finds it here or where it went.
        """
        for _ in range(count):
            if not self._buckets:
                return
            bucket, targets = next(iter(self._buckets.items()))
            target = targets[-1]
            mark = self.marks.get(target)
            if mark is not None and mark[1] == bucket:
                yield target, bucket * BUCKET_SECONDS
                del self.marks[target]
            targets.pop()
            if not targets:
                del self._buckets[bucket]

    def forget(self, now: int) -> None:
        """Forget what has expired at `now` (Unix seconds), a bounded number at a time."""
        passed = now // BUCKET_SECONDS
        for bucket in [bucket for bucket in self._buckets if bucket <= passed]:
            self._expired.append((bucket, self._buckets.pop(bucket)))
        left = FORGOTTEN_AT_ONCE
        while self._expired and left > 0:
            bucket, targets = self._expired[0]
            for target in targets[-left:]:
                mark = self.marks.get(target)
                # a target that was added again meanwhile lives on in its later bucket
                if mark is not None and mark[1] <= bucket:
                    del self.marks[target]
            left, done = left - len(targets), left
            del targets[-done:]
            if not targets:
                self._expired.popleft()
