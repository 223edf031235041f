"""A login in several steps from routes of one's own: `log_in`, `begin_login`, `log_in_by`."""

# no postponed annotations: FastAPI cannot look up the local models in a string

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar, get
from quart import Quart
from starlette.requests import Request
from starlette.responses import JSONResponse

from sealring import (
    InvalidPendingLogin,
    LoggedIn,
    Sealring,
    SealringError,
    SecondFactorRequired,
    UnknownMethod,
    WrongCredentials,
)
from sealring.frameworks.litestar import SealringPlugin
from tests.conformance.hosts import WSGI, transport_of
from tests.mailed_code import MailedCode, mailbox, mailed_login
from tests.serving import PASSWORD, cheap_sealring, problem

pytestmark = pytest.mark.anyio

HERE = "192.0.2.7"
LOGIN_COOKIE = "sealring_login"
PAGE = {"Origin": "http://127.0.0.1:8000"}


@pytest.fixture
async def auth() -> AsyncIterator[Sealring]:
    auth = cheap_sealring(more_methods=[MailedCode, mailed_login], issuer="http://127.0.0.1:8000")
    async with auth.lifespan():
        await auth.accounts.create("ann", PASSWORD, email="ann@example.com")
        yield auth


async def first_step(auth: Sealring) -> SecondFactorRequired:
    with pytest.raises(SecondFactorRequired) as needed:
        await auth.log_in("ann", PASSWORD, address=HERE)
    return needed.value


async def test_a_login_goes_on_by_what_the_error_says(auth: Sealring) -> None:
    needed = await first_step(auth)
    assert (needed.methods, needed.cookie) == (("mailed-code",), None), "the client has no cookies"
    begun = await auth.begin_login("mailed-code", pending=needed.pending, address=HERE)
    assert (begun.challenge, begun.cookie) == ({"sent_to": "your mailbox"}, None)
    response = {"code": mailbox(auth).sent[-1]}
    logged_in = await auth.log_in_by("mailed-code", response, pending=needed.pending, address=HERE)
    assert isinstance(logged_in, LoggedIn)
    assert auth.verify(logged_in.issued.access_token.text).amr == ("pwd", "otp", "mfa")
    with pytest.raises(WrongCredentials):
        await auth.log_in_by("mailed-code", response, pending=needed.pending, address=HERE)


async def test_a_wrong_step_is_refused_as_by_our_routes(auth: Sealring) -> None:
    needed = await first_step(auth)
    with pytest.raises(WrongCredentials):
        await auth.log_in_by("mailed-code", {"code": "000"}, pending=needed.pending, address=HERE)
    for work in (auth.log_in_by("pigeon", {}, address=HERE), auth.begin_login("pigeon", address=HERE)):
        with pytest.raises(UnknownMethod):
            await work
    with pytest.raises(InvalidPendingLogin):
        await auth.log_in_by("mailed-code", {"code": "000"}, pending="x", address=HERE)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"sec-fetch-site", b"cross-site")]}
    for refused in (
        auth.log_in_by("password", {}, request=scope, delivery="cookie"),
        auth.begin_login("password", request=scope, delivery="cookie"),
    ):
        with pytest.raises(SealringError) as error:
            await refused
        assert error.value.code == "csrf"


async def test_a_wrong_argument_of_a_step_is_named(auth: Sealring) -> None:
    for work, words in (
        (auth.log_in_by(5, {}, address=HERE), "method must be text"),  # type: ignore[arg-type]
        (auth.log_in_by("password", "x", address=HERE), "response must be a mapping"),  # type: ignore[arg-type]
        (auth.log_in_by("password", {"username": 5}, address=HERE), "must be text, not int"),  # type: ignore[dict-item]
        (auth.log_in_by("password", {}, pending=5, address=HERE), "pending must be text"),  # type: ignore[arg-type]
        (auth.begin_login("password", {}, device=5, address=HERE), "device must be text"),  # type: ignore[arg-type]
        (auth.begin_login("password", {}), "give request="),
        (auth.log_in_by("password", {}), "give request="),
    ):
        with pytest.raises(TypeError, match=words):
            await work


def test_the_face_without_an_event_loop_goes_on_too() -> None:
    auth = cheap_sealring(more_methods=[MailedCode])
    with auth.sync() as s:
        s.accounts.create("ann", PASSWORD, email="ann@example.com")
        with pytest.raises(SecondFactorRequired) as needed:
            s.log_in("ann", PASSWORD, address=HERE)
        s.begin_login("mailed-code", pending=needed.value.pending, address=HERE)
        response = {"code": mailbox(auth).sent[-1]}
        logged_in = s.log_in_by("mailed-code", response, pending=needed.value.pending, address=HERE)
        assert s.verify(logged_in.issued.access_token.text).acr == "mfa"


