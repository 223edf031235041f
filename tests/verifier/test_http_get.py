"""GET over HTTP/1.1: one whole answer, within its bounds, or none."""

from __future__ import annotations

import asyncio
import gzip
import time

import pytest

from sealring.errors import Unavailable
from sealring.verifier.http_get import MAX_HEAD_BYTES, HttpGetter
from tests.http_server import Answers, Asked, http_server, ok

pytestmark = pytest.mark.anyio

MAX_BYTES = 1000


def always(said: bytes) -> Answers:
    async def answer(_: Asked) -> bytes:
        return said

    return answer


async def get(answers: Answers, *, seconds: float = 5, **options: object) -> bytes:
    async with http_server(answers) as url:
        getter = HttpGetter(url, **options)  # type: ignore[arg-type]
        try:
            answer = await getter.get("/x", seconds=seconds, max_bytes=MAX_BYTES)
        finally:
            getter.close()
        assert answer.status == 200
        return answer.body


@pytest.mark.parametrize(
    "said",
    [
        ok(b"hello"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(b"hello"),
        b"HTTP/1.1 200\r\ncontent-length:5\r\nContent-Encoding: identity\r\n\r\nhello",
    ],
)
async def test_an_answer_is_read_whole(said: bytes) -> None:
    assert await get(always(said)) == b"hello"


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async def answer(asked: Asked) -> None:
        asked.writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello")

    assert await get(answer) == b"hello"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (ok(b"x" * (MAX_BYTES + 1)), "longer than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "longer than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", "longer than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"2\r\nab\r\n" * 600, "longer than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_BYTES + 1), "longer than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 3 * MAX_HEAD_BYTES + b"\r\n\r\n", "head of the answer is too long"),
        (ok(gzip.compress(b"hello", mtime=0), "Content-Encoding: gzip"), "compressed"),
        (ok(b"hello", "Content-Encoding: br"), "compressed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", "no length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nhello", "no length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "no length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", "no length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello", "no length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "malformed chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", "malformed chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"T: x\r\n" * 9000, "trailer"),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n", "malformed header"),
        (b"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n", "malformed header"),
        (b"HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n", "malformed header"),
        (b"HTTP/2 200\r\n\r\n", "does not speak HTTP/1"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP/1"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "another protocol"),
    ],
)
async def test_what_is_not_one_whole_answer_within_its_bounds_is_none(said: bytes, why: str) -> None:
    async def answer(asked: Asked) -> None:
        asked.writer.write(said)
        await asked.writer.drain()

    with pytest.raises(Unavailable, match=why):
        await get(answer)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200", ok(b"hello")[:-1], ok(b"hello")[:20]])
async def test_an_answer_that_breaks_off_is_none(said: bytes) -> None:
    async def answer(asked: Asked) -> None:
        asked.writer.write(said)

    with pytest.raises(Unavailable, match="connection ended"):
        await get(answer)


def drip(said: bytes) -> Answers:
    """One byte at a time, each before a socket's own timeout would end."""

    async def answer(asked: Asked) -> None:
        for byte in said:
            asked.writer.write(bytes((byte,)))
            await asked.writer.drain()
            await asyncio.sleep(0.02)

    return answer


async def silence(_: Asked) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "answers", [silence, drip(ok(b"x" * 900)), drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500)], ids=range(3)
)
async def test_f5_a_slow_or_silent_server_is_cut_off_at_the_deadline(answers: Answers) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable, match="no answer within"):
        await get(answers, seconds=0.15)
    assert time.monotonic() - began < 5


async def test_a_connection_is_used_again_unless_the_server_ends_it() -> None:
    connections = set()
    says = [ok(b"1"), ok(b"2"), ok(b"3", "Connection: close"), ok(b"4"), None, ok(b"5")]

    async def answer(asked: Asked) -> bytes | None:
        connections.add(asked.writer)
        return says.pop(0)

    async with http_server(answer) as url:
        getter = HttpGetter(url)
        counts = []
        for _ in range(5):
            await getter.get("/x", seconds=5, max_bytes=9)
            counts.append(len(connections))
        getter.close()
    # the fifth is asked again, since the server may have ended a connection that nobody used
    assert counts == [1, 1, 1, 2, 3]


async def test_requests_at_the_same_time_have_connections_of_their_own() -> None:
    both = asyncio.Barrier(2)

    async def answer(asked: Asked) -> bytes:
        await both.wait()
        return ok(asked.path.encode())

    async with http_server(answer) as url:
        getter = HttpGetter(url)
        answers = await asyncio.gather(*(getter.get(f"/{one}", seconds=5, max_bytes=9) for one in "ab"))
        getter.close()
    assert [one.body for one in answers] == [b"/a", b"/b"]


async def test_a_request_that_was_canceled_leaves_no_rest_for_the_next() -> None:
    waits = [True]

    async def answer(asked: Asked) -> bytes:
        if waits.pop() if waits else False:
            await asyncio.sleep(0.05)
        return ok(asked.path.encode())

    async with http_server(answer) as url:
        getter = HttpGetter(url)
        waiting = asyncio.create_task(getter.get("/first", seconds=5, max_bytes=9))
        await asyncio.sleep(0.01)
        waiting.cancel()
        assert (await getter.get("/second", seconds=5, max_bytes=9)).body == b"/second"
        getter.close()


async def test_no_redirect_is_followed() -> None:
    asked_paths = []

    async def answer(asked: Asked) -> bytes:
        asked_paths.append(asked.path)
        return ok(b"", f"Location: http://{asked.fields['host']}/elsewhere", status="302 Found")

    async with http_server(answer) as url:
        getter = HttpGetter(url)
        assert (await getter.get("/x", seconds=5, max_bytes=9)).status == 302
        getter.close()
    assert asked_paths == ["/x"]


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await get(always(ok(b"hello"))) == b"hello"


async def test_nobody_at_the_address_is_unavailable() -> None:
    for url in ("http://127.0.0.1:9", "https://127.0.0.1:9"):
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
            await HttpGetter(url).get("/x", seconds=5, max_bytes=9)


async def test_plain_text_on_a_tls_port_is_unavailable() -> None:
    async with http_server(always(ok(b"hello"))) as url:
        with pytest.raises(Unavailable):
            await HttpGetter(url.replace("http:", "https:")).get("/x", seconds=0.2, max_bytes=9)


async def test_fields_of_the_caller_are_sent_and_no_compression_is_asked_for() -> None:
    found: dict[str, str] = {}

    async def answer(asked: Asked) -> bytes:
        found.update(asked.fields)
        return ok(b"")

    await get(answer, fields={"Authorization": "Bearer x"})
    assert found["authorization"] == "bearer x"
    assert found["accept-encoding"] == "identity"
