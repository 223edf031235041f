"""N8: what one client can do to a server without a proxy in front, over real sockets.

The protocol that `sealring serve` runs, around a small application, with limits short enough to wait for; and
`sealring serve` itself as a process, for what only a process has: memory and open files.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import resource
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import uvicorn

from sealring.frameworks.uvicorn import LimitedProtocol
from sealring.http.connections import ConnectionLimits
from tests.serving import ServedProcess, start

PATIENCE_SECONDS = 20.0
GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
SHORT = ConnectionLimits(
    head_seconds=0.3, body_seconds=0.3, reader_seconds=0.3, closing_seconds=0.3, sweep_seconds=0.05, most=16
)


class Application:
    """`/echo` answers with the body, `/wait` when it is let go, `/endless` writes until it is stopped."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fields: list[list[tuple[bytes, bytes]]] = []
        self.left = 0
        self.let_go = asyncio.Event()

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        self.asked.append(scope["path"])
        if scope["path"] == "/endless":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
                await asyncio.sleep(0)
        body = b""
        if scope["path"] != "/early":
            body = await self._body(receive)
        self.fields.append(list(scope["headers"]))
        if scope["path"] == "/wait":
            waiting = asyncio.create_task(self.let_go.wait())
            leaving = asyncio.ensure_future(receive())  # as streaming responses do
            await asyncio.wait([waiting, leaving], return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async def _body(self, receive: Callable[[], Awaitable[Any]]) -> bytes:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return body
            body += bytes(message["body"])
            if not message["more_body"]:
                return body


class Handshake(asyncio.Protocol):
    """Stands for a WebSocket library: keeps what uvicorn hands over."""

    given: ClassVar[list[bytes]] = []

    def __init__(self, **_: Any) -> None:
        self.given.clear()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.given.append(data)
        self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")


class Server:
    """A server in a thread."""

    def __init__(self, limits: ConnectionLimits, loop: str = "uvloop", **options: Any) -> None:
        self.app = Application()
        self.parsed = parsed = [0]

        class Protocol(LimitedProtocol):
            def _parse(self, part: bytes) -> bool:
                parsed[0] += len(part)
                return super()._parse(part)

        Protocol.limits = limits
        given: dict[str, Any] = {"http": Protocol, "loop": loop, "lifespan": "off", "log_config": None} | options
        self.server = uvicorn.Server(uvicorn.Config(self.app, access_log=False, **given))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self.server.run, args=([self._listener],))
        self._thread.start()
        self.until(lambda: self.server.started)

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, "it never came about"
            time.sleep(0.005)

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS, (source, 0))

    def talk(self, *parts: bytes) -> bytes:
        """Send these one by one, and read to the end of the connection."""
        with self.connect() as connection:
            with contextlib.suppress(ConnectionError):
                for part in parts:
                    connection.sendall(part)
            return read_all(connection)

    def stop(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self._thread.join(PATIENCE_SECONDS)
        self._listener.close()


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65_536):
            answer += more
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


