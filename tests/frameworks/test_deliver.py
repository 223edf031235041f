"""`auth.deliver` and `auth.clear`: the cookies of our own login from a route of yours (C1, C2, N12, design D20)."""

# no postponed annotations: FastAPI cannot look up the local models in a string

import json
from collections.abc import AsyncIterator, Callable
from http.cookies import SimpleCookie
from typing import Any

import httpx2
import pytest
import quart
from fastapi import FastAPI, Request, Response
from litestar import Litestar, post, route
from litestar import Request as LitestarRequest
from litestar import Response as LitestarResponse
from litestar.params import FromPath
from quart import Quart
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from werkzeug.wrappers import Response as WerkzeugResponse

from sealring import Revoked, Sealring, SealringError, TokenTooLong
from sealring.frameworks.litestar import SealringPlugin
from tests.serving import PASSWORD, bearer, cheap_sealring, cookie_line, problem

pytestmark = pytest.mark.anyio

BASE = "http://127.0.0.1:8000"
COOKIES = {"sealring_access", "sealring_session", "sealring_refresh"}


@pytest.fixture
async def auth() -> AsyncIterator[Sealring]:
    auth = cheap_sealring(allowed_origins="https://app.example")
    async with auth.lifespan():
        yield auth


def fastapi_app(auth: Sealring) -> Any:
    app = FastAPI()
    app.include_router(auth.router(accounts=False))
    app.add_exception_handler(SealringError, auth.problem_response)

    @app.api_route("/enter/{subject}", methods=["GET", "POST"])
    async def enter(subject: str, request: Request, response: Response) -> dict[str, Any]:
        issued = await auth.start_session(subject, request=request, delivery="cookie", scopes=["orders:read"])
        return auth.deliver(response, issued, request=request)

    @app.post("/enter-by-body/{subject}")
    async def enter_by_body(subject: str, request: Request, response: Response) -> dict[str, Any]:
        return auth.deliver(response, await auth.start_session(subject, request=request), request=request)

    @app.post("/enter-ours/{name}")
    async def enter_ours(name: str, request: Request, response: Response) -> dict[str, Any]:
        logged_in = await auth.log_in(name, PASSWORD, request=request, delivery="cookie")
        return auth.deliver(response, logged_in, request=request)

    @app.post("/leave")
    async def leave(request: Request, response: Response) -> None:
        auth.clear(response, request=request)

    return app


def starlette_app(auth: Sealring) -> Any:
    async def enter(request: Request) -> Response:
        issued = await auth.start_session(request.path_params["subject"], request=request, delivery="cookie")
        response = JSONResponse(None)
        members = auth.deliver(response, issued, request=request)
        response.body = response.render(members)
        response.headers["content-length"] = str(len(response.body))
        return response

    async def leave(request: Request) -> Response:
        response = JSONResponse(None)
        auth.clear(response, request=request)
        return response

    return Starlette(
        routes=[
            Mount("/auth", auth.asgi(accounts=False)),
            Route("/enter/{subject}", enter, methods=["GET", "POST"]),
            Route("/leave", leave, methods=["POST"]),
        ],
        exception_handlers={SealringError: auth.problem_response},
    )


def litestar_app(auth: Sealring) -> Any:
    @route("/enter/{subject:str}", http_method=["GET", "POST"], status_code=200)
    async def enter(subject: FromPath[str], request: LitestarRequest[Any, Any, Any]) -> LitestarResponse[Any]:
        issued = await auth.start_session(subject, request=request, delivery="cookie")
        response: LitestarResponse[Any] = LitestarResponse(None)
        response.content = auth.deliver(response, issued, request=request)
        return response

    @post("/leave", status_code=200)
    async def leave(request: LitestarRequest[Any, Any, Any]) -> LitestarResponse[Any]:
        response: LitestarResponse[Any] = LitestarResponse(None)
        auth.clear(response, request=request)
        return response

    return Litestar([enter, leave], plugins=[SealringPlugin(auth, accounts=False)], logging_config=None)


def quart_app(auth: Sealring) -> Any:
    app = Quart(__name__)
    auth.init_app(app, accounts=False)

    async def enter(subject: str) -> Any:
        issued = await auth.start_session(subject, request=quart.request, delivery="cookie")
        response: Any = await quart.make_response({})
        response.set_data(json.dumps(auth.deliver(response, issued, request=quart.request)))
        return response

    async def leave() -> Any:
        response: Any = await quart.make_response({})
        auth.clear(response, request=quart.request)
        return response

    app.add_url_rule("/enter/<subject>", "enter", enter, methods=["GET", "POST"])
    app.add_url_rule("/leave", "leave", leave, methods=["POST"])
    return app


