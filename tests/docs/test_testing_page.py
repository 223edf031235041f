"""docs/testing.md: the files that it shows, in one folder, pass under pytest as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import sealring.testing

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```python (\w+\.py)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


def test_the_files_of_the_page_pass(tmp_path: Path) -> None:
    for name, text in FILES.items():
        assert f"`{name}`" in PAGE, f"{name} is not named before its block"
        tmp_path.joinpath(name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:schemathesis"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    shown = sum(text.count("\ndef test_") + text.count("\nasync def test_") for text in FILES.values())
    assert shown >= 9
    assert re.search(rf"\b{shown + 4} passed", done.stdout), "one is asked five times"


def test_every_public_name_is_on_the_page() -> None:
    rows = set(re.findall(r"^\| `(\w+)\(", PAGE, re.MULTILINE))
    assert rows == set(sealring.testing.__all__)
