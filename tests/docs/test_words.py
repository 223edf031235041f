"""Plain words: pages, messages, docstrings and comments do without those of `scripts/prose.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.pages import ROOT
from scripts.prose import ALL, RULES, Finding, found_by_proselint, found_in, main, prose_of, texts


@pytest.mark.parametrize("path", list(texts()), ids=lambda path: str(path.relative_to(ROOT)))
def test_texts_use_plain_words(path: Path) -> None:
    assert found_in(path.read_text(encoding="utf-8"), path.suffix) == []


@pytest.mark.parametrize(
    "text",
    [
        "# Whoever comes.",
        "# a user\n    # name",
        "# Log-in with e-mail",
        "# how to mend it",
        "# There is no such thing here",
        "# What cannot be is a TypeError",
        "# Sign in here",
        "# all, save for one",
        "# a store of one's own",
        "# the client shall wait",
        "# what a client is told of it",
        "# a colour, recognised",
    ],
)
def test_a_forbidden_word_is_found_across_lines_and_in_any_case(text: str) -> None:
    assert found_in(text, ".py") != []


def test_every_rule_finds_its_own_words_and_says_what_to_write() -> None:
    assert len({rule.words for rule in RULES}) == len(RULES)
    assert all(rule.instead and rule.where <= ALL for rule in RULES)
    (found,) = found_in("One.\n\nTwo, whosoever asks.\n", ".md")
    assert found == Finding(3, "whosoever", "name the subject: the client, the user, an attacker")


def test_a_word_that_only_holds_a_forbidden_one_is_fine() -> None:
    assert found_in("# an amendment on a planet: commend the recommended username", ".py") == []


def test_code_is_no_prose() -> None:
    assert found_in("mend = anew(shall)  # fine\n", ".py") == []
    assert found_in("A `log-in` is\n\n```sh\nmend --anew\n```\n\n[here](log-in.md) <!-- anew -->\n", ".md") == []
    text = 'x = 1  # one\ny = """two\nthree"""\n'
    assert prose_of(text, ".py").split() == ["#", "one", '"""two', 'three"""']
    assert [len(line) for line in prose_of(text, ".py").splitlines()] == [len(line) for line in text.splitlines()]


def test_a_rule_of_prose_leaves_the_states_of_the_browser_client_alone() -> None:
    assert found_in('status: "signed-in"', ".js") == []
    assert found_in("Log-ins are", ".js") != []


def test_proselint_is_asked_too() -> None:
    (found,) = found_by_proselint("One.\n\nThis waits for ever.\n", ".md")
    assert (found.line, found.words) == (3, "archaism")
    assert found_by_proselint('Straight "quotes" are fine, `a`\n\n```\na\n```\n', ".md") == []


@pytest.mark.slow
def test_no_text_has_a_word_to_write_in_another_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out


def test_pages_sources_and_scripts_are_read() -> None:
    names = {str(path.relative_to(ROOT)) for path in texts()}
    assert {"README.md", "docs/how-to/flask.md", "src/sealring/errors.py", "CONTRIBUTING.md"} <= names
    assert {"src/sealring/demo/static/index.html", "clients/js/src/client.js", "examples/django-drf/README.md"} <= names