def fastapi_app(auth: Sealring) -> Any:
    app = FastAPI()
    app.include_router(auth.router(accounts=False))
    app.add_exception_handler(SealringError, auth.problem_response)

    @app.post("/enter")
    async def enter(request: Request, response: JSONResponse, caught: bool = False) -> Any:  # noqa: FBT001, FBT002
        try:
            logged_in = await auth.log_in("ann", PASSWORD, request=request, delivery="cookie")
        except SecondFactorRequired as needed:
            if not caught:
                raise
            return auth.deliver(response, needed)
        return auth.deliver(response, logged_in, request=request)

    @app.post("/begin/{method}")
    async def begin(method: str, request: Request, response: JSONResponse) -> Any:
        body = await request.json()
        begun = await auth.begin_login(
            method, body["response"], pending=body.get("pending"), request=request, delivery="cookie"
        )
        return auth.deliver(response, begun)

    @app.post("/step/{method}")
    async def step(method: str, request: Request, response: JSONResponse) -> Any:
        body = await request.json()
        logged_in = await auth.log_in_by(
            method, body["response"], pending=body.get("pending"), request=request, delivery="cookie"
        )
        return auth.deliver(response, logged_in, request=request)

    return app


def browser_of(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=transport_of(app), base_url="http://127.0.0.1:8000", headers=PAGE)


@pytest.mark.parametrize("caught", [False, True])
async def test_with_cookies_a_pending_login_is_worth_nothing_in_another_browser(auth: Sealring, caught: bool) -> None:  # noqa: FBT001
    app = fastapi_app(auth)
    async with browser_of(app) as browser, browser_of(app) as other:
        needed = await browser.post("/enter", params={"caught": caught})
        if caught:
            assert (needed.status_code, needed.headers["cache-control"]) == (200, "no-store")
        else:
            assert problem(needed) == (401, "second_factor_required")
        assert needed.json()["methods"] == ["mailed-code"]
        assert browser.cookies[LOGIN_COOKIE]
        pending = needed.json()["pending"]
        begun = await browser.post("/begin/mailed-code", json={"pending": pending, "response": {}})
        assert begun.json() == {"challenge": {"sent_to": "your mailbox"}}
        proof = {"pending": pending, "response": {"code": mailbox(auth).sent[-1]}}
        assert problem(await other.post("/step/mailed-code", json=proof)) == (401, "login_expired")
        assert (await browser.post("/step/mailed-code", json=proof)).status_code == 200
        assert (await browser.get("/auth/me")).json()["id"]


async def test_a_first_step_that_is_begun_binds_the_browser_too(auth: Sealring) -> None:
    app = fastapi_app(auth)
    async with browser_of(app) as browser, browser_of(app) as other:
        begun = await browser.post("/begin/mailed-login", json={"response": {"username": "ann"}})
        assert begun.json() == {"challenge": {"sent_to": "your mailbox"}}
        assert browser.cookies[LOGIN_COOKIE]
        proof = {"response": {"username": "ann", "code": mailbox(auth, "mailed-login").sent[-1]}}
        assert problem(await other.post("/step/mailed-login", json=proof)) == (401, "invalid_credentials")
        assert (await browser.post("/step/mailed-login", json=proof)).status_code == 200


async def test_every_framework_answers_with_the_cookie_that_binds_the_login(auth: Sealring) -> None:
    def refused() -> SecondFactorRequired:
        needed = SecondFactorRequired("p", ("mailed-code",))
        needed.cookie = auth.delivery.login_cookie("binding")
        return needed

    def view() -> str:
        raise refused()

    async def async_view() -> str:
        raise refused()

    flask, quart = Flask(__name__), Quart(__name__)
    for app, its in ((flask, view), (quart, async_view)):
        auth.init_app(app)
        app.add_url_rule("/own", view_func=its)
    litestar = Litestar([get("/own", media_type="text/plain")(async_view)], plugins=[SealringPlugin(auth)])
    for host in (WSGI(flask), quart, litestar):
        async with browser_of(host) as browser:
            answer = await browser.get("/own")
            assert problem(answer) == (401, "second_factor_required")
            assert answer.headers["set-cookie"].startswith(f"{LOGIN_COOKIE}=binding;")
