"""The shell: a real server on loopback, and verifications that never wait for it (K1, K4, K5)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sealring import jwt
from sealring.errors import Unavailable, UnknownKey
from sealring.jwt import remote_key_set as decisions
from sealring.verifier import http_document
from sealring.verifier.remote_keys import RemoteKeys

A, B = jwt.Key.generate("ES256", kid="a"), jwt.Key.generate("ES256", kid="b")


class Publisher:
    """A key set server whose answer can be changed; counts what it is asked."""

    def __init__(self) -> None:
        self.status, self.headers, self.body, self.asked = 200, {"Cache-Control": "max-age=300"}, jwks(A), 0
        self.later: bytes | None = None  # what all but the first are answered
        self.hold, self.hold_second = threading.Event(), False
        self.hold.set()
        self.drip, self.missing, self.path = False, 0, ""
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked, publisher.path = publisher.asked + 1, self.path
                publisher.hold.wait(10)
                if publisher.asked == 2 and publisher.hold_second:
                    publisher.dripping.wait(10)
                if publisher.asked >= 2 and publisher.later is not None:
                    publisher.body = publisher.later
                self.send_response(publisher.status)
                for name, value in publisher.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(publisher.body) + publisher.missing))
                self.end_headers()
                if not publisher.drip:
                    self.wfile.write(publisher.body)
                    return
                try:
                    while publisher.drip:
                        self.wfile.write(b" ")
                        self.wfile.flush()
                        publisher.dripping.wait(0.05)
                except OSError:
                    pass

            def log_message(self, *_: object) -> None:
                pass

        self.dripping = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks.json?x=1"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.drip = False
        self.dripping.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def jwks(*keys: jwt.Key) -> bytes:
    return json.dumps(jwt.KeySet(keys).to_jwks()).encode()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.close()


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def token_of(key: jwt.Key) -> str:
    return jwt.sign({"sub": "42"}, key, expires_in=60)


def test_keys_come_from_the_publisher_and_verifications_ask_nothing_of_it(publisher: Publisher) -> None:
    with RemoteKeys(publisher.url) as keys:
        verifier = jwt.Verifier(keys)
        for _ in range(20):
            assert verifier.verify(token_of(A)).claims["sub"] == "42"
            with pytest.raises(UnknownKey):
                verifier.verify(token_of(B))
        assert publisher.asked == 1  # the cooldown covers the unknown kid


def test_an_unknown_kid_is_fetched_in_the_background(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "COOLDOWN_SECONDS", 0)
    with RemoteKeys(publisher.url) as keys:
        verifier = jwt.Verifier(keys)
        publisher.body = jwks(B)
        with pytest.raises(UnknownKey):
            verifier.verify(token_of(B))
        until(lambda: keys.keys.get("b") is not None)
        assert verifier.verify(token_of(B)).claims["sub"] == "42"
        with pytest.raises(UnknownKey):  # withdrawn
            verifier.verify(token_of(A))


def test_only_an_unknown_kid_after_the_cooldown_wakes_the_thread(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = RemoteKeys(publisher.url)
    keys._fetch(forced=True)
    keys({"kid": "b"})
    assert not keys._woken.is_set()
    monkeypatch.setattr(decisions, "COOLDOWN_SECONDS", 0)
    keys({"kid": "a"})
    keys({"alg": "ES256"})
    assert not keys._woken.is_set()
    keys({"kid": "b"})
    assert keys._woken.is_set()


@pytest.mark.parametrize("path", ["/jwks.json?x=1", "/a/b", "/?x=1", "/"])
def test_the_path_and_the_query_are_asked_for(publisher: Publisher, path: str) -> None:
    root = publisher.url.removesuffix("/jwks.json?x=1")
    with RemoteKeys(root + path):
        assert publisher.path == path
    with RemoteKeys(root):
        assert publisher.path == "/"


def test_an_error_takes_no_key_away(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "COOLDOWN_SECONDS", 0)
    with RemoteKeys(publisher.url) as keys:
        verifier = jwt.Verifier(keys)
        publisher.status = 500
        with pytest.raises(UnknownKey):
            verifier.verify(token_of(B))
        until(lambda: publisher.asked >= 2)
        assert verifier.verify(token_of(A)).claims["sub"] == "42"
        publisher.status, publisher.body = 200, jwks(A, B)
        until(lambda: bool(keys({"kid": "b"}).get("b")))
        assert verifier.verify(token_of(B)).claims["sub"] == "42"


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (404, {}, jwks(A)),
        (204, {}, b""),
        (301, {"Location": "/elsewhere"}, jwks(A)),
        (302, {"Location": "http://127.0.0.1:9/"}, jwks(A)),
        (200, {}, b"<html>"),
        (200, {}, b'{"keys":[]}'),
        (200, {}, b" " * (decisions.MAX_BYTES + 1)),
        (200, {}, jwks(A) + b" " * decisions.MAX_BYTES),
    ],
)
def test_other_answers_are_no_key_set(publisher: Publisher, status: int, headers: dict[str, str], body: bytes) -> None:
    publisher.status, publisher.headers, publisher.body = status, headers, body
    with pytest.raises(Unavailable):
        RemoteKeys(publisher.url).start()
    assert publisher.asked == 1


def test_an_answer_that_is_cut_short_is_no_key_set(publisher: Publisher) -> None:
    publisher.missing = 1  # what did arrive is a whole JSON text: only the length tells
    with pytest.raises(Unavailable, match="incomplete"):
        RemoteKeys(publisher.url).start()


def test_nobody_there(publisher: Publisher) -> None:
    publisher.close()
    with pytest.raises(Unavailable):
        RemoteKeys(publisher.url).start()


def test_an_answer_that_drips_is_cut(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_document, "TIMEOUT_SECONDS", 0.3)
    publisher.drip, publisher.body = True, b" " * 100_000
    with pytest.raises(Unavailable):
        RemoteKeys(publisher.url).start()


@pytest.mark.anyio
async def test_an_event_loop_is_not_blocked_by_the_start(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "COOLDOWN_SECONDS", 0)
    publisher.hold.clear()
    asyncio.get_running_loop().call_later(0.01, publisher.hold.set)  # runs only if the loop does while `start` waits
    async with RemoteKeys(publisher.url) as keys:
        verifier = jwt.Verifier(keys)
        assert verifier.verify(token_of(A)).claims["sub"] == "42"
        publisher.body = jwks(A, B)
        with pytest.raises(UnknownKey):
            verifier.verify(token_of(B))
        await asyncio.to_thread(until, lambda: keys.keys.get("b") is not None)
        assert verifier.verify(token_of(B)).claims["sub"] == "42"


def test_closed_keys_can_be_started_again(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "COOLDOWN_SECONDS", 0)
    keys = RemoteKeys(publisher.url)
    with keys:
        pass
    keys.close()
    assert keys.keys.get("a") is not None
    with keys:
        with pytest.raises(RuntimeError, match="started already"):
            keys.start()
        publisher.body = jwks(B)
        keys({"kid": "b"})
        until(lambda: keys.keys.get("b") is not None)


def test_an_unforeseen_error_does_not_end_the_refreshing(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "COOLDOWN_SECONDS", 0)
    with RemoteKeys(publisher.url) as keys:
        with monkeypatch.context() as patch:
            failed = threading.Event()

            def no_thread(*_: object) -> None:
                failed.set()
                raise RuntimeError("can't start new thread")

            patch.setattr(threading, "Timer", no_thread)
            keys({"kid": "b"})
            assert failed.wait(10)
        publisher.body = jwks(B)
        until(lambda: keys({"kid": "b"}).get("b") is not None)


FORKING = """
import os, sys, time
from sealring.jwt import remote_key_set as decisions
from sealring.verifier.remote_keys import RemoteKeys

