"""The applications of `examples`, started by their one command, and used in Chromium as pages say."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Visitor
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import environment, fresh_name

pytestmark = pytest.mark.xdist_group("npm")

ROOT = Path(__file__).parents[2]
NEEDED = ("src", "clients", "pyproject.toml", "README.md", "LICENSE", "NOTICE")
LEFT_OUT = shutil.ignore_patterns("node_modules", ".venv", "__pycache__", "*.db*", ".env", "dist")
INSTALLED_WITHIN_SECONDS = 400
SEEN_WITHIN_MS = 8_000
"""Twice the watch, and what a busy machine needs."""


@dataclass(frozen=True)
class Example:
    """One that runs: its page, and where its API answers."""

    page: str
    api: str
    notes: str


def checkout(folder: Path, name: str) -> Path:
    """A clone without what an earlier run has left, as one that was just made."""
    for each in NEEDED:
        source = ROOT / each
        if source.is_dir():
            shutil.copytree(source, folder / each, ignore=LEFT_OUT)
        else:
            shutil.copy(source, folder / each)
    shutil.copytree(ROOT / "examples" / name, folder / "examples" / name, ignore=LEFT_OUT)
    return folder / "examples" / name / "run"


@contextmanager
def running(name: str, found: Example, folder: Path, *, installs: bool = False, **chosen: str) -> Iterator[Example]:
    """The example, started by its one command and ended as by Ctrl-C.

    Args:
        name: its folder.
        found: where it will answer.
        folder: an empty one.
        installs: make an environment of Python, as in a clone; else it finds the one of these tests.
        **chosen: its environment variables.
    """
    command = checkout(folder, name)
    if not installs:
        (command.parent / ".venv").symlink_to(sys.prefix)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(command)],
            env=environment(**chosen),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + INSTALLED_WITHIN_SECONDS
        while not (answers(found.page) and answers(f"{found.api}/readyz")):
            assert process.poll() is None, (folder / "log").read_text(errors="replace")
            assert time.monotonic() < deadline, (folder / "log").read_text(errors="replace")
            time.sleep(0.2)
        yield found
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
        process.wait(30)
        assert not answers(found.page)
        assert not answers(f"{found.api}/readyz")
        assert "Traceback" not in (folder / "log").read_text(errors="replace")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


@contextmanager
def fastapi_and_react(folder: Path, *, installs: bool = False) -> Iterator[Example]:
    required_program("npm")
    api, page = free_port(), free_port()
    found = Example(f"http://localhost:{page}", f"http://localhost:{api}", "/notes")
    ports = {"API_PORT": str(api), "PAGE_PORT": str(page)}
    with running("fastapi-react", found, folder, installs=installs, **ports) as started:
        yield started


@contextmanager
def django_and_drf(folder: Path, *, installs: bool = False) -> Iterator[Example]:
    port = free_port()
    found = Example(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}", "/api/notes")
    with running("django-drf", found, folder, installs=installs, PORT=str(port)) as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("start", [fastapi_and_react, django_and_drf])
def test_the_one_command_installs_all_that_is_missing(
    start: Callable[..., AbstractContextManager[Example]], tmp_path: Path
) -> None:
    with start(tmp_path, installs=True) as example:
        assert httpx2.get(f"{example.api}{example.notes}", trust_env=False).status_code == 401


# A fixture for each: one with two parameters would start them again for each test, whose order is random.


@pytest.fixture(scope="module")
def fastapi_react(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    with fastapi_and_react(tmp_path_factory.mktemp("fastapi-react")) as started:
        yield started


@pytest.fixture(scope="module")
def django_drf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    with django_and_drf(tmp_path_factory.mktemp("django-drf")) as started:
        yield started


@pytest.fixture(params=["fastapi_react", "django_drf"])
def example(request: pytest.FixtureRequest) -> Example:
    found: Example = request.getfixturevalue(request.param)
    return found


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


def enter(tab: Page, name: str, button: str, password: str = PASSWORD) -> None:
    tab.get_by_label("Username").fill(name)
    tab.get_by_label("Password").fill(password)
    tab.get_by_role("button", name=button).click()


def write(tab: Page, text: str) -> None:
    tab.get_by_label("New note").fill(text)
    tab.get_by_role("button", name="Write").click()
    expect(tab.get_by_role("listitem").last).to_have_text(text)


def test_notes_are_written_by_their_user_and_read_after_a_reload(
    example: Example, visit: Callable[..., Visitor]
) -> None:
    assert httpx2.get(f"{example.api}{example.notes}", trust_env=False).status_code == 401
    visitor, name = visit(example.page), fresh_name()
    tab = visitor.open()
    enter(tab, name, "Create account")
    expect(tab.get_by_text(name)).to_be_visible()
    write(tab, "<b>first</b>")
    write(tab, "second")
    tab.reload()
    expect(tab.get_by_role("listitem")).to_have_text(["<b>first</b>", "second"])
    assert tab.evaluate("document.cookie") == ""
    other = visit(example.page).open()
    enter(other, fresh_name(), "Create account")
    expect(other.get_by_role("button", name="Write")).to_be_visible()
    expect(other.get_by_role("listitem")).to_have_count(0)


def test_a_wrong_password_is_said_in_words(example: Example, visit: Callable[..., Visitor]) -> None:
    tab = visit(example.page).open()
    enter(tab, fresh_name(), "Sign in", "a guess of somebody's")
    expect(tab.get_by_role("alert")).not_to_be_empty()
    expect(tab.get_by_role("button", name="Sign in")).to_be_visible()


def test_signing_out_everywhere_is_seen_in_another_browser_within_seconds(
    example: Example, visit: Callable[..., Visitor]
) -> None:
    name = fresh_name()
    here, there = visit(example.page).open(), visit(example.page, width=390, height=800).open()
    enter(here, name, "Create account")
    write(here, "still here")
    enter(there, name, "Sign in")
    expect(there.get_by_role("listitem")).to_have_text(["still here"])
    assert there.evaluate("document.documentElement.scrollWidth <= innerWidth")
    there.get_by_role("button", name="Sign out everywhere").click()
    expect(there.get_by_role("button", name="Sign in")).to_be_visible()
    expect(here.get_by_role("button", name="Sign in")).to_be_visible(timeout=SEEN_WITHIN_MS)
    here.reload()
    expect(here.get_by_role("button", name="Sign in")).to_be_visible()
