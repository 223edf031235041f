"""Applications with the same six routes of their own, guarded as each framework guards: the table of guards.

Each takes a `Sealring`, whose auth routes it serves too, or the `Verifier` of a service that has none.

`/open` is for everybody, `/home` too but refuses bad credentials, `/mine` is for who is logged in, `/orders` needs the
scope `orders:read`, `/transfer` two factors shown within five minutes, `/payouts` a session that is bound to a key of
its client. Each says the subject, or "nobody".
"""

# no postponed annotations: FastAPI cannot look up the local names in a string

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Security
from fastapi.responses import PlainTextResponse as FastAPIText
from flask import Flask
from litestar import Litestar, MediaType, Request, get, route
from quart import Quart
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from sealring import Principal, Sealring, SealringError, StepUp, Verifier
from sealring.frameworks import flask as in_flask
from sealring.frameworks import quart as in_quart
from sealring.frameworks.fastapi import guard, optional_guard
from sealring.frameworks.litestar import SealringPlugin, require
from tests.conformance.hosts import WSGI
from tests.django_project.settings import use as use_in_django

from tests.conformance.django_guarded import GuardedASGI, GuardedWSGI  # isort: skip  # after the project's settings

SCOPE = "orders:read"
STEP_UP = StepUp(max_age="5m", acr="mfa")

Checks = Sealring | Verifier


def said(user: Any) -> str:
    return str(user.subject) if user else "nobody"


def fastapi_guards(auth: Checks) -> Any:
    app = FastAPI(default_response_class=FastAPIText)
    app.add_middleware(auth.middleware)
    app.add_exception_handler(SealringError, auth.problem_response)
    if isinstance(auth, Sealring):
        app.include_router(auth.router())

    @app.get("/open")
    async def everybody(request: StarletteRequest) -> str:
        return said(request.user)

    @app.get("/home")
    async def home(user: Annotated[Principal | None, Security(optional_guard(auth))]) -> str:
        return said(user)

    @app.api_route("/mine", methods=["GET", "POST"])
    async def mine(user: Annotated[Principal, Security(guard(auth))]) -> str:
        return said(user)

    @app.get("/orders")
    async def orders(user: Annotated[Principal, Security(guard(auth), scopes=[SCOPE])]) -> str:
        return said(user)

    @app.get("/transfer")
    async def transfer(user: Annotated[Principal, Security(guard(auth, max_age="5m", acr="mfa"))]) -> str:
        return said(user)

    @app.get("/payouts")
    async def payouts(user: Annotated[Principal, Security(guard(auth, bound=True))]) -> str:
        return said(user)

    return app


def auth_routes(auth: Checks) -> list[Any]:
    return [Mount("/auth", auth.asgi())] if isinstance(auth, Sealring) else []


def transfer_route(auth: Checks) -> Route:
    """What a framework without a guard of ours asks, inside of the route."""

    async def transfer(request: StarletteRequest) -> PlainTextResponse:
        return PlainTextResponse(said(auth.authenticator.result_for(request.scope).require(step_up=STEP_UP)))

    return Route("/transfer", transfer)


def payouts_route(auth: Checks) -> Route:
    """As `transfer_route`."""

    async def payouts(request: StarletteRequest) -> PlainTextResponse:
        return PlainTextResponse(said(auth.authenticator.result_for(request.scope).require(bound=True)))

    return Route("/payouts", payouts)


def starlette_routes(auth: Checks) -> list[Any]:
    async def everybody(request: StarletteRequest) -> PlainTextResponse:
        return PlainTextResponse(said(request.user))

    async def home(request: StarletteRequest) -> PlainTextResponse:
        result = auth.authenticator.result_for(request.scope)
        return PlainTextResponse(said(result.require() if result.refusal else request.user))

    return [
        *auth_routes(auth),
        transfer_route(auth),
        payouts_route(auth),
        Route("/open", everybody),
        Route("/home", home),
        Route("/mine", requires("authenticated")(everybody), methods=["GET", "POST"]),
        Route("/orders", requires(SCOPE)(everybody)),
    ]


def starlette_requires(auth: Checks) -> Any:
    return Starlette(
        routes=starlette_routes(auth),
        middleware=[Middleware(AuthenticationMiddleware, backend=auth.backend)],
        exception_handlers={SealringError: auth.problem_response, 403: auth.problem_response},
    )


