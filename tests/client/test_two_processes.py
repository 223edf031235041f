"""Programs that share one token file, with tokens of two seconds and lost refreshes: nobody is logged out."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx2
import pytest

from sealring.client import Auth, FileTokens
from tests.client.losing_proxy import losing_proxy
from tests.serving import PASSWORD, environment, fresh_name, start

ROOT = Path(__file__).parents[2]
KINDS = (("httpx2", "sync"), ("httpx", "async"))


def started(url: str, file: Path, seconds: int, kind: tuple[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.client.sharing_program", url, str(file), str(seconds), *kind],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_some(url: str, file: Path, until: float) -> int:
    """Start programs that share the file, and kill -9 each after a moment; how many."""
    killed = 0
    while time.monotonic() < until:
        with started(url, file, 60, KINDS[killed % 2]) as program:
            time.sleep(1 + secrets.randbelow(1500) / 1000)
            program.kill()
        killed += 1
    return killed


def share(folder: Path, seconds: int, *, kills: bool = False) -> tuple[Counter[str], int, int]:
    """What two programs saw in that time, together; how many refreshes came to the network, and how many it lost."""
    served = start(folder, SEALRING_ACCESS_TTL="2s")
    file = folder / "tokens.json"
    try:
        with losing_proxy(served.port, lost_requests=5, lost_answers=3) as proxy:
            auth = Auth(f"{proxy.url}/auth", store=FileTokens(file))
            with httpx2.Client(trust_env=False, timeout=30) as http:
                auth.login_at(http, "/register", {"username": fresh_name(), "password": PASSWORD})
            programs = [started(proxy.url, file, seconds, kind) for kind in KINDS]
            if kills:
                assert kill_some(proxy.url, file, time.monotonic() + seconds) > seconds / 5
            seen: Counter[str] = Counter()
            for program in programs:
                printed, _ = program.communicate(timeout=seconds + 60)
                assert program.returncode == 0
                seen.update(json.loads(printed))
            return seen, proxy.refreshes, proxy.lost
    finally:
        served.kill()


def judge(seen: Counter[str], refreshes: int, lost: int, seconds: int) -> None:
    assert set(seen) <= {"204", "refreshes", "lost"}, "nobody was logged out, and nothing else failed"
    assert seen["lost"] == lost, "each lost answer was seen as the network's error it is, by one request"
    assert seen["refreshes"] == refreshes
    assert lost > seconds / 8
    assert refreshes - lost <= seconds / 1.5 + 3, "one refresh for both programs, each time one was due"
    assert seen["204"] > seconds * 10


@pytest.mark.long
@pytest.mark.parametrize("seconds", [10, pytest.param(600, marks=pytest.mark.slow)])
def test_two_programs_share_a_token_file_while_refreshes_are_lost(tmp_path: Path, seconds: int) -> None:
    seen, refreshes, lost = share(tmp_path, seconds)
    print(dict(seen), "refreshes", refreshes, "lost", lost)  # noqa: T201 - the figures
    judge(seen, refreshes, lost, seconds)


@pytest.mark.long
@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.slow)])
def test_i6_programs_killed_at_any_moment_log_nobody_out(tmp_path: Path, seconds: int) -> None:
    seen, refreshes, lost = share(tmp_path, seconds, kills=True)
    assert set(seen) <= {"204", "refreshes", "lost"}
    assert seen["204"] > seconds * 10
    assert refreshes - lost > seconds / 5
