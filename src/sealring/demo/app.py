"""The demo application: the tutorial's two routes, the auth routes, the page, and their documentation.

It is also the example to copy from: everything that an application needs of Sealring stands in `create_app`, all of it
public, and the rest of this folder is what any application has of its own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Request, Security
from pydantic import BaseModel, ConfigDict, Field

from sealring import (
    CrossSite,
    InvalidField,
    NameTaken,
    Overloaded,
    Principal,
    Sealring,
    SealringError,
    Settings,
    Throttled,
    WrongCredentials,
    load_settings,
)
from sealring.demo.orders import Order, Orders, orders_at
from sealring.demo.page import Page
from sealring.frameworks.asgi import HeadLimits
from sealring.frameworks.fastapi import BODY, GUARDED, guard, problem_route, refusals
from sealring.frameworks.starlette import answer_no_route

INVALID_STATUS: Literal[403] = 403
"""As in the tutorial: no token is 401, a bad one 403. The library's own default is RFC 6750's 401."""


class NewUser(BaseModel):
    """`POST /api/createNewUser`, as in the tutorial."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)
    username: str
    password: str = Field(repr=False)


class CreatedUser(BaseModel):
    """The new account and its tokens."""

    token: str = Field(repr=False)
    access_token: str = Field(repr=False)
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the type's name
    expires_in: int
    refresh_token: str = Field(repr=False)
    id: str
    username: str


class OrderList(BaseModel):
    """The orders of the user who asks."""

    orders: list[Order]


def create_app(settings: Settings | None = None) -> FastAPI:
    """The whole demo as one ASGI application.

    Args:
        settings: read from the environment when left out.
    """
    settings = load_settings() if settings is None else settings
    if "password_grant" not in settings.given:  # for the Authorize button of /docs
        settings = replace(settings, password_grant="on")  # noqa: S106 - a switch
    settings = replace(settings, pages="on")  # the demo's own page is built of their modules
    counters = registry()
    auth = Sealring(settings, metrics=counters)
    orders = orders_at(settings.database_url, settings.database_schema)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with auth.lifespan(app):
            await orders.open()
            try:
                yield
            finally:
                await orders.close()

    app = FastAPI(
        title="Sealring demo", version="1", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.include_router(auth.router())
    app.include_router(tutorial_routes(auth, orders), prefix="/api")
    app.include_router(auth.health_router())
    if counters is not None:
        app.include_router(auth.metrics_router())
    page = Page(
        app,
        auth_path=settings.auth_path,
        password_min_length=settings.password_min_length,
        registration=settings.registration,
    )
    app.include_router(page.router, include_in_schema=False)
    app.add_exception_handler(SealringError, auth.problem_response)
    app.add_exception_handler(404, answer_no_route)
    app.add_exception_handler(405, answer_no_route)
    app.add_middleware(auth.middleware, protect=["/api/userOrders"], invalid_status=INVALID_STATUS)
    app.add_middleware(HeadLimits, refused=auth.refused)
    return app


def registry() -> Any:
    """A registry to count in, where the extra `metrics` is installed."""
    return import_module("prometheus_client").CollectorRegistry() if find_spec("prometheus_client") else None


def tutorial_routes(auth: Sealring, orders: Orders) -> APIRouter:
    """The two routes of the tutorial that this system starts from."""
    router = APIRouter(route_class=problem_route(auth), tags=["orders"])
    token_url = f"{auth.settings.auth_path}/token".lstrip("/") if auth.settings.has_password_grant else None
    user = Annotated[Principal, Security(guard(auth, token_url=token_url))]

    joining = (*BODY, CrossSite, InvalidField, NameTaken, WrongCredentials)
    busy = (Throttled, Overloaded)

    @router.post("/createNewUser", operation_id="createNewUser", status_code=201, responses=refusals(*joining, *busy))
    async def create_new_user(body: NewUser, request: Request) -> CreatedUser:
        """Make an account; `token` is the tutorial's own name for the access token."""
        auth.refuse_cross_site(request)
        logged_in = await auth.register(body.username, body.password, request=request)
        issued = logged_in.issued
        return CreatedUser(
            token=issued.access_token.text,
            access_token=issued.access_token.text,
            expires_in=issued.expires_in,
            refresh_token=issued.refresh_token,
            id=logged_in.account.id,
            username=logged_in.account.name,
        )

    @router.get("/userOrders", operation_id="userOrders", responses=refusals(*GUARDED, bad_token=INVALID_STATUS))
    async def user_orders(user: user) -> OrderList:
        """The orders of the token's own subject, and of nobody else."""
        return OrderList(orders=await orders.of(user.subject))

    router.add_api_route("/userOrders", user_orders, methods=["HEAD"], include_in_schema=False)
    return router
