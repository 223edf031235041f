"""Attempt lanes in SQLite. Every function runs inside the writer's transaction: nobody counts in between (U9)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from sealring.rate_limits.bucket import Lane
from sealring.rate_limits.cell_rate import count, digests_of, horizon_us, lane_digest, wait_seconds


def count_attempt(db: sqlite3.Connection, lanes: Sequence[Lane], now: int) -> int:
    """Count in every lane, or in none and say how long the fullest one stays full."""
    horizon = horizon_us(lanes, now)
    counted: dict[bytes, int] = {}
    wait = 0
    for lane in lanes:
        key = lane_digest(lane)
        row = db.execute("SELECT empty_at_us FROM lanes WHERE lane = ?", (key,)).fetchone()
        counted[key] = count(0 if row is None else row[0], lane, now=now, horizon_us=horizon)
        wait = max(wait, wait_seconds(counted[key], lane, now=now))
    if wait == 0:
        db.executemany(
            "INSERT INTO lanes (lane, empty_at_us) VALUES (?, ?)"
            " ON CONFLICT (lane) DO UPDATE SET empty_at_us = excluded.empty_at_us",
            counted.items(),
        )
    return wait


def clear(db: sqlite3.Connection, owner: str) -> None:
    """Empty all lanes of that owner."""
    db.execute("DELETE FROM lanes WHERE lane BETWEEN ? AND ?", digests_of(owner))
