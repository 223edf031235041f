"""docs/explanation/sessions.md says what the table does."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from scripts.write_figures import WRITTEN as FIGURES
from scripts.write_figures import refresh
from sealring.sessions.refresh import TABLE, Relation, Step
from sealring.sessions.session import EndCause

PAGE = (Path(__file__).parents[2] / "docs" / "explanation" / "sessions.md").read_text(encoding="utf-8")
RELATIONS: dict[Relation, str] = {
    "confirmed": "the row's own",
    "child": "minted from the row's own, first used now",
    "parent": "what the row's own was minted from",
    "unrelated": "anything else with a good MAC",
}


def table() -> str:
    lines = ["| the token is | within G of | then | otherwise |", "|---|---|---|---|"]
    for relation, rule in TABLE.items():
        opens = f" {rule.window_opens} " if rule.window_opens else " "
        lines.append(f"| **{relation}**: {RELATIONS[relation]} |{opens}| {rule.within} | {rule.otherwise} |")
    return "\n".join(lines)


def test_page_shows_the_table_of_the_code() -> None:
    assert f"\n{table()}\n\n" in PAGE


def test_page_draws_the_table_of_the_code() -> None:
    for figure, draw in FIGURES.items():
        assert figure.read_text(encoding="utf-8") == draw(), "run scripts/docs"
    assert "](refresh.svg)" in PAGE


def test_the_figure_has_every_row_of_the_table() -> None:
    draw = refresh
    for relation, rule in TABLE.items():
        assert f">{relation}</text>" in draw()
        assert not rule.window_opens or f">within G of {rule.window_opens}</text>" in draw()
    for step in get_args(Step):
        assert f">{step}</text>" in draw()
    ways = sum(len({rule.within, rule.otherwise}) for rule in TABLE.values())
    assert draw().count('<path class="line"') == ways


def test_page_explains_every_step_and_every_cause() -> None:
    for step in get_args(Step):
        assert f"\n| {step} | " in PAGE
    for cause in get_args(EndCause):
        assert f"\n| `{cause}` | " in PAGE
