"""D3 to D7 over a real socket: raw bytes to uvicorn with each of its parsers, which a test client would tidy up.

"limited" is httptools with limits below ASGI, as `sealring serve` runs it; the others are what an application may have.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Literal, get_args

import pytest
import uvicorn
from fastapi import FastAPI

from sealring.frameworks.uvicorn import LimitedProtocol
from sealring.http.body import MAX_BODY_BYTES
from sealring.http.limits import MAX_FIELDS, HeadLimits
from sealring.sealring import Sealring
from sealring.store.memory import MemoryStore

Parser = Literal["limited", "httptools", "h11"]
Ask = Callable[[bytes], bytes]
HOST = b"Host: 127.0.0.1\r\n"
JSON = b"Content-Type: application/json\r\n"
LOGIN = b'{"username":"nobody","password":"a long enough phrase"}'
PATIENCE_SECONDS = 20.0


class _Announcing(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.listening.set()


class Server:
    """The auth routes behind uvicorn, in a thread, on a free port."""

    def __init__(self, parser: Parser) -> None:
        auth = Sealring(
            secret="7f1c0de94b26a853" * 2 + "e80b3d5f92a417c6" * 2,
            store=MemoryStore(),
            throttle_address="100000/1m",
            throttle_registration="100000/1m",
        )
        app = FastAPI(lifespan=auth.lifespan, redirect_slashes=False)
        app.include_router(auth.router())
        app.add_middleware(auth.middleware)
        app.add_middleware(HeadLimits)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        http = LimitedProtocol if parser == "limited" else parser
        config = uvicorn.Config(app, http=http, log_config=None, access_log=False, proxy_headers=False, ws="none")
        self._server = _Announcing(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))
        self._thread.start()
        assert self._server.listening.wait(PATIENCE_SECONDS)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE_SECONDS)
        self._listener.close()

    def ask(self, raw: bytes) -> bytes:
        """Send bytes, give back what came until the first answer is whole or the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS) as connection:
            answer = b""
            with contextlib.suppress(ConnectionError):  # it may close on us half-way, as it should
                connection.sendall(raw)
            with contextlib.suppress(ConnectionResetError):
                while not _is_whole(answer) and (more := connection.recv(65_536)):
                    answer += more
            return answer


def _is_whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
    if length is None:
        return bool(separator) and body.endswith(b"0\r\n\r\n")
    return len(body) >= int(length[1])


