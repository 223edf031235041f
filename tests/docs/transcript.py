"""A page as its reader types it: the files that it titles, the commands that it shows, and what they print.

`…` in what is shown stands for anything, and white space counts as one space, since the width of a column depends on
what stands in it. A command that is `sealring` alone runs in this process, to be fast; all others run in bash.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sealring.cli.run import run
from tests.serving import environment

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(
    r"^```(?P<kind>[\w-]+)(?: title=\"(?P<title>[^\"]+)\")?[^\n]*\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE
)
STEP = re.compile(r"^\$ (.*(?:\\\n.*)*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
VARIABLES = "TOKEN REFRESH KID OLD NEW"
OF_A_SHELL = re.compile(r"[|;&<>$`\\(){}*\n]")


def page(name: str) -> str:
    """The text of a page of `docs`."""
    return (DOCS / name).read_text(encoding="utf-8")


def files(name: str) -> dict[str, str]:
    """The files that a page shows, by their titles."""
    found = [(block["title"], block["text"]) for block in BLOCK.finditer(page(name)) if block["title"]]
    assert len(dict(found)) == len(found), "a title stands twice"
    return dict(found)


def steps(name: str) -> list[tuple[str, str]]:
    """The commands that a page shows, and what each prints."""
    blocks = (block for block in BLOCK.finditer(page(name)) if block["kind"] == "console")
    return [(command, shown) for block in blocks for command, shown in STEP.findall(block["text"])]


@dataclass
class Terminal:
    """One shell in one folder.

    Args:
        folder: where it is.
        monkeypatch: sets folder and environment for commands that run in this process.
        capsys: reads what they print.
        instead: words of the page, and what they are here: a URL, a port.
        settings: what the environment holds besides.
        starts: commands that do not end, by their first words, and what starts them here.
        before: what the page has the reader do in words, by the first words of the command that comes next.
    """

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    instead: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    starts: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    before: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)

    def follow(self, name: str) -> None:
        """Do all that a page shows, from top to bottom."""
        for block in BLOCK.finditer(page(name)):
            if block["title"]:
                self.write(block["title"], block["text"])
            elif block["kind"] == "console":
                for command, shown in STEP.findall(block["text"]):
                    self.type(command, shown)

    def write(self, title: str, text: str) -> None:
        """Write a file of the page."""
        path = self.folder / self.here(title)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(text), encoding="utf-8")

    def type(self, command: str, shown: str) -> None:
        """Type a command, and compare what it prints."""
        self.typed.append(command)
        for words, start in self.starts.items():
            if command.startswith(words):
                start()
                return
        for words, act in self.before.items():
            if command.startswith(words):
                act()
        said = self.run(self.here(command))
        wanted = re.escape(" ".join(self.here(shown).split())).replace("…", ".*")
        assert re.fullmatch(wanted, " ".join(said.split()), re.DOTALL), f"$ {command}\n{said}"

    def here(self, text: str) -> str:
        """The text with the words of this test."""
        for words, others in self.instead.items():
            text = text.replace(words, others)
        return text

    def run(self, command: str) -> str:
        """What a command prints, errors after the rest as a terminal shows them."""
        if command.startswith("sealring ") and not OF_A_SHELL.search(command):
            return self._run_here(shlex.split(command)[1:])
        # variables of the reader's shell live on from one command to the next
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        script = f"[ ! -e .shell ] || . ./.shell\n{command}\ndeclare -p {VARIABLES} > .shell 2>/dev/null; :"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=environment(PATH=path, **self.settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout

    def _run_here(self, arguments: list[str]) -> str:
        with self.monkeypatch.context() as patch:
            patch.chdir(self.folder)
            for name in [name for name in os.environ if name.upper().startswith("SEALRING_")]:
                patch.delenv(name)
            for name, value in self.settings.items():
                patch.setenv(name, value)
            self.capsys.readouterr()
            run(arguments)
        said = self.capsys.readouterr()
        return said.out + said.err
