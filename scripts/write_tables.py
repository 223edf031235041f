"""Writes every table of the pages that stands in the code as a table too: between two marks, from the code's rows.

A new one: a function here, a line in `TABLES`, two marks in a page, `scripts/docs`. `tests/docs/test_tables.py` fails
when a page is out of date, has an unknown mark, or no page has a table's mark.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path

from sealring.audit.event import EVENTS
from sealring.http.problems import ANSWERS
from sealring.sessions.access_token import CLAIMS
from sealring.sessions.session import END_CAUSES
from sealring.settings import SETTINGS
from sealring.signing_keys.lifecycle import KEY_STATES

ROOT = Path(__file__).parents[1]
MARKS = re.compile(r"(<!-- table (?P<name>[a-z-]+), written by scripts/docs -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    heads = list(head)
    lines = [heads, ["---"] * len(heads), *map(list, rows)]
    text = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    return text.replace("| --- ", "|---").replace("|  ", "| ")


def settings() -> str:
    """The settings, by group."""
    return "\n".join(
        f"### {group}\n\n"
        + table(
            ("name", "default", "range", "meaning"),
            (
                (f"`{row.variable}`", row.default_words or f"`{row.default}`", row.reader.bounds, row.meaning)
                for row in several
            ),
        )
        for group, several in groupby(SETTINGS.values(), key=lambda row: row.group)
    )


def events() -> str:
    """The kinds of audit events."""

    def code(words: Iterable[str]) -> str:
        return ", ".join(f"`{word}`" for word in words)

    return table(
        ("kind", "level", "meaning", "fields", "causes", "detail"),
        (
            (
                f"`{kind}`",
                row.severity,
                row.meaning,
                code(sorted(row.fields)),
                code(row.causes),
                "; ".join(f"`{name}`: {words}" for name, words in row.detail.items()),
            )
            for kind, row in EVENTS.items()
        ),
    )


def claims() -> str:
    """The claims of an access token."""
    return table(
        ("claim", "type", "in a token", "meaning", "source"),
        ((f"`{name}`", row.json_type, row.use, row.meaning, row.source) for name, row in CLAIMS.items()),
    )


def end_causes() -> str:
    """Why sessions end."""
    return table(("cause", "by"), ((f"`{cause}`", words) for cause, words in END_CAUSES.items()))


def key_states() -> str:
    """The life of a signing key."""
    return table(("state", "meaning"), ((f"`{state}`", words) for state, words in KEY_STATES.items()))


def errors() -> str:
    """What a client may get, by status and code, and the Python errors that are answered so."""
    said: dict[tuple[int, str], dict[str, list[str]]] = {}
    for kind, row in ANSWERS.items():
        said.setdefault((row.status, row.code), {}).setdefault(row.detail, []).append(f"`{kind.__name__}`")
    return table(
        ("code", "status", "when", "in Python"),
        (
            (
                f"`{code}`",
                str(status),
                "; or ".join(details),
                ", ".join(name for names in details.values() for name in names),
            )
            for (status, code), details in sorted(said.items())
        ),
    )


TABLES: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "events": events,
    "claims": claims,
    "end-causes": end_causes,
    "errors": errors,
    "key-states": key_states,
}


def pages() -> list[Path]:
    """All pages that may hold a table."""
    return [*sorted(ROOT.glob("*.md")), *sorted(ROOT.joinpath("docs").glob("*.md"))]


def written(text: str) -> str:
    """A page's text with its tables as they are now.

    Raises:
        KeyError: a mark names no table.
    """
    return MARKS.sub(lambda marks: f"{marks[1]}\n{TABLES[marks['name']]()}\n{marks[3]}", text)


if __name__ == "__main__":
    for page in pages():
        before = page.read_text(encoding="utf-8")
        after = written(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"wrote {page.relative_to(ROOT)}")
