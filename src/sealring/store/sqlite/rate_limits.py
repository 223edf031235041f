"""Rate limits in SQLite. Every function runs inside the writer's transaction: nothing counts in between (U9)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.gcra import bucket_digest, count, digests_of, horizon_us, wait_seconds


def count_attempt(db: sqlite3.Connection, buckets: Sequence[Bucket], now: int) -> int:
    """Count in every bucket, or in none and say how long the fullest one stays full."""
    horizon = horizon_us(buckets, now)
    counted: dict[bytes, int] = {}
    wait = 0
    for bucket in buckets:
        key = bucket_digest(bucket)
        row = db.execute("SELECT empty_at_us FROM rate_limit_buckets WHERE bucket = ?", (key,)).fetchone()
        counted[key] = count(0 if row is None else row[0], bucket, now=now, horizon_us=horizon)
        wait = max(wait, wait_seconds(counted[key], bucket, now=now))
    if wait == 0:
        db.executemany(
            "INSERT INTO rate_limit_buckets (bucket, empty_at_us) VALUES (?, ?)"
            " ON CONFLICT (bucket) DO UPDATE SET empty_at_us = excluded.empty_at_us",
            counted.items(),
        )
    return wait


def clear(db: sqlite3.Connection, owner: str) -> None:
    """Empty all buckets of that owner."""
    db.execute("DELETE FROM rate_limit_buckets WHERE bucket BETWEEN ? AND ?", digests_of(owner))
