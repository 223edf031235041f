"""`serve APP` and `serve --no-demo` as processes: the server, limits, workers, signals and logs that the demo has."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage

from tests.ports import free_port
from tests.serving import (
    PASSWORD,
    SEALRING,
    SECRET,
    ServedProcess,
    bearer,
    environment,
    fresh_name,
    problem,
    register,
    start,
)

SHOP = """
import logging, os
from typing import Annotated
from fastapi import FastAPI, Security, WebSocket
from sealring import Principal, Sealring, SealringError
from sealring.frameworks.fastapi import guard

auth = Sealring()

def create_app():
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router())
    app.include_router(auth.health_router())
    app.add_middleware(auth.middleware)
    app.add_exception_handler(SealringError, auth.problem_response)

    @app.get("/orders")
    async def orders(user: Annotated[Principal, Security(guard(auth))]) -> str:
        return user.subject

    @app.get("/broken")
    async def broken() -> None:
        logging.getLogger("shop").warning("broken\\nby %s", auth.settings.secret)
        raise RuntimeError("no \\x1b[2J " + auth.settings.secret)

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())

    return app

app = create_app()
"""
PLAIN = """
async def app(scope, receive, send):
    assert scope["type"] == "http", "no lifespan here"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"plain"})
"""
FAILING = """
import os
from contextlib import asynccontextmanager
from fastapi import FastAPI
{imports}

@asynccontextmanager
async def lifespan(app):
    {raises}
    yield

