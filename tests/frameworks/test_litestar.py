"""Litestar: the plugin, the guards, the document, and what Litestar does to paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from litestar import Controller, Litestar, Request, Response, Router, WebSocket, get, post, websocket
from litestar.config.compression import CompressionConfig
from litestar.config.csrf import CSRFConfig
from litestar.exceptions import WebSocketDisconnect
from litestar.openapi.config import OpenAPIConfig
from litestar.params import FromPath
from litestar.plugins import PluginProtocol
from litestar.routes import HTTPRoute
from litestar.testing import TestClient
from msgspec import Struct
from prometheus_client import CollectorRegistry

from sealring import ConfigurationError, NameTaken, Sealring, SealringError
from sealring.frameworks.litestar import SealringPlugin, problem_response, require
from tests.serving import PASSWORD, bearer, cheap_sealring, fresh_name

Who = Request[Any, Any, Any]


@get("/orders", guards=[require("orders:read")], sync_to_thread=False)
def orders(request: Who) -> str:
    return str(request.user.subject)


@get("/open", sync_to_thread=False)
def everybody(request: Who) -> str:
    return str(request.user.subject) if request.user else "nobody"


@websocket("/news", guards=[require("orders:read")])
async def news(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.send_text(socket.user.subject)
    await socket.close()


def client_of(auth: Sealring, *handlers: Any, **options: Any) -> TestClient[Litestar]:
    plugins: list[PluginProtocol] = [SealringPlugin(auth)]
    return TestClient(
        Litestar([orders, everybody, news, *handlers], plugins=plugins, logging_config=None, **options),
        base_url="http://127.0.0.1:8000",
    )


@pytest.fixture
def auth() -> Sealring:
    return cheap_sealring()


@pytest.fixture
def client(auth: Sealring) -> Iterator[TestClient[Litestar]]:
    with client_of(auth) as client:
        yield client


def register(client: TestClient[Litestar], **fields: Any) -> Any:
    made = client.post("/auth/register", json={"username": fresh_name(), "password": PASSWORD} | fields)
    assert made.status_code == 201, made.text
    return made.json()


def token(client: TestClient[Litestar], auth: Sealring, *scopes: str) -> dict[str, str]:
    with client.portal() as portal:
        issued = portal.call(lambda: auth.start_session("42", scopes=scopes))
    return bearer(issued.access_token.text)


def test_the_plugin_brings_routes_users_and_the_lifespan(client: TestClient[Litestar], auth: Sealring) -> None:
    assert auth.node.is_fresh, "opened before the first request"
    tokens = register(client)
    headers = bearer(tokens["access_token"])
    assert client.get("/auth/me", headers=headers).json()["id"] == tokens["user"]["id"]
    assert client.get("/open", headers=headers).text == tokens["user"]["id"]
    assert client.get("/open").text == client.get("/open", headers=bearer("x")).text == "nobody"


def test_the_store_closes_with_the_application(auth: Sealring) -> None:
    with client_of(auth, lifespan=[auth.lifespan]) as client:
        register(client)
        assert auth._opening.is_open()
    assert not auth._opening.is_open()


def test_a_lifespan_of_the_applications_own_finds_the_store_open(auth: Sealring) -> None:
    found: list[bool] = []

    async def startup() -> None:
        await auth.accounts.create("ada", PASSWORD)
        found.append(True)

    with client_of(auth, on_startup=[startup]):
        assert found == [True]


def test_a_websocket_is_for_those_who_have_the_scope(client: TestClient[Litestar], auth: Sealring) -> None:
    with client.websocket_connect("/news", headers=token(client, auth, "orders:read")) as socket:
        assert socket.receive_text() == "42"
    for headers in ({}, token(client, auth), bearer("x")):
        with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/news", headers=headers):
            pass
        assert refused.value.code == 1008


def test_a_guard_of_the_whole_application_leaves_the_way_in_open(auth: Sealring) -> None:
    with client_of(auth, guards=[require()]) as client:
        assert client.get("/open").status_code == 401
        tokens = register(client)
        assert client.get("/open", headers=bearer(tokens["access_token"])).status_code == 200


def test_guards_of_controllers_and_routers_count_together(auth: Sealring) -> None:
    class Admin(Controller):
        path = "/admin"
        guards = [require("admin")]  # noqa: RUF012 - Litestar's own form

        @get("/", guards=[require("orders:read")], sync_to_thread=False)
        def index(self) -> str:
            return "admin"

    with client_of(auth, Router("/", route_handlers=[Admin])) as client:
        assert client.get("/admin", headers=token(client, auth, "orders:read")).status_code == 403
        assert client.get("/admin", headers=token(client, auth, "admin")).status_code == 403
        assert client.get("/admin", headers=token(client, auth, "admin", "orders:read")).text == "admin"


# a guard costs Litestar a copy of the handler on each request: the plugin's middleware asks ours where it can


def guards_left(client: TestClient[Litestar], path: str) -> int:
    [route] = [route for route in client.app.routes if route.path == path]
    assert isinstance(route, HTTPRoute)
    return len(route.route_handler_map["GET"][0].resolve_guards())


def test_guards_are_asked_before_litestar_copies_a_handler_for_them(client: TestClient[Litestar]) -> None:
    assert guards_left(client, "/orders") == 0
    assert client.get("/orders").status_code == 401


@pytest.mark.parametrize(
    "guards", [[require("admin"), require("orders:read")], [require("orders:read"), require("admin")]]
)
def test_every_guard_that_is_asked_early_counts(auth: Sealring, guards: list[Any]) -> None:
    @get(["/all", "/each"], guards=guards, sync_to_thread=False)
    def handler() -> str:
        return "in"

    with client_of(auth) as client:
        client.app.register(handler)  # later than the others
        for path in ("/all", "/each"):
            assert guards_left(client, path) == 0
            assert client.get(path).json()["code"] == "missing_credential"
            for scopes in (["admin"], ["orders:read"], []):
                assert client.get(path, headers=token(client, auth, *scopes)).json()["code"] == "insufficient_scope"
            assert client.get(path, headers=token(client, auth, "admin", "orders:read")).text == "in"


def test_guards_of_the_applications_own_keep_their_place(auth: Sealring) -> None:
    asked: list[str] = []

    async def mine(_: object, __: object) -> None:
        asked.append("mine")

    @get("/first", guards=[mine, require()], sync_to_thread=False)
    def first() -> None: ...

    @get("/second", guards=[require(), mine], sync_to_thread=False)
    def second() -> None: ...

    with client_of(auth, first, second) as client:
        assert client.get("/first").status_code == client.get("/second").status_code == 401
        assert asked == ["mine"]
        assert client.get("/second", headers=token(client, auth)).status_code == 200
        assert asked == ["mine", "mine"]


def test_middleware_of_the_applications_own_sees_refusals(auth: Sealring) -> None:
    def marking(app: Any) -> Any:
        async def mark(scope: Any, receive: Any, send: Any) -> None:
            async def send_marked(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"x-mine", b"1")]
                await send(message)

            await app(scope, receive, send_marked)

        return mark

    with client_of(auth, middleware=[marking]) as client:
        assert guards_left(client, "/orders") == 1
        answer = client.get("/orders")
        assert (answer.status_code, answer.headers["x-mine"]) == (401, "1")


@pytest.mark.parametrize(
    "option",
    [
        {"csrf_config": CSRFConfig(secret="x" * 32)},
        {"compression_config": CompressionConfig(backend="gzip")},
        {"allowed_hosts": ["127.0.0.1:8000"]},
    ],
    ids=lambda option: next(iter(option)),
)
def test_checks_of_litestars_own_come_before_guards(auth: Sealring, option: Any) -> None:
    with client_of(auth, **option) as client:
        assert guards_left(client, "/orders") == 1
        assert client.get("/orders").status_code == 401


def test_a_handler_keeps_its_guards_in_another_application(client: TestClient[Litestar]) -> None:
    assert guards_left(client, "/orders") == 0
    with TestClient(Litestar([orders], logging_config=None)) as other:
        assert guards_left(other, "/orders") == 1


def test_what_a_handler_raises_is_answered_and_counted_once(auth: Sealring) -> None:
    @post("/join", sync_to_thread=False)
    def join() -> None:
        raise NameTaken

    registry = CollectorRegistry()
    auth = cheap_sealring(metrics=registry)
    with client_of(auth, join) as client:
        answer = client.post("/join")
        assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
        assert answer.headers["content-type"] == "application/problem+json"
        assert client.get("/orders").status_code == 401
        count = registry.get_sample_value
        assert count("sealring_refusals_total", {"code": "name_taken", "cause": ""}) == 1
        assert count("sealring_refusals_total", {"code": "missing_credential", "cause": ""}) == 1


def test_an_unfit_setting_is_no_refusal(auth: Sealring) -> None:
    @get("/broken", sync_to_thread=False)
    def broken() -> None:
        raise ConfigurationError("unfit")

    with client_of(auth, broken) as client, pytest.raises(ConfigurationError, match="unfit"):
        client.get("/broken")


def test_a_handler_of_the_applications_own_stays(auth: Sealring) -> None:
    def mine(_: Who, error: SealringError) -> Response[bytes]:
        usual = problem_response(error)
        usual.headers["x-mine"] = "1"
        return usual

    with client_of(auth, exception_handlers={SealringError: mine}) as client:
        answer = client.get("/orders")
        assert (answer.status_code, answer.headers["x-mine"]) == (401, "1")


def test_csrf_refuses_once_and_ours_refuses_at_our_routes(auth: Sealring) -> None:
    @post("/form", sync_to_thread=False)
    def form() -> None: ...

    with client_of(auth, form, csrf_config=CSRFConfig(secret="x" * 32)) as client:
        register(client)
        assert client.post("/form").status_code == 403
        ada = {"username": fresh_name(), "password": PASSWORD}
        answer = client.post("/auth/register", json=ada, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.json()["code"] == "csrf"


# what Litestar does to paths


@pytest.mark.parametrize("path", ["/authors/ada", "/auth/mine/ada", "/auth/loginx/ada"])
def test_routes_beside_ours_are_the_applications(auth: Sealring, path: str) -> None:
    @get(path.replace("ada", "{name:str}"), sync_to_thread=False)
    def handler(name: FromPath[str]) -> str:
        return name

    with client_of(auth, handler) as client:
        answer = client.get(path)
        # below the mount of /auth/login Litestar asks us: the application's route is not reached, and nothing is let in
        assert (answer.status_code, answer.text) == (200, "ada") if "login" not in path else answer.status_code == 404


@pytest.mark.parametrize("root", ["", "/shop", "/auth", "/login"])
@pytest.mark.parametrize("path", ["/auth/login", "/auth/login/password"])
def test_n10_the_refresh_cookie_goes_to_the_auth_routes(root: str, path: str) -> None:
    auth = cheap_sealring()
    ada: dict[str, Any] = {"username": "ada", "password": PASSWORD}
    app = Litestar(plugins=[SealringPlugin(auth)], logging_config=None)
    with TestClient(app, base_url="http://127.0.0.1:8000", root_path=root) as client:
        client.post(f"{root}/auth/register", json=ada)
        body = {"response": ada} if "password" in path else ada
        answer = client.post(root + path, json=body | {"delivery": "cookie"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["refresh_path"] == f"{root}/auth"


def test_an_auth_path_that_litestar_reads_as_a_pattern_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="auth_path must have no dot"):
        SealringPlugin(cheap_sealring(auth_path="/v1.0/auth"))


# the document


class User(Struct):
    """A schema of the application's, of the same name as one of ours."""

    shoe_size: int


