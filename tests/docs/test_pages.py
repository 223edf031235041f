"""Links, anchors and images of all pages lead somewhere, and the navigation of the site has every page once."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from scripts.pages import (
    CONFIGURATION,
    DOCS,
    FENCED,
    ROOT,
    anchors,
    faults,
    links,
    navigation,
    pages,
    place_of,
    unplaced,
)

TRUSTED = "../../SECURITY.md#reporting"
SESSIONS = DOCS / "explanation" / "sessions.md"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert faults(page, text) == []
    for named in re.findall(r"`((?:tests|scripts|bench|docs|src|examples)/[\w./-]+)`", text):
        assert (ROOT / named).exists(), named


def test_every_page_stands_once_in_the_navigation() -> None:
    assert unplaced() == []
    assert navigation()[0] == "index.md"


def test_every_file_of_the_repository_that_is_a_page_is_one_here() -> None:
    """None is left out of the checks."""
    found = {*ROOT.glob("*.md"), *ROOT.glob("examples/*/*.md")}
    assert found <= set(pages())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a](nowhere.md)", "no such file"),
        ("![a](nowhere.png)", "no such file"),
        ('<img src="nowhere.png">', "no such file"),
        ('<source srcset="nowhere.png" media="print">', "no such file"),
        ("[a][b]\n\n[b]: nowhere.md\n", "no such file"),
        ("[a](#nowhere)", "no such heading"),
        ("[a](../reference/settings.md#nowhere)", "no such heading"),
        ("[a](/reference/settings.md)", "slash"),
        ("[a](../../tests)", "folder"),
        ("[a](../../../../etc/passwd)", "no such file"),
        ("[a](http://example.com)", "neither https"),
        ("[a](javascript:alert)", "neither https"),
        ("# One & two\n\n[a](#one-two)", "differently"),
        ("# A\n\n# A\n\n[a](#a_1)", "differently"),
    ],
)
def test_a_broken_link_is_found(text: str, words: str) -> None:
    (fault,) = faults(SESSIONS, text)
    assert words in fault


def test_good_links_and_code_are_no_faults() -> None:
    text = """# One: `two`

[a](#one-two) [b](../reference/settings.md) [c](https://example.com/#x "title") [d](../../SECURITY.md#reporting)

```text
[a](nowhere.md)
```

`[a](nowhere.md)` <!-- [a](nowhere.md) -->
"""
    assert list(links(text)) == [
        "#one-two",
        "../reference/settings.md",
        "https://example.com/#x",
        "../../SECURITY.md#reporting",
    ]
    assert faults(SESSIONS, text) == []


def test_anchors_are_those_of_headings_and_of_ids() -> None:
    assert anchors('# A `b` [c](d.md)\n\n<a id="x"></a>\n\n```\n# no heading\n```\n') == {"a-b-c", "x"}


def test_pages_outside_of_docs_have_a_place_on_the_site() -> None:
    assert place_of(ROOT / "CHANGELOG.md") == "changelog.md"
    assert place_of(ROOT / "README.md") is None
    assert place_of(SESSIONS) == "explanation/sessions.md"


def test_a_page_that_is_missing_twice_or_unknown_is_named(tmp_path: Path) -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    text = text.replace('  "index.md",', '  "unknown.md",').replace('"changelog.md"', '"changelog.md", "changelog.md"')
    other = tmp_path / "zensical.toml"
    other.write_text(text, encoding="utf-8")
    assert unplaced(other) == ["changelog.md", "index.md", "unknown.md"]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_has_a_figure_that_a_script_of_another_host_must_draw(page: Path) -> None:
    assert "```mermaid" not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_lists_and_tables_stand_apart(page: Path) -> None:
    """Forges show a list or a table that follows a line of text at once; the site would show a paragraph."""
    lines = FENCED.sub(lambda code: "\n" * code[0].count("\n"), page.read_text(encoding="utf-8")).splitlines()
    for number, (before, line) in enumerate(pairwise(lines), 2):
        begins_list = re.match(r"(?:[-*]|[0-9]+\.) ", line) and not re.match(r"(?:[-*]|[0-9]+\.)? |#", before)
        begins_table = line.startswith("|") and not before.startswith("|")
        assert not (before.strip() and (begins_list or begins_table)), f"line {number}: a blank line before it"
