"""The auth routes as a raw ASGI application: mounted in any framework, or in front of it. No framework is imported.

    app.mount("/auth", auth.asgi())
    app = auth.middleware(auth.asgi(app))

Whatever stands before the routes is `root_path`, or was taken off the path already: frameworks differ, and some add a
slash at the end. The lifespan of a mounted application never runs: the outermost one needs `lifespan=auth.lifespan`, or
the first request opens the store. In front of an application, the routes serve its lifespan and ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial

from sealring.errors import NotFound
from sealring.frameworks.lifespan import Lifespan
from sealring.http.asgi_types import App, Receive, Scope, Send
from sealring.http.body import read_body
from sealring.http.endpoint import Endpoint, Head, Response, Routes
from sealring.http.limits import HeadLimits
from sealring.http.middleware import SessionMiddleware
from sealring.http.pipeline import refuse_unserved, serve
from sealring.http.problems import POLICY_VIOLATION
from sealring.http.request_errors import MethodNotAllowed
from sealring.http.verifying_service import VerifyingService

__all__ = ["AuthApp", "HeadLimits", "SessionMiddleware"]


class AuthApp:
    """Serves a table of endpoints, found by their path below where this application is mounted.

    Args:
        service: what the endpoints stand on.
        endpoints: the table.
        prefix: a path of theirs below the mount.
        otherwise: serves paths that no endpoint has, WebSockets and the lifespan; else they are refused.
        lifespan: opens what the endpoints stand on, around the lifespan of `otherwise`.
    """

    def __init__(
        self,
        service: VerifyingService,
        endpoints: Iterable[Endpoint],
        *,
        prefix: str = "",
        otherwise: App | None = None,
        lifespan: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> None:
        self._service = service
        self._routes = Routes(endpoints)
        self._prefix = prefix
        self._name = prefix.strip("/")
        self._otherwise = otherwise
        self._lifespan = None if otherwise is None else Lifespan(otherwise, lifespan)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The table."""
        return self._routes.endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3.0).

        Raises:
            TypeError: asked for a lifespan, which is the outermost application's.
        """
        if scope["type"] == "lifespan":
            if self._lifespan is None:
                raise TypeError("the outermost application needs lifespan=auth.lifespan; this one is to be mounted")
            await self._lifespan(scope, receive, send)
            return
        if scope["type"] == "websocket":
            if self._otherwise is not None:
                await self._otherwise(scope, receive, send)
                return
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        if self._otherwise is not None and self._name not in scope["path"]:
            await self._otherwise(scope, receive, send)  # most requests are the application's own: they cost this look
            return
        try:
            endpoint, parameters = self._routes.find(scope["method"], self._below_prefix(local_path(scope)))
        except (NotFound, MethodNotAllowed) as error:
            if self._otherwise is not None and isinstance(error, NotFound) and not self._is_respelled(scope):
                await self._otherwise(scope, receive, send)
                return
            await send_response(refuse_unserved(self._service, Head(scope), error), scope, send)
            return
        await send_response(await serve_asgi(self._service, endpoint, parameters, scope, receive), scope, send)

    def _is_respelled(self, scope: Scope) -> bool:
        path = local_path(scope)
        return path.startswith(self._prefix + "/") and self._routes.is_respelled(path[len(self._prefix) :])

    def _below_prefix(self, path: str) -> str:
        if not path.startswith(self._prefix + "/"):
            raise NotFound("no such route")
        return path[len(self._prefix) :]


async def serve_asgi(
    service: VerifyingService,
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
    >>> local_path({"path": "/auth/login/", "root_path": "/auth"})  # another path: no route has a slash at its end
    '/login/'
    """
    path: str = scope["path"]
    told: str = scope.get("root_path", "")
    root = told.rstrip("/")
    if path == root or path.startswith(root + "/"):
        path = path[len(root) :]
        if told != root:  # "/shop/" and "/login" make "/shop//login", and the client asked with one slash
            path = path.lstrip("/")
    return path if path.startswith("/") else "/" + path
