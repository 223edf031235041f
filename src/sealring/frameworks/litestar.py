"""Litestar: a plugin with the auth routes and `request.user`, and guards that need a principal.

    app = Litestar([orders], plugins=[SealringPlugin(auth)])

    @get("/orders", guards=[require("orders:read")])
    async def orders(request: Request[Principal, Any, Any]) -> str:
        return request.user.subject

The auth routes are ASGI handlers, one for each path. A mount at `/auth` would not do: Litestar sends it every path that
begins with the same letters (`/authors`). An ASGI handler cannot have a variable part, so what stands before that is
mounted (`/auth/sessions`). What Litestar has taken off the path of a mount is put back before our routes see it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from copy import copy
from dataclasses import fields
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast, runtime_checkable
from urllib.parse import unquote

try:
    import litestar  # noqa: F401 - asked for first, so that the answer says what to install
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{__name__} needs the package {missing.name}: pip install litestar", name=missing.name
    ) from missing
from litestar import Request, Response
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.exceptions import WebSocketException
from litestar.handlers import ASGIRouteHandler, BaseRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import OpenAPI
from litestar.plugins import InitPlugin, ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import ASGIApp
from litestar.types import Guard as LitestarGuard

from sealring.errors import ConfigurationError, SealringError
from sealring.frameworks.asgi import AuthApp
from sealring.frameworks.guard import Guard
from sealring.http.asgi_types import Receive, Scope, Send
from sealring.http.authenticate import AuthResult, RequestAuthenticator
from sealring.http.middleware import SessionMiddleware
from sealring.http.openapi import document
from sealring.http.problems import POLICY_VIOLATION, answer, is_refusal, must_close, row_of
from sealring.http.server_metadata import WELL_KNOWN
from sealring.jwt.durations import Duration

if TYPE_CHECKING:  # what only verifies has none of what reads settings
    from sealring.settings import Settings

__all__ = ["SealringPlugin", "problem_response", "require"]

_AUTH_ROUTE = "sealring_auth_route"
"""Marks our handlers in `opt`: a guard of the whole application does not close the way in."""

_ASKED_EARLY = "sealring_asked_early"
"""Holds in `opt` the guards that the plugin's middleware asks."""


class Authenticating(Protocol):
    """A `Verifier`, or a `Sealring`."""

    authenticator: RequestAuthenticator

    def lifespan(self, app: Any = None) -> AbstractAsyncContextManager[None]:
        """Opens what checks tokens."""

    def asgi_well_known(self) -> AuthApp:
        """The metadata for OAuth clients."""


@runtime_checkable
class Application(Authenticating, Protocol):
    """A `Sealring`."""

    settings: Settings

    def asgi(self, *, accounts: bool = True, oauth: bool | None = None) -> AuthApp:
        """The auth routes."""

    def asgi_well_known(self, *, accounts: bool = True, oauth: bool | None = None) -> AuthApp:
        """The metadata for OAuth clients."""