def starlette_requires_behind_our_middleware(auth: Checks) -> Any:
    return Starlette(
        routes=starlette_routes(auth),
        middleware=[Middleware(auth.middleware)],
        exception_handlers={SealringError: auth.problem_response, 403: auth.problem_response},
    )


def protected_paths(auth: Checks) -> Any:
    async def everybody(request: StarletteRequest) -> PlainTextResponse:
        return PlainTextResponse(said(request.user))

    async def home(request: StarletteRequest) -> PlainTextResponse:
        result = auth.authenticator.result_for(request.scope)
        return PlainTextResponse(said(result.require() if result.refusal else request.user))

    return Starlette(
        routes=[
            *auth_routes(auth),
            transfer_route(auth),
            payouts_route(auth),
            Route("/open", everybody),
            Route("/home", home),
            Route("/mine", everybody, methods=["GET", "POST"]),
            Route("/orders", everybody),
        ],
        middleware=[Middleware(auth.middleware, protect={"/mine": [], "/orders": [SCOPE]})],
        exception_handlers={SealringError: auth.problem_response},
    )


def litestar_guards(auth: Checks) -> Any:
    @get("/open", media_type=MediaType.TEXT)
    async def everybody(request: Request[Any, Any, Any]) -> str:
        return said(request.user)

    @get("/home", media_type=MediaType.TEXT, guards=[require(optional=True)])
    async def home(request: Request[Any, Any, Any]) -> str:
        return said(request.user)

    @route("/mine", http_method=["GET", "POST"], status_code=200, media_type=MediaType.TEXT, guards=[require()])
    async def mine(request: Request[Any, Any, Any]) -> str:
        return said(request.user)

    @get("/orders", media_type=MediaType.TEXT, guards=[require(SCOPE)])
    async def orders(request: Request[Any, Any, Any]) -> str:
        return said(request.user)

    @get("/transfer", media_type=MediaType.TEXT, guards=[require(max_age="5m", acr="mfa")])
    async def transfer(request: Request[Any, Any, Any]) -> str:
        return said(request.user)

    @get("/payouts", media_type=MediaType.TEXT, guards=[require(bound=True)])
    async def payouts(request: Request[Any, Any, Any]) -> str:
        return said(request.user)

    return Litestar(
        [everybody, home, mine, orders, transfer, payouts], plugins=[SealringPlugin(auth)], logging_config=None
    )


def add_views(app: Any, framework: Any) -> None:
    """The views of Flask and Quart, which look alike."""

    def everybody() -> str:
        return said(framework.current_principal)

    app.add_url_rule("/open", "open", everybody)
    app.add_url_rule("/home", "home", framework.require(optional=True)(everybody))
    app.add_url_rule("/mine", "mine", framework.require()(everybody), methods=["GET", "POST"])
    app.add_url_rule("/orders", "orders", framework.require(SCOPE)(everybody))
    app.add_url_rule("/transfer", "transfer", framework.require(max_age="5m", acr="mfa")(everybody))
    app.add_url_rule("/payouts", "payouts", framework.require(bound=True)(everybody))


def quart_views(auth: Checks) -> Any:
    app = Quart(__name__)
    auth.init_app(app)
    add_views(app, in_quart)
    return app


def flask_views(auth: Checks) -> Any:
    app = Flask(__name__)
    auth.init_app(app)
    add_views(app, in_flask)
    return WSGI(app)


def django_wsgi_views(auth: Checks) -> Any:
    use_in_django(auth)
    return WSGI(GuardedWSGI())


def django_asgi_views(auth: Checks) -> Any:
    use_in_django(auth)
    return GuardedASGI()


GUARDED: dict[str, Callable[[Checks], Any]] = {
    "FastAPI guard": fastapi_guards,
    "Starlette backend": starlette_requires,
    "Starlette middleware": starlette_requires_behind_our_middleware,
    "protected paths": protected_paths,
    "Litestar guards": litestar_guards,
    "Quart views": quart_views,
    "Flask views": flask_views,
    "Django WSGI views": django_wsgi_views,
    "Django ASGI views": django_asgi_views,
}
