"""The nemesis for as long as wanted: `scripts/nemesis [minutes] [seed]`. Each round has a cluster of its own.

Prints a line a round; a broken promise ends the run with exit code 1, its evidence and the whole history in a file.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.trial import Evidence, run_trial
from tests.store.postgres_cluster import own_cluster

SPELLS_A_ROUND = 24


def shuffled(chance: random.Random, spells: Sequence[str]) -> list[str]:
    """Every spell, rotations first so that the new key signs within the round, then whatever the dice say."""
    return ["rotate", *chance.sample(spells, len(spells)), *chance.choices(spells, k=SPELLS_A_ROUND - len(spells))]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run_round(seed: int) -> Evidence:
    with own_cluster() as cluster, tempfile.TemporaryDirectory(prefix="sealring-nemesis-") as folder:
        return asyncio.run(run_trial(cluster, Path(folder), seed=seed, plan=shuffled, crowd=4))


def main(minutes: float, seed: int) -> int:
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        evidence = run_round(seed)
        say(f"seed {seed}: {len(evidence.history)} operations, {len(evidence.violations)} broken promises")
        say("  " + ", ".join(f"{outcome} {count}" for outcome, count in evidence.tally.items()))
        skipped = [standing for standing in evidence.standings if "digest" in standing["reloads"]]
        if evidence.violations or skipped:
            path = Path(f"nemesis-{seed}.jsonl")
            evidence.write(path)
            for violation in evidence.violations[:20]:
                say(f"  {violation.law}: {violation.words}: {violation.evidence}")
            say(f"  skipped entries: {skipped}\n  the history is in {path}")
            return 1
        seed += 1
    return 0


if __name__ == "__main__":
    minutes, seed = [*sys.argv[1:], "10", "1"][:2] if len(sys.argv) == 1 else [*sys.argv[1:], "1"][:2]
    sys.exit(main(float(minutes), int(seed)))
