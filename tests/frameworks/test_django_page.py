"""The Django page, as its reader follows it: each block into the file that it names, then `manage.py test`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2].joinpath("docs", "how-to", "django.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python no-run\n# (\S+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SECRET = "q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "SEALRING_SECRET": SECRET}
    return subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def follow_the_page(folder: Path) -> None:
    """Start a project, and append each block to its file."""
    done = run(folder, "-m", "django", "startproject", "shop", ".")
    assert done.returncode == 0, done.stderr
    blocks = BLOCK.findall(PAGE)
    assert {name for name, _ in blocks} == {"shop/settings.py", "shop/urls.py", "shop/tests.py"}
    for name, text in blocks:
        with (folder / name).open("a") as file:
            file.write("\n" + text)


def test_the_page_is_a_project_that_passes_its_checks_and_its_tests(tmp_path: Path) -> None:
    follow_the_page(tmp_path)
    done = run(tmp_path, "manage.py", "check", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    done = run(tmp_path, "manage.py", "test")
    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr
    assert not (tmp_path / "sealring.db").exists(), "tests open no store but their own"


def test_the_quick_start_has_ten_lines() -> None:
    lines = [line for _, text in BLOCK.findall(PAGE)[:2] for line in text.splitlines() if line]
    assert len(lines) <= 10
