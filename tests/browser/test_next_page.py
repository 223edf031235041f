"""docs/how-to/next.md: its files, built by Next beside a service, and used in Chromium."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copy

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.docs.transcript import files
from tests.npm import ROOT, run, unpack
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import PASSWORD, START_WITHIN_SECONDS, ServedProcess, bearer, fresh_name, register, start

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("npm")]

PINNED = ROOT / "tests" / "clients" / "next_app"
SEEN_WITHIN_MS = 10_000


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ServedProcess]]:
    """The URL that browsers use, and the service behind it."""
    folder, port = tmp_path_factory.mktemp("next"), free_port()
    url = f"http://localhost:{port}"
    served = start(folder, "--no-demo", SEALRING_ISSUER=url, SEALRING_TRUSTED_PROXIES="127.0.0.1")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        copy(PINNED / name, folder / name)
    for name, text in files("how-to/next.md").items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    environment = {**os.environ, "NEXT_TELEMETRY_DISABLED": "1", "API": served.url}
    next_ = str(Path("node_modules/next/dist/bin/next"))
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
    unpack(folder)
    run("node", next_, "build", folder=folder, API=served.url)
    with (folder / "next.log").open("wb") as log:
        process = subprocess.Popen(
            [str(required_program("node")), next_, "start", "-p", str(port), "-H", "localhost"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while not _answers(url):
            assert process.poll() is None, (folder / "next.log").read_text()
            assert time.monotonic() < deadline, (folder / "next.log").read_text()
            time.sleep(0.1)
        yield url, served
    finally:
        process.terminate()
        process.wait(20)
        served.stop()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


def enter(tab: Page, name: str) -> None:
    tab.get_by_label("Username").fill(name)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()


def test_pages_are_rendered_for_who_asks_and_follow_the_session(
    application: tuple[str, ServedProcess], visit: Callable[..., Visitor]
) -> None:
    url, served = application
    with served.client() as client:
        tokens = register(client)
        name = tokens["user"]["username"]
        tab = visit(url).open()
        expect(tab.get_by_role("heading")).to_have_text("Welcome")
        enter(tab, name)
        expect(tab.get_by_role("heading")).to_have_text(f"Hello {name}", timeout=SEEN_WITHIN_MS)
        assert tab.evaluate("document.cookie") == "", "no token is in reach of scripts"
        tab.reload(wait_until="commit")
        expect(tab.get_by_role("heading")).to_have_text(f"Hello {name}")

        # half an hour of silence: the browser has dropped the access cookie
        tab.context.clear_cookies(name="sealring_access")
        tab.reload()
        expect(tab.get_by_role("heading")).to_have_text(f"Hello {name}", timeout=SEEN_WITHIN_MS)

        found = client.get("/auth/sessions", headers=bearer(tokens["access_token"])).json()["sessions"]
        assert {session["address"] for session in found} == {"127.0.0.1"}
        ended = client.delete("/auth/sessions", headers=bearer(tokens["access_token"]))
        assert ended.status_code == 204
        expect(tab.get_by_role("heading")).to_have_text("Welcome", timeout=SEEN_WITHIN_MS)
        expect(tab.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_wrong_password_is_said_in_words(
    application: tuple[str, ServedProcess], visit: Callable[..., Visitor]
) -> None:
    tab = visit(application[0]).open()
    enter(tab, fresh_name())
    expect(tab.get_by_role("alert").filter(has_text="wrong")).to_be_visible()
