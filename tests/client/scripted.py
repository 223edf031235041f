"""A server whose answers a test chooses, for what no server of ours would say; it records what it was sent."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """A request."""

    method: str
    path: str
    fields: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """An answer; `body` is JSON."""

    status: int = 200
    body: Any = None
    fields: dict[str, str] = field(default_factory=dict)


TOKENS = {"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 600, "token_type": "Bearer"}


def problem(status: int, code: str, **fields: str) -> Reply:
    return Reply(status, {"code": code, "status": status}, {"Content-Type": "application/problem+json"} | fields)


@dataclass
class Scripted:
    """Where it listens, and what came."""

    url: str
    received: list[Received]

    def paths(self) -> list[str]:
        return [one.path for one in self.received]


class Quiet(ThreadingHTTPServer):
    """Clients may hang up."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def scripted(reply: Callable[[Received], Reply]) -> Iterator[Scripted]:
    """Answer every request by `reply`, until the block ends."""
    received: list[Received] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            one = Received(
                self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length)
            )
            received.append(one)
            chosen = reply(one)
            content = b"" if chosen.body is None else json.dumps(chosen.body).encode()
            self.send_response(chosen.status)
            for name, value in ({"Content-Type": "application/json"} | chosen.fields).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = Quiet(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Scripted(f"http://127.0.0.1:{server.server_address[1]}", received)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
