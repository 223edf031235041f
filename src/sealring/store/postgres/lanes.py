"""Attempt lanes in PostgreSQL: one upsert, which locks the rows until all lanes are known to have room (U9)."""

from __future__ import annotations

from collections.abc import Sequence

from sealring.rate_limits.bucket import Lane
from sealring.rate_limits.cell_rate import MICROSECONDS, digests_of, horizon_us, lane_digest, step_us, wait_seconds
from sealring.store.postgres.arrays import bytes_array
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import Undo

# the same arithmetic as lanes.count; in order of key, so that two attempts wait for each other in one direction
_COUNT = """
INSERT INTO lanes AS l (lane, empty_at_us)
SELECT v.lane, %(now_us)s + v.step_us FROM unnest(%(lanes)s::BYTEA[], %(steps)s::BIGINT[]) AS v (lane, step_us)
ORDER BY v.lane
ON CONFLICT (lane) DO UPDATE SET empty_at_us =
  CASE WHEN l.empty_at_us > %(horizon_us)s THEN %(now_us)s ELSE greatest(l.empty_at_us, %(now_us)s) END
  + excluded.empty_at_us - %(now_us)s
RETURNING lane, empty_at_us
"""


async def count_attempt(connection: Connection, lanes: Sequence[Lane], now: int) -> int:
    """Count in every lane, or in none and say how long the fullest one stays full."""
    keyed = {lane_digest(lane): lane for lane in lanes}
    cursor = await connection.execute(
        _COUNT,
        {
            "now_us": now * MICROSECONDS,
            "horizon_us": horizon_us(lanes, now),
            "lanes": bytes_array(keyed),
            "steps": [step_us(lane) for lane in keyed.values()],
        },
    )
    wait = max(wait_seconds(counted, keyed[lane], now=now) for lane, counted in await cursor.fetchall())
    if wait:
        raise Undo(wait)
    return 0


async def clear(connection: Connection, owner: str) -> None:
    """Empty all lanes of that owner."""
    await connection.execute(
        "DELETE FROM lanes WHERE lane IN"
        " (SELECT lane FROM lanes WHERE lane BETWEEN %s AND %s ORDER BY lane FOR UPDATE)",
        digests_of(owner),
    )
