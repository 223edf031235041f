"""How attempts are counted: one number per lane, whatever the number of attempts.

The generic cell rate algorithm: a lane remembers the moment at which it will be empty again. An attempt moves that
moment on by `window / limit` and passes while it lies no further ahead than the window: `limit` attempts at once, then
one for every part of the window that goes by. Lane keys may hold what a stranger typed as a user name (now and then
their password), so stores keep only a digest: of one length, and nothing to read in a dump.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from sealring.rate_limits.bucket import Lane

MICROSECONDS = 1_000_000


OWNER_BYTES = 16


def lane_digest(lane: Lane) -> bytes:
    """32 bytes that stand for a lane in a table; any string has one, even with NUL or a lone surrogate in it.

    The first half stands for the owner, so that all lanes of one owner lie side by side.
    """
    return _half(lane.owner) + _half(lane.key)


def digests_of(owner: str) -> tuple[bytes, bytes]:
    """The first and the last digest that a lane of that owner can have."""
    half = _half(owner)
    return half + bytes(OWNER_BYTES), half + b"\xff" * OWNER_BYTES


def _half(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()[:OWNER_BYTES]


def step_us(lane: Lane) -> int:
    """How far one attempt moves the lane's empty moment, in microseconds."""
    return max(1, lane.window_seconds * MICROSECONDS // lane.limit)


def horizon_us(lanes: Sequence[Lane], now: int) -> int:
    """How far ahead a lane may be believed to be busy.

    Beyond it, the lane was written under a clock that has since stepped back, and counts as empty: else a step of an
    hour would lock it for an hour (T2). Twice the window, so that no skew between nodes opens it.
    """
    return (now + 2 * max(lane.window_seconds for lane in lanes)) * MICROSECONDS


def count(empty_at_us: int, lane: Lane, *, now: int, horizon_us: int) -> int:
    """The lane's empty moment with this attempt counted."""
    now_us = now * MICROSECONDS
    return (now_us if empty_at_us > horizon_us else max(empty_at_us, now_us)) + step_us(lane)


def wait_seconds(counted_us: int, lane: Lane, *, now: int) -> int:
    """0 when a lane with this attempt counted still holds it; else the seconds until it would."""
    beyond_us = counted_us - (now + lane.window_seconds) * MICROSECONDS
    return max(0, -(-beyond_us // MICROSECONDS))
