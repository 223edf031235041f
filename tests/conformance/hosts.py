"""The applications in which the auth routes must be the same: the table of hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from sealring import Sealring


def raw_asgi(auth: Sealring) -> Any:
    """As a server sees it that strips nothing: the path below `/auth`, and `root_path` says so."""
    inner = auth.asgi()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"].startswith("/auth")
        await inner({**scope, "root_path": "/auth"}, receive, send)

    return app


def starlette_mount(auth: Sealring) -> Any:
    return Starlette(routes=[Mount("/auth", auth.asgi())])


def fastapi_router(auth: Sealring) -> Any:
    app = FastAPI()
    app.include_router(auth.router())
    return app


def fastapi_mount(auth: Sealring) -> Any:
    app = FastAPI()
    app.mount("/auth", auth.asgi())
    return app


def fastapi_inside_starlette(auth: Sealring) -> Any:
    return Starlette(routes=[Mount("/", fastapi_router(auth))])


HOSTS: dict[str, Callable[[Sealring], Any]] = {
    "raw ASGI": raw_asgi,
    "Starlette mount": starlette_mount,
    "FastAPI router": fastapi_router,
    "FastAPI mount": fastapi_mount,
    "FastAPI inside Starlette": fastapi_inside_starlette,
}
