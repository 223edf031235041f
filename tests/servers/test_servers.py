"""What happens to the processes of real servers: forked, killed, reloaded, told to end."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.ports import free_port
from tests.servers.running import (
    ASGI_SERVERS,
    GRANIAN_ASGI,
    GRANIAN_WSGI,
    WORKERS,
    WSGI_SERVERS,
    RunningServer,
    children_of,
    gunicorn,
    holds_open,
    running,
    running_host,
    wait_until,
)
from tests.serving import PASSWORD, SECRET, bearer, fresh_name, register

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.mark.parametrize("server", WSGI_SERVERS)
def test_a_refusal_before_the_body_leaves_the_connection_whole(server: str, tmp_path: Path) -> None:
    with running_host(WSGI_SERVERS[server], "Flask", tmp_path) as served, served.client() as client:
        for _ in range(20):
            assert client.post("/auth/password", content=b" " * 60_000).status_code == 401
            assert client.request("GET", "/auth/me", content=b" " * 60_000).status_code == 401


# processes


def ask_all_workers(server: RunningServer, path: str, token: str, times: int = 40) -> set[int]:
    """The answers to one request, over so many connections that every worker gets some."""

    def ask(_: int) -> int:
        with server.client() as client:
            return client.get(path, headers=bearer(token)).status_code

    with ThreadPoolExecutor(8) as pool:
        return set(pool.map(ask, range(times)))


@pytest.mark.parametrize("server", WSGI_SERVERS)
def test_a_revocation_holds_in_every_worker(server: str, tmp_path: Path) -> None:
    with running_host(WSGI_SERVERS[server], "Flask", tmp_path) as served, served.client() as client:
        token = register(client)["access_token"]
        assert ask_all_workers(served, "/auth/live", token) == {204}
        assert client.post("/auth/logout", headers=bearer(token)).status_code == 204
        wait_until(lambda: ask_all_workers(served, "/auth/live", token, 8) == {401}, "a worker heard nothing")
        assert ask_all_workers(served, "/auth/live", token) == {401}


ALL_SERVERS = WSGI_SERVERS | GRANIAN_WSGI | ASGI_SERVERS | GRANIAN_ASGI
KILLED = [
    ("gunicorn preload", "Flask"),
    *(
        pytest.param(server, host, marks=pytest.mark.slow)
        for server, host in (
            ("gunicorn sync", "Flask"), ("gunicorn gthread", "Flask"),
            ("granian WSGI", "Flask"), ("granian ASGI", "Starlette mount"), ("uvicorn", "Starlette mount"),
        )
    ),
]  # fmt: skip
"""Servers that start another worker in the place of one that was killed. hypercorn has a test of its own."""


def serving(server: RunningServer, folder: Path) -> set[int]:
    """Its processes that have the store open: some servers start helpers beside their workers."""
    return {process for process in server.workers if holds_open(process, folder / "sealring.db")}


def all_serving(server: RunningServer, folder: Path, token: str) -> set[int]:
    """Its processes, once each of its workers has answered: some open the store at their first request."""

    def is_so() -> bool:
        assert ask_all_workers(server, "/auth/live", token, 8) == {204}
        return len(serving(server, folder)) == WORKERS

    wait_until(is_so, "not every worker serves")
    return serving(server, folder)


@pytest.mark.parametrize(("server", "host"), KILLED)
def test_a_worker_that_is_killed_takes_nothing_along(server: str, host: str, tmp_path: Path) -> None:
    with running_host(ALL_SERVERS[server], host, tmp_path) as served, served.client() as client:
        tokens = register(client)
        ended = [register(client)["access_token"] for _ in range(3)]
        for token in ended:
            assert client.post("/auth/logout", headers=bearer(token)).status_code == 204
        before = all_serving(served, tmp_path, tokens["access_token"])
        answers: list[int] = []
        lost = 0
        for number in range(30):
            if number == 10:
                os.kill(min(before), signal.SIGKILL)
            try:
                with served.client() as other:
                    answer = other.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
            except httpx2.TransportError:
                lost += 1  # it was in that worker's hands: the retry gets the same successor (R4)
                continue
            answers.append(answer.status_code)
            tokens = answer.json()
        assert set(answers) == {200}
        assert lost <= 8

        def is_whole_again() -> bool:
            # a worker of WSGI opens the store at its first request; one that starts may refuse connections
            with contextlib.suppress(httpx2.TransportError):
                ask_all_workers(served, "/auth/live", tokens["access_token"], 8)
            now = serving(served, tmp_path)
            return len(now) == WORKERS and now != before

        wait_until(is_whole_again, "no new worker")
        assert ask_all_workers(served, "/auth/live", tokens["access_token"]) == {204}
        for token in ended:  # the new worker has loaded what the dead one knew
            assert ask_all_workers(served, "/auth/live", token, 16) == {401}
        assert "Traceback" not in served.log


@pytest.mark.slow
def test_hypercorn_stops_when_a_worker_is_killed_and_loses_nothing(tmp_path: Path) -> None:
    """hypercorn 0.18 stops all, as if it was asked to (`hypercorn.run.run`): its supervisor starts it again."""
    with running_host(ASGI_SERVERS["hypercorn"], "Starlette mount", tmp_path) as served, served.client() as client:
        tokens = register(client)
        ended = register(client)["access_token"]
        assert client.post("/auth/logout", headers=bearer(ended)).status_code == 204
        os.kill(min(all_serving(served, tmp_path, tokens["access_token"])), signal.SIGKILL)
        while served.process.poll() is None:
            with contextlib.suppress(httpx2.TransportError), served.client() as other:
                answer = other.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
                assert answer.status_code == 200
                tokens = answer.json()
        assert served.process.returncode == 0
    with running_host(ASGI_SERVERS["hypercorn"], "Starlette mount", tmp_path) as served, served.client() as client:
        answer = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert answer.status_code == 200
        all_serving(served, tmp_path, tokens["access_token"])
        assert ask_all_workers(served, "/auth/live", answer.json()["access_token"], 16) == {204}
        assert ask_all_workers(served, "/auth/live", ended, 16) == {401}


def test_n11_the_parent_of_preloaded_workers_opens_nothing_and_each_worker_opens_its_own(tmp_path: Path) -> None:
    with running_host(WSGI_SERVERS["gunicorn preload"], "Flask", tmp_path) as served, served.client() as client:
        token = register(client)["access_token"]
        assert ask_all_workers(served, "/auth/live", token) == {204}
        database = tmp_path / "sealring.db"
        assert not holds_open(served.process.pid, database)
        assert all(holds_open(worker, database) for worker in served.workers)
        assert served.stop() == 0
        assert not list(tmp_path.glob("*-wal")), "closed in order, so that nothing is left in the log"


def test_n11_a_worker_that_was_forked_from_an_open_parent_refuses_with_words(tmp_path: Path) -> None:
    (tmp_path / "opened.py").write_text(
        "from tests.servers.app import app, auth\nauth.sync().open()\n__all__ = ['app']\n"
    )
    port = free_port()
    command = gunicorn("--preload", "--worker-class", "gthread", "--chdir", str(tmp_path))("opened:app", port)
    variables = {"TEST_HOST": "Flask", "TEST_DATABASE": str(tmp_path / "sealring.db")}
    with running(command, port, tmp_path, **variables) as served, served.client() as client:
        answer = client.post("/auth/register", json={"username": fresh_name(), "password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"]
        assert client.get("/auth/live", headers=bearer("x.y.z")).status_code == 503


def test_gevent_workers_are_refused_when_they_start(tmp_path: Path) -> None:
    port = free_port()
    command = gunicorn("--worker-class", "gevent")("tests.servers.app:app", port)
    variables = {"TEST_HOST": "Flask", "TEST_DATABASE": str(tmp_path / "sealring.db")}
    with (
        pytest.raises(AssertionError, match="gevent has replaced the threads of this process"),
        running(command, port, tmp_path, **variables),
    ):
        raise AssertionError("served")


def test_the_reloader_of_flask_opens_the_store_in_one_of_its_processes(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        textwrap.dedent("""
            from flask import Flask
            from sealring import Sealring
            from sealring.frameworks.flask import current_principal, require

            app = Flask(__name__)
            auth = Sealring(throttle_registration="1000/1m")
            auth.init_app(app)

            @app.get("/mine")
            @require()
            def mine():
                return current_principal.subject
        """)
    )
    port = free_port()
    command = [sys.executable, "-m", "flask", "--app", "app", "run", "--debug", "--port", str(port)]
    with running(command, port, tmp_path, SEALRING_SECRET=SECRET) as served, served.client() as client:
        database = tmp_path / "sealring.db"
        assert not database.exists(), "nothing is opened before the first request that needs it"
        assert client.get("/mine", headers=bearer(register(client)["access_token"])).status_code == 200
        processes = [served.process.pid, *children_of(served.process.pid)]
        assert len(processes) == 2
        assert [holds_open(process, database) for process in processes] == [False, True]
