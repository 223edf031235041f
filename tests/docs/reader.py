"""A reader of a page: saves each file that it shows, types each line of its consoles, and compares what comes back.

What the page leaves to the reader stays literal: one shell per terminal, so `cd`, variables and an activated
environment last; a server keeps its terminal, and what follows is typed into a second one. Only the port differs.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx2

from tests.ports import free_port
from tests.serving import START_WITHIN_SECONDS, environment

ROOT = Path(__file__).parents[2]
PORT = "8000"
"""What pages say."""
IN_FORCE_WITHIN_SECONDS = 5.0
"""How long another process may take to follow a change, the busy machine included."""

SERVERS = re.compile(r"(?:scripts/serve|sealring serve|flask\b.* run\b|python manage\.py runserver)\b")
INSTALLS = re.compile(r"python3? -m venv |\. \.venv/bin/activate$|pip install ")
"""Left out where the environment of this checkout stands in for what they make."""
_BLOCK = re.compile(
    r"(?P<before>[^\n]*)\n\n```(?:console\n|\w+ title=\"(?P<file>[^\"]+)\"\n)(?P<text>.*?)^```"
    r"|(?P<browsing>^1\. Open http://.*?\n)\n",
    re.DOTALL | re.MULTILINE,
)
_STEP = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
_ENDED = "the command ended with"


@dataclass(frozen=True)
class File:
    """To be saved; `added` at the end of what is there."""

    name: str
    text: str
    added: bool


@dataclass(frozen=True)
class Command:
    """To be typed, and what is shown then; `…` stands for anything."""

    text: str
    shown: str


@dataclass(frozen=True)
class Browsing:
    """A numbered list of what to do in browsers."""

    text: str


Step = File | Command | Browsing


def steps(page: str) -> Iterator[Step]:
    """What the page asks its reader to do, in order."""
    for block in _BLOCK.finditer(page):
        if block["browsing"]:
            yield Browsing(block["browsing"])
        elif block["file"]:
            yield File(block["file"], block["text"], added="at the end of" in block["before"])
        else:
            yield from (Command(text, shown.strip()) for text, shown in _STEP.findall(block["text"]))


class Terminal:
    """One shell."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, command: str) -> tuple[str, int]:
        """Run it; all that it prints, and its exit code."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{command}\nprintf '\\n{_ENDED} %s\\n' $?\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(_ENDED):
                return "".join(lines).strip(), int(line.split()[-1])
            lines.append(line)
        raise AssertionError(f"the shell ended at {command}")

    @property
    def folder(self) -> Path:
        return Path(self.type("pwd")[0])

    @property
    def environment(self) -> dict[str, str]:
        """What it gives to a program that it starts."""
        printed, _ = self.type("env -0")
        return dict(pair.split("=", 1) for pair in printed.split("\0") if "=" in pair)

    def close(self) -> None:
        self._shell.kill()
        self._shell.communicate()


@dataclass
class Reader:
    """Somebody with an empty folder and the page.

    Args:
        folder: where the first terminal opens.
        browse: does at this URL what the page asks to do in browsers.
        installs: whether venv and pip run; else the environment of this checkout counts as activated.
        settings: of the environment, such as where pip finds a wheel.
    """

    folder: Path
    browse: Callable[[str], None] | None = None
    installs: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    done: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._port = str(free_port())
        env = environment(**self.settings)
        if not self.installs:
            env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
        # the default where the port is the page's: 8000
        self._env = env | {"SEALRING_ISSUER": self.url, "PYTHONDONTWRITEBYTECODE": "1"}
        self._first = Terminal(self.folder, self._env)
        self._second: Terminal | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_server()
        for terminal in filter(None, (self._first, self._second)):
            terminal.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def follow(self, page: str) -> None:
        """The whole page, from top to bottom."""
        for step in steps(page):
            self.do(step)

    def do(self, step: Step) -> None:
        if isinstance(step, File):
            self._save(step)
        elif isinstance(step, Browsing):
            assert self.browse is not None, "the page asks to open browsers, and this reader has none"
            self.browse(self.url)
        elif SERVERS.match(step.text):
            self._serve(step)
        elif self.installs or not INSTALLS.match(step.text):
            self._type(step)
        self.done.append(step)

    def _save(self, file: File) -> None:
        path = self._first.folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((path.read_text() if file.added else "") + file.text)

    @property
    def _free_terminal(self) -> Terminal:
        if self._server is None:
            return self._first
        if self._second is None:
            self._second = Terminal(self.folder, self._env)
        return self._second

    def _type(self, command: Command) -> None:
        text, shown = (part.replace(PORT, self._port) for part in (command.text, command.shown))
        wanted = re.compile(re.escape(shown).replace("…", ".*"), re.DOTALL)
        deadline = time.monotonic() + IN_FORCE_WITHIN_SECONDS
        while True:
            printed, code = self._free_terminal.type(text)
            if INSTALLS.match(text):
                assert code == 0, printed
                return
            # a page may show a failure; what shows nothing must have worked
            if wanted.fullmatch(printed) and (code == 0 or shown):
                return
            # only what changes nothing is asked again, as somebody does who was too fast
            again = text.startswith("curl") and not re.search(r" -(?:X|d) ", text) and time.monotonic() < deadline
            assert again, f"$ {text}\n{printed}\n(exit code {code}); the page shows\n{shown}"
            time.sleep(0.1)

    def _serve(self, command: Command) -> None:
        self.stop_server()
        text = command.text.replace("scripts/serve", "sealring serve")
        typed = text.replace(PORT, self._port) if PORT in text else f"{text} --port {self._port}"
        env, folder = self._first.environment, self._first.folder
        log = folder / ".server.log"
        with log.open("wb") as output:
            self._server = subprocess.Popen(
                ["bash", "-c", f"exec {typed}"],
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while not _answers(self.url):
            said = log.read_text(errors="replace")
            assert self._server.poll() is None, f"$ {typed}\n{said}"
            assert time.monotonic() < deadline, f"$ {typed}\n{said}"
            time.sleep(0.05)
        wanted = re.escape(command.shown.replace(PORT, self._port)).replace("…", ".*")
        said = log.read_text(errors="replace")
        assert re.search(wanted, said, re.DOTALL), f"$ {typed}\n{said}; the page shows\n{command.shown}"

    def stop_server(self) -> None:
        """Ctrl-C."""
        if self._server is None:
            return
        os.killpg(self._server.pid, signal.SIGINT)
        try:
            self._server.wait(30)
        finally:
            if self._server.poll() is None:
                os.killpg(self._server.pid, signal.SIGKILL)
                self._server.wait(30)
        self._server = None


def _answers(url: str) -> bool:
    try:
        httpx2.get(url, timeout=5, trust_env=False)
    except httpx2.TransportError:
        return False
    return True