app = FastAPI(lifespan=lifespan)
"""
TELLS = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the cellar is\\nlocked"})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, source in (("shop", SHOP), ("plain", PLAIN), ("tells", TELLS)):
        (tmp_path / f"{name}.py").write_text(source)
    return tmp_path


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SEALRING, "serve", "--port", "0", *arguments],
        cwd=folder,
        env=environment(SEALRING_SECRET=SECRET, **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        (["shop:app"], signal.SIGTERM),
        pytest.param(["shop:create_app", "--factory"], signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(["shop:app", "--workers", "2"], signal.SIGTERM, marks=pytest.mark.slow),
        (["shop:create_app", "--factory", "--workers", "2"], signal.SIGINT),
    ],
)
def test_an_application_of_one_s_own_is_served_with_the_limits_of_serve(
    folder: Path, arguments: list[str], number: signal.Signals
) -> None:
    served = start(folder, *arguments, SEALRING_SECRET=SECRET)
    try:
        said = (folder / "stdout").read_text()
        assert said == f"{arguments[0]} is at {served.url} ; Ctrl-C stops it\n"
        with served.client() as client:
            tokens = register(client)
            assert client.get("/orders", headers=bearer(tokens["access_token"])).json() == tokens["user"]["id"]
            # the issuer is where it is served, so its own pages pass the CSRF check
            body = {"username": tokens["user"]["username"], "password": PASSWORD, "delivery": "cookie"}
            assert client.post("/auth/login", json=body, headers={"Origin": served.url}).status_code == 200
            assert client.post("/auth/logout", headers={"Origin": "http://127.0.0.1:1"}).status_code == 403
            endless = client.get("/orders", headers={"x": "y" * 60_000})
            assert problem(endless) == (431, "headers_too_large")  # N8: below ASGI
            assert "server" not in endless.headers
        served.process.send_signal(number)
        assert served.process.wait(30) == 0
    finally:
        served.kill()
    assert "Traceback" not in served.log


def test_an_application_without_a_lifespan_is_served(folder: Path) -> None:
    served = start(folder, "plain:app")
    try:
        with served.client() as client:
            assert client.get("/").text == "plain"
        assert served.stop() == 0
    finally:
        served.kill()
    assert served.log == ""
    assert not (folder / ".env").exists()


def test_websockets_of_an_application_are_served(folder: Path) -> None:
    served = start(folder, "shop:app", SEALRING_SECRET=SECRET)
    try:
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
            client = WSConnection(ConnectionType.CLIENT)
            connection.sendall(client.send(Request(host="127.0.0.1", target="/echo")))
            assert isinstance(_next(client, connection), AcceptConnection)
            connection.sendall(client.send(TextMessage(data="hello")))
            answer = _next(client, connection)
            assert isinstance(answer, TextMessage)
            assert answer.data == "hello"
    finally:
        served.kill()


def _next(client: WSConnection, connection: socket.socket) -> object:
    while True:
        for event in client.events():
            return event
        client.receive_data(connection.recv(4096))


# what fails at the start


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_application_that_raises_when_it_starts_shows_where_and_no_secret(tmp_path: Path, workers: str) -> None:
    raises = 'raise RuntimeError("no cellar with " + os.environ["SEALRING_SECRET"])'
    (tmp_path / "shop.py").write_text(FAILING.format(imports="", raises=raises))
    done = run(tmp_path, "shop:app", "--workers", workers)
    assert done.returncode == 1
    assert f'File "{tmp_path}/shop.py", line 9, in lifespan' in done.stderr
    assert "RuntimeError: no cellar with ***" in done.stderr
    assert "sealring: error: the application raised RuntimeError when it started" in done.stderr
    assert SECRET not in done.stderr
    if workers == "1":
        assert done.stderr.count("Traceback") == 1
        assert done.stderr.splitlines()[-1].startswith("sealring: error: ")


def test_an_error_of_ours_at_the_start_is_one_line_and_a_hint(tmp_path: Path) -> None:
    raises = 'await Sealring(database_url="sqlite:///not/there.db").open()'
    (tmp_path / "shop.py").write_text(FAILING.format(imports="from sealring import Sealring", raises=raises))
    done = run(tmp_path, "shop:app")
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()
    assert error.startswith("sealring: error: the application did not start: the folder of there.db does not exist")
    assert hint.startswith("hint: ")


def test_an_application_may_say_itself_why_it_does_not_start(folder: Path) -> None:
    done = run(folder, "tells:app")
    assert done.returncode == 1
    assert done.stderr == "the cellar is\nlocked\nsealring: error: the application did not start\n"


def test_a_taken_port_is_said_before_the_application_is_imported(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("print('imported')")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run(tmp_path, "shop:app", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert done.stderr.startswith("sealring: error: cannot listen on 127.0.0.1 port ")
    assert done.stdout == ""


# logs


def test_i15_json_lines_when_nobody_looks_on(folder: Path) -> None:
    served = start(folder, "shop:app", SEALRING_SECRET=SECRET)
    try:
        with served.client() as client:
            client.get("/orders", headers=bearer("forged.token.here"))
            client.get("/broken")  # last, for it ends the connection
        assert served.stop() == 0
    finally:
        served.kill()
    assert SECRET not in served.log
    lines = [json.loads(line) for line in served.log.splitlines()]
    [said] = [line for line in lines if line["logger"] == "shop"]
    assert said["message"] == "broken\nby ***"
    [raised] = [line for line in lines if "exception" in line]
    assert "RuntimeError: no \x1b[2J ***" in raised["exception"]
    assert [line["code"] for line in lines if line["message"] == "request refused"] == ["malformed"]


@pytest.mark.parametrize(
    ("settings", "colored"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_i15_readable_lines_on_a_terminal(folder: Path, settings: dict[str, str], colored: bool) -> None:  # noqa: FBT001
    shown = on_a_terminal(folder, settings)
    assert SECRET not in shown
    assert ("\x1b[" in shown) is colored
    plain = re.sub(r"\x1b\[\d+m", "", shown)
    assert "\x1b" not in plain
    for line in (
        r"info     account created: registered  subject=\S+  address=127\.0\.0\.1",
        r"info     login failed: wrong password  subject=\S+  address=127\.0\.0\.1  method=password",
        r"info     request refused  code=malformed  where=/orders",
        r"warning  shop: broken\\nby \*\*\*",
    ):
        assert re.search(rf"^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\dZ {line}$", plain, re.MULTILINE), plain
    assert "    RuntimeError: no \\x1b[2J ***\n" in plain


def on_a_terminal(folder: Path, settings: dict[str, str]) -> str:
    """What a terminal shows of some requests, from the start to Ctrl-C."""
    ours, theirs = os.openpty()
    port = free_port()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        with os.fdopen(theirs) as side:
            process = subprocess.Popen(
                [*SEALRING, "serve", "shop:app", "--port", str(port)],
                cwd=folder,
                env={**environment(SEALRING_SECRET=SECRET), "NO_COLOR": "", **settings},
                stdin=side,
                stdout=side,
                stderr=side,
                start_new_session=True,
            )
        served = ServedProcess(folder, port, process)
        try:
            shown = terminal.read(4096)
            assert b"Ctrl-C stops it" in shown
            with httpx2.Client(base_url=served.url, timeout=30, transport=httpx2.HTTPTransport(retries=5)) as client:
                name = register(client, fresh_name())["user"]["username"]
                client.post("/auth/login", json={"username": name, "password": "a guess of somebody's"})
                client.get("/orders", headers=bearer("forged.token.here"))
                client.get("/broken")
            while b"RuntimeError: no" not in shown:  # a terminal holds little, and forgets what nobody has read
                shown += terminal.read(4096)
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(OSError):  # EIO is how a terminal says that nobody is left
                while more := terminal.read(4096):
                    shown += more
            assert process.wait(30) == 0
        finally:
            served.kill()
    return shown.decode().replace("\r\n", "\n")


# the auth service alone


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedProcess]:
    served = start(tmp_path_factory.mktemp("alone"), "--no-demo")
    yield served
    served.kill()


def test_the_auth_service_alone_has_its_routes_and_no_page(alone: ServedProcess) -> None:
    said = (alone.folder / "stdout").read_text()
    assert "wrote " in said
    assert f"the auth service is at {alone.url}/auth ; its health at {alone.url}/readyz" in said
    with alone.client() as client:
        tokens = register(client)
        assert client.get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 200
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200
        assert "sealring_lag_seconds" in client.get("/metrics").text
        assert client.get("/auth/.well-known/jwks.json").json()["keys"]
        described: dict[str, Any] = client.get("/openapi.json").json()
        assert "/auth/login" in described["paths"]
        for path in ("/", "/docs", "/static/seal.svg", "/api/userOrders", "/auth/nothing"):
            assert problem(client.get(path)) == (404, "not_found"), path
        assert problem(client.put("/auth/login")) == (405, "method_not_allowed")
        assert problem(client.get("/healthz", headers={"x": "y" * 60_000})) == (431, "headers_too_large")


def test_the_auth_service_alone_takes_no_password_grant_unless_told(alone: ServedProcess) -> None:
    with alone.client() as client:
        form = {"grant_type": "password", "username": "ada", "password": PASSWORD}
        assert client.post("/auth/token", data=form).json()["error"] == "unsupported_grant_type"