decisions.COOLDOWN_SECONDS = 0
keys = RemoteKeys(sys.argv[1]).start()
if sys.argv[2] == "while fetching":
    keys({"kid": "unknown"})
    while not keys._state.fetching:
        time.sleep(0.01)
child = os.fork()
if child == 0:
    deadline = time.monotonic() + 10
    while keys({"kid": "b"}).get("b") is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os._exit(keys.keys.get("b") is None)
_, status = os.waitpid(child, 0)
os._exit(status != 0)
"""


def test_keys_started_before_a_fork_are_refreshed_in_the_child(publisher: Publisher) -> None:
    publisher.later = jwks(A, B)
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING, publisher.url, "at rest"], check=True, timeout=30)


def test_a_fork_in_the_middle_of_a_fetch_leaves_the_child_free_to_fetch(publisher: Publisher) -> None:
    publisher.later = jwks(A, B)
    publisher.hold_second = True  # the parent's second fetch hangs, the child's own is answered
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, publisher.url, "while fetching"], check=True, timeout=30
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/jwks",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "jwks.json",
        "",
        "https://",
        "https://user:pw@example.com/",
        "https://user@example.com/",
        "https://:pw@example.com/",
        "https://@example.com/",
        "https://example.com/#x",
        "http://127.0.0.1.example.com/",
        "http://169.254.169.254/",
        "data:application/json,{}",
    ],
)
def test_only_https_or_loopback(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        RemoteKeys(url)


@pytest.mark.parametrize(
    "url", ["https://example.com/jwks", "http://localhost:1/", "http://127.9.9.9/", "http://[::1]:8000/x"]
)
def test_urls_that_are_fine(url: str) -> None:
    assert len(RemoteKeys(url).keys) == 0


def test_a_slow_publisher_keeps_no_verification_waiting(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "COOLDOWN_SECONDS", 0)
    with RemoteKeys(publisher.url) as keys:
        verifier: jwt.Verifier[Any] = jwt.Verifier(keys)
        publisher.drip, publisher.body = True, b" " * 100_000
        with pytest.raises(UnknownKey):
            verifier.verify(token_of(B))
        until(lambda: publisher.asked >= 2)
        # the fetch hangs now; whoever waited for it would meet its end, not this answer
        assert verifier.verify(token_of(A)).claims["sub"] == "42"
        assert publisher.drip
        publisher.drip = False
        publisher.dripping.set()


def test_a_start_that_failed_can_be_tried_again_at_once(publisher: Publisher) -> None:
    keys, publisher.status = RemoteKeys(publisher.url), 500
    with pytest.raises(Unavailable):
        keys.start()
    publisher.status = 200
    with keys:
        assert keys.keys.get("a") is not None


def test_a_fetch_is_made_when_it_is_due_and_one_at_a_time(publisher: Publisher) -> None:
    keys = RemoteKeys(publisher.url)
    keys._fetch(forced=True)
    keys._fetch()
    assert publisher.asked == 1
    keys._state = decisions.fetch_began(keys._state, 0)
    keys._fetch(forced=True)
    assert publisher.asked == 1


def test_the_thread_sleeps_until_the_next_fetch_a_second_at_least_and_an_hour_at_most() -> None:
    keys = RemoteKeys("https://issuer.example.com/jwks.json")
    assert keys._seconds_to_next() == 1  # nothing was fetched yet
    for max_age, most in ((600, 600), (86_400, 3600)):
        # `time.monotonic` may stand still while a machine sleeps
        keys._state = decisions.fetch_succeeded(keys._state, time.monotonic(), jwt.KeySet([A]), max_age)
        assert most - 60 < keys._seconds_to_next() <= most
