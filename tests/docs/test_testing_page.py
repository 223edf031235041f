"""docs/how-to/testing.md and docs/reference/stores.md: the files that they show pass under pytest as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import sealring.testing

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "testing.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python (\w+\.py)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILES = dict(BLOCK.findall(PAGE))

DJANGO_PROJECT = """
import django
from django.conf import settings

settings.configure(
    ROOT_URLCONF="django_shop",
    INSTALLED_APPS=["sealring.frameworks.django"],
    MIDDLEWARE=["sealring.frameworks.django.SealringMiddleware"],
)
django.setup()
"""
"""What a project has besides what the page shows."""


def test_the_files_of_the_page_pass(tmp_path: Path) -> None:
    for name, text in FILES.items():
        assert f"`{name}`" in PAGE, f"{name} is not named before its block"
        tmp_path.joinpath(name).write_text(text, encoding="utf-8")
    tmp_path.joinpath("conftest.py").write_text(DJANGO_PROJECT, encoding="utf-8")
    shown_as_passed = run_pytest(tmp_path)
    shown = sum(len(re.findall(r"^ *(?:async )?def test_", text, re.MULTILINE)) for text in FILES.values())
    assert shown >= 11
    assert re.search(rf"\b{shown + 4} passed", shown_as_passed), "one is asked five times"


def run_pytest(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:schemathesis"],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_store_of_the_other_page_passes(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "stores.md").read_text(encoding="utf-8")
    ((name, text),) = BLOCK.findall(page)
    tmp_path.joinpath(name).write_text(text, encoding="utf-8")
    shown = run_pytest(tmp_path)
    assert re.search(r"\b[0-9]{2,} passed", shown)


def test_every_public_name_is_on_the_page() -> None:
    rows = set(re.findall(r"^\| `(\w+)\(", PAGE, re.MULTILINE))
    assert rows == set(sealring.testing.__all__)