@pytest.fixture(params=["uvloop", "asyncio"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(SHORT, request.param, timeout_keep_alive=1)
    yield server
    server.stop()


@pytest.fixture
def patient() -> Iterator[Server]:
    """The limits as they are, but for the number of connections."""
    server = Server(replace(ConnectionLimits(), most=16))
    yield server
    server.stop()


# one request at a time


def post(body: bytes, *, chunked: bool = False, path: bytes = b"echo") -> bytes:
    head = b"POST /%s HTTP/1.1\r\nHost: x\r\n" % path
    if chunked:
        return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


LAST = b"GET /echo HTTP/1.1\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("size", [1, 3, 4, 7, 1_000_000])
def test_pipelined_requests_are_answered_in_order_however_they_are_cut(patient: Server, size: int) -> None:
    raw = GET % b"echo" + post(b"one\r\n\r\n") + post(b"") + post(b"two" * 100) + LAST
    answer = patient.talk(*(raw[at : at + size] for at in range(0, len(raw), size)))
    assert statuses(answer) == [200] * 5
    assert [len(part.partition(b"\r\n\r\n")[2]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [0, 7, 0, 300, 0]


def test_a_pipelined_request_is_not_parsed_before_the_response_of_the_one_before(server: Server) -> None:
    first = GET % b"wait"
    with server.connect() as connection:
        connection.sendall(first * 50)
        server.until(lambda: bool(server.app.asked))
        assert server.parsed[0] == len(first)
        (served,) = server.server.server_state.connections
        assert isinstance(served, LimitedProtocol)
        server.until(served.is_holding)
        assert not served.transport.is_reading(), "the application waits for the client to leave, and reads no more"
        assert server.app.asked == ["/wait"]


def test_more_than_is_kept_of_a_pipeline_makes_the_response_the_last(server: Server) -> None:
    many = (GET % b"echo") * (2 * SHORT.held_bytes // len(GET))
    answer = server.talk(many)
    assert statuses(answer)[0] == 200
    assert len(statuses(answer)) < 2 * SHORT.held_bytes // len(GET)
    assert server.parsed[0] < 2 * SHORT.held_bytes


def test_what_follows_a_chunked_body_too_early_is_not_served(patient: Server) -> None:
    answer = patient.talk(post(b"chunk", chunked=True) + GET % b"echo" * 200)
    assert statuses(answer) == [200]
    assert b"connection: close" in answer
    assert answer.endswith(b"chunk")
    assert statuses(patient.talk(post(b"chunk", chunked=True), LAST)) in ([200], [200, 200])


# heads


def test_an_endless_field_is_refused_before_it_is_parsed(patient: Server) -> None:
    answer = patient.talk(b"GET / HTTP/1.1\r\nX: ", *[b"y" * 65_536] * 100)
    assert statuses(answer) == [431]
    assert b'"code":"headers_too_large"' in answer
    assert patient.parsed[0] <= patient_limit()


def patient_limit() -> int:
    return ConnectionLimits().head_bytes


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /" + b"y" * 100_000, 414),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000, 431),
        (b"\r\n" * 50_000, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", 431),
        (b"NO SUCH THING\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_a_bad_head_gets_one_answer_and_the_connection_ends(patient: Server, raw: bytes, status: int) -> None:
    answer = patient.talk(raw)
    assert statuses(answer) == [status]
    assert b"connection: close\r\n" in answer
    assert b"application/problem+json" in answer
    assert patient.parsed[0] <= patient_limit()


def test_the_limit_counts_each_head_alone(patient: Server) -> None:
    large = b"GET /echo HTTP/1.1\r\nX: " + b"y" * 30_000 + b"\r\n\r\n"
    with patient.connect() as connection:
        for _ in range(5):
            connection.sendall(large)
            assert statuses(connection.recv(1_000)) == [200]


def test_half_a_head_has_a_deadline(server: Server) -> None:
    answer = server.talk(b"GET /echo HTTP/1.1\r\nHost:")
    assert statuses(answer) == [408]
    with server.connect() as connection:  # another byte does not put it off
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < PATIENCE_SECONDS:
                connection.sendall(b"X")
                time.sleep(0.02)
        assert time.monotonic() - began < PATIENCE_SECONDS


def test_a_connection_that_says_nothing_ends(server: Server) -> None:
    assert server.talk() == b""
    with server.connect() as connection:
        connection.sendall(GET % b"echo")
        assert statuses(read_all(connection)) == [200]
    server.until(lambda: server.connections == 0)


# bodies and responses


def test_half_a_body_has_a_deadline(server: Server) -> None:
    assert statuses(server.talk(post(b"x" * 100)[:-1])) == [408]
    server.until(lambda: server.app.left == 1)


def test_the_rest_of_a_body_that_nobody_wants_has_a_deadline(server: Server) -> None:
    answer = server.talk(post(b"x" * 100, path=b"early")[:-1])
    assert statuses(answer) == [200]
    server.until(lambda: server.connections == 0)


def test_a_bad_body_behind_a_response_that_has_begun_gets_no_second_answer(patient: Server) -> None:
    with patient.connect() as connection:
        connection.sendall(b"POST /endless HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        begun = connection.recv(100)
        connection.sendall(b"zz\r\n")
        assert statuses(begun + read_all(connection)) == [200]


def test_a_client_that_does_not_read_is_cut_off(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(GET % b"endless")
        server.until(lambda: server.connections == 1)
        server.until(lambda: server.connections == 0)


def test_a_slow_application_is_not_the_clients_fault(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(GET % b"wait")
        server.until(lambda: bool(server.app.asked))
        time.sleep(4 * SHORT.head_seconds)  # nothing to wait for: that it stays is what is shown
        assert server.connections == 1


CHUNKED = b"POST /%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "begun",
    [b"0\r\nX: ", b"0\r\n", b"1;", b"0", b"3\r\nabc\r\n0\r\nX: ", b"3\r\nabc\r\n1;x="],
    ids=["trailer field", "trailer name", "extension", "size", "trailer after data", "extension after data"],
)
def test_endless_framing_of_a_chunked_body_is_refused_before_it_is_parsed(patient: Server, begun: bytes) -> None:
    head = CHUNKED % b"echo"
    answer = patient.talk(head, begun, *[b"0" * 65_536] * 40)
    assert statuses(answer) == [400]
    assert patient.parsed[0] <= len(head) + len(begun) + ConnectionLimits().framing_bytes


def test_endless_framing_behind_a_response_gets_no_second_answer(patient: Server) -> None:
    head = CHUNKED % b"early"
    with patient.connect() as connection:
        connection.sendall(head)
        answer = connection.recv(1_000)
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"0\r\nX: " + b"y" * 1_000_000)
        answer += read_all(connection)
    assert statuses(answer) == [200]
    assert patient.parsed[0] <= len(head) + ConnectionLimits().framing_bytes


def test_many_trailer_fields_are_refused(patient: Server) -> None:
    assert statuses(patient.talk(CHUNKED % b"echo" + b"0\r\n" + b"X: y\r\n" * 20_000)) == [400]


def test_the_framing_limit_counts_between_two_bytes_of_the_body(patient: Server) -> None:
    body = b"1;x=y\r\nz\r\n" * 20_000 + b"%x\r\n" % 300_000 + b"w" * 300_000 + b"\r\n"
    with patient.connect() as connection:
        connection.sendall(CHUNKED % b"echo" + body + b"0\r\nX: " + b"y" * 4_000 + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    assert statuses(answer) == [200]
    assert len(answer.partition(b"\r\n\r\n")[2]) == 320_000


def test_a_trailer_field_is_no_header_field_of_this_request_or_the_next(patient: Server) -> None:
    raw = CHUNKED % b"echo" + b"1\r\nz\r\n0\r\nAuthorization: Bearer x\r\nCookie: a=b\r\n\r\n"
    with patient.connect() as connection:
        connection.sendall(raw)
        assert statuses(connection.recv(1_000)) == [200]
        connection.sendall(LAST)
        assert statuses(read_all(connection)) == [200]
    assert [[name for name, _ in fields] for fields in patient.app.fields] == [
        [b"host", b"transfer-encoding"],
        [b"connection"],
    ]


# places


def test_half_heads_give_way_to_a_new_client(patient: Server) -> None:
    with contextlib.ExitStack() as open_sockets:
        honest = open_sockets.enter_context(patient.connect("127.0.1.9"))
        honest.sendall(b"GET /echo HTTP/1.1\r\n")
        for _ in range(10):
            for _ in range(10):
                open_sockets.enter_context(patient.connect("127.0.0.2")).sendall(b"GET / HTTP/1.1\r\nX:")
            assert statuses(patient.talk(LAST)) == [200]
        honest.sendall(b"Connection: close\r\n\r\n")
        assert statuses(read_all(honest)) == [200], "the network that holds most places loses them"
        assert patient.connections <= 16


def test_when_every_place_is_at_work_a_new_client_is_told_so(patient: Server) -> None:
    with contextlib.ExitStack() as open_sockets:
        for _ in range(16):
            open_sockets.enter_context(patient.connect()).sendall(GET % b"wait")
        patient.until(lambda: len(patient.app.asked) == 16)
        answer = patient.talk(LAST)
        assert statuses(answer) == [503]
        assert b"retry-after: " in answer
    patient.until(lambda: patient.connections == 0)
    assert statuses(patient.talk(LAST)) == [200]


# what stays uvicorn's own


def test_a_websocket_handshake_is_handed_over_as_it_is() -> None:
    server = Server(SHORT, ws=Handshake)
    try:
        head = b"GET /socket HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        with server.connect() as connection:
            connection.sendall(head)
            assert statuses(connection.recv(1_000)) == [101]
            connection.sendall(b"frame")
            connection.recv(1_000)
            time.sleep(2 * SHORT.head_seconds)
            connection.sendall(b"another")
            assert connection.recv(1_000)
        assert Handshake.given[1:] == [b"frame", b"another"]
        assert Handshake.given[0].startswith(b"GET /socket HTTP/1.1\r\n")
    finally:
        server.stop()


def test_an_upgrade_that_we_do_not_know_is_answered_as_http(patient: Server) -> None:
    head = b"GET /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert statuses(patient.talk(head + head, LAST)) == [200, 200, 200]


@pytest.mark.parametrize("framing", [b"Content-Length: %d", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("parts", [1, 2])
def test_d5_the_body_of_such_an_upgrade_is_no_request(patient: Server, framing: bytes, parts: int) -> None:
    smuggled = GET % b"smuggled"
    framing = framing.replace(b"%d", b"%d" % len(smuggled))
    head = b"POST /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n%s\r\n\r\n" % framing
    answer = patient.talk(head, smuggled) if parts == 2 else patient.talk(head + smuggled)
    assert statuses(answer) == [400]
    assert patient.app.asked == []


def test_continue_is_said_when_the_body_is_wanted(patient: Server) -> None:
    with patient.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert statuses(connection.recv(1_000)) == [100]
        connection.sendall(b"hello")
        assert connection.recv(1_000).endswith(b"hello")


# `sealring serve`


def rss_bytes(served: ServedProcess) -> int:
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_process_stays_small_and_serves(tmp_path: Path) -> None:
    served = start(tmp_path)
    try:
        resource.prlimit(served.process.pid, resource.RLIMIT_NOFILE, (400, 400))
        before = rss_bytes(served)
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        with contextlib.ExitStack() as open_sockets:
            greedy = open_sockets.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            greedy.settimeout(1.0)
            with contextlib.suppress(OSError):  # it stops taking them
                greedy.sendall(request * (40_000_000 // len(request)))
            for _ in range(1_100):
                half = open_sockets.enter_context(socket.create_connection(("127.0.0.1", served.port)))
                with contextlib.suppress(OSError):
                    half.sendall(b"GET / HTTP/1.1\r\nX: ")
            with served.client() as client:
                assert client.get("/healthz").status_code == 200
            assert rss_bytes(served) - before < 64 * 1024 * 1024
        assert "Traceback" not in served.log
    finally:
        served.kill()
