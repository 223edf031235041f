"""A real server by the command line, and Debian's Chromium by Playwright, for every test in this folder.

A module owns its Playwright: its event loop must be gone before another module runs `asyncio`.
Servers live as long as the test run; each has its own folder, `.env` and SQLite file. All modules run in one worker, so
that each server and the browser of each module are started once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

from tests.ports import free_port
from tests.programs import required_program

PASSWORD = "seven blue otters sing"
LAUNCH_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_WITHIN_SECONDS = 30


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if item.get_closest_marker("xdist_group") is None:
                item.add_marker(pytest.mark.xdist_group("browser"))


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=1) as answer:  # noqa: S310 - loopback, our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _serve(folder: Path, **settings: str) -> tuple[str, subprocess.Popen[bytes]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEALRING_")}
    environment |= {
        "SEALRING_ISSUER": url,
        "SEALRING_THROTTLE_ADDRESS": "10000/1m",
        "SEALRING_THROTTLE_REGISTRATION": "10000/1m",
        **settings,
    }
    command = [sys.executable, "-c", "from sealring.cli import main; main()", "serve", "--port", str(port)]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while not _is_ready(url):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)
    return url, process


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Starts a server with these settings, one for each set of them, and returns its address."""
    running: dict[frozenset[tuple[str, str]], tuple[str, subprocess.Popen[bytes]]] = {}

    def start(**settings: str) -> str:
        key = frozenset(settings.items())
        if key not in running:
            running[key] = _serve(tmp_path_factory.mktemp("server"), **settings)
        return running[key][0]

    yield start
    for _, process in running.values():
        process.terminate()
    for _, process in running.values():
        process.wait(timeout=15)


@pytest.fixture(scope="session")
def site(serve: Callable[..., str]) -> str:
    """The demo with ordinary settings."""
    return serve()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    executable = required_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=LAUNCH_ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Visitor:
    """One browser (a cookie jar of its own) on the demo, with all that its console said."""

    context: BrowserContext
    site: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Page:
        """A new tab."""
        tab = self.context.new_page()
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("console", self._listen)
        tab.goto(self.site + path)
        return tab

    def _listen(self, message: ConsoleMessage) -> None:
        # Chromium itself notes each answer of 400 and above and each aborted request; those the tests cause.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)

    def sign_up(self, name: str) -> Page:
        tab = self.open("/#sign-up")
        form = tab.locator("#register")
        form.get_by_label("Username").fill(name)
        form.get_by_label("Password", exact=True).fill(PASSWORD)
        form.get_by_role("button", name="Create account").click()
        expect(desk(tab)).to_be_visible()
        return tab

    def sign_in(self, name: str, password: str = PASSWORD) -> Page:
        tab = self.open()
        fill_login(tab, name, password)
        expect(desk(tab)).to_be_visible()
        return tab


def fill_login(tab: Page, name: str, password: str) -> None:
    form = tab.locator("#login")
    form.get_by_label("Username").fill(name)
    form.get_by_label("Password", exact=True).fill(password)
    form.get_by_role("button", name="Sign in").click()


def desk(tab: Page) -> Locator:
    """What only somebody signed in sees: the orders, once they are there."""
    return tab.locator("#orders tbody tr").first


def door(tab: Page) -> Locator:
    """What only somebody signed out sees."""
    return tab.locator("#login")


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Opens a browser of its own on a site; at the end, no console may have complained."""
    visitors: list[Visitor] = []

    def start(site: str, *, width: int = 1280, height: int = 860) -> Visitor:
        context = chromium.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(10_000)
        visitors.append(Visitor(context, site))
        return visitors[-1]

    yield start
    for visitor in visitors:
        visitor.context.close()
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []
