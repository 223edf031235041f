"""Quart: `init_app`, `require`, `current_principal`, WebSockets, and how applications are put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import quart
from prometheus_client import CollectorRegistry
from quart import Blueprint, Quart
from quart.testing import WebsocketResponseError

from sealring import ConfigurationError, NameTaken, Sealring, SealringError
from sealring.frameworks.quart import current_principal, problem_response, require
from tests.serving import PASSWORD, bearer, cheap_sealring, fresh_name

pytestmark = pytest.mark.anyio


async def orders() -> str:
    return current_principal.subject


def make_app(auth: Sealring | None, **options: Any) -> Quart:
    app = Quart(__name__)
    if auth is not None:
        auth.init_app(app, **options)
    app.add_url_rule("/orders", "orders", require("orders:read")(orders))

    @require("orders:read")
    async def news() -> None:
        await quart.websocket.accept()
        await quart.websocket.send(current_principal.subject)

    app.add_websocket("/news", "news", news)
    return app


async def token(auth: Sealring, *scopes: str) -> dict[str, str]:
    return bearer((await auth.start_session("42", scopes=scopes)).access_token.text)


async def test_the_store_is_open_while_the_application_serves() -> None:
    auth = cheap_sealring()
    app = make_app(auth)
    async with app.test_app() as serving:
        assert auth.node.is_fresh
        client = serving.test_client()
        made = await client.post("/auth/register", json={"username": fresh_name(), "password": PASSWORD})
        assert made.status_code == 201
        assert await (await client.get("/orders", headers=await token(auth, "orders:read"))).get_data() == b"42"
    assert not auth._opening.is_open()


async def test_a_refusal_is_a_problem_that_error_handlers_may_replace() -> None:
    registry = CollectorRegistry()
    auth = cheap_sealring(metrics=registry)
    app = make_app(auth)
    client = app.test_client()
    answer = await client.get("/orders")
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="sealring"'
    assert registry.get_sample_value("sealring_refusals_total", {"code": "missing_credential", "cause": ""}) == 1

    @app.errorhandler(401)
    async def mine(error: Exception) -> tuple[str, int]:
        return f"log in: {type(error.__cause__).__name__}", 401

    replaced: Any = await client.get("/orders")
    assert await replaced.get_data() == b"log in: MissingCredential"
    await auth.close()


async def test_what_a_view_raises_is_answered() -> None:
    auth = cheap_sealring()

    async def join() -> str:
        raise NameTaken

    async def broken() -> str:
        raise ConfigurationError("unfit")

    app = make_app(auth)
    app.add_url_rule("/join", "join", join)
    app.add_url_rule("/broken", "broken", broken)
    answer: Any = await app.test_client().get("/join")
    assert (answer.status_code, (await answer.get_json())["code"]) == (409, "name_taken")
    assert (await app.test_client().get("/broken")).status_code == 500


async def test_a_handler_of_the_applications_own_stays() -> None:
    auth = cheap_sealring()
    app = Quart(__name__)

    async def mine(error: SealringError) -> quart.Response:
        usual = problem_response(error)
        usual.headers["X-Mine"] = "1"
        return usual

    app.register_error_handler(SealringError, mine)
    auth.init_app(app)

    async def join() -> str:
        raise NameTaken

    app.add_url_rule("/join", "join", join)
    assert (await app.test_client().get("/join")).headers["X-Mine"] == "1"


async def test_a_websocket_is_for_those_who_have_the_scope() -> None:
    auth = cheap_sealring()
    client = make_app(auth).test_client()
    async with client.websocket("/news", headers=await token(auth, "orders:read")) as socket:
        assert await socket.receive() == "42"
    with pytest.raises(WebsocketResponseError) as refused:
        async with client.websocket("/news") as socket:
            await socket.receive()
    assert refused.value.response.status_code == 401
    await auth.close()


async def test_a_blueprint_may_ask_before_each_request() -> None:
    auth = cheap_sealring()
    admin = Blueprint("admin", __name__, url_prefix="/admin")

    @require("admin")
    def admins_only() -> None:
        """Nothing more to ask."""

    admin.before_request(admins_only)
    admin.add_url_rule("/", "index", lambda: "admin")
    app = make_app(auth)
    app.register_blueprint(admin)
    client = app.test_client()
    assert (await client.get("/admin/")).status_code == 401
    assert (await client.get("/admin/", headers=await token(auth, "admin"))).status_code == 200
    await auth.close()


async def test_paths_are_guarded_without_a_decorator() -> None:
    auth = cheap_sealring()
    app = make_app(auth, protect={"/internal": ["admin"]}, invalid_status=403)
    app.add_url_rule("/internal/x", "internal", lambda: "internal")
    client = app.test_client()
    assert (await client.get("/internal/x")).status_code == 401
    assert (await client.get("/internal/x", headers=bearer("x"))).status_code == 403
    assert (await client.get("/internal/x", headers=await token(auth, "admin"))).status_code == 200
    await auth.close()


async def test_each_application_has_a_sealring_of_its_own() -> None:
    first, second = cheap_sealring(), cheap_sealring(issuer="http://127.0.0.1:9000")
    known = await token(first, "orders:read")
    assert (await make_app(first).test_client().get("/orders", headers=known)).status_code == 200
    assert (await make_app(second).test_client().get("/orders", headers=known)).status_code == 401
    await first.close()
    await second.close()


# bad input


async def test_a_view_without_init_app_says_what_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    assert (await make_app(None).test_client().get("/orders")).status_code == 500
    assert "this Quart application has no Sealring: call auth.init_app(app)" in caplog.text


def test_a_second_init_app_is_refused() -> None:
    app = make_app(cheap_sealring())
    with pytest.raises(ConfigurationError, match="has a Sealring already"):
        cheap_sealring().init_app(app)


def test_a_decorator_that_cannot_work_is_refused_where_it_stands() -> None:
    decorate: Callable[..., object] = require
    with pytest.raises(TypeError, match=r"require\(\) or"):
        decorate(orders)
    with pytest.raises(ValueError, match="is not a scope token"):
        require("a b")
