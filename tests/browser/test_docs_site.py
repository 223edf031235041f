"""The site of the pages in Chromium: no other host, a search that finds, a phone's width, dark mode."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as Late

from scripts.pages import navigation
from tests.docs.built_site import built_site

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def built() -> Iterator[str]:
    """The URL of the site, built and served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=built_site())) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def tab(chromium: Browser, built: str) -> Iterator[Page]:
    """A tab that may ask this site alone."""
    context = chromium.new_context(viewport={"width": 1280, "height": 860}, color_scheme="light")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    asked: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()
    assert asked
    assert [url for url in asked if not url.startswith((built, "data:", "blob:"))] == []


def test_search_finds_a_heading(tab: Page, built: str) -> None:
    """The list of results is in a closed shadow root, so the keyboard asks for the first of them."""
    tab.goto(f"{built}/index.html")
    for _ in range(20):  # all of it again: the script that opens the search may not have been there yet
        tab.keyboard.press("Escape")
        tab.keyboard.press("Control+k")
        tab.keyboard.type("Two applications on one host")
        tab.wait_for_timeout(500)  # the list is in a closed shadow root: nothing of it can be waited for
        tab.keyboard.press("Enter")
        try:
            tab.wait_for_url("**/reference/settings.html*", timeout=500)
        except Late:
            continue
        return
    pytest.fail(f"still at {tab.url}")


def test_code_is_copied_whole(tab: Page, built: str) -> None:
    tab.goto(f"{built}/how-to/flask.html")
    block = tab.locator("div.highlight").first
    block.hover()
    block.get_by_role("button").first.click()
    copied: str = tab.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("from flask import Flask\n")


def test_what_is_copied_from_a_console_is_what_is_typed_there(tab: Page, built: str) -> None:
    """A prompt or an output that is pasted into a shell is an error there."""
    tab.goto(f"{built}/tutorial/flask.html")
    block = tab.locator(".language-console", has_text="sealring init").first
    assert "$ sealring init\nwrote .env" in block.inner_text()
    block.hover()
    block.get_by_role("button").first.click()
    copied: str = tab.evaluate("navigator.clipboard.readText()")
    assert copied.strip().splitlines() == [
        "mkdir notes && cd notes",
        "python3 -m venv .venv",
        ". .venv/bin/activate",
        "pip install 'sealring[server]' flask",
        "sealring init",
    ]


def test_the_system_decides_between_light_and_dark_until_the_reader_does(tab: Page, built: str) -> None:
    def is_dark() -> bool:
        rgb: list[float] = tab.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number)"
        )
        return sum(rgb) < 3 * 128

    tab.goto(f"{built}/index.html")
    assert not is_dark()
    tab.emulate_media(color_scheme="dark")
    tab.reload()
    assert is_dark()
    tab.locator("label[title='Switch to light mode']").click()
    assert not is_dark()


@pytest.mark.parametrize(
    "places", [["index.md", "reference/settings.md"], pytest.param(navigation(), id="all", marks=pytest.mark.slow)]
)
def test_no_page_is_wider_than_a_phone(tab: Page, built: str, places: list[str]) -> None:
    """Tables and code scroll by themselves."""
    tab.set_viewport_size({"width": 390, "height": 844})
    for place in places:
        tab.goto(f"{built}/{Path(place).with_suffix('.html').as_posix()}", wait_until="domcontentloaded")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390, place


def test_every_image_is_shown(tab: Page, built: str) -> None:
    for page in ("index.html", "explanation/sessions.html", "explanation/revocation.html"):
        tab.goto(f"{built}/{page}", wait_until="load")
        images = tab.locator("article img")
        assert images.count()
        for number in range(images.count()):
            assert images.nth(number).evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