def mounted_app(auth: Sealring) -> Any:
    return Starlette(routes=[Mount("/shop", fastapi_app(auth))])


def client_of(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=BASE)


Make = Callable[[Sealring], Any]
HOSTS = [fastapi_app, starlette_app, litestar_app, quart_app]


@pytest.mark.parametrize(
    ("make", "root"),
    [
        (fastapi_app, ""),
        (starlette_app, ""),
        (litestar_app, ""),
        (quart_app, ""),
        (mounted_app, "/shop"),
    ],
)
async def test_a_login_of_ones_own_gives_a_browser_what_our_login_gives(auth: Sealring, make: Make, root: str) -> None:
    async with client_of(make(auth)) as client:
        entered = await client.post(f"{root}/enter/42")
        assert entered.status_code == 200
        assert entered.headers["cache-control"] == "no-store"
        assert {cookie.name for cookie in client.cookies.jar} == COOKIES
        body = entered.json()
        assert set(body) == {"expires_in", "refresh_expires_in", "csrf_token", "refresh_path", "scope"}
        assert body["refresh_path"] == f"{root}/auth"
        for line in entered.headers.get_list("set-cookie"):
            assert {"httponly", "samesite=lax"} <= set(line.lower().split("; "))
        me = (await client.get(f"{root}/auth/me")).json()
        assert (me["id"], me["username"], me["email"]) == ("42", None, None)
        csrf = {"X-CSRF-Token": body["csrf_token"]}
        refreshed = await client.post(f"{root}/auth/refresh", headers=csrf)
        assert refreshed.status_code == 200
        assert len((await client.get(f"{root}/auth/sessions")).json()["sessions"]) == 1
        assert (await client.post(f"{root}/auth/logout", headers=csrf)).status_code == 204
        assert (await client.get(f"{root}/auth/me")).status_code == 401


@pytest.mark.parametrize("make", HOSTS)
async def test_clear_forgets_every_cookie_of_the_session(auth: Sealring, make: Make) -> None:
    async with client_of(make(auth)) as client:
        await client.post("/enter/42")
        left = await client.post("/leave")
        assert left.headers["clear-site-data"] == '"cache"'
        assert left.headers["cache-control"] == "no-store"
        assert list(client.cookies.jar) == []


async def test_body_delivery_gives_tokens_and_sets_no_cookie(auth: Sealring) -> None:
    async with client_of(fastapi_app(auth)) as client:
        entered = await client.post("/enter-by-body/42")
        assert entered.headers.get_list("set-cookie") == []
        assert entered.headers["cache-control"] == "no-store"
        tokens = entered.json()
        assert auth.verify(tokens["access_token"]).subject == "42"
        assert (await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).status_code == 200


async def test_an_account_of_ours_brings_its_device_and_its_user(auth: Sealring) -> None:
    await auth.accounts.create("ada", PASSWORD)
    async with client_of(fastapi_app(auth)) as client:
        entered = await client.post("/enter-ours/ada")
        assert {cookie.name for cookie in client.cookies.jar} == COOKIES | {"sealring_device"}
        assert entered.json()["user"]["username"] == "ada"


@pytest.mark.parametrize("make", HOSTS)
async def test_c1_the_session_that_the_browser_held_ends(auth: Sealring, make: Make) -> None:
    async with client_of(make(auth)) as client:
        await client.post("/enter/mallory")
        planted = dict(client.cookies)
        assert problem(await client.post("/enter/42")) == (403, "csrf"), "nothing proves that our own page asks"
        assert auth.verify(planted["sealring_access"]).subject == "mallory"
        await client.post("/enter/42", headers={"Sec-Fetch-Site": "same-origin"})
        assert planted["sealring_session"] != client.cookies["sealring_session"]
        with pytest.raises(Revoked):
            auth.verify(planted["sealring_access"])
        assert await auth.list_sessions("mallory") == []


@pytest.mark.parametrize("make", HOSTS)
async def test_c2_another_sites_page_starts_no_session(auth: Sealring, make: Make) -> None:
    async with client_of(make(auth)) as client:
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            assert problem(await client.post("/enter/42", headers=headers)) == (403, "csrf")
        elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example"}
        assert problem(await client.post("/enter/42", headers=elsewhere)) == (400, "cross_site_cookies")
        assert await auth.list_sessions("42") == [], "refused before anything was written"
        assert list(client.cookies.jar) == []
        back_from_a_provider = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert (await client.get("/enter/42", headers=back_from_a_provider)).status_code == 200


