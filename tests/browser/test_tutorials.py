"""The tutorials as `tests/docs/test_tutorials.py` follows them, with the part of the browsers in Chromium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.docs.reader import ROOT, Reader

NOTICED_WITHIN_MS = 8_000
"""Three seconds by the page's own words, and what a busy machine needs."""


def log_in(tab: Page) -> None:
    tab.get_by_label("Username").fill("ada")
    tab.get_by_label("Password").fill("correct horse battery")
    tab.get_by_role("button", name="Log in").click()
    expect(tab.get_by_text("Logged in as ada")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["django", "fastapi", "flask"])
def test_the_browsers_of_a_tutorial(name: str, visit: Callable[..., Visitor], tmp_path: Path) -> None:
    def browse(url: str) -> None:
        desktop, phone = visit(url), visit(url, width=390, height=800)
        one, other = desktop.open(), phone.open()
        one.get_by_label("Username").fill("ada")
        one.get_by_label("Password").fill("a guess of somebody's")
        one.get_by_role("button", name="Log in").click()
        expect(one.get_by_role("alert")).to_have_text("username or password is wrong")
        if name != "django":  # which has no registration
            one.get_by_label("Password").fill("short")
            one.get_by_role("button", name="Register").click()
            expect(one.get_by_role("alert")).to_contain_text("password: must be at least 15 characters")
        log_in(one)
        before = one.get_by_role("listitem").count()
        one.get_by_label("New note").fill("<b>buy wax</b>")
        one.get_by_role("button", name="Write").click()
        expect(one.get_by_role("listitem")).to_have_count(before + 1)
        expect(one.get_by_role("listitem").last).to_have_text("<b>buy wax</b>")
        assert one.evaluate("document.cookie") == "" or name == "django"  # whose own CSRF cookie a script may read
        log_in(other)
        expect(other.get_by_role("listitem").last).to_have_text("<b>buy wax</b>")
        assert other.evaluate("document.documentElement.scrollWidth <= innerWidth")
        one.get_by_role("button", name="Log out everywhere").click()
        expect(one.get_by_role("button", name="Log in")).to_be_visible()
        expect(other.get_by_role("button", name="Log in")).to_be_visible(timeout=NOTICED_WITHIN_MS)
        expect(other.get_by_role("listitem")).to_have_count(0)

    with Reader(tmp_path, browse=browse) as reader:
        reader.follow((ROOT / "docs" / "tutorial" / f"{name}.md").read_text(encoding="utf-8"))
