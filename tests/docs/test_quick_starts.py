"""A quick start is ten lines at most; `test_snippets` runs it, and what its page asks of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "how-to"


@pytest.mark.parametrize("page", ["asgi", "flask", "litestar", "starlette"])
def test_a_quick_start_has_ten_lines_at_most(page: str) -> None:
    text = (DOCS / f"{page}.md").read_text()
    quick_start = text.partition("```python\n")[2].partition("```")[0]
    assert "Sealring(" in quick_start
    assert len([line for line in quick_start.splitlines() if line.strip()]) <= 10
    assert re.search(r"^assert|\bassert ", text, re.MULTILINE), "the page asks its application something"