async def test_n12_what_a_cookie_cannot_carry_starts_no_session(auth: Sealring) -> None:
    request = Request({"type": "http", "method": "POST", "headers": [], "path": "/", "client": None})
    with pytest.raises(TokenTooLong):
        await auth.start_session("42", claims={"x": "y" * 4000}, request=request, delivery="cookie")
    assert await auth.list_sessions("42") == []
    async with client_of(fastapi_app(auth)) as client:
        crowd = cookie_line({f"c{number}": "x" for number in range(200)})
        assert problem(await client.post("/enter/42", headers=crowd)) == (431, "cookies_too_large")


async def test_a_caller_who_says_too_little_is_told(auth: Sealring) -> None:
    with pytest.raises(TypeError, match="needs request="):
        await auth.start_session("42", delivery="cookie")
    unknown: Any = "header"
    with pytest.raises(ValueError, match='"body" or "cookie"'):
        await auth.start_session("42", delivery=unknown)
    issued = await auth.start_session("42")
    with pytest.raises(TypeError, match="response must be one of"):
        auth.deliver(object(), issued)


async def test_the_path_of_the_auth_routes_may_be_given(auth: Sealring) -> None:
    request = Request({"type": "http", "method": "POST", "headers": [], "path": "/", "client": None})
    issued = await auth.start_session("42", request=request, delivery="cookie")
    assert auth.deliver(Response(), issued)["refresh_path"] == "/auth"
    assert auth.deliver(Response(), issued, auth_path="/shop/auth")["refresh_path"] == "/shop/auth"
    with pytest.raises(ValueError, match="auth_path"):
        auth.deliver(Response(), issued, auth_path="/a;b")


async def test_the_shapes_of_other_responses_get_the_same_cookies(auth: Sealring) -> None:
    class DjangoShape:
        """What Django's HttpResponse has: headers by name, and cookies apart."""

        def __init__(self) -> None:
            self.headers: dict[str, str] = {}
            self.cookies: SimpleCookie = SimpleCookie()

    request = Request({"type": "http", "method": "POST", "headers": [], "path": "/", "client": None})
    issued = await auth.start_session("42", request=request, delivery="cookie")
    asgi, flask, django = Response(), WerkzeugResponse(), DjangoShape()
    litestar: LitestarResponse[None] = LitestarResponse(None)
    for response in (asgi, flask, django, litestar):
        auth.deliver(response, issued)
    lines = sorted(asgi.headers.getlist("set-cookie"))
    assert len(lines) == 3
    assert sorted(flask.headers.getlist("Set-Cookie")) == lines
    assert sorted(sorted(morsel.OutputString().split("; ")) for morsel in django.cookies.values()) == sorted(
        sorted(line.split("; ")) for line in lines
    )
    assert sorted(sorted(one.to_header(header="").lower().split("; ")) for one in litestar.cookies) == sorted(
        sorted(line.lower().split("; ")) for line in lines
    )
    assert litestar.headers["cache-control"] == "no-store"
    assert flask.headers["Cache-Control"] == django.headers["cache-control"] == "no-store"


async def test_the_csrf_token_for_a_page_of_ones_own_is_that_of_the_session(auth: Sealring) -> None:
    async with client_of(fastapi_app(auth)) as client:
        entered = (await client.post("/enter/42")).json()
        principal = auth.verify(client.cookies["sealring_access"])
        assert auth.csrf_token(principal) == entered["csrf_token"]


@pytest.mark.parametrize("make", HOSTS)
async def test_without_accounts_there_is_no_way_to_join_or_to_log_in_by_our_routes(auth: Sealring, make: Make) -> None:
    async with client_of(make(auth)) as client:
        ada = {"username": "ada", "password": PASSWORD}
        for route in ("register", "login", "password", "token"):
            assert (await client.post(f"/auth/{route}", json=ada)).status_code == 404


async def test_the_parts_of_the_router_are_chosen_one_by_one() -> None:
    auth = cheap_sealring(password_grant="on")
    app = FastAPI()
    app.include_router(auth.router(accounts=False, oauth=True))
    async with auth.lifespan(), client_of(app) as client:
        await auth.accounts.create("ada", PASSWORD)
        form = {"grant_type": "password", "username": "ada", "password": PASSWORD}
        assert (await client.post("/auth/token", data=form)).json()["error"] == "unsupported_grant_type"
        tokens = await auth.start_session("42")
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
        assert (await client.post("/auth/token", data=form)).status_code == 200
        read = await client.get("/auth/me", headers=bearer(tokens.access_token.text))
        assert read.json()["username"] is None
    app = FastAPI()
    app.include_router(auth.router(oauth=False))
    assert "/auth/token" not in app.openapi()["paths"]
    assert "/auth/login" in app.openapi()["paths"]
