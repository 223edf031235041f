"""Real servers as processes of their own, for any application: started, asked for their workers, killed.

A new server is a row of `SERVERS`. What it serves is `tests.servers.app`, or any other module.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.plain_http import TRUST_NOBODY
from tests.ports import free_port
from tests.serving import START_WITHIN_SECONDS, environment

ROOT = Path(__file__).parents[2]
WORKERS = 2


def gunicorn(*options: str) -> Callable[[str, int], list[str]]:
    """The command of a gunicorn that serves an application (`module:name`) on a port."""

    def command(app: str, port: int) -> list[str]:
        bind = ["--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS), "--graceful-timeout", "5"]
        return [sys.executable, "-m", "gunicorn", "--no-control-socket", *bind, *options, app]

    return command


def granian(interface: str, *options: str) -> Callable[[str, int], list[str]]:
    """The command of a granian, as `gunicorn`."""

    def command(app: str, port: int) -> list[str]:
        bind = ["--host", "127.0.0.1", "--port", str(port), "--workers", str(WORKERS), "--respawn-failed-workers"]
        return [sys.executable, "-m", "granian", *bind, "--interface", interface, *options, app]

    return command


WSGI_SERVERS: dict[str, Callable[[str, int], list[str]]] = {
    "gunicorn sync": gunicorn("--worker-class", "sync"),
    "gunicorn gthread": gunicorn("--worker-class", "gthread", "--threads", "4"),
    "gunicorn preload": gunicorn("--worker-class", "gthread", "--threads", "4", "--preload"),
}
ASGI_SERVERS: dict[str, Callable[[str, int], list[str]]] = {
    "uvicorn": lambda app, port: [
        sys.executable, "-m", "uvicorn", "--port", str(port), "--workers", str(WORKERS), "--no-proxy-headers", app,
    ],
    "hypercorn": lambda app, port: [
        sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS), app,
    ],
}  # fmt: skip
GRANIAN_WSGI = {"granian WSGI": granian("wsgi", "--blocking-threads", "4")}
GRANIAN_ASGI = {"granian ASGI": granian("asgi")}
HTTP_2 = ("hypercorn", "granian ASGI")
"""What speaks HTTP/2 without TLS too (RFC 9113 §3.3)."""


@dataclass
class RunningServer:
    """A server and its workers."""

    port: int
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that it wrote so far."""
        return self.log_file.read_text(errors="replace")

    def client(self, **options: Any) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=30, trust_env=False, verify=TRUST_NOBODY, **options)

    @property
    def workers(self) -> list[int]:
        """The processes that it has forked or started."""
        return children_of(self.process.pid)

    def kill(self) -> None:
        """Kill -9, workers included."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def stop(self) -> int:
        """Ask it to end, as a supervisor does; its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)


@contextmanager
def running(
    command: Sequence[str], port: int, folder: Path, probe: str = "/", **variables: str
) -> Iterator[RunningServer]:
    """Run a server until the block ends; it is ready when it answers `probe` at all."""
    log_file = folder / "server.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(PYTHONPATH=str(ROOT), PYTHONWARNINGS="error", **variables),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = RunningServer(port, process, log_file)
    try:
        wait_until(lambda: process.poll() is not None or answers(server.url + probe), "the server did not start")
        assert process.poll() is None, f"the server did not start:\n{server.log}"
        yield server
    finally:
        server.kill()


@contextmanager
def running_host(
    command: Callable[[str, int], list[str]], host: str, folder: Path, **variables: str
) -> Iterator[RunningServer]:
    """Run a host of the conformance table."""
    port = free_port()
    named = {"TEST_HOST": host, "TEST_DATABASE": str(folder / "sealring.db")} | variables
    with running(command("tests.servers.app:app", port), port, folder, "/auth/client.js", **named) as server:
        yield server


def answers(url: str) -> bool:
    """Whether anything answers there."""
    try:
        httpx2.get(url, timeout=1, trust_env=False, verify=TRUST_NOBODY)
    except httpx2.TransportError:
        return False
    return True


def wait_until(is_so: Callable[[], bool], otherwise: str) -> None:
    """Wait for another process; fail with words when it takes too long."""
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if not _is_over(int(child))]


def holds_open(pid: int, path: Path) -> bool:
    """Whether a process has a file open."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if link.readlink() == path:
                return True
    return False


def _is_over(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