class SealringPlugin(InitPlugin, ReceiveRoutePlugin):
    """Gives an application the auth routes, `request.user` and `request.auth`, the lifespan, and refusals as problems.

    The routes are below the setting `auth_path`, and stand in the OpenAPI document. Litestar's own CSRF check leaves
    them out: ours refuses there, once. An exception handler of the application's own for `SealringError` stays.

    With a `Verifier` there are no auth routes: the rest is the same. With its `resource`, the metadata is served.

    Args:
        auth: a `Sealring`, or a `Verifier`.
        accounts: see `Sealring.router`.
        oauth: see `Sealring.router`.

    Raises:
        ConfigurationError: an `auth_path` that Litestar misreads.
        TypeError: parts of the auth routes are asked of a `Verifier`.

    >>> from litestar import Litestar
    >>> from litestar.testing import TestClient
    >>> with TestClient(Litestar(plugins=[SealringPlugin(auth)])) as client:
    ...     as_user(client, auth, "42").get("/auth/me").status_code
    200
    """

    def __init__(self, auth: Authenticating, *, accounts: bool = True, oauth: bool | None = None) -> None:
        self._auth = auth
        self._issuing = auth if isinstance(auth, Application) else None
        if self._issuing is None:
            if not accounts or oauth is not None:
                raise TypeError("accounts and oauth are for a Sealring: a Verifier serves no auth routes")
            self._well_known = auth.asgi_well_known()
            return
        self._routes = self._issuing.asgi(accounts=accounts, oauth=oauth)
        self._well_known = self._issuing.asgi_well_known(accounts=accounts, oauth=oauth)
        self._prefix = self._issuing.settings.auth_path.rstrip("/")
        if "." in self._prefix:
            raise ConfigurationError("auth_path must have no dot here: Litestar reads the path of a mount as a pattern")

    @property
    def authenticator(self) -> RequestAuthenticator:
        """Finds the sender of a request."""
        return self._auth.authenticator

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Called by Litestar.

        Args:
            app_config: of the application that is being made.

        Returns:
            The same, with our routes, middleware and lifespan.

        Raises:
            ConfigurationError: the application has a Sealring already.
        """
        if any(isinstance(plugin, SealringPlugin) and plugin is not self for plugin in app_config.plugins):
            raise ConfigurationError("this Litestar application has a Sealring already: give it one SealringPlugin")
        if self._issuing is not None:
            self._add_routes(app_config, self._issuing)
        elif at_root := [WELL_KNOWN + row.path for row in self._well_known.endpoints]:
            serve = self._serving(self._well_known, WELL_KNOWN)
            app_config.route_handlers.append(ASGIRouteHandler(at_root, opt={_AUTH_ROUTE: True}, copy_scope=True)(serve))
        app_config.middleware.insert(0, self._middleware)
        app_config.exception_handlers.setdefault(SealringError, self._answer)
        if self._auth.lifespan not in app_config.lifespan:
            app_config.lifespan.insert(0, self._auth.lifespan)  # first, so that the application's own may use it
        return app_config

    def receive_route(self, route: BaseRoute) -> None:
        """Called by Litestar with each route: our guards are asked in our middleware where nobody sees a difference.

        Litestar copies the whole handler for each guard on each request, which costs a third of a small request. A
        guard that is not taken out, by a rule below or by a version of Litestar that keeps its list to itself, is asked
        by Litestar as before: it is never asked by nobody.

        Args:
            route: one of the application's.
        """
        if not isinstance(route, HTTPRoute):
            return
        for handler in route.route_handlers:
            guards = handler.resolve_guards()
            ours = _leading(guards)
            is_its_own = all(guards is not layer.guards for layer in handler.ownership_layers)
            if ours and is_its_own and self._is_alone_before(handler):
                handler.opt[_ASKED_EARLY] = tuple(ours)
                del guards[: len(ours)]

    def _is_alone_before(self, handler: BaseRouteHandler) -> bool:
        """Whether nothing stands between our middleware and the handler that a refusal there would leave out."""
        app = handler.app
        others = (app.csrf_config, app.compression_config, app.allowed_hosts)
        return handler.resolve_middleware() == [self._middleware] and not any(others)

    def _add_routes(self, app_config: AppConfig, auth: Application) -> None:
        app_config.route_handlers.extend(self._handlers(app_config))
        if app_config.openapi_config is not None:
            described = document(
                self._routes.endpoints, prefix=self._prefix, password_grant=auth.settings.has_password_grant
            )
            app_config.openapi_config = _describing(app_config.openapi_config, described)

    def _handlers(self, app_config: AppConfig) -> list[ASGIRouteHandler]:
        opt: dict[str, Any] = {_AUTH_ROUTE: True}
        if app_config.csrf_config is not None:
            opt[app_config.csrf_config.exclude_from_csrf_key] = True
        paths = dict.fromkeys(endpoint.path for endpoint in self._routes.endpoints)
        mounts = dict.fromkeys(self._prefix + path.partition("/{")[0] for path in paths if "{" in path)
        plain = [self._prefix + path for path in paths if "{" not in path and self._prefix + path not in mounts]
        at_root = [path for row in self._well_known.endpoints if (path := WELL_KNOWN + row.path) not in plain]
        handlers = [ASGIRouteHandler(plain, opt=opt, copy_scope=True)(self._serving(self._routes, self._prefix))]
        if at_root:
            serve = self._serving(self._well_known, WELL_KNOWN)
            handlers.append(ASGIRouteHandler(at_root, opt=opt, copy_scope=True)(serve))
        for mount in mounts:
            serve = self._serving(self._routes, self._prefix, mount)
            handlers.append(ASGIRouteHandler(mount, is_mount=True, opt=opt, copy_scope=True)(serve))
        return handlers

    @staticmethod
    def _serving(routes: AuthApp, prefix: str, mount: str = "") -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        async def auth_routes(scope: Scope, receive: Receive, send: Send) -> None:
            root = scope.get("root_path", "").rstrip("/")
            # Litestar takes slashes off the end and doubled ones out: what was asked stands in `raw_path` alone
            path = (mount + scope["path"]).rstrip("/")
            asked = unquote(scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")) or path
            scope["path"] = root + path + ("" if asked.endswith(path) else "/")
            scope["root_path"] = root + prefix
            await routes(scope, receive, send)

        return auth_routes

    def _middleware(self, app: ASGIApp) -> ASGIApp:
        middleware: Any = SessionMiddleware(_AskEarly(app), authenticator=self.authenticator)
        found: ASGIApp = middleware
        return found

    def _answer(self, request: Request[Any, Any, Any], error: SealringError) -> Response[bytes]:
        """Answer with a refusal that a guard or a handler raised. An invalid setting or key stays a server error."""
        if not is_refusal(error):
            raise error
        self.authenticator.report(error, request.scope)
        return problem_response(error, request)


def require(
    *scopes: str, optional: bool = False, max_age: Duration | None = None, acr: str = "", bound: bool = False
) -> LitestarGuard:
    """Return a guard that only lets a principal with all of these scopes in: 401, 403 or 503 for all others.

    It guards handlers, controllers, routers and a whole application, whose auth routes stay open. `optional=True` lets
    a request without any credential through; a credential that was sent and is bad is refused all the same, and scopes
    are asked of a principal only. A WebSocket is refused with 1008.

    Args:
        scopes: scope tokens of RFC 6749 §3.3, all of which the principal must have; none for any principal.
        optional: whether a request without any credential passes.
        max_age: how long ago the user may have proved who they are, as in "5m"; a refresh does not renew it. Else 401
            `insufficient_user_authentication` (RFC 9470): `POST /auth/reauthenticate/{method}` helps.
        acr: how strongly: `mfa` for two factors, `phr` for two that no phishing page gets.
        bound: whether the session must be bound to a key of its client: the device (DBSC) or DPoP. Else 403
            `session_not_bound`.

    Raises:
        TypeError: a scope that is not text: `guards=[require]` lacks its parentheses.
        ValueError: one that is not a scope token (RFC 6749 §3.3), or what cannot be asked of a proof.

    >>> from litestar import Litestar, get
    >>> from litestar.testing import TestClient
    >>> @get("/orders", guards=[require("orders:read")])
    ... async def orders() -> str:
    ...     return "all orders"
    >>> with TestClient(Litestar([orders], plugins=[SealringPlugin(auth)])) as client:
    ...     client.get("/orders").status_code
    ...     as_user(client, auth, "42", scopes=["orders:read"]).get("/orders").text
    401
    'all orders'
    """
    return _Require(Guard(scopes, optional=optional, max_age=max_age, acr=acr, bound=bound))


class _Require:
    """The guard of `require`. The plugin's middleware asks it instead of Litestar where that makes no difference."""

    __slots__ = ("refusal",)

    def __init__(self, guard: Guard) -> None:
        self.refusal = guard.refusal

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Called by Litestar."""
        if handler.opt.get(_AUTH_ROUTE):
            return
        authenticator = _authenticator(connection)
        scope: Any = connection.scope
        result = scope["auth"] if authenticator is None else await authenticator.authenticate_when_open(scope)
        error = self.refusal(result)
        if error is None:
            return
        if scope["type"] != "websocket":
            raise error
        if authenticator is not None:
            authenticator.report(error, scope)
        _close(error)


class _AskEarly:
    """Asks the guards that the plugin has taken out of a handler. It stands directly inside of `SessionMiddleware`."""

    __slots__ = ("_app",)

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection (ASGI 3.0)."""
        for guard in scope["route_handler"].opt.get(_ASKED_EARLY, ()):
            error = guard.refusal(scope["auth"])
            if error is not None:
                raise error
        await self._app(scope, receive, send)


