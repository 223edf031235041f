"""The npm package in an application of Next: a real build, imported on the server and rendered there, and served.

`next_app` is the application, with a lockfile of its own: Next resolves no module that stands outside of it.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from shutil import copytree

import httpx2
import pytest

from tests.npm import run, unpack
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import START_WITHIN_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("npm")]

APP = Path(__file__).parent / "next_app"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application, installed as its lockfile says, with the packed client in it, and built."""
    folder = tmp_path_factory.mktemp("next") / "app"
    copytree(APP, folder, ignore=lambda *_: {"node_modules", ".next"})
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)
    unpack(folder)
    run("node", "node_modules/next/dist/bin/next", "build", folder=folder)
    return folder


def test_a_server_of_next_renders_what_uses_the_client_and_the_hook(built: Path) -> None:
    port = free_port()
    command = [str(required_program("node")), "node_modules/next/dist/bin/next", "start", "-p", str(port)]
    environment = {"PATH": str(required_program("node").parent), "NEXT_TELEMETRY_DISABLED": "1"}
    process = subprocess.Popen(
        [*command, "-H", "127.0.0.1"], cwd=built, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        page = _page(f"http://127.0.0.1:{port}/", process)
    finally:
        process.terminate()
        process.wait(timeout=15)
    assert "<p>base <!-- -->/auth</p>" in page, "a server component has imported the client"
    assert "<p>unknown</p>" in page, "the hook was rendered on the server, which knows nobody"


def test_the_client_is_in_what_browsers_load(built: Path) -> None:
    chunks = "".join(path.read_text() for path in built.joinpath(".next", "static").rglob("*.js"))
    assert "want the path or URL of the auth routes" in chunks
    assert "X-CSRF-Token" in chunks


def _page(url: str, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while True:
        try:
            answer = httpx2.get(url, trust_env=False)
        except httpx2.TransportError:
            assert process.poll() is None, "next start has ended"
            assert time.monotonic() < deadline, "next start does not answer"
            time.sleep(0.05)
        else:
            assert answer.status_code == 200, answer.text
            return answer.text
