"""N2, C13 on WSGI: no path leaves a protected prefix, byte for byte, on real servers with Flask's router behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from werkzeug.serving import WSGIRequestHandler as WerkzeugHandler
from werkzeug.serving import make_server as make_werkzeug_server

from tests.attacks.test_n_paths import SECRET, TARGETS, ask
from tests.ports import free_port
from tests.servers import paths_app
from tests.servers.running import gunicorn, running


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing."""


class QuietWerkzeug(WerkzeugHandler):
    def log(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def in_thread(server: Any) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()


@contextmanager
def by_gunicorn(name: str, folder: Path) -> Iterator[int]:
    port = free_port()
    command = gunicorn("--worker-class", "gthread", "--threads", "4")(f"tests.servers.paths_app:{name}", port)
    with running(command, port, folder):
        yield port


SERVERS: dict[str, Callable[[str, Path], Any]] = {
    "gunicorn": by_gunicorn,
    "wsgiref": lambda name, _: in_thread(make_server("127.0.0.1", 0, getattr(paths_app, name), handler_class=Quiet)),
    "Werkzeug": lambda name, _: in_thread(
        make_werkzeug_server("127.0.0.1", 0, getattr(paths_app, name), request_handler=QuietWerkzeug)
    ),
}


@pytest.mark.parametrize("server", SERVERS)
def test_n2_no_target_reads_the_secret_past_a_real_server(server: str, tmp_path: Path) -> None:
    with SERVERS[server]("guarded", tmp_path) as port:
        for target in TARGETS + [b"http://x" + target for target in TARGETS]:
            assert SECRET not in ask(port, target), target
        assert SECRET in ask(port, b"/Reports/../x", b"Authorization: Bearer good")
        assert b"public" in ask(port, b"/reports-of-old")


@pytest.mark.parametrize("server", SERVERS)
def test_n2_without_the_guard_those_targets_do_reach_the_secret(server: str, tmp_path: Path) -> None:
    with SERVERS[server]("unguarded", tmp_path) as port:
        reached = sum(SECRET in ask(port, target) for target in TARGETS)
    assert reached > len(TARGETS) // 2
