"""One small application per framework: a route that shows who asks, and one that changes something.

Annotations are no strings here: FastAPI could not read local names in them.
"""

from typing import Annotated, Any

from fastapi import FastAPI, Security
from flask import Flask
from litestar import Litestar, Request, get
from litestar import post as litestar_post
from quart import Quart

from sealring import Principal, Sealring
from sealring.frameworks.fastapi import guard
from sealring.frameworks.flask import current_principal, require
from sealring.frameworks.litestar import SealringPlugin
from sealring.frameworks.litestar import require as litestar_require
from sealring.frameworks.quart import current_principal as quart_principal
from sealring.frameworks.quart import require as quart_require


def fastapi_app(auth: Sealring) -> FastAPI:
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router())
    reader = Security(guard(auth), scopes=["orders:read"])

    @app.get("/orders")
    async def read(user: Annotated[Principal, reader]) -> dict[str, str]:
        return {"orders of": user.subject}

    @app.post("/orders")
    async def order(user: Annotated[Principal, reader]) -> dict[str, str]:
        return {"ordered by": user.subject}

    return app


def flask_app(auth: Sealring) -> Flask:
    app = Flask("shop")
    auth.init_app(app)

    @app.get("/orders")
    @require("orders:read")
    def read() -> dict[str, str]:
        return {"orders of": current_principal.subject}

    @app.post("/orders")
    @require("orders:read")
    def order() -> dict[str, str]:
        return {"ordered by": current_principal.subject}

    return app


def litestar_app(auth: Sealring) -> Litestar:
    @get("/orders", guards=[litestar_require("orders:read")])
    async def read(request: Request[Principal, Any, Any]) -> dict[str, str]:
        return {"orders of": request.user.subject}

    @litestar_post("/orders", guards=[litestar_require("orders:read")])
    async def order(request: Request[Principal, Any, Any]) -> dict[str, str]:
        return {"ordered by": request.user.subject}

    return Litestar([read, order], plugins=[SealringPlugin(auth)], logging_config=None)


def quart_app(auth: Sealring) -> Quart:
    app = Quart("shop")
    auth.init_app(app)

    @app.get("/orders")
    @quart_require("orders:read")
    async def read() -> dict[str, str]:
        return {"orders of": quart_principal.subject}

    @app.post("/orders")
    @quart_require("orders:read")
    async def order() -> dict[str, str]:
        return {"ordered by": quart_principal.subject}

    return app
