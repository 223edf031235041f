"""Rate limits in PostgreSQL: one upsert, which locks the rows until all buckets are known to have room (U9)."""

from __future__ import annotations

from collections.abc import Sequence

from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.gcra import MICROSECONDS, bucket_digest, digests_of, horizon_us, step_us, wait_seconds
from sealring.store.postgres.array_literals import bytes_array
from sealring.store.postgres.connection import Connection
from sealring.store.postgres.database import RollBack

# the same arithmetic as gcra.count; in order of key, so that two attempts wait for each other in one direction
_COUNT = """
INSERT INTO rate_limit_buckets AS b (bucket, empty_at_us)
SELECT v.bucket, %(now_us)s + v.step_us FROM unnest(%(buckets)s::BYTEA[], %(steps)s::BIGINT[]) AS v (bucket, step_us)
ORDER BY v.bucket
ON CONFLICT (bucket) DO UPDATE SET empty_at_us =
  CASE WHEN b.empty_at_us > %(horizon_us)s THEN %(now_us)s ELSE greatest(b.empty_at_us, %(now_us)s) END
  + excluded.empty_at_us - %(now_us)s
RETURNING bucket, empty_at_us
"""


async def count_attempt(connection: Connection, buckets: Sequence[Bucket], now: int) -> int:
    """Count in every bucket, or in none and say how long the fullest one stays full."""
    keyed = {bucket_digest(bucket): bucket for bucket in buckets}
    cursor = await connection.execute(
        _COUNT,
        {
            "now_us": now * MICROSECONDS,
            "horizon_us": horizon_us(buckets, now),
            "buckets": bytes_array(keyed),
            "steps": [step_us(bucket) for bucket in keyed.values()],
        },
    )
    wait = max(wait_seconds(counted, keyed[bucket], now=now) for bucket, counted in await cursor.fetchall())
    if wait:
        raise RollBack(wait)
    return 0


async def clear(connection: Connection, owner: str) -> None:
    """Empty all buckets of that owner."""
    await connection.execute(
        "DELETE FROM rate_limit_buckets WHERE bucket IN"
        " (SELECT bucket FROM rate_limit_buckets WHERE bucket BETWEEN %s AND %s ORDER BY bucket FOR UPDATE)",
        digests_of(owner),
    )
