"""One small application per framework: a route that shows who asks, and one that changes something.

Annotations are no strings here: FastAPI could not read local names in them.
"""

from typing import Annotated

from fastapi import FastAPI, Security
from flask import Flask

from sealring import Principal, Sealring
from sealring.frameworks.fastapi import guard
from sealring.frameworks.flask import current_principal, require


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
