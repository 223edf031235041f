"""A quick start is ten lines at most; `test_snippets` runs it, and what its page asks of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "how-to"
BLOCK = re.compile(r"^```python(?: no-run)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = {"asgi": 1, "django": 2, "fastapi": 1, "flask": 1, "litestar": 1, "starlette": 1}
"""How many blocks at the start of each page are its quick start. Django has one for each file: `test_django_page`."""


@pytest.mark.parametrize("page", BLOCKS)
def test_a_quick_start_has_ten_lines_at_most(page: str) -> None:
    text = (DOCS / f"{page}.md").read_text()
    quick_start = "".join(BLOCK.findall(text)[: BLOCKS[page]])
    assert re.search(r"Sealring\(|^SEALRING = ", quick_start, re.MULTILINE)
    lines = [line for line in quick_start.splitlines() if line.strip() and not line.startswith("# shop/")]
    assert len(lines) <= 10
    assert re.search(r"\bassert |self\.assertEqual\(", text), "the page asks its application something"
