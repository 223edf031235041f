"""The auth routes as a raw ASGI application: to be mounted in any framework. No framework is imported.

    app.mount("/auth", auth.asgi())

Whatever stands before the routes is `root_path`, or was taken off the path already: frameworks differ, and some add a
slash at the end. The lifespan of a mounted application never runs: the outermost one needs `lifespan=auth.lifespan`, or
the first request opens the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from sealring.errors import NotFound
from sealring.http.asgi_types import Receive, Scope, Send
from sealring.http.body import read_body
from sealring.http.endpoint import Endpoint, Head, Response, Routes
from sealring.http.limits import HeadLimits
from sealring.http.middleware import SessionMiddleware
from sealring.http.pipeline import refuse_unserved, serve
from sealring.http.problems import POLICY_VIOLATION
from sealring.http.request_errors import MethodNotAllowed
from sealring.http.service import AuthService

__all__ = ["AuthApp", "HeadLimits", "SessionMiddleware"]


class AuthApp:
    """Serves a table of endpoints, found by their path below where this application is mounted."""

    def __init__(self, service: AuthService, endpoints: Iterable[Endpoint]) -> None:
        self._service = service
        self._routes = Routes(endpoints)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3.0).

        Raises:
            TypeError: asked for a lifespan, which is the outermost application's.
        """
        if scope["type"] == "lifespan":
            raise TypeError("the outermost application needs lifespan=auth.lifespan; this one is to be mounted")
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        try:
            endpoint, parameters = self._routes.find(scope["method"], local_path(scope))
        except (NotFound, MethodNotAllowed) as error:
            await send_response(refuse_unserved(self._service, Head(scope), error), scope, send)
            return
        await send_response(await serve_asgi(self._service, endpoint, parameters, scope, receive), scope, send)


async def serve_asgi(
    service: AuthService,
    endpoint: Endpoint,
    parameters: Mapping[str, str],
    scope: Scope,
    receive: Receive,
    *,
    host_query: frozenset[str] = frozenset(),
) -> Response:
    """Serve a request of one endpoint; `host_query` are parameters that the application's own code reads there."""
    head = Head(scope, host_query)
    return await serve(service, endpoint, parameters, head, partial(read_body, scope["headers"], receive))


async def send_response(response: Response, scope: Scope, send: Send) -> None:
    """Send a response: without its body to HEAD."""
    await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
    body = b"" if scope["method"] == "HEAD" else response.body
    await send({"type": "http.response.body", "body": body})


def local_path(scope: Scope) -> str:
    """The path below where this application is mounted.

    >>> local_path({"path": "/shop/auth/login", "root_path": "/shop/auth"})
    '/login'
    >>> local_path({"path": "/login/", "root_path": ""})
    '/login'
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    return "/" + path.strip("/")
