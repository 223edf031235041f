"""Plain words: pages, messages, docstrings and comments do without these, so that everybody can read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "sealring"

INSTEAD = {
    r"log-ins?": "login: the field's word, one spelling everywhere",
    r"log-outs?": "logout: the field's word, one spelling everywhere",
    r"user names?": "username: the name of the field that clients send",
    r"e-mails?": "email: the name of the field that clients send",
    r"whoever|whosoever": "name the subject: the client, the user, an attacker",
    r"mend(s|ed|ing)?": "fix",
    r"is to be had": "is available",
    r"fresh word": "up-to-date data",
    r"no such thing": "not found",
    r"turnstiles?": "lock",
    r"lanes?": "bucket or rate limit",
    r"cries wolf": "notifies without cause",
}
"""What is not written, as a pattern for whole words, and what is."""

PAGES = ("README.md", "SECURITY.md", "CHANGELOG.md", "docs", "clients/js/README.md", "clients/js/src")
TEXT = frozenset({".py", ".md", ".html", ".js", ".css"})

_FORBIDDEN = re.compile("|".join(rf"(?P<w{at}>\b(?:{words})\b)" for at, words in enumerate(INSTEAD)), re.IGNORECASE)
_REASONS = tuple(INSTEAD.values())


def texts() -> Iterator[Path]:
    for place in (*(ROOT / page for page in PAGES), SOURCE):
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.suffix in TEXT:
                yield path


def found_in(text: str) -> list[str]:
    """Each forbidden word, with what to write instead; a line break counts as a space."""
    lines = re.sub(r"[ \t]*\n[ \t]*(?:#|//|\*)?[ \t]*(?=\w)", "\n", text)
    return [
        f"{match[0]!r}: {_REASONS[int((match.lastgroup or 'w0')[1:])]}"
        for match in _FORBIDDEN.finditer(lines.replace("\n", " "))
    ]


@pytest.mark.parametrize("path", list(texts()), ids=lambda path: str(path.relative_to(ROOT)))
def test_texts_use_plain_words(path: Path) -> None:
    assert found_in(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    ["Whoever comes.", "a user\n    # name", "Log-in with e-mail", "how to mend it", "There is no such thing here"],
)
def test_a_forbidden_word_is_found_across_lines_and_in_any_case(text: str) -> None:
    assert found_in(text) != []


def test_a_word_that_only_holds_a_forbidden_one_is_fine() -> None:
    assert found_in("an amendment on a planet: commend the recommended username") == []


def test_pages_sources_and_scripts_are_read() -> None:
    names = {str(path.relative_to(ROOT)) for path in texts()}
    assert {"README.md", "docs/how-to/python.md", "src/sealring/errors.py"} <= names
    assert "src/sealring/demo/static/index.html" in names
