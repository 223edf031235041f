"""The README from top to bottom, typed as it stands, as a new user would: every console line, every file to write."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2

from tests.ports import free_port
from tests.programs import required_program
from tests.serving import SEALRING, START_WITHIN_SECONDS, environment, start

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCK = re.compile(
    r"(?:as `(?P<file>\w+\.py)`:\s+)?^```(?P<kind>console|python)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE
)
STEP = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
HERE = "http://127.0.0.1:8000"


def steps() -> Iterator[tuple[str, str, str]]:
    """What the reader does: ("write", file, text), or ("type", command, what is shown)."""
    for block in BLOCK.finditer(README):
        if block["kind"] == "console":
            yield from (("type", command, shown.strip()) for command, shown in STEP.findall(block["text"]))
        elif block["file"]:
            yield "write", block["file"], block["text"]


class Reader:
    """Types into one shell in one folder; what does not end by itself runs in another terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = HERE
        self.server: subprocess.Popen[bytes] | None = None

    def type(self, command: str, shown: str) -> None:
        if command == "scripts/serve":
            served = start(self.folder)
            self.server, self.url = served.process, served.url
        elif command.startswith("sealring serve "):
            self.serve(command)
        else:
            output = self.run(command.replace(HERE, self.url))
            wanted = re.escape(shown).replace("…", ".*")
            assert re.fullmatch(wanted, output, re.DOTALL), f"{command}\n{output}"

    def run(self, command: str) -> str:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        script = f"[ ! -e .shell ] || . ./.shell\nset -e\n{command}\ndeclare -p TOKEN > .shell 2>/dev/null || true"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=environment(PATH=path),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        return done.stdout.strip()

    def serve(self, command: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        typed = [*SEALRING, *command.split()[1:], "--port", str(port)]
        self.server = subprocess.Popen(typed, cwd=self.folder, env=environment(), stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while True:
            try:
                httpx2.get(self.url, trust_env=False)
            except httpx2.TransportError:
                assert self.server.poll() is None, "the application does not start"
                assert time.monotonic() < deadline, "the application does not start in time"
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.wait(30)
            self.server = None


def test_the_readme_works_step_by_step(tmp_path: Path) -> None:
    """In order, with nothing set that the page has not set."""
    required_program("curl")
    done = []
    reader = Reader(tmp_path / "clone")
    reader.folder.mkdir()
    try:
        for kind, what, text in steps():
            if what == "sealring init":  # "Stop the demo. In a folder of its own …"
                reader.stop()
                reader = Reader(tmp_path / "own")
                reader.folder.mkdir()
            if kind == "write":
                (reader.folder / what).write_text(text)
            else:
                reader.type(what, text)
            done.append(what.split()[0])
    finally:
        reader.stop()
    assert [word for word in done if word != "curl"] == [
        "scripts/serve", "TOKEN=$(python3", "sealring", "app.py", "sealring", "TOKEN=$(python3"
    ]  # fmt: skip
    assert done.count("curl") == 8


def test_the_tutorial_is_named() -> None:
    assert "How To Use JSON Web Tokens (JWTs) in Express.js" in README