@pytest.fixture(scope="module", params=get_args(Parser))
def parser(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(parser: Parser) -> Iterator[Server]:
    server = Server(parser)
    yield server
    server.stop()


@pytest.fixture
def ask(server: Server) -> Ask:
    return server.ask


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.1 (\d{3})", answer)
    assert found is not None, answer[:100]
    return int(found[1])


def post(body: bytes, *fields: bytes, path: bytes = b"/auth/login") -> bytes:
    head = b"POST %s HTTP/1.1\r\n" % path + HOST + b"".join(field + b"\r\n" for field in fields)
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def get(*fields: bytes, target: bytes = b"/auth/me") -> bytes:
    return b"GET %s HTTP/1.1\r\n" % target + HOST + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def test_the_server_is_there_and_says_what_it_should(ask: Ask) -> None:
    assert status(ask(post(LOGIN, JSON.strip()))) == 401
    assert status(ask(get())) == 401
    assert status(ask(get(target=b"/auth/.well-known/jwks.json"))) == 200


def test_d3_a_header_of_20_mb(ask: Ask) -> None:
    assert status(ask(get(b"X: " + b"y" * 20_000_000))) in {400, 431}
    assert status(ask(get())) == 401


def test_d3_200_000_headers(ask: Ask) -> None:
    assert status(ask(get(*(b"X%d: y" % number for number in range(200_000))))) in {400, 431}
    assert status(ask(get())) == 401


def test_d3_our_own_limits_answer_in_our_own_words(ask: Ask) -> None:
    for hostile, code in (
        (get(*[b"X: y"] * (MAX_FIELDS + 1)), b"headers_too_large"),
        (get(b"X: " + b"y" * 40_000), b"headers_too_large"),
        (get(target=b"/auth/me?" + b"y" * 9_000), b"target_too_long"),
    ):
        answer = ask(hostile)
        assert status(answer) in {414, 431}
        assert b'"code":"%s"' % code in answer
        assert b"\r\nconnection: close" in answer.lower()


def test_d3_a_body_of_10_mb_is_refused_unread(ask: Ask) -> None:
    answer = ask(post(b"x" * 10_000_000, JSON.strip()))
    assert status(answer) == 413
    assert b"\r\nconnection: close" in answer.lower()


def test_d3_a_body_that_never_ends_is_cut_at_the_limit(ask: Ask) -> None:
    head = b"POST /auth/login HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
    assert status(ask(head + chunked(*[b"x" * 4096] * (MAX_BODY_BYTES // 4096 + 20)))) == 413


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd", b"identity, gzip"])
def test_d3_nothing_is_unpacked(ask: Ask, coding: bytes) -> None:
    assert status(ask(post(LOGIN, JSON.strip(), b"Content-Encoding: " + coding))) == 415


def test_d3_a_silent_client_holds_nobody_up(server: Server) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    try:
        for number, connection in enumerate(silent):
            connection.sendall((b"GET /auth/me HTTP/1.1\r\nX: slo", post(LOGIN, JSON.strip())[:-5])[number % 2])
        assert status(server.ask(get())) == 401
    finally:
        for connection in silent:
            connection.close()


@pytest.mark.parametrize("path", [b"/auth/login", b"/auth/register", b"/auth/refresh", b"/auth/token", b"/auth/logout"])
def test_d4_multipart_is_not_parsed_at_all(ask: Ask, path: bytes) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\na\r\n' * 500 + b"--x--\r\n"
    assert status(ask(post(part, b"Content-Type: multipart/form-data; boundary=x", path=path))) == 415


def test_d4_a_form_is_read_on_the_oauth_route_and_there_within_bounds(ask: Ask) -> None:
    form = b"Content-Type: application/x-www-form-urlencoded"
    assert status(ask(post(b"grant_type=password&username=a&password=b", form))) == 415
    fields = b"&".join(b"f%d=x" % number for number in range(5_000))
    answer = ask(post(fields, form, path=b"/auth/token"))
    assert (status(answer), b'"error":"invalid_request"' in answer) == (400, True)


FRAMINGS = [
    (b"Content-Length: 2\r\nTransfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 2", b"2\r\n{}\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: identity", b"{}"),
    (b"Transfer-Encoding: xchunked", b"2\r\n{}\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"2\r\n{}\r\n0\r\n\r\n"),
    (b"Content-Length: 2\r\nContent-Length: 3", b"{} "),
    (b"Content-Length: -2", b"{}"),
    (b"Content-Length: 0x2", b"{}"),
    (b"Content-Length : 2", b"{}"),
    (b"Content-Length: 2, 3", b"{} "),
    (b"Transfer-Encoding: chunked", b"zz\r\n"),
    (b"X: a\x00b", b""),
    (b"X: a\rb", b""),
    (b"Host: other", b""),
]


@pytest.mark.parametrize(("fields", "body"), FRAMINGS, ids=str)
def test_d5_what_two_parsers_could_read_differently_is_400_and_ends_the_connection(
    ask: Ask, fields: bytes, body: bytes
) -> None:
    answer = ask(b"POST /auth/login HTTP/1.1\r\n" + HOST + JSON + fields + b"\r\n\r\n" + body)
    assert status(answer) == 400
    assert b"\r\nconnection: close" in answer.lower()
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /auth/me HTTP/1.1\nHost: 127.0.0.1\n\n",
        b"GET /auth/me HTTP/1.1\r\n" + HOST + b"X: a\r\n folded\r\n\r\n",
        b"POST /auth/login HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["bare LF", "obs-fold", "Content-Length twice alike"],
)
def test_d5_the_parser_that_serve_runs_refuses_even_what_rfc_9112_lets_one_mend(
    ask: Ask, parser: str, raw: bytes
) -> None:
    assert status(ask(raw)) in ({400, 401, 415} if parser == "h11" else {400})


@pytest.mark.parametrize(
    "raw", [b"\r\n\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET\r\n\r\n"]
)
def test_d5_what_is_no_http_is_refused_or_ignored(ask: Ask, raw: bytes) -> None:
    answer = ask(raw + b"GET / HTTP/1.1\r\n\r\n")
    assert not answer or status(answer) in {400, 404}


@pytest.mark.parametrize(
    "value", [b"a%0d%0aSet-Cookie:%20x=y", b"a%0d%0a%0d%0a<script>", b"%c4%8d%c4%8aSet-Cookie:x=y"], ids=str
)
def test_d6_no_line_break_comes_back_out(ask: Ask, value: bytes) -> None:
    for raw in (
        get(target=b"/auth/sessions/" + value),
        get(target=b"/auth/me?x=" + value),
        get(b"Origin: https://" + value, b"X-CSRF-Token: " + value, b"Authorization: Bearer " + value),
        post(b'{"username":"a\\r\\nSet-Cookie: x=y","password":"p"}', JSON.strip()),
    ):
        head = ask(raw).partition(b"\r\n\r\n")[0].lower()
        assert b"x=y" not in head
        assert b"<script" not in head


@pytest.mark.parametrize(
    "query",
    [
        b"keep=current&keep=current&keep=all",
        b"keep[a][b][c]=current",
        b"keep=" + b"x" * 5_000,
        b"&" * 8_000,
        b"a=1&" * 2_000,
        b"%",
        b"%ff=%ff",
        b"keep=%00",
        b";;;;",
    ],
)
def test_d7_no_query_does_more_than_be_refused_or_ignored(ask: Ask, query: bytes) -> None:
    assert 400 <= status(ask(b"DELETE /auth/sessions?%s HTTP/1.1\r\n" % query + HOST + b"\r\n")) < 500


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"x"',
        b"1e999",
        b"NaN",
        b"{",
        b'{"username":NaN,"password":"x"}',
        b'{"username":"a","username":"b","password":"x"}',
        b'{"username":"a","password":"x","\\u0070assword":"y"}',
        b'{"username":' + b"[" * 30_000,
        b'{"username":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
        b'{"username":' + b"9" * 60_000 + b"}",
        b'{"username":"\\ud800","password":"x"}',
        b'{"username":"\xff","password":"x"}',
        b'\xef\xbb\xbf{"username":"a","password":"x"}',
        '{"username":"a","password":"x"}'.encode("utf-16"),
        b'{"username":{"$ne":null},"password":{"$ne":null}}',
        b'{"username":["a"],"password":"x"}',
    ],
    ids=lambda body: str(body[:40]),
)
def test_d7_json_of_any_other_meaning_is_4xx_in_problem_details(ask: Ask, body: bytes) -> None:
    answer = ask(post(body, JSON.strip()))
    assert status(answer) in {400, 422}
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert problem["code"] in {"malformed_body", "invalid_field"}
    assert problem["status"] == status(answer)
