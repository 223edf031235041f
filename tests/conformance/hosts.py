"""The applications in which the auth routes must be the same: the table of hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
from anyio import to_thread
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar
from quart import Quart
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import Mount

from sealring import Sealring
from sealring.frameworks.litestar import SealringPlugin
from tests.django_project.settings import use as use_in_django


def raw_asgi(auth: Sealring) -> Any:
    """As a server sees it that strips nothing: the path below `/auth`, and `root_path` says so."""
    inner = {"/auth": auth.asgi(), "/.well-known": auth.asgi_well_known()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        root_path = next((root for root in inner if scope["path"].startswith(root)), "")
        await inner[root_path or "/auth"]({**scope, "root_path": root_path}, receive, send)

    return app


def starlette_mount(auth: Sealring) -> Any:
    return Starlette(routes=mounts(auth))


def mounts(auth: Sealring) -> list[Mount]:
    return [Mount("/auth", auth.asgi()), Mount("/.well-known", auth.asgi_well_known())]


def in_front_of_asgi(auth: Sealring) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - the interface
        assert scope["type"] == "http"
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return auth.middleware(auth.asgi(app))


def starlette_backend(auth: Sealring) -> Any:
    return Starlette(
        routes=mounts(auth),
        middleware=[Middleware(AuthenticationMiddleware, backend=auth.backend)],
    )


def litestar_plugin(auth: Sealring) -> Any:
    return Litestar(plugins=[SealringPlugin(auth)], logging_config=None)


def litestar_inside_starlette(auth: Sealring) -> Any:
    return Starlette(routes=[Mount("/", litestar_plugin(auth))])


def quart_app(auth: Sealring) -> Any:
    app = Quart(__name__)
    auth.init_app(app)
    return app


def fastapi_router(auth: Sealring) -> Any:
    app = FastAPI()
    app.include_router(auth.router())
    return app


def fastapi_mount(auth: Sealring) -> Any:
    app = FastAPI()
    app.mount("/auth", auth.asgi())
    app.mount("/.well-known", auth.asgi_well_known())
    return app


def fastapi_inside_starlette(auth: Sealring) -> Any:
    return Starlette(routes=[Mount("/", fastapi_router(auth))])


class WSGI(httpx2.AsyncBaseTransport):
    """A WSGI application as its server calls it: from a thread that has no event loop."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self._transport = httpx2.WSGITransport(app)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        return await to_thread.run_sync(self._answer, request)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._transport.handle_request(request)
        content = answer.read()
        return httpx2.Response(answer.status_code, headers=answer.headers.raw, stream=httpx2.ByteStream(content))


def transport_of(app: Any) -> httpx2.AsyncBaseTransport:
    """How a client reaches a host of the table."""
    return app if isinstance(app, WSGI) else httpx2.ASGITransport(app)


def raw_wsgi(auth: Sealring) -> Any:
    """Mounted as PEP 3333 says: what stands before the routes is `SCRIPT_NAME`."""
    inner = {"/auth": auth.wsgi(), "/.well-known": auth.wsgi_well_known()}

    def app(environ: Any, start_response: Any) -> Any:
        mount = next((mount for mount in inner if environ["PATH_INFO"].startswith(mount)), "")
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = mount, environ["PATH_INFO"].removeprefix(mount)
        return inner[mount or "/auth"](environ, start_response)

    return WSGI(app)


def wsgi_behind_the_middleware(auth: Sealring) -> Any:
    return WSGI(auth.wsgi_middleware(raw_wsgi(auth).app))


def flask_app(auth: Sealring) -> Any:
    app = Flask(__name__)
    auth.init_app(app)
    return WSGI(app)


def django_wsgi(auth: Sealring) -> Any:
    use_in_django(auth)
    return WSGI(WSGIHandler())


def django_asgi(auth: Sealring) -> Any:
    use_in_django(auth)
    return ASGIHandler()


HOSTS: dict[str, Callable[[Sealring], Any]] = {
    "raw ASGI": raw_asgi,
    "in front of ASGI": in_front_of_asgi,
    "Starlette mount": starlette_mount,
    "Starlette backend": starlette_backend,
    "FastAPI router": fastapi_router,
    "FastAPI mount": fastapi_mount,
    "FastAPI inside Starlette": fastapi_inside_starlette,
    "Litestar": litestar_plugin,
    "Litestar inside Starlette": litestar_inside_starlette,
    "Quart": quart_app,
    "raw WSGI": raw_wsgi,
    "WSGI middleware": wsgi_behind_the_middleware,
    "Flask": flask_app,
    "Django WSGI": django_wsgi,
    "Django ASGI": django_asgi,
}
WSGI_HOSTS = ("raw WSGI", "WSGI middleware", "Flask", "Django WSGI")
"""Those of them that a WSGI server serves."""