def _leading(guards: Iterable[object]) -> list[_Require]:
    """Our guards before the first of the application's own, whose place in the order they keep."""
    return list(cast("Iterable[_Require]", takewhile(lambda guard: isinstance(guard, _Require), guards)))


def problem_response(error: SealringError, request: Request[Any, Any, Any] | None = None) -> Response[bytes]:
    """What a client gets for `error`, as a Litestar response: for exception handlers of an application's own.

    Args:
        error: the refusal.
        request: the request that it answers; with it, the answer may end the connection.

    >>> from sealring.errors import NotFound
    >>> problem_response(NotFound("no such order")).status_code
    404
    """
    reply = answer(error)
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in reply.headers}
    media_type = headers.pop("content-type")
    del headers["content-length"]
    if request is not None and must_close(reply, request.scope):
        headers["connection"] = "close"
    return Response(reply.body, status_code=reply.status, media_type=media_type, headers=headers)


def _authenticator(connection: ASGIConnection[Any, Any, Any, Any]) -> RequestAuthenticator | None:
    """The plugin's, or none where `auth.middleware` stands around the application."""
    try:
        return connection.app.plugins.get(SealringPlugin).authenticator
    except KeyError:
        if isinstance(connection.scope.get("auth"), AuthResult):
            return None
        raise ConfigurationError(
            "this Litestar application has no Sealring: Litestar(plugins=[SealringPlugin(auth)])"
        ) from None


