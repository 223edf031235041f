"""Plain English: the words that no text here uses, and a check of all texts that people read.

`RULES` is the list of this house: `scripts/check` holds pages, docstrings, comments, messages and help texts against
it, and pages against proselint's rules too. `tests/docs/test_words.py` asks the same list.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scripts.pages import FENCED, ROOT, pages

SOURCE = ROOT / "src" / "sealring"
PROSE = frozenset({".md", ".py"})
ALL = frozenset({".md", ".py", ".html", ".js", ".css"})


class Rule(NamedTuple):
    """A pattern of whole words, and what to write instead. A space stands for any white space, line ends included."""

    words: str
    instead: str
    where: frozenset[str] = ALL


AMERICAN = "American spelling"
RULES = (
    Rule("log-ins?", "login: the field's word, one spelling everywhere"),
    Rule("log-outs?", "logout: the field's word, one spelling everywhere"),
    Rule("sign(?:s|ed|ing)?(?: |-)(?:in|out)", "log in, log out: one word for one thing", PROSE),
    Rule("user names?", "username: the name of the field that clients send"),
    Rule("e-mails?", "email: the name of the field that clients send"),
    Rule("whoever|whosoever|whomever", "name the subject: the client, the user, an attacker"),
    Rule(
        r"what (?:cannot|must not|is not|does not)\b[^.;:]{0,60} (?:is|are|raises) (?:an? )?`?\w*(?:Error|Refused)",
        "subject first: an invalid value raises that error",
    ),
    Rule("save (?:for|that|where|when|those)", "except"),
    Rule("shall|shalt", "must, should, or the plain verb"),
    Rule("one's own", "your own"),
    Rule("mend(?:s|ed|ing)?", "fix"),
    Rule("anew", "again"),
    Rule("unfit", "invalid, or not usable"),
    Rule("(?:is|are|was|were|be|been) told|told of", "gets, receives, is called with: code is told nothing"),
    Rule("believ(?:e|es|ed|ing)", "accept, trust: code believes nothing", PROSE),
    Rule("hears?|heard", "receives, learns: code hears nothing", PROSE),
    Rule("gets? a turn|wishes to|is minded to", "say what the code does"),
    Rule("is to be had", "is available"),
    Rule("at hand", "available, current"),
    Rule("fresh word", "up-to-date data"),
    Rule("no such thing", "not found"),
    Rule("without a word", "silently"),
    Rule("hangs? (?:under|below|at)", "is under, is mounted at"),
    Rule("turnstiles?", "lock"),
    Rule("lanes?", "bucket or rate limit"),
    Rule("cries wolf", "notifies without cause"),
    Rule("upon|thereof|therein|whereby|wherein|whereof|hitherto|hence|thus|amongst|whilst|lest", "the common word"),
    Rule(r"(?:behavi|col|fav|hon|neighb)our\w*|licence|centre|catalogue|towards|learnt|spelt|grey", AMERICAN),
    Rule("(?:authoris|initialis|normalis|organis|recognis|serialis|synchronis)(?:e|es|ed|ing|ation)", AMERICAN),
)
"""What is not written, and what is."""

GENERAL = ("lexical_illusions", "typography", "restricted")
"""Checks of proselint that are off: code between two words is no repetition, and keyboards have straight quotes."""

_PLACES = ("README.md", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs", "examples", "clients/js/README.md")
_SPACE = r"(?:\s|\n[ \t]*(?:#|//|\*))+"
_PATTERN = re.compile(
    "|".join(rf"(?P<w{at}>(?<!\w)(?:{rule.words.replace(' ', _SPACE)})(?!\w))" for at, rule in enumerate(RULES)),
    re.IGNORECASE,
)
_NOT_PROSE = (
    FENCED,
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL),
    re.compile(r"(?<=\])\([^)\s]+\)"),
    re.compile(r"https?://\S+"),
)


class Finding(NamedTuple):
    """A text to write in another way."""

    line: int
    words: str
    instead: str


def texts() -> Iterator[Path]:
    """Every file that holds text for people."""
    for place in (*(ROOT / one for one in _PLACES), ROOT / "clients/js/src", SOURCE):
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.suffix in ALL and "node_modules" not in path.parts:
                yield path


def prose_of(text: str, suffix: str) -> str:
    """The text with blanks for what is no prose, so that each word keeps its line."""
    if suffix == ".py":
        text = _words_of_python(text)
    if suffix in PROSE:
        for pattern in _NOT_PROSE:
            text = pattern.sub(lambda found: _blank(found[0]), text)
    return text


def _words_of_python(text: str) -> str:
    """Comments and strings: docstrings, messages, help."""
    whole = text.splitlines(keepends=True)
    lines = [_blank(line) for line in whole]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in {tokenize.COMMENT, tokenize.STRING} or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
            for number in range(token.start[0], token.end[0] + 1):
                start = token.start[1] if number == token.start[0] else 0
                end = token.end[1] if number == token.end[0] else len(lines[number - 1])
                lines[number - 1] = lines[number - 1][:start] + whole[number - 1][start:end] + lines[number - 1][end:]
    return "".join(lines)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def found_in(text: str, suffix: str) -> list[Finding]:
    """Each word that the rules forbid in a file of this kind."""
    prose = prose_of(text, suffix)
    found = []
    for match in _PATTERN.finditer(prose):
        rule = RULES[int((match.lastgroup or "w0")[1:])]
        if suffix in rule.where:
            found.append(Finding(prose.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), rule.instead))
    return found


def found_by_proselint(text: str, suffix: str) -> list[Finding]:
    """What proselint would write in another way."""
    from proselint.checks import __register__  # noqa: PLC0415 - only `scripts/check` needs it
    from proselint.config import DEFAULT  # noqa: PLC0415
    from proselint.registry import CheckRegistry  # noqa: PLC0415
    from proselint.tools import LintFile  # noqa: PLC0415

    registry = CheckRegistry()
    if not registry.checks:
        registry.register_many(__register__)
    checks = {name: on and not name.startswith(GENERAL) for name, on in DEFAULT["checks"].items()}
    results = LintFile("text", prose_of(text, suffix)).lint({"max_errors": 100, "checks": checks})
    return [Finding(one.pos[0], one.check_result.check_path, one.check_result.message) for one in results]


def main() -> int:
    """Print what is to be written in another way; how the process ends."""
    found = False
    read_by_proselint = set(pages())
    for path in texts():
        text = path.read_text(encoding="utf-8")
        findings = found_in(text, path.suffix)
        findings += found_by_proselint(text, path.suffix) if path in read_by_proselint else []
        for line, words, instead in findings:
            print(f"{path.relative_to(ROOT)}:{line}: {words}: {instead}")
            found = True
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
