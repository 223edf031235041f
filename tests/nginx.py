"""A real nginx that strips a path in front of a server, as `location /shop/ { proxy_pass http://…/; }` does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.ports import free_port
from tests.programs import required_program

StrippingProxy = Callable[[str, str], str]
"""Takes the path to strip and the URL of the server behind; returns the URL of the proxy."""

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def stripping_proxy(folder: Path) -> Iterator[StrippingProxy]:
    """Start proxies that end with the block; their files go to `folder`."""
    program = required_program("nginx")
    running: list[subprocess.Popen[bytes]] = []

    def start(path: str, upstream: str) -> str:
        port = free_port()
        configuration = folder / f"nginx-{port}.conf"
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in _TEMPORARY)
        configuration.write_text(
            f"daemon off; pid {folder}/pid-{port}; error_log stderr; events {{}} http {{ access_log off; {temporary}"
            f"server {{ listen 127.0.0.1:{port}; location {path}/ {{ proxy_pass {upstream}/; }} }} }}"
        )
        running.append(subprocess.Popen([program, "-p", str(folder), "-c", str(configuration)]))
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx2.get(url, trust_env=False)
            except httpx2.ConnectError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return url

    try:
        yield start
    finally:
        for process in running:
            process.terminate()
            process.wait(20)
