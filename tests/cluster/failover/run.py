"""Failovers for as long as wanted: `scripts/failovers --help`. Needs root; started in namespaces of its own.

Prints a line for each fault and node; a broken promise ends the run with exit code 1, its evidence in a file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.cluster.failover.machine import make_bridge
from tests.cluster.failover.outages import outages
from tests.cluster.failover.trial import Failovers, Trial, run_trial

NODE_ADDRESS = "10.0.0.11"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def report(failovers: Failovers) -> dict[str, Any]:
    """What a round showed, as JSON."""
    evidence = failovers.evidence
    return {
        "violations": [
            {"law": found.law, "words": found.words, "evidence": [asdict(one) for one in found.evidence]}
            for found in evidence.violations
        ],
        "outages": [asdict(outage) for outage in outages(evidence.history, failovers.marks)],
        "marks": [asdict(mark) for mark in failovers.marks],
        "tally": evidence.tally,
        "standings": evidence.standings,
        "head": evidence.head,
    }


def tell(shown: dict[str, Any], seed: int) -> None:
    for outage in shown["outages"]:
        say(
            f"  {outage['fault']:<11} node {outage['node']}: no write for {outage['writes']:5.1f} s,"
            f" no check for {outage['checks']:5.1f} s"
        )
    counts = ", ".join(f"{outcome} {count}" for outcome, count in shown["tally"].items())
    say(f"seed {seed}: {sum(shown['tally'].values())} operations, {len(shown['violations'])} broken promises")
    say(f"  {counts}")
    for violation in shown["violations"][:20]:
        say(f"  {violation['law']}: {violation['words']}: {violation['evidence']}")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/failovers", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=0, help="rounds are begun for that long; without it, one round"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the dice of the first round")
    parser.add_argument("--faults", nargs="+", default=[], help="these, in this order, in place of all as the dice say")
    parser.add_argument("--staleness", type=float, default=5.0, help="SEALRING_MAX_STALENESS, seconds")
    parser.add_argument("--asynchronous", action="store_true", help="commits wait for no standby: promises get broken")
    parser.add_argument("--report", type=Path, help="what the last round showed, as JSON, goes there")
    chosen = parser.parse_args(arguments)

    def plan(chance: random.Random, names: Sequence[str]) -> Sequence[str]:
        return chosen.faults or chance.sample(names, len(names))

    make_bridge([NODE_ADDRESS])
    until, seed = time.monotonic() + 60 * chosen.minutes, chosen.seed
    while True:
        trial = Trial(plan, seed=seed, staleness=chosen.staleness, synchronous=not chosen.asynchronous)
        with tempfile.TemporaryDirectory(prefix="sealring-ha-", ignore_cleanup_errors=True) as folder:
            failovers = asyncio.run(run_trial(trial, Path(folder)))
        shown = report(failovers)
        tell(shown, seed)
        if chosen.report:
            chosen.report.write_text(json.dumps(shown))
        if shown["violations"]:
            path = Path(f"failovers-{seed}.jsonl")
            failovers.evidence.write(path)
            say(f"  the history is in {path}")
            return 1
        seed += 1
        if time.monotonic() >= until:
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
