"""Design D23 on hypercorn and granian: what the other end of a WebSocket sees. For uvicorn: `test_open_connections`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.ports import free_port
from tests.servers.running import ASGI_SERVERS, GRANIAN_ASGI, RunningServer, running, wait_until
from tests.serving import bearer, cookie_line, register

pytestmark = pytest.mark.xdist_group("sockets")

COMMANDS = {"hypercorn": ASGI_SERVERS["hypercorn"]} | GRANIAN_ASGI


@pytest.fixture(scope="module", params=COMMANDS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of one process for all tests here."""
    port = free_port()
    command = [*COMMANDS[request.param]("tests.servers.sockets_app:app", port), "--workers", "1"]
    with running(command, port, tmp_path_factory.mktemp("sockets"), "/auth/client.js") as started:
        yield started
        assert "Traceback" not in started.log, started.log


def open_socket(server: RunningServer, path: str, token: str | None = None, **options: Any) -> ClientConnection:
    options.setdefault("additional_headers", {} if token is None else bearer(token))
    url = server.url.replace("http", "ws", 1) + path
    opened: ClientConnection = connect(url, proxy=None, open_timeout=20, close_timeout=0.2, **options)
    return opened


def closed(client: ClientConnection) -> tuple[int, str]:
    """The close frame of the server."""
    frame = None
    try:
        while True:
            client.recv(timeout=10)
    except ConnectionClosed as end:
        frame = end.rcvd
    assert frame is not None, "no close frame"
    return frame.code, frame.reason


def refusal(server: RunningServer, **options: Any) -> tuple[int, str]:
    """Status and code of the answer in the place of a handshake."""
    with pytest.raises(InvalidStatus) as refused:
        open_socket(server, "/push", **options)
    response = refused.value.response
    return response.status_code, json.loads(response.body)["code"]


def test_a_logout_closes_the_sockets_of_the_session_and_no_other(served: RunningServer) -> None:
    with served.client() as client, ExitStack() as stack:
        before = client.get("/test/open").json()  # /push never reads: it does not notice that its client has gone
        mine, other = (register(client)["access_token"] for _ in range(2))
        echo, push, third = (
            stack.enter_context(open_socket(served, path, token))
            for path, token in (("/echo", mine), ("/push", mine), ("/echo", other))
        )
        assert push.recv(timeout=10) == "first"
        assert client.post("/auth/logout", headers=bearer(mine)).status_code == 204
        assert closed(echo) == closed(push) == (4401, "session ended")
        third.send("still here")
        assert third.recv(timeout=10) == "still here"
        third.close()
        wait_until(lambda: client.get("/test/open").json() <= before, "a connection is still registered")


def test_changed_claims_send_the_client_to_refresh(served: RunningServer) -> None:
    with served.client() as client:
        tokens = register(client)
        with open_socket(served, "/echo", tokens["access_token"]) as echo:
            client.post("/test/refresh-claims", params={"subject": tokens["user"]["id"]}).raise_for_status()
            assert closed(echo) == (4403, "refresh and connect again")
        assert refusal(served, token=tokens["access_token"]) == (401, "invalid_token")


def test_i1_a_node_that_is_out_of_date_closes_all(served: RunningServer) -> None:
    with served.client() as client:
        token = register(client)["access_token"]
        with open_socket(served, "/echo", token) as echo, open_socket(served, "/push", token) as push:
            client.post("/test/stale").raise_for_status()
            assert closed(echo) == closed(push) == (4503, "try again")


def test_a_page_offers_its_token_as_a_subprotocol_and_the_server_never_selects_it(served: RunningServer) -> None:
    with served.client() as client:
        token = register(client)["access_token"]
    offered: list[Any]
    for offered in (["sealring.bearer", token], ["chat", "sealring.bearer", token]):
        with open_socket(served, "/push", subprotocols=offered) as socket:
            assert socket.subprotocol == "sealring.bearer"
            assert socket.recv(timeout=10) == "first"
            assert token not in str(socket.response)
    assert token not in served.log


def test_a_socket_without_a_session_is_refused_before_it_is_open(served: RunningServer) -> None:
    offered: Any = ["sealring.bearer", "nonsense"]
    assert refusal(served) == (401, "missing_credential")
    assert refusal(served, token="nonsense") == (401, "invalid_token")
    assert refusal(served, subprotocols=offered) == (401, "invalid_token")


def test_c2_another_sites_page_opens_no_socket_with_the_users_cookies(served: RunningServer) -> None:
    with served.client() as browser:
        register(browser, delivery="cookie")
        cookies = cookie_line(dict(browser.cookies))
    elsewhere = cookies | {"Origin": "https://evil.example"}
    assert refusal(served, additional_headers=elsewhere) == (403, "csrf")
    own = cookies | {"Origin": "http://127.0.0.1:8000"}
    with open_socket(served, "/push", additional_headers=own) as socket:
        assert socket.recv(timeout=10) == "first"
