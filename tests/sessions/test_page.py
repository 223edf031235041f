"""docs/explanation/sessions.md says what the table does."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

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


def diagram() -> str:
    # "end" is a word of mermaid's own
    nodes: dict[Step, str] = {step: step for step in get_args(Step)} | {"end": "end_[end]"}
    lines = ["flowchart LR", "  token([refresh token, good MAC, session live])"]
    lines += [f"  token --> {relation}" for relation in TABLE]
    for relation, rule in TABLE.items():
        if rule.within == rule.otherwise:
            lines.append(f"  {relation} --> {nodes[rule.within]}")
        else:
            lines.append(f"  {relation} -- within G of {rule.window_opens} --> {nodes[rule.within]}")
            lines.append(f"  {relation} -- otherwise --> {nodes[rule.otherwise]}")
    return "\n".join(lines)


def test_page_shows_the_table_of_the_code() -> None:
    assert f"\n{table()}\n\n" in PAGE


def test_page_draws_the_table_of_the_code() -> None:
    assert f"```mermaid\n{diagram()}\n```" in PAGE


def test_page_explains_every_step_and_every_cause() -> None:
    for step in get_args(Step):
        assert f"\n| {step} | " in PAGE
    for cause in get_args(EndCause):
        assert f"\n| `{cause}` | " in PAGE
