"""The README and other pages with consoles, from top to bottom, typed as they stand, in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.reader import ROOT, Command, Reader
from tests.programs import required_program

README = ROOT / "README.md"
PAGES = {README: 7, ROOT / "docs" / "explanation" / "express-tutorial.md": 17}
"""Each with how many commands it has at least: a page whose consoles were not found would pass."""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_works_step_by_step(path: Path, tmp_path: Path) -> None:
    """In order, with nothing set that the page has not set."""
    required_program("curl")
    with Reader(tmp_path) as reader:
        reader.follow(path.read_text(encoding="utf-8"))
        assert sum(isinstance(step, Command) for step in reader.done) >= PAGES[path]


def test_the_readme_keeps_its_promise_of_ten_lines() -> None:
    _, _, rest = README.read_text(encoding="utf-8").partition('```python title="app.py"\n')
    shown, _, _ = rest.partition("```")
    assert len([line for line in shown.splitlines() if line.strip()]) == 10
    assert "guard(auth)" in shown


def test_the_two_commands_come_first() -> None:
    first = re.search(r"^```\w+\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert first
    assert [line.split()[0] for line in first[1].splitlines()] == ["scripts/serve", "scripts/test"]


def test_the_tutorial_is_named() -> None:
    assert "How To Use JSON Web Tokens (JWTs) in Express.js" in README.read_text(encoding="utf-8")
