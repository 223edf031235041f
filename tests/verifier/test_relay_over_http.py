"""An issuer, two relays and a service below them, each a server of its own: real requests, real clocks."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import Mount

from sealring import Sealring, Verifier
from sealring.errors import Revoked, Stale
from sealring.store.memory import MemoryStore
from sealring.verifier.clock import SystemClock
from tests.plain_http import TRUST_NOBODY
from tests.serving import SECRET, START_WITHIN_SECONDS, ServedThread, problem, serve_in_thread

pytestmark = pytest.mark.xdist_group("relay")

ISSUER = "http://127.0.0.1:8000"
TOKEN = "only-our-services"
SEEN_WITHIN_SECONDS = 10.0
"""Milliseconds on a machine that has nothing else to do."""


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """An ASGI application behind uvicorn in a thread; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/auth"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


def until(done: Callable[[], bool], seconds: float = START_WITHIN_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def verifier_at(url: str, **options: Any) -> Verifier:
    return Verifier.from_issuer(url, audience=ISSUER, issuer=ISSUER, **options)


class LaterClock(SystemClock):
    """The machine's clock, and some seconds more."""

    seconds = 0.0

    def __init__(self) -> None:
        super().__init__(5)

    def steady(self) -> float:
        return super().steady() + self.seconds


class Tree:
    """The issuer, the addresses of the relays from the upper to the lower, and a verifier below them."""

    def __init__(self, stack: ExitStack) -> None:
        auth = Sealring(secret=SECRET, store=MemoryStore(), feed_token=TOKEN)
        self.issuer: ServedThread = stack.enter_context(serve_in_thread(auth))
        self.url = f"{self.issuer.url}/auth"
        first = verifier_at(self.url, feed_token=TOKEN)
        upper = FastAPI(lifespan=first.lifespan)
        upper.include_router(first.relay(token=TOKEN), prefix="/auth")
        self.upper = stack.enter_context(serving(upper))
        second = verifier_at(self.url, feed_url=self.upper, feed_token=TOKEN)
        self.lower = stack.enter_context(
            serving(Starlette(routes=[Mount("/auth", second.relay_asgi())], lifespan=second.lifespan))
        )
        self.leaf = verifier_at(self.url, feed_url=self.lower)
        stack.enter_context(self.leaf.sync())

    def start_session(self) -> tuple[str, str]:
        issued = self.issuer.run(self.issuer.auth.start_session("42"))
        return issued.session.id, issued.access_token.text


@pytest.fixture(scope="module")
def tree() -> Iterator[Tree]:
    with ExitStack() as stack:
        yield Tree(stack)


def is_revoked(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except Revoked:
        return True
    return False


def is_stale(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except Stale:
        return True
    return False


def test_a_revocation_reaches_a_service_below_two_relays(tree: Tree) -> None:
    for _ in range(3):
        session, token = tree.start_session()
        assert tree.leaf.verify(token).subject == "42"
        tree.issuer.run(tree.issuer.auth.revoke_session(session))
        until(lambda token=token: is_revoked(tree.leaf, token), SEEN_WITHIN_SECONDS)  # type: ignore[misc]


def test_what_a_service_below_reads_is_what_the_issuer_signed(tree: Tree) -> None:
    for url in (tree.upper, tree.lower):
        answer = httpx2.get(f"{url}/feed", headers=bearer_of(url, tree), trust_env=False, verify=TRUST_NOBODY)
        assert answer.headers["content-type"] == "application/jwt"
        assert answer.text.count(".") == 2


def bearer_of(url: str, tree: Tree) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN}"} if url == tree.upper else {}


def test_a_relay_asks_for_its_own_token(tree: Tree) -> None:
    for headers, code in (({}, "missing_credential"), ({"Authorization": "Bearer other"}, "invalid_token")):
        answer = httpx2.get(f"{tree.upper}/feed?after=0", headers=headers, trust_env=False, verify=TRUST_NOBODY)
        assert problem(answer) == (401, code)


def test_a_wsgi_service_passes_the_feed_on_too(tree: Tree) -> None:
    verifier = verifier_at(tree.url, feed_url=tree.lower)
    app = Flask("orders")
    app.wsgi_app = verifier.relay_wsgi()  # type: ignore[method-assign]
    answer = app.test_client().get("/feed?after=0&wait=5")
    assert (answer.status_code, answer.content_type) == (200, "application/jwt")
    verifier.sync().close()


def test_f4_a_service_whose_relay_has_ended_answers_503(tree: Tree) -> None:
    middle = verifier_at(tree.url, feed_token=TOKEN)
    app = Starlette(routes=[Mount("/auth", middle.relay_asgi())], lifespan=middle.lifespan)
    relay = serving(app)
    clock = LaterClock()
    leaf = verifier_at(tree.url, feed_url=relay.__enter__(), clock=clock)
    with leaf.sync():
        _, token = tree.start_session()
        assert leaf.verify(token).subject == "42"
        relay.__exit__(None, None, None)
        clock.seconds = 6
        assert is_stale(leaf, token)


def test_only_a_verifier_that_follows_a_signed_feed_can_pass_it_on(tree: Tree) -> None:
    own: Any = tree.issuer.auth.follower._source
    with pytest.raises(TypeError, match=r"needs a verifier of Verifier\.from_issuer"):
        Verifier(own, issuer=ISSUER, audience=ISSUER).relay()


@pytest.mark.parametrize(("token", "error"), [("a b", ValueError), ("é", ValueError), (None, TypeError)])
def test_a_token_that_no_field_can_carry_is_refused(token: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="token must be"):
        verifier_at("https://auth.example.com/auth").relay(token=token)
