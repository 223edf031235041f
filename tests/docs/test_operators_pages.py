"""The pages for operators, typed as they stand against a service of one's own: SQLite, in an empty folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sealring.cli.run import sealring
from tests.docs.transcript import BLOCK, DOCS, Terminal, page
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import ServedProcess, start

PAGES = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
TYPED = re.compile(r"^(?:\$ )?(?:sudo )?(?:\S*/)?sealring ((?:[\w./:-]+ ?)+)", re.MULTILINE)
SHOWN = "http://127.0.0.1:8000"


class Service:
    """`sealring serve --no-demo` as a page starts it; started again, it is stopped first, as by Ctrl-C."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._running: ServedProcess | None = None

    def start(self) -> None:
        self.stop()
        self._running = start(self.folder, "--no-demo", port=self.port)

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    required_program("curl")
    service = Service(tmp_path)
    stops = {"OLD=": service.stop, "rm -f sealring.db": service.stop}
    yield Terminal(
        tmp_path, monkeypatch, capsys, {SHOWN: service.url}, starts={"sealring serve": service.start}, before=stops
    )
    service.stop()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) for name in ("on-call", "key-compromise", "leaked-secret", "backup")],
)
def test_a_page_for_operators_does_what_it_says(terminal: Terminal, name: str) -> None:
    terminal.follow(f"how-to/{name}.md")
    assert len(terminal.typed) >= 10


def unknown(words: list[str]) -> str | None:
    """The first word of a typed command that is neither a command nor an option of it."""
    command: click.Command = sealring
    while words and isinstance(command, click.Group):
        if words[0] not in command.commands:
            return words[0]
        command, words = command.commands[words[0]], words[1:]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return next((word for word in words if word.startswith("-") and word != "-" and word not in options), None)


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_a_page_shows_exists(name: str) -> None:
    shown = [block["text"] for block in BLOCK.finditer(page(name)) if block["kind"] in {"console", "sh"}]
    for text in shown:
        for typed in TYPED.findall(text):
            assert unknown(typed.split()) is None, typed


def test_a_command_that_does_not_exist_is_found() -> None:
    assert unknown(["users", "lock", "ada"]) == "lock"
    assert unknown(["users", "delete", "--force", "ada"]) == "--force"
    assert unknown(["users", "delete", "--yes", "ada"]) is None