def _close(error: SealringError) -> NoReturn:
    raise WebSocketException(detail=row_of(error).detail, code=POLICY_VIOLATION) from error


class _Document(OpenAPI):
    """An application's document, with the auth routes in it."""

    auth_routes: dict[str, Any]

    def to_schema(self) -> dict[str, Any]:
        made = super().to_schema()
        ours = _renamed(self.auth_routes, made.get("components", {}).get("schemas", {}).keys())
        made["paths"] = ours["paths"] | made.get("paths", {})
        components = made.setdefault("components", {})
        for kind, described in ours["components"].items():
            components[kind] = described | components.get(kind, {})
        return made


def _describing(config: OpenAPIConfig, auth_routes: dict[str, Any]) -> OpenAPIConfig:
    """The same settings of the document, with our routes in what comes of them."""

    def to_openapi_schema() -> OpenAPI:
        made = config.to_openapi_schema()
        described = _Document(**{one.name: getattr(made, one.name) for one in fields(made)})
        described.auth_routes = auth_routes
        return described

    describing: Any = copy(config)
    describing.to_openapi_schema = to_openapi_schema
    found: OpenAPIConfig = describing
    return found


def _renamed(described: dict[str, Any], taken: Iterable[str]) -> dict[str, Any]:
    """Our document, with another name for each schema whose name the application has for one of its own."""
    text = json.dumps(described)
    clashing = described["components"]["schemas"].keys() & set(taken)
    for name in clashing:
        text = text.replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/Sealring{name}"')
    found: dict[str, Any] = json.loads(text)
    schemas: dict[str, Any] = found["components"]["schemas"]
    for name in clashing:
        schemas[f"Sealring{name}"] = schemas.pop(name)
    return found
