"""I1 to I8 and I12 on three real nodes over PostgreSQL, while everything breaks (issue 5; F4 to F6, F10, P1, P5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.trial import run_trial
from tests.store.postgres_cluster import own_cluster

pytestmark = [pytest.mark.anyio, pytest.mark.postgres, pytest.mark.long]


async def test_a_cluster_keeps_its_promises_whatever_breaks(tmp_path: Path) -> None:
    with own_cluster() as cluster:
        evidence = await run_trial(cluster, tmp_path, seed=20, plan=lambda _, spells: spells)
    evidence.write(tmp_path / "history.jsonl")
    assert evidence.violations == []
    # I8: each node holds all that is live, and none was told by the digest that it had skipped something
    assert {standing["cursor"] for standing in evidence.standings} == {evidence.head}
    assert len({standing["entries"] for standing in evidence.standings}) == 1
    assert all(standing["reloads"] == {"first load": 1} for standing in evidence.standings)
    # it proves something: revocations were acknowledged and their tokens tried, nodes went stale, answers were lost
    tally = evidence.tally
    assert evidence.signed >= 2, "a rotation; where the machine is busy and the run is long, the next key signs too"
    for outcome in ("check ok", "check refused", "check unavailable", "refresh ok", "end ok", "end_subject ok"):
        assert tally.get(outcome, 0) >= 5, tally
    for outcome in ("replay refused", "stale_subject ok", "log_in ok"):
        assert tally.get(outcome, 0) >= 1, tally
    assert sum(count for outcome, count in tally.items() if outcome.endswith("unknown")) >= 5, tally
