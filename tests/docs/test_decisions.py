"""The number of a decision or an invariant, wherever it is named, is on its page. A bare D is an attack (D1 to D8)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.pages import ROOT
from tests.own_files import own_files

PAGE = ROOT / "docs" / "explanation" / "decisions.md"
TEXT = PAGE.read_text(encoding="utf-8")
DECISIONS = set(re.findall(r"^### (D\d+) ", TEXT, re.MULTILINE))
INVARIANTS = set(re.findall(r"^\| (I\d+) \|", TEXT, re.MULTILINE))
NAMED = re.compile(r"\bdesign\s+(D\d{1,2}(?:(?:,| and)\s+D\d{1,2})*)", re.IGNORECASE)
BARE = re.compile(r"\b(D(?:9|[1-9]\d))\b")
INVARIANT = re.compile(r"[(,;:]\s*(I\d{1,2})\b")


def texts() -> Iterator[Path]:
    """What may name a decision: code, tests, SQL, scripts, pages."""
    for folder in ("src", "tests", "scripts", "bench", "docs", "clients/js/src"):
        for path in own_files(ROOT / folder):
            if path.suffix in {".py", ".sql", ".js", ".md"} and path not in {PAGE, Path(__file__)}:
                yield path


def unknown(text: str) -> list[str]:
    """What a text names that is not on the page."""
    groups = [found[1] for found in NAMED.finditer(text)]
    decisions = [one for group in groups for one in re.findall(r"D\d+", group)]
    return [
        *(one for one in decisions if one not in DECISIONS),
        *(f"{one} without the word design" for one in BARE.findall(NAMED.sub("", text))),
        *(one for one in INVARIANT.findall(text) if one not in INVARIANTS),
    ]


def test_the_page_has_each_decision_and_each_invariant_once() -> None:
    assert {f"D{number}" for number in range(1, 26)} == DECISIONS
    assert {f"I{number}" for number in range(1, 17)} == INVARIANTS
    assert len(re.findall(r"^### D\d+ ", TEXT, re.MULTILINE)) == len(DECISIONS)


def test_each_number_that_a_text_names_is_on_the_page() -> None:
    found = {str(path.relative_to(ROOT)): unknown(path.read_text(encoding="utf-8")) for path in texts()}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("as design D5 says (attack D2, I4)", []),
        ("(design D6, D7)", []),
        ("by design D40", ["D40"]),
        ("(D21)", ["D21 without the word design"]),
        ("(R5, I99)", ["I99"]),
    ],
)
def test_an_unknown_number_is_found(text: str, names: list[str]) -> None:
    assert unknown(text) == names
