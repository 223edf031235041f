"""How attempts are counted: one number per bucket, whatever the number of attempts.

The generic cell rate algorithm: a bucket remembers the moment at which it will be empty again. An attempt moves that
moment on by `window / limit` and passes while it lies no further ahead than the window: `limit` attempts at once, then
one for every part of the window that goes by. Bucket keys may hold what a stranger typed as a username (sometimes
their password), so stores keep only a digest: of one length, and nothing to read in a dump.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from sealring.rate_limits.bucket import Bucket

MICROSECONDS = 1_000_000


OWNER_BYTES = 16


def bucket_digest(bucket: Bucket) -> bytes:
    """32 bytes that stand for a bucket in a table; any string has one, even with NUL or a lone surrogate in it.

    The first half stands for the owner, so that all buckets of one owner lie side by side.
    """
    return _half(bucket.owner) + _half(bucket.key)


def digests_of(owner: str) -> tuple[bytes, bytes]:
    """The first and the last digest that a bucket of that owner can have."""
    half = _half(owner)
    return half + bytes(OWNER_BYTES), half + b"\xff" * OWNER_BYTES


def _half(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()[:OWNER_BYTES]


def step_us(bucket: Bucket) -> int:
    """How far one attempt moves the bucket's empty moment, in microseconds: 1 at least, by the bounds of a rate."""
    return bucket.rate.window_seconds * MICROSECONDS // bucket.rate.limit


def horizon_us(buckets: Sequence[Bucket], now: int) -> int:
    """The latest empty moment that a row may hold and still count.

    A row beyond it was written under a clock that has since stepped back, and counts as empty. Otherwise a step of an
    hour would lock the bucket for an hour (T2). Twice the window, so that clock skew between nodes opens nothing.
    """
    return (now + 2 * max(bucket.rate.window_seconds for bucket in buckets)) * MICROSECONDS


def count(empty_at_us: int, bucket: Bucket, *, now: int, horizon_us: int) -> int:
    """The bucket's empty moment with this attempt counted."""
    now_us = now * MICROSECONDS
    return (now_us if empty_at_us > horizon_us else max(empty_at_us, now_us)) + step_us(bucket)


def wait_seconds(counted_us: int, bucket: Bucket, *, now: int) -> int:
    """0 when a bucket with this attempt counted still holds it; else the seconds until it would."""
    beyond_us = counted_us - (now + bucket.rate.window_seconds) * MICROSECONDS
    return max(0, -(-beyond_us // MICROSECONDS))
