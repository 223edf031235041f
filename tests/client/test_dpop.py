"""A client with a key: its session is bound to it, and each request proves it (RFC 9449)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, redirect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route

from sealring import jwt
from sealring.client import Auth, LoggedOut, MemoryTokens, UnexpectedAnswer
from sealring.frameworks.flask import current_principal, require
from sealring.testing import InMemorySealring
from sealring.testing.clock import FrozenClock
from tests.client.variants import START, ClientClock, Driven, Variant

ORIGIN = "http://127.0.0.1:8000"
KEY = jwt.Key.generate("ES256")
ELSEWHERE = {"/moved": "/orders"}


def issuer(**settings: Any) -> InMemorySealring:
    return InMemorySealring(clock=FrozenClock(int(START)), **settings)


def flask_app(auth: InMemorySealring) -> Flask:
    app = Flask("shop")
    auth.init_app(app)

    @app.route("/orders", methods=["GET", "POST"])
    @require()
    def orders() -> str:
        return str(current_principal.subject)

    @app.get("/moved")
    def moved() -> Any:
        return redirect("/orders")

    return app


def asgi_app(auth: InMemorySealring) -> Any:
    async def orders(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.user.identity)

    async def moved(_: Request) -> RedirectResponse:
        return RedirectResponse("/orders", 302)

    routes = [Route("/orders", orders, methods=["GET", "POST"]), Route("/moved", moved)]
    return auth.middleware(auth.asgi(Starlette(routes=routes)), protect=["/orders"])


@pytest.fixture
def auth() -> InMemorySealring:
    return issuer(dpop="optional")


def transport(variant: Variant, auth: InMemorySealring) -> Any:
    if variant.is_async:
        return variant.library.ASGITransport(asgi_app(auth))
    return variant.library.WSGITransport(flask_app(auth))


class Scene:
    """A client that has registered, with a key or without one, and what it keeps."""

    def __init__(self, http: Driven, server: InMemorySealring, key: jwt.Key | None = KEY) -> None:
        self.http, self.server, self.store, self.clock = http, server, MemoryTokens(), ClientClock()
        self.auth = Auth(f"{ORIGIN}/auth", store=self.store, clock=self.clock, key=key)

    def ask(self, method: str = "GET", path: str = "/orders", **options: Any) -> Any:
        return self.http.request(method, path, auth=self.auth, **options)


@pytest.fixture
def scene(variant: Variant, auth: InMemorySealring) -> Iterator[Scene]:
    with variant.client(None, ORIGIN, transport=transport(variant, auth)) as http:
        made = Scene(http, auth)
        made.user = http.register(made.auth)  # type: ignore[attr-defined]
        http.paths.clear()
        yield made


def test_the_session_is_bound_and_every_request_proves_the_key(scene: Scene) -> None:
    token = scene.store.load().access_token
    assert token is not None
    assert jwt.peek(token).claims["cnf"] == {"jkt": KEY.thumbprint}
    for method in ("GET", "POST", "GET"):
        answer = scene.ask(method, params={"page": "2"})
        assert (answer.status_code, answer.text) == (200, jwt.peek(token).claims["sub"])
    assert scene.http.paths == ["/orders"] * 3  # a clock that is right needs no nonce there


def test_it_refreshes_with_a_proof(scene: Scene) -> None:
    before = scene.store.load()
    scene.clock.pass_seconds(1799)
    scene.server.clock.advance("1799s")
    assert scene.ask().status_code == 200
    assert scene.store.load().refresh_token != before.refresh_token
    assert scene.http.paths[-1] == "/orders"
    assert "/auth/refresh" in scene.http.paths


def test_a_nonce_that_has_become_old_costs_one_request_more(scene: Scene) -> None:
    assert scene.ask().status_code == 200
    scene.clock.pass_seconds(600)
    scene.server.clock.advance("10m")
    assert scene.ask().status_code == 200
    assert scene.ask().status_code == 200
    assert scene.http.paths == ["/orders"] * 4


def test_a_clock_that_is_wrong_locks_nobody_out(scene: Scene) -> None:
    scene.clock.wall += 86_400
    fresh = Scene(scene.http, scene.server)
    fresh.clock.wall -= 86_400
    scene.http.register(fresh.auth)
    assert fresh.ask().status_code == 200
    assert scene.ask("POST", content=b"x").status_code == 200


def test_a_copy_of_the_tokens_is_worth_nothing(scene: Scene) -> None:
    for key in (None, jwt.Key.generate("ES256")):
        thief = Scene(scene.http, scene.server, key)
        thief.store.save(scene.store.load())
        with pytest.raises((LoggedOut, UnexpectedAnswer)) if key is None else _refusal(thief):
            thief.ask().raise_for_status()
    assert scene.ask().status_code == 200


def _refusal(thief: Scene) -> Any:
    return pytest.raises(thief.http.variant.library.HTTPStatusError, match="401")


def test_a_redirect_is_followed_with_a_proof_of_its_own(scene: Scene) -> None:
    answer = scene.ask(path="/moved", follow_redirects=True)
    assert (answer.status_code, answer.request.url.path) == (200, "/orders")


def test_a_logout_ends_it(scene: Scene) -> None:
    scene.http.logout(scene.auth)
    with pytest.raises(LoggedOut):
        scene.ask()


def test_a_server_that_binds_nothing_is_no_server_for_a_key(variant: Variant) -> None:
    off = issuer()
    with variant.client(None, ORIGIN, transport=transport(variant, off)) as http:
        made = Scene(http, off)
        with pytest.raises(UnexpectedAnswer, match="not bound"):
            http.register(made.auth)
        assert made.store.load().refresh_token is None


@pytest.mark.parametrize(
    ("key", "error"),
    [("text", TypeError), (KEY.public(), ValueError), (jwt.Key.from_secret(b"k" * 32, "HS256"), ValueError)],
)
def test_what_is_no_private_key_is_refused(key: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="key must be"):
        Auth(f"{ORIGIN}/auth", key=key)