@get("/user", sync_to_thread=False)
def user() -> User:
    return User(42)


def test_the_auth_routes_stand_in_the_document_beside_the_applications_own(auth: Sealring) -> None:
    with client_of(auth, user, openapi_config=OpenAPIConfig(title="Shop", version="1")) as client:
        described = client.get("/schema/openapi.json").json()
    assert described["info"]["title"] == "Shop"
    assert described["paths"]["/auth/sessions/{session_id}"]["delete"]["security"] == [{"sealring": []}]
    assert "/orders" in described["paths"]
    assert described["components"]["securitySchemes"]["sealring"]["scheme"] == "bearer"
    schemas = described["components"]["schemas"]
    assert "shoe_size" in schemas["User"]["properties"] or "shoeSize" in schemas["User"]["properties"]
    assert "username" in schemas["SealringUser"]["properties"]
    tokens = schemas["Tokens"]["properties"]["user"]
    assert "SealringUser" in str(tokens)
    assert "#/components/schemas/User'" not in str(tokens)


def test_an_application_without_a_document_is_served(auth: Sealring) -> None:
    with client_of(auth, openapi_config=None) as client:
        register(client)


# bad input


def test_two_plugins_are_refused(auth: Sealring) -> None:
    with pytest.raises(ConfigurationError, match="give it one SealringPlugin"):
        Litestar(plugins=[SealringPlugin(auth), SealringPlugin(cheap_sealring())], logging_config=None)


def test_a_guard_without_the_plugin_says_what_is_missing() -> None:
    app = Litestar([orders], logging_config=None, debug=True)
    with TestClient(app) as client:
        answer = client.get("/orders")
    assert answer.status_code == 500
    assert "Litestar(plugins=[SealringPlugin(auth)])" in answer.text


def test_the_middleware_around_the_application_serves_guards_too(auth: Sealring) -> None:
    app: Any = auth.middleware(Litestar([orders], logging_config=None))
    with TestClient(app) as client:
        headers = token(client, auth, "orders:read")
        assert client.get("/orders", headers=headers).text == "42"


@pytest.mark.parametrize(
    ("scope", "kind", "words"), [(orders, TypeError, r"require\(\) or"), ("a b", ValueError, "is not a scope token")]
)
def test_a_guard_that_cannot_work_is_refused_where_it_stands(scope: Any, kind: type[Exception], words: str) -> None:
    make: Callable[..., object] = require
    with pytest.raises(kind, match=words):
        make(scope)
