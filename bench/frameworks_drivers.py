"""How `bench/frameworks.py` sends requests: straight into the application, and through the server's own code.

No network: two processes and a load generator on two busy cores measure each other. "Direct" calls the ASGI or WSGI
application as a server does, so a ratio there is the strictest there is. "Served" goes through the code of the server
too, in this process and on socket pairs: uvicorn's protocol (uvloop, httptools) with eight connections, and gunicorn's
sync worker. Times are CPU times of the whole process, its threads included, since others use the machine as well.
"""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Callable
from itertools import cycle
from time import process_time
from typing import Any

import uvloop
from gunicorn.config import Config as GunicornConfig  # type: ignore[import-untyped]  # no stubs
from gunicorn.glogging import Logger  # type: ignore[import-untyped]  # no stubs
from gunicorn.http import get_parser  # type: ignore[import-untyped]  # no stubs
from gunicorn.workers.sync import SyncWorker  # type: ignore[import-untyped]  # no stubs
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

Batch = Callable[[int], float]
"""Sends so many requests, and returns the CPU seconds that they took."""

Ask = Callable[[str | None], tuple[int, bytes]]
"""Sends one request, with this token or without any, and returns status and body."""

PEER = ("127.0.0.1", 50000)
HERE = ("127.0.0.1", 8000)
FIELDS = {
    "Host": "127.0.0.1:8000",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate, br",
}
CONNECTIONS = 8
RECEIVED = 65_536
"""More than an answer has; what was sent in pieces is there as a whole."""
STATUS_AT = len("HTTP/1.1 ")


def fields_with(token: str | None) -> dict[str, str]:
    return FIELDS if token is None else {**FIELDS, "Authorization": f"Bearer {token}"}


def raw_request(path: str, token: str | None) -> bytes:
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields_with(token).items())]
    return "\r\n".join([*lines, "", ""]).encode()


class Loop:
    """The one event loop of this process."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.run = self.runner.run


# ASGI --------------------------------------------------------------------------------------------


def asgi_direct(loop: Loop, app: Any, path: str, tokens: list[str]) -> tuple[Batch, Ask]:
    """Call an ASGI application; a scope and its list of fields belong to one request."""

    def scope_of(token: str | None) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "client": PEER,
            "server": HERE,
            "headers": [(name.lower().encode(), value.encode()) for name, value in fields_with(token).items()],
        }

    scopes = cycle([scope_of(token) for token in tokens])
    sent: list[Any] = []

    unread = [True]

    async def receive() -> dict[str, Any]:
        if not unread[0]:
            await asyncio.get_running_loop().create_future()  # the client stays connected
        unread[0] = False
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def batch(count: int) -> float:
        began = process_time()
        for _ in range(count):
            scope = next(scopes).copy()
            scope["headers"] = scope["headers"].copy()
            unread[0] = True
            await app(scope, receive, send)
        spent = process_time() - began
        sent.clear()
        return spent

    def ask(token: str | None) -> tuple[int, bytes]:
        sent.clear()
        unread[0] = True
        loop.run(app(scope_of(token), receive, send))
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    return lambda count: loop.run(batch(count)), ask


def asgi_served(loop: Loop, app: Any, path: str, tokens: list[str]) -> tuple[Batch, Ask]:
    """The same through uvicorn: it reads bytes, makes the scope and the task, and writes bytes."""
    config = Config(app, lifespan="off", access_log=False, log_level="error", loop="uvloop", http="httptools")
    config.load()
    raw = cycle([raw_request(path, token) for token in tokens])

    async def connect() -> tuple[socket.socket, Any]:
        client, server = socket.socketpair()
        running = asyncio.get_running_loop()
        _, protocol = await running.connect_accepted_socket(
            lambda: HttpToolsProtocol(config, ServerState(), {}, running), server
        )
        return client, protocol

    async def exchange(requests: list[bytes]) -> list[bytes]:
        for (client, _), request in zip(connections, requests, strict=False):
            client.sendall(request)
        found = []
        for (client, protocol), _ in zip(connections, requests, strict=False):
            while protocol.cycle is None or not protocol.cycle.response_complete:  # noqa: ASYNC110 - uvicorn has no event
                await asyncio.sleep(0)
            protocol.cycle = None
            found.append(client.recv(RECEIVED))
        return found

    async def batch(count: int) -> float:
        rounds = max(1, count // CONNECTIONS)
        began = process_time()
        for _ in range(rounds):
            await exchange([next(raw) for _ in range(CONNECTIONS)])
        return (process_time() - began) * count / (rounds * CONNECTIONS)

    connections = [loop.run(connect()) for _ in range(CONNECTIONS)]
    return lambda count: loop.run(batch(count)), lambda token: read_answer(
        loop.run(exchange([raw_request(path, token)]))[0]
    )


# WSGI --------------------------------------------------------------------------------------------


def wsgi_direct(_: Loop, app: Any, path: str, tokens: list[str]) -> tuple[Batch, Ask]:
    """Call a WSGI application (PEP 3333); an environ belongs to one request."""

    def environ_of(token: str | None) -> dict[str, Any]:
        fields = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in fields_with(token).items()}
        return {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "RAW_URI": path,
            "SERVER_NAME": HERE[0],
            "SERVER_PORT": str(HERE[1]),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_SOFTWARE": "gunicorn",
            "REMOTE_ADDR": PEER[0],
            "REMOTE_PORT": str(PEER[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **fields,
        }

    environs = cycle([environ_of(token) for token in tokens])
    statuses: list[str] = []

    def start_response(status: str, _headers: Any, _exc_info: Any = None) -> None:
        statuses.append(status)

    def call(environ: dict[str, Any]) -> bytes:
        chunks = app(environ, start_response)
        body = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        return body

    def batch(count: int) -> float:
        began = process_time()
        for _ in range(count):
            call(next(environs).copy())
        spent = process_time() - began
        statuses.clear()
        return spent

    def ask(token: str | None) -> tuple[int, bytes]:
        statuses.clear()
        body = call(environ_of(token))
        return int(statuses[0][:3]), body

    return batch, ask


def wsgi_served(_: Loop, app: Any, path: str, tokens: list[str]) -> tuple[Batch, Ask]:
    """The same through gunicorn's sync worker, without its accept loop."""
    config = GunicornConfig()
    config.set("loglevel", "error")
    worker: Any = SyncWorker(0, 0, [], None, 30, config, Logger(config))
    worker.wsgi = app
    client, server = socket.socketpair()
    listener = socket.socket()
    listener.bind((HERE[0], 0))
    raw = cycle([raw_request(path, token) for token in tokens])

    def exchange(request: bytes) -> bytes:
        client.sendall(request)
        worker.handle_request(listener, next(get_parser(config, server, PEER)), server, PEER)
        return client.recv(RECEIVED)

    def batch(count: int) -> float:
        began = process_time()
        for _ in range(count):
            exchange(next(raw))
        return process_time() - began

    return batch, lambda token: read_answer(exchange(raw_request(path, token)))


def read_answer(raw: bytes) -> tuple[int, bytes]:
    """Status and body of an HTTP/1.1 answer, chunks taken as they are."""
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head[STATUS_AT : STATUS_AT + 3]), body
