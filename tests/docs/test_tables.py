"""The tables of the pages are those of the code: `scripts/docs` writes them, and has been run."""

from __future__ import annotations

from typing import get_args

import pytest

from scripts.pages import ROOT, pages
from scripts.write_tables import CHANGES, MARKS, TABLES, written
from sealring.accounts.changes import AccountChange


@pytest.mark.parametrize("page", [str(page.relative_to(ROOT)) for page in pages()])
def test_the_tables_of_a_page_are_up_to_date(page: str) -> None:
    text = ROOT.joinpath(page).read_text(encoding="utf-8")
    assert written(text) == text, "run scripts/docs"


def test_every_table_stands_in_one_page() -> None:
    found = [marks["name"] for page in pages() for marks in MARKS.finditer(page.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted(TABLES)


def test_no_mark_is_written_in_another_way() -> None:
    for page in pages():
        text = page.read_text(encoding="utf-8")
        assert text.count("scripts/docs -->") == text.count("<!-- end -->") == len(MARKS.findall(text)), page


def test_every_kind_of_account_change_has_an_example() -> None:
    assert {type(change) for _, change in CHANGES} == set(get_args(AccountChange))
