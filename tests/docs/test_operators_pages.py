"""The pages for operators, typed as they stand against a service of one's own: SQLite, in an empty folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.transcript import Terminal
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import ServedProcess, start

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
def terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Terminal]:
    required_program("curl")
    service = Service(tmp_path)
    stops = {"OLD=": service.stop, "rm -f sealring.db": service.stop}
    yield Terminal(
        tmp_path, monkeypatch, capsys, {SHOWN: service.url}, starts={"sealring serve": service.start}, before=stops
    )
    service.stop()


@pytest.mark.parametrize("name", ["on-call", "key-compromise", "leaked-secret", "backup"])
def test_a_page_for_operators_does_what_it_says(terminal: Terminal, name: str) -> None:
    terminal.follow(f"how-to/{name}.md")
    assert len(terminal.typed) >= 10
