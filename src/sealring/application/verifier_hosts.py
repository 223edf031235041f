"""What the hosts of a service that only verifies get: middleware, backends, health. One method for each.

As in `sealring.application.hosts`, each framework is imported where it is asked for. Guards take the verifier itself:
`guard(verifier)` of FastAPI, `SealringPlugin(verifier)` of Litestar, `SEALRING = {"VERIFIER": …}` of Django.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from sealring.application.verifier_life import VerifierLife
from sealring.http.asgi_types import App
from sealring.http.endpoint import Endpoint, Routes
from sealring.http.feed_routes import FEED
from sealring.http.health_routes import HEALTH, METRICS
from sealring.http.middleware import Protect, SessionMiddleware, check_invalid_status
from sealring.http.server_metadata import WELL_KNOWN
from sealring.http.verifying_service import VerifyingService
from sealring.http.well_known_routes import at_root, well_known_of
from sealring.verifier.http_trust import check_bearer_token

if TYPE_CHECKING:
    from fastapi import APIRouter
    from flask import Flask
    from quart import Quart
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

    from sealring.frameworks.asgi import AuthApp
    from sealring.frameworks.django.host import DjangoHost
    from sealring.frameworks.starlette import Backend
    from sealring.frameworks.wsgi import WsgiApp, WsgiAuthApp, WsgiAuthenticator, WsgiSessionMiddleware


class VerifierHosts(VerifierLife):
    """Gives each framework its own form of the checks."""

    def middleware(
        self, app: App, *, protect: Protect = (), invalid_status: Literal[401, 403] = 401
    ) -> SessionMiddleware:
        """The raw ASGI middleware: `app.add_middleware(verifier.middleware, protect=["/internal/"])`.

        It fills `scope["user"]` and `scope["auth"]`, and closes WebSockets when their session ends.

        Args:
            app: what it stands in front of.
            protect: path prefixes that it guards by itself, or a mapping from each to the scopes that it needs;
                without any it refuses nothing.
            invalid_status: the answer to a bad token there: 401 (RFC 6750 §3.1), or the 403 of tutorials.

        Returns:
            An ASGI application.

        Raises:
            TypeError, ValueError: a prefix, scopes or an `invalid_status` that cannot be.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> from starlette.applications import Starlette
        >>> app = Starlette(lifespan=verifier.lifespan)
        >>> app.add_middleware(verifier.middleware, protect={"/admin/": ["admin"]})
        """
        return SessionMiddleware(app, authenticator=self.authenticator, protect=protect, invalid_status=invalid_status)

    @property
    def backend(self) -> Backend:
        """For Starlette's own middleware: `Middleware(AuthenticationMiddleware, backend=verifier.backend)`.

        `@requires`, `request.user` and `request.auth.scopes` then work unchanged. `exception_handlers={403:
        verifier.problem_response}` answers what `@requires` refuses with 401 and a challenge for who is not logged in.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> from starlette.applications import Starlette
        >>> from starlette.middleware.authentication import AuthenticationMiddleware
        >>> app = Starlette(lifespan=verifier.lifespan)
        >>> app.add_middleware(AuthenticationMiddleware, backend=verifier.backend)
        """
        from sealring.frameworks.starlette import Backend  # noqa: PLC0415 - other frameworks have no Starlette

        return Backend(self.authenticator)

    async def problem_response(self, request: Request | WebSocket, error: Exception) -> Response:
        """Answer a refusal that a guard or a route raised (RFC 9457), in Starlette and FastAPI.

        `app.add_exception_handler(SealringError, verifier.problem_response)`. A setting or a key that is not as needed
        is no refusal: it is raised again, a server error.

        Args:
            request: the request, or the WebSocket, that is refused.
            error: the refusal.

        Returns:
            The response.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> from fastapi import FastAPI
        >>> from sealring import SealringError
        >>> app = FastAPI(lifespan=verifier.lifespan)
        >>> app.add_exception_handler(SealringError, verifier.problem_response)
        """
        from sealring.frameworks.starlette import answer_refusal  # noqa: PLC0415 - as above

        return await answer_refusal(request, error, self.refused)

    def asgi(self, app: App) -> AuthApp:
        """An ASGI application that opens and closes with this verifier, where its framework takes no `lifespan=`.

        Args:
            app: the application. Its own lifespan runs inside of this one.

        Returns:
            An ASGI application.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> async def orders(scope, receive, send): ...
        >>> app = verifier.asgi(verifier.middleware(orders, protect=["/"]))
        """
        from sealring.frameworks.asgi import AuthApp  # noqa: PLC0415 - as above

        rows = self._well_known
        return AuthApp(self._service(), rows, prefix=WELL_KNOWN, otherwise=app, lifespan=self.lifespan)

    def wsgi_middleware(
        self, app: WsgiApp, *, protect: Protect = (), invalid_status: Literal[401, 403] = 401
    ) -> WsgiSessionMiddleware:
        """As `middleware`, for WSGI: the principal is `environ["sealring.principal"]`, None for an anonymous user.

        The first request of a process opens the verifier.

        Args:
            app: what it stands in front of.
            protect: as of `middleware`.
            invalid_status: as of `middleware`.

        Returns:
            A WSGI application.

        Raises:
            TypeError, ValueError: as `middleware`.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> def orders(environ, start_response): ...
        >>> app = verifier.wsgi_middleware(orders, protect=["/"])
        """
        from sealring.frameworks.wsgi import WsgiSessionMiddleware  # noqa: PLC0415 - as above

        return WsgiSessionMiddleware(
            app, authenticator=self._wsgi_authenticator(), protect=protect, invalid_status=invalid_status
        )

    def init_app(self, app: Flask | Quart, *, protect: Protect = (), invalid_status: Literal[401, 403] = 401) -> None:
        """Have a Flask or Quart application check tokens, and answer refusals as problem details.

        Views then use `require` and `current_principal` of `sealring.frameworks.flask` or `.quart`; with a `resource`,
        its metadata is served too (RFC 9728). `protect` and
        `invalid_status` are as in `middleware`. Quart opens and closes the verifier with the application; in Flask the
        first request of a process opens it.

        Args:
            app: a Flask or Quart application.
            protect: as of `middleware`.
            invalid_status: as of `middleware`.

        Raises:
            ConfigurationError: it has a Sealring or a Verifier already, or this process has no threads (gevent).
            TypeError, ValueError: another application, or an `invalid_status` that is neither 401 nor 403.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> from flask import Flask
        >>> from sealring.frameworks.flask import current_principal, require
        >>> app = Flask("orders")
        >>> verifier.init_app(app)
        >>> @app.get("/orders")
        ... @require("orders:read")
        ... def orders():
        ...     return current_principal.subject
        >>> app.test_client().get("/orders").status_code
        401
        """
        host: Any = app
        if not hasattr(app, "wsgi_app") and not hasattr(app, "asgi_app"):
            raise TypeError(f"app must be a Flask or Quart application, not {type(app).__name__}")
        check_invalid_status(invalid_status)
        if hasattr(app, "asgi_app"):
            from sealring.frameworks.quart import install as install_in_quart  # noqa: PLC0415 - as above

            install_in_quart(host, self.authenticator, self.asgi, protect=protect, invalid_status=invalid_status)
            return
        from sealring.frameworks.flask import install  # noqa: PLC0415 - as above

        serve = self.wsgi_well_known if self._well_known else lambda inner: inner
        install(host, self._wsgi_authenticator(), serve, protect=protect, invalid_status=invalid_status)

    def django(self) -> DjangoHost:
        """What `sealring.frameworks.django` serves: it asks for this, by `SEALRING = {"VERIFIER": …}` of a project.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> SEALRING = {"VERIFIER": verifier}  # in the settings of the project; or where one is: "shop.tokens.verifier"
        >>> verifier.django().routes.endpoints[0].path
        '/healthz'
        """
        from sealring.frameworks.django.host import DjangoHost  # noqa: PLC0415 - as above

        return DjangoHost(
            service=self._service(),
            authenticator=self._wsgi_authenticator(),
            runner=self._runner,
            routes=Routes((*self._health(), *at_root(self._well_known))),
        )

    def health_router(self) -> APIRouter:
        """`/healthz` and `/readyz`, for FastAPI: the process answers; this verifier is fresh and may check tokens.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> from fastapi import FastAPI
        >>> app = FastAPI(lifespan=verifier.lifespan)
        >>> app.include_router(verifier.health_router())
        """
        return self._router(HEALTH)

    def metrics_router(self) -> APIRouter:
        """`/metrics`, for FastAPI: Prometheus text of the registry that was given as `metrics=`; 404 without one.

        >>> from fastapi import FastAPI
        >>> from prometheus_client import CollectorRegistry
        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring(), metrics=CollectorRegistry())
        >>> app = FastAPI(lifespan=verifier.lifespan)
        >>> app.include_router(verifier.metrics_router())
        """
        return self._router(METRICS)

    def well_known_router(self) -> APIRouter:
        """The metadata of this API for OAuth clients (RFC 9728), for FastAPI; of a verifier that has a `resource`.

        Returns:
            A router, to be included without a prefix.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring(), resource="https://api.example.com")
        >>> from fastapi import FastAPI
        >>> from fastapi.testclient import TestClient
        >>> app = FastAPI(lifespan=verifier.lifespan)
        >>> app.include_router(verifier.well_known_router())
        >>> TestClient(app).get("/.well-known/oauth-protected-resource").json()["resource"]
        'https://api.example.com'
        """
        return self._router(at_root(self._well_known))

    def asgi_well_known(self, app: App | None = None) -> AuthApp:
        """As `well_known_router`, to mount at the root: `app.mount("/.well-known", verifier.asgi_well_known())`.

        Args:
            app: an ASGI application to stand in front of, where a framework mounts none.

        Returns:
            An ASGI application.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring(), resource="https://api.example.com/orders")
        >>> from starlette.applications import Starlette
        >>> app = Starlette(lifespan=verifier.lifespan)
        >>> app.mount("/.well-known", verifier.asgi_well_known())
        >>> verifier.asgi_well_known().endpoints[0].path
        '/oauth-protected-resource/orders'
        """
        from sealring.frameworks.asgi import AuthApp  # noqa: PLC0415 - as above

        return AuthApp(self._service(), self._well_known, prefix="" if app is None else WELL_KNOWN, otherwise=app)

    def wsgi_well_known(self, app: WsgiApp | None = None) -> WsgiAuthApp:
        """As `asgi_well_known`, for a server or a framework that mounts it at `/.well-known`, or in front of `app`.

        Args:
            app: a WSGI application to stand in front of.

        Returns:
            A WSGI application.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring(), resource="https://api.example.com")
        >>> def orders(environ, start_response): ...
        >>> app = verifier.wsgi_well_known(verifier.wsgi_middleware(orders, protect=["/"]))
        """
        from sealring.frameworks.wsgi import WsgiAuthApp  # noqa: PLC0415 - as above

        prefix = "" if app is None else WELL_KNOWN
        return WsgiAuthApp(
            self._service(), self._wsgi_authenticator(), self._runner, self._well_known, prefix=prefix, otherwise=app
        )

    def asgi_health(self, app: App) -> AuthApp:
        """`/healthz`, `/readyz` and, with `metrics=`, `/metrics`, in front of an ASGI application.

        Args:
            app: gets all other paths, and its lifespan runs inside of the verifier's.

        Returns:
            An ASGI application.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> async def orders(scope, receive, send): ...
        >>> app = verifier.asgi_health(verifier.middleware(orders, protect=["/"]))
        """
        from sealring.frameworks.asgi import AuthApp  # noqa: PLC0415 - as above

        return AuthApp(self._service(), self._health(), otherwise=app, lifespan=self.lifespan)

    def wsgi_health(self, app: WsgiApp) -> WsgiAuthApp:
        """`/healthz`, `/readyz` and, with `metrics=`, `/metrics`, in front of a WSGI application.

        Asked whether it is ready, a process that has served no request yet opens the verifier.

        Args:
            app: gets all other paths.

        Returns:
            A WSGI application.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> def orders(environ, start_response): ...
        >>> app = verifier.wsgi_health(verifier.wsgi_middleware(orders, protect=["/"]))
        """
        from sealring.frameworks.wsgi import WsgiAuthApp  # noqa: PLC0415 - as above

        return WsgiAuthApp(self._service(), self._wsgi_authenticator(), self._runner, self._health(), otherwise=app)

    # passing the feed on

    def relay(self, *, token: str = "") -> APIRouter:
        """The feed that this verifier follows, for FastAPI: `app.include_router(verifier.relay(), prefix="/auth")`.

        Other verifiers read it by `feed_url="https://orders.example.com/auth"`, and so a tree of any depth serves
        thousands of them. What is passed on is what the issuer signed: nobody need trust this service with more than
        a delay. While it is itself out of date, it passes nothing on.

        Args:
            token: who reads it here must send this as a bearer token (their `feed_token=`); left out, anybody may.

        Returns:
            A router with `/feed` and `/feed/segments/{name}`.

        Raises:
            TypeError: this verifier was not made by `Verifier.from_issuer`.
            ValueError: a token that no Authorization field can carry.

        >>> from fastapi import FastAPI
        >>> from sealring import Verifier
        >>> verifier = Verifier.from_issuer("https://auth.example.com/auth", audience="orders")
        >>> app = FastAPI(lifespan=verifier.lifespan)
        >>> app.include_router(verifier.relay(), prefix="/auth")
        >>> below = Verifier.from_issuer(
        ...     "https://auth.example.com/auth", audience="orders", feed_url="https://orders.example.com/auth"
        ... )
        """
        from sealring.frameworks.fastapi_router import endpoint_router  # noqa: PLC0415 - as above

        return endpoint_router(self._relaying(token), FEED)

    def relay_asgi(self, *, token: str = "") -> AuthApp:
        """As `relay`, as an ASGI application to be mounted: `Mount("/auth", verifier.relay_asgi())`.

        Args:
            token: as of `relay`.

        Returns:
            An ASGI application.

        Raises:
            TypeError, ValueError: as `relay`.

        >>> from sealring import Verifier
        >>> from starlette.applications import Starlette
        >>> from starlette.routing import Mount
        >>> verifier = Verifier.from_issuer("https://auth.example.com/auth", audience="orders")
        >>> app = Starlette(routes=[Mount("/auth", verifier.relay_asgi())], lifespan=verifier.lifespan)
        """
        from sealring.frameworks.asgi import AuthApp  # noqa: PLC0415 - as above

        return AuthApp(self._relaying(token), FEED)

    def relay_wsgi(self, *, token: str = "") -> WsgiAuthApp:
        """As `relay`, as a WSGI application to be mounted. It answers at once: a thread for each who waits is too dear.

        Args:
            token: as of `relay`.

        Returns:
            A WSGI application.

        Raises:
            TypeError, ValueError: as `relay`.

        >>> from flask import Flask
        >>> from sealring import Verifier
        >>> from werkzeug.middleware.dispatcher import DispatcherMiddleware
        >>> verifier = Verifier.from_issuer("https://auth.example.com/auth", audience="orders")
        >>> app = Flask("orders")
        >>> app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/auth": verifier.relay_wsgi()})
        """
        from sealring.frameworks.wsgi import WsgiAuthApp  # noqa: PLC0415 - as above

        return WsgiAuthApp(self._relaying(token), self._wsgi_authenticator(), self._runner, FEED)

    def _relaying(self, token: str) -> VerifyingService:
        check_bearer_token("token", token)
        return replace(self._service(), feed=self._passing_on(), feed_token=token)

    def _health(self) -> tuple[Endpoint, ...]:
        return (*HEALTH, *(METRICS if self.metrics is not None else ()))

    @property
    def _well_known(self) -> tuple[Endpoint, ...]:
        return well_known_of(resource="" if self.resource is None else self.resource.resource)

    def _wsgi_authenticator(self) -> WsgiAuthenticator:
        from sealring.frameworks.wsgi import WsgiAuthenticator  # noqa: PLC0415 - as above

        return WsgiAuthenticator(self.authenticator, self._runner)

    def _router(self, endpoints: Iterable[Endpoint]) -> APIRouter:
        from sealring.frameworks.fastapi_router import endpoint_router  # noqa: PLC0415 - as above

        return endpoint_router(self._service(), endpoints)

    def _service(self) -> VerifyingService:
        return VerifyingService(
            authenticator=self.authenticator,
            node=self.node,
            open=self._opening.open_for_request,
            refused=self.refused,
            resource=self.resource,
            exposition=None if self.metrics is None else self.metrics.exposition,
        )
