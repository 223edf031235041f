"""The pages of the Python API are those of the source, and what any page imports stands on them."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from scripts.api_source import CONTRACT, ERRORS, PAGES, find, names_of
from scripts.pages import ROOT, pages
from scripts.write_api import FOLDER, INDEX, WRITTEN, markdown

BLOCK = re.compile(r"^```python(?: [^\n]*)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
PART = re.compile(r"^## `(?P<module>[\w.]+)`\n(?P<rows>.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
ROW = re.compile(r"^\| \[`(\w+)`\]\(", re.MULTILINE)
LISTED = {
    (part["module"], name)
    for part in PART.finditer(INDEX.read_text(encoding="utf-8"))
    for name in ROW.findall(part["rows"])
}
MODULES = {module for module, _ in LISTED}
STANDS_FOR_YOURS = ("sealring.store.memory", "MemoryStore")
"""Imported on one page in the place of the reader's own class."""


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_a_page_of_the_api_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == WRITTEN[path](), "run scripts/docs"


def test_no_page_of_the_api_is_left_over() -> None:
    assert set(FOLDER.iterdir()) == set(WRITTEN) - {INDEX}


def is_listed(module: str, name: str) -> bool:
    """Errors stand once, whichever modules offer them too."""
    return (module, name) in LISTED or any(module in MODULES and (one, name) in LISTED for one in ERRORS)


@pytest.mark.parametrize("name", ["sealring", "sealring.jwt", "sealring.client", "sealring.testing", CONTRACT])
def test_every_public_name_is_on_a_page(name: str) -> None:
    assert [one for one in importlib.import_module(name).__all__ if not is_listed(name, one)] == []


def test_every_name_has_a_docstring() -> None:
    modules = [module for page in PAGES for module in page.modules]
    assert [
        f"{module.path}.{name}" for module in modules for name in names_of(module) if not find(module, name).docstring
    ] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_imports_is_public(page: Path) -> None:
    for code in BLOCK.findall(page.read_text(encoding="utf-8")):
        try:
            tree = ast.parse(code)
        except SyntaxError:
            continue  # a part of a file, or a signature
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        for module, name in [(node.module or "", one.name) for node in imports for one in node.names]:
            if module.partition(".")[0] == "sealring" and (module, name) != STANDS_FOR_YOURS:
                assert is_listed(module, name) or f"{module}.{name}" in MODULES, f"{module}.{name}"


def test_a_docstring_becomes_markdown() -> None:
    text = "A (design D5). See docs/how-to/flask.md.\n\n    first()\n\n    second()\n\n>>> third()\n1\n\nB."
    assert markdown(text, PAGES[0]).split("\n\n```") == [
        (
            "A ([design D5](../../explanation/decisions.md#d5-one-row-for-each-session-however-often-it-is-refreshed))."
            " See [docs/how-to/flask.md](../../how-to/flask.md)."
        ),
        "python no-run\nfirst()\n\nsecond()\n```",
        "pycon\n>>> third()\n1\n```\n\nB.",
    ]
