"""What the project promises to those who report, upgrade and contribute: complete, and nothing that is invented."""

from __future__ import annotations

import re

import pytest
import yaml

from scripts.pythons import SUPPORTED
from scripts.release_files import ROOT

SECURITY = ROOT.joinpath("SECURITY.md").read_text("utf-8")
POLICY = ROOT.joinpath("docs/reference/upgrades.md").read_text("utf-8")
FORMS = sorted(ROOT.glob(".github/ISSUE_TEMPLATE/*.yml"))


def test_a_vulnerability_is_reported_in_private_and_answered_within_a_time() -> None:
    reporting = SECURITY.partition("## Reporting")[2].partition("\n## ")[0]
    assert "Report a vulnerability" in reporting
    assert len(re.findall(r"^\| within .+ \| .+ \|$", reporting, re.MULTILINE)) == 3
    assert "## Supported versions" in SECURITY


@pytest.mark.parametrize("text", [SECURITY, POLICY, ROOT.joinpath("CONTRIBUTING.md").read_text("utf-8")])
def test_no_address_is_invented(text: str) -> None:
    assert re.findall(r"[\w.]+@[\w-]+\.\w+", text) == []
    assert "https://github.com" not in text


def test_the_policy_has_a_row_for_all_that_the_changelog_calls_public() -> None:
    rows = " ".join(re.findall(r"^\| ([^|]+) \|", POLICY.partition("## What may change")[2], re.MULTILINE))
    for public in ("Python names", "routes", "cookies", "claims", "settings", "commands", "JSON", "schema", "events"):
        assert public in rows


def test_the_policy_names_the_pythons_of_the_classifiers() -> None:
    assert f"now {', '.join(SUPPORTED)}" in POLICY


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_has_what_a_forge_reads(path: object) -> None:
    read = yaml.safe_load(ROOT.joinpath(str(path)).read_text("utf-8"))
    if "blank_issues_enabled" in read:
        return
    assert {"name", "description", "body"} <= read.keys()
    fields = [row for row in read["body"] if row["type"] != "markdown"]
    assert len({row["id"] for row in fields}) == len(fields)
    assert all(row["attributes"]["label"] for row in fields)
    assert any(row.get("validations", {}).get("required") for row in fields)


def test_there_are_forms_for_faults_and_wishes_and_a_list_for_pull_requests() -> None:
    assert [path.stem for path in FORMS] == ["bug", "config", "feature"]
    text = ROOT.joinpath(".github/PULL_REQUEST_TEMPLATE.md").read_text("utf-8")
    for name in re.findall(r"\b(?:docs/[\w./]+\.md|[A-Z]+\.md|scripts/\w+)", text):
        assert ROOT.joinpath(name).exists(), name
