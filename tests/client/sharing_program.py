"""A program that shares a token file with others: three workers that ask until the time is over; prints what happened.

usage: python -m tests.client.sharing_program URL FILE SECONDS LIBRARY sync|async
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections import Counter
from importlib import import_module
from typing import Any

from sealring.client import Auth, FileTokens, LoggedOut, RefreshSuperseded, Unavailable

WORKERS = 3
PAUSE_SECONDS = 0.05


class Program:
    """What it counts, and until when."""

    def __init__(self, url: str, file: str, seconds: str, library: str) -> None:
        self.library = import_module(library)
        self.auth = Auth(f"{url}/auth", store=FileTokens(file))
        self.until = time.monotonic() + float(seconds)
        self.options: dict[str, Any] = {"auth": self.auth, "base_url": url, "timeout": 30, "trust_env": False}
        self.options["event_hooks"] = {"request": [self.note]}
        self.counted: Counter[str] = Counter()

    def note(self, request: Any) -> None:
        self.counted["refreshes"] += request.url.path == "/auth/refresh"

    async def note_async(self, request: Any) -> None:
        self.note(request)

    def count(self, error: Exception) -> None:
        match error:
            case LoggedOut(reason=reason):
                self.counted[f"logged_out_{reason}"] += 1
            case RefreshSuperseded() | Unavailable():
                self.counted[error.code] += 1
            case self.library.TransportError():
                self.counted["lost"] += 1
            case _:
                raise error

    def work(self) -> None:
        with self.library.Client(**self.options) as http:
            while time.monotonic() < self.until:
                try:
                    self.counted[str(http.get("/auth/live").status_code)] += 1
                except Exception as error:  # noqa: BLE001 - `count` raises what it does not know
                    self.count(error)
                time.sleep(PAUSE_SECONDS)

    def run(self) -> None:
        threads = [threading.Thread(target=self.work) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    async def work_async(self, http: Any) -> None:
        while time.monotonic() < self.until:
            try:
                self.counted[str((await http.get("/auth/live")).status_code)] += 1
            except Exception as error:  # noqa: BLE001 - `count` raises what it does not know
                self.count(error)
            await asyncio.sleep(PAUSE_SECONDS)

    async def run_async(self) -> None:
        self.options["event_hooks"] = {"request": [self.note_async]}
        async with self.library.AsyncClient(**self.options) as http:
            await asyncio.gather(*(self.work_async(http) for _ in range(WORKERS)))


if __name__ == "__main__":
    program = Program(*sys.argv[1:5])
    if sys.argv[5] == "async":
        asyncio.run(program.run_async())
    else:
        program.run()
    print(json.dumps(program.counted))  # noqa: T201 - its answer
