"""Litestar and Quart for `bench/frameworks.py`: the route open, behind Sealring, behind the usual library."""

# no `from __future__ import annotations`: Litestar reads the closures' annotations as values

from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

import quart
from litestar import Litestar, Request, get
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.security.jwt import JWTAuth, Token
from quart import Quart, jsonify

from bench.frameworks_peers import PATH, SCOPE, SECRET, USERS, bearer_of
from sealring import Sealring
from sealring.frameworks.litestar import SealringPlugin
from sealring.frameworks.litestar import require as litestar_require
from sealring.frameworks.quart import current_principal, require

# Litestar ----------------------------------------------------------------------------------------


def litestar_open(_: Sealring) -> Any:
    @get(PATH)
    async def orders(request: Request[Any, Any, Any]) -> dict[str, list[str]]:
        return {"orders": []} if request.method else {}

    return Litestar([orders])


async def everybody(_: ASGIConnection[Any, Any, Any, Any], __: BaseRouteHandler) -> None:
    """What a guard itself costs: Litestar copies the handler for each."""


def litestar_empty_guard(_: Sealring) -> Any:
    @get(PATH, guards=[everybody])
    async def orders(request: Request[Any, Any, Any]) -> dict[str, list[str]]:
        return {"orders": []} if request.method else {}

    return Litestar([orders])


def litestar_ours(auth: Sealring) -> Any:
    @get(PATH, guards=[litestar_require(SCOPE)])
    async def orders(request: Request[Any, Any, Any]) -> dict[str, list[str]]:
        return {"orders": []} if request.user.subject else {}

    return Litestar([orders], plugins=[SealringPlugin(auth)])


async def retrieve_user(token: Token, _: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    return USERS.get(token.sub)


def litestar_jwt(_: Sealring) -> Any:
    """As its documentation has it; its users are a dictionary there too."""

    @get(PATH)
    async def orders(request: Request[Any, Any, Any]) -> dict[str, list[str]]:
        return {"orders": []} if request.user else {}

    jwt_auth = JWTAuth[str](retrieve_user_handler=retrieve_user, token_secret=SECRET, exclude=["/schema"])
    return Litestar([orders], on_app_init=[jwt_auth.on_app_init])


def litestar_jwt_token(name: str) -> str:
    return Token(sub=name, exp=datetime.now(UTC) + timedelta(hours=1)).encode(SECRET, "HS256")


# Quart -------------------------------------------------------------------------------------------


def quart_open(_: Sealring) -> Any:
    app = Quart("open")

    @app.get(PATH)
    async def orders() -> quart.Response:
        return jsonify(orders=[])

    return app


def quart_ours(auth: Sealring) -> Any:
    app = Quart("ours")
    auth.init_app(app)

    @app.get(PATH)
    @require(SCOPE)
    async def orders() -> quart.Response:
        return jsonify(orders=[] if current_principal.subject else None)

    return app


def quart_pyjwt(_: Sealring) -> Any:
    app = Quart("pyjwt")

    def login_required(view: Any) -> Any:
        @wraps(view)
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            claims = bearer_of(quart.request.headers.get("Authorization"))
            if claims is None:
                return jsonify(detail="not logged in"), 401
            quart.g.user = claims["sub"]
            return await view(*args, **kwargs)

        return guarded

    @app.get(PATH)
    @login_required
    async def orders() -> quart.Response:
        return jsonify(orders=[] if quart.g.user else None)

    return app
