"""The contract, the heartbeat and the nemesis on versions of PostgreSQL that Debian 12 has not.

npm has servers of each for Linux on x86-64; `tests/store/versions` names them. A copy is used, where the user that runs
PostgreSQL for root may read it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.npm import installed, run

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

ROOT = Path(__file__).parents[2]
TESTED = (
    "tests/store/test_contract.py",
    "tests/store/test_schema.py",
    "tests/store/test_notify.py",
    "tests/attacks/test_f_heartbeat.py",
    "tests/cluster/test_nemesis.py",
)
RUN_SECONDS = 1200


@pytest.mark.parametrize("version", ["16", "17", "18"])
def test_the_store_keeps_its_promises_on_another_version(version: str) -> None:
    package = installed(Path(__file__).parent / "versions") / f"postgresql-{version}"
    with tempfile.TemporaryDirectory(prefix=f"sealring-pg{version}-") as folder:
        Path(folder).chmod(0o755)
        here = Path(folder) / "server"
        shutil.copytree(package, here, symlinks=True)
        run("node", "scripts/hydrate-symlinks.js", folder=here)
        binaries = here / "native" / "bin"
        shown = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
        assert f" {version}." in shown
        line = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            "0",
            "-p",
            "no:cacheprovider",
            "-m",
            "postgres and not slow",
        ]
        done = subprocess.run(
            [*line, *TESTED],
            cwd=ROOT,
            env=os.environ | {"PATH": f"{binaries}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-6000:]
    assert " passed" in done.stdout
