"""The applications that `bench/web.py` serves: each once open, once behind a check, else the same."""

# no `from __future__ import annotations`: FastAPI reads the closures' annotations as values

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Security
from fastapi.security import SecurityScopes
from starlette.requests import HTTPConnection

from sealring import Principal, Sealring
from sealring.demo.orders import Order, orders_at
from sealring.frameworks.fastapi import guard
from sealring.http.asgi_types import Receive, Scope, Send

ANSWER = b'{"orders":[]}'


def auth_in(folder: Path) -> Sealring:
    return Sealring(
        secret="kJ8vQ2xN7pL4mW9zR3tY6bC1dF5gH0sA-for-the-bench-only", database_url=f"sqlite:///{folder}/bench.db"
    )


def auth_here() -> Sealring:
    return auth_in(Path(os.environ["BENCH_FOLDER"]))


async def bare(scope: Scope, _: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def bare_open() -> Any:
    return bare


def bare_guarded() -> Any:
    auth = auth_here()
    guarded = auth.middleware(bare, protect=["/api/"])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await auth.open()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await auth.close()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await guarded(scope, receive, send)

    return app


def fastapi_open() -> Any:
    app = FastAPI()

    @app.get("/api/userOrders")
    async def orders() -> dict[str, list[str]]:
        return {"orders": []}

    return app


def fastapi_protected() -> Any:
    auth = auth_here()
    app = FastAPI(lifespan=auth.lifespan)
    app.add_middleware(auth.middleware, protect=["/api/"])

    @app.get("/api/userOrders")
    async def orders() -> dict[str, list[str]]:
        return {"orders": []}

    return app


def fastapi_dependency() -> Any:
    app = FastAPI()

    async def nobody(connection: HTTPConnection, security_scopes: SecurityScopes) -> str:
        return security_scopes.scopes[0] if connection.scope else ""

    @app.get("/api/userOrders")
    async def orders(user: Annotated[str, Security(nobody, scopes=["orders:read"])]) -> dict[str, list[str]]:
        assert user  # noqa: S101 - as in the guarded route
        return {"orders": []}

    return app


def fastapi_guarded() -> Any:
    auth = auth_here()
    app = FastAPI(lifespan=auth.lifespan)

    @app.get("/api/userOrders")
    async def orders(user: Annotated[Principal, Security(guard(auth), scopes=["orders:read"])]) -> dict[str, list[str]]:
        assert user.subject  # noqa: S101 - the route knows who asks
        return {"orders": []}

    return app


def orders_open() -> Any:
    return with_orders(guarded=False)


def orders_guarded() -> Any:
    return with_orders(guarded=True)


def with_orders(*, guarded: bool) -> Any:
    auth = auth_here()
    orders = orders_at(auth.settings.database_url, "")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with auth.lifespan(app):
            await orders.open()
            yield
            await orders.close()

    app = FastAPI(lifespan=lifespan)

    async def of(subject: str) -> dict[str, list[Order]]:
        return {"orders": await orders.of(subject)}

    if guarded:

        @app.get("/api/userOrders")
        async def user_orders(user: Annotated[Principal, Security(guard(auth))]) -> dict[str, list[Order]]:
            return await of(user.subject)

    else:

        @app.get("/api/userOrders")
        async def open_orders() -> dict[str, list[Order]]:
            return await of("user-1")

    return app
