"""A node as a process of its own that can be killed, stopped and started again, and the way to talk to it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx2

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
SECRET = "b5c1f0d6a2e94787a1d3c05e9b7f6482c4d8e0fa1b2c3d4e5f60718293a4b5c6"
READY_SECONDS = 60


class Node:
    """One node.

    Args:
        name: for people.
        database_url: its way to the store.
        folder: where it logs to.
        settings: environment beside the defaults here.
    """

    def __init__(self, name: str, database_url: str, folder: Path, settings: Mapping[str, str]) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = database_url
        self.log = folder / f"{name}.log"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(ROOT),
            "SEALRING_SECRET": SECRET,
            "SEALRING_DATABASE_URL": database_url,
            "SEALRING_ISSUER": "http://127.0.0.1:8000",
            "SEALRING_THROTTLE_ACCOUNT": "100000/1m",
            "SEALRING_THROTTLE_ADDRESS": "100000/1m",
            "SEALRING_THROTTLE_REGISTRATION": "100000/1m",
            **settings,
        }
        self.client = httpx2.AsyncClient(
            base_url=self.url, timeout=2.0, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=32)
        )

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process; it is not ready yet."""
        arguments = ["tests.cluster.node_app:create_app", "--factory", "--port", str(self.port)]
        options = ["--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", *arguments, *options],
                env=self._environment,
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it may check tokens."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    if (await self.client.get("/readyz")).status_code == 200:
                        return
                except httpx2.HTTPError:
                    assert self._process is not None
                    if self._process.poll() is not None:
                        raise RuntimeError(self.log.read_text()) from None
                await asyncio.sleep(0.05)

    def freeze(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def close(self) -> None:
        """Kill it for good."""
        self.kill()
        await self.client.aclose()
