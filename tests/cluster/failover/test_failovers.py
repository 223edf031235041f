"""Three database machines under Patroni and etcd, HAProxy, three nodes: what was acknowledged outlives its leader.

The machines are network and process namespaces, made and left by a process of its own, so that "cut off" and "loses its
power" mean a whole machine. Needs root, and Debian's `etcd-server`, `haproxy`, `iproute2` and `iptables`.
`scripts/failovers` is the long run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.failover.machine import UNSHARE
from tests.programs import required_program

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.xdist_group("cluster")]

ROOT = Path(__file__).parents[3]
PROGRAMS = ("initdb", "etcd", "haproxy", "ip", "iptables")
RUN_SECONDS = 900
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces and iptables need root")


def run(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """What one round showed."""
    for program in PROGRAMS:
        required_program(program)
    shown = folder / "report.json"
    line = [*UNSHARE, sys.executable, "-m", "tests.cluster.failover.run", "--report", str(shown), *arguments]
    done = subprocess.run(
        line,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert shown.exists(), (done.stdout + done.stderr).decode()[-6000:]
    return done.returncode, json.loads(shown.read_text())


@needs_root
def test_a_cluster_keeps_its_promises_whatever_happens_to_its_leaders(tmp_path: Path) -> None:
    """I1, I5, I6 and the others, over each way to lose a leader; and what was lost was a leader."""
    faults = ["switchover", "kill", "cut", "hang", "freeze", "split"]
    code, shown = run(tmp_path, "--faults", *faults)
    assert (code, shown["violations"]) == (0, [])
    assert [mark["fault"] for mark in shown["marks"]] == faults
    assert all(before != after for before, after in (mark["leaders"] for mark in shown["marks"]))
    assert {standing["cursor"] for standing in shown["standings"]} == {shown["head"]}
    assert not [standing for standing in shown["standings"] if "digest" in standing["reloads"]]
    # it proves something: writes stopped and checks were refused as out of date; dead tokens were tried all along
    assert max(outage["writes"] for outage in shown["outages"]) > 10
    for outcome, least in (
        ("start ok", 300), ("end ok", 5), ("end_subject ok", 5), ("replay refused", 3), ("refresh ok", 50),
        ("check ok", 500), ("check refused", 1000), ("check unavailable", 50),
    ):  # fmt: skip
        assert shown["tally"].get(outcome, 0) >= least, shown["tally"]


@needs_root
def test_the_checker_sees_what_asynchronous_replication_loses(tmp_path: Path) -> None:
    """Planted: commits wait for no standby, so the old primary acknowledges what its successor never has (I5, I6)."""
    code, shown = run(tmp_path, "--asynchronous", "--faults", "split")
    assert code == 1
    assert "I6" in {violation["law"] for violation in shown["violations"]}
