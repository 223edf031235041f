"""The README's curl lines, typed as they stand: the tutorial's own steps against the real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.serving import start

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
STEP = re.compile(r"^\$ (curl .*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def steps() -> list[tuple[str, str]]:
    return [
        (command, output.strip())
        for block in BLOCK.findall(README.read_text())
        for command, output in STEP.findall(block)
    ]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_tutorial_with_curl(tmp_path: Path) -> None:
    server = start(tmp_path)
    variables: dict[str, str] = {"PATH": os.environ["PATH"]}
    try:
        assert len(steps()) >= 4
        for command, shown in steps():
            typed = command.replace("http://127.0.0.1:8000", server.url)
            done = subprocess.run(["bash", "-c", typed], env=variables, capture_output=True, text=True, check=True)
            wanted = re.escape(shown).replace("…", ".*")
            assert re.fullmatch(wanted, done.stdout.strip()), f"{command}\n{done.stdout}"
            if '"token"' in done.stdout:
                variables["TOKEN"] = json.loads(done.stdout)["token"]
    finally:
        server.kill()
