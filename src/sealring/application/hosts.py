"""What the hosts of an application get: routers, applications, middleware. One method for each.

Each framework is imported where it is asked for: an application of another one need not have it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from sealring.application.lifecycle import Lifecycle
from sealring.application.pages import options_of, pages_of
from sealring.http.asgi_types import App
from sealring.http.endpoint import Endpoint, Routes
from sealring.http.endpoints.token import grants_served
from sealring.http.health_routes import HEALTH, METRICS
from sealring.http.middleware import Protect, SessionMiddleware, check_invalid_status
from sealring.http.routes import endpoints_of
from sealring.http.server_metadata import WELL_KNOWN, ServerMetadata
from sealring.http.service import AuthService
from sealring.http.well_known_routes import at_root, well_known_of
from sealring.jwt.algorithms import ALGORITHMS
from sealring.wiring import JWKS_MAX_AGE_SECONDS

if TYPE_CHECKING:
    from fastapi import APIRouter
    from flask import Flask
    from quart import Quart

    from sealring.frameworks.asgi import AuthApp
    from sealring.frameworks.django.host import DjangoHost
    from sealring.frameworks.starlette import Backend
    from sealring.frameworks.wsgi import WsgiApp, WsgiAuthApp, WsgiAuthenticator, WsgiSessionMiddleware


class Hosts(Lifecycle):
    """Gives each framework its own form of our routes and of the middleware."""

    def middleware(
        self, app: App, *, protect: Protect = (), invalid_status: Literal[401, 403] = 401
    ) -> SessionMiddleware:
        """The raw ASGI middleware, as `app.add_middleware(auth.middleware)` wants it.

        Args:
            app: what it stands in front of.
            protect: path prefixes that it guards by itself, or a mapping from each to the scopes that it needs;
                without any it refuses nothing.
            invalid_status: the answer to a bad token there: 401 (RFC 6750 §3.1), or the 403 of tutorials.

        Returns:
            An ASGI application; `scope["user"]` is the principal, or an anonymous user.

        Raises:
            TypeError, ValueError: a prefix, scopes or an `invalid_status` that cannot be.

        >>> from starlette.applications import Starlette
        >>> from starlette.testclient import TestClient
        >>> app = Starlette(lifespan=auth.lifespan)
        >>> app.add_middleware(auth.middleware, protect={"/orders": ["orders:read"]})
        >>> with TestClient(app) as client:
        ...     client.get("/orders").status_code
        401
        """
        return SessionMiddleware(app, authenticator=self.authenticator, protect=protect, invalid_status=invalid_status)

    @property
    def backend(self) -> Backend:
        """For Starlette's own middleware: `Middleware(AuthenticationMiddleware, backend=auth.backend)`.

        `@requires`, `request.user` and `request.auth.scopes` then work unchanged. `exception_handlers={403:
        auth.problem_response}` answers what `@requires` refuses as our routes do: 401 with a challenge for who is not
        logged in.
        """
        from sealring.frameworks.starlette import Backend  # noqa: PLC0415 - as `_router`

        return Backend(self.authenticator)

    def router(self, *, accounts: bool = True, oauth: bool | None = None) -> APIRouter:
        """The auth routes, under the setting `auth_path`: `app.include_router(auth.router())`.

        Args:
            accounts: whether with registration, login and password of accounts of ours; without them the routes serve
                sessions that `start_session` and `deliver` began.
            oauth: whether with the token endpoint for OAuth clients; left out, as `accounts`.

        A prefix that `include_router` adds, mounts and the server's `root_path` come before it: the refresh cookie is
        sent to where the browser sees these routes, and nowhere else.

        With them comes the metadata for OAuth clients below `/.well-known`, where RFC 8414 has it.

        Raises:
            TypeError: `accounts` or `oauth` is neither True nor False.

        >>> from fastapi import FastAPI
        >>> from fastapi.testclient import TestClient
        >>> app = FastAPI(lifespan=auth.lifespan)
        >>> app.include_router(auth.router())
        >>> with TestClient(app) as client:
        ...     client.post("/auth/login", json={"username": "ada", "password": "wrong"}).status_code
        401
        """
        from sealring.frameworks.fastapi_router import endpoint_router  # noqa: PLC0415 - as `_router`

        rows, service = self._rows(accounts=accounts, oauth=oauth), self._service(accounts=accounts, oauth=oauth)
        router = endpoint_router(service, rows, prefix=self.settings.auth_path.rstrip("/"))
        router.include_router(endpoint_router(service, at_root(self._well_known)))
        return router

    def health_router(self) -> APIRouter:
        """`/healthz` and `/readyz`, for FastAPI: the process answers; this node is fresh and may check tokens.

        >>> from fastapi import FastAPI
        >>> from fastapi.testclient import TestClient
        >>> app = FastAPI(lifespan=auth.lifespan)
        >>> app.include_router(auth.health_router())
        >>> with TestClient(app) as client:
        ...     client.get("/readyz").json()
        {'status': 'ready', 'lag_seconds': 0.0}
        """
        return self._router(HEALTH)

    def metrics_router(self) -> APIRouter:
        """`/metrics`, for FastAPI: Prometheus text of the registry that was given as `metrics=`; 404 without one.

        >>> from fastapi import FastAPI
        >>> from fastapi.testclient import TestClient
        >>> from prometheus_client import CollectorRegistry
        >>> from sealring.testing import InMemorySealring
        >>> app, auth = FastAPI(), InMemorySealring(metrics=CollectorRegistry())
        >>> app.include_router(auth.metrics_router())
        >>> "sealring_refusals" in TestClient(app).get("/metrics").text
        True
        """
        return self._router(METRICS)

    def asgi(self, app: App | None = None, *, accounts: bool = True, oauth: bool | None = None) -> AuthApp:
        """The auth routes as an ASGI application, for any framework that mounts one: `app.mount("/auth", auth.asgi())`.

        Mounted, they are where the mount is, and the setting `auth_path` does not count. The parts are those of
        `router`.

        Args:
            app: an application to stand in front of, where a framework mounts none: it gets all paths that are not
                ours below `auth_path`. Its lifespan runs inside of ours, so the store is open before it starts.
            accounts: see `router`.
            oauth: see `router`.

        Returns:
            An ASGI application.

        >>> from starlette.applications import Starlette
        >>> from starlette.routing import Mount
        >>> from starlette.testclient import TestClient
        >>> app = Starlette(routes=[Mount("/auth", auth.asgi())], lifespan=auth.lifespan)
        >>> with TestClient(app) as client:
        ...     client.get("/auth/me").status_code
        401
        """
        from sealring.frameworks.asgi import AuthApp  # noqa: PLC0415 - as `_router`

        return AuthApp(
            self._service(accounts=accounts, oauth=oauth),
            self._rows(accounts=accounts, oauth=oauth),
            prefix="" if app is None else self.settings.auth_path.rstrip("/"),
            otherwise=None if app is None else self.asgi_well_known(app, accounts=accounts, oauth=oauth),
            lifespan=self.lifespan,
        )

    def asgi_well_known(self, app: App | None = None, *, accounts: bool = True, oauth: bool | None = None) -> AuthApp:
        """The metadata for OAuth clients (RFC 8414), to mount at the root: `app.mount("/.well-known", …)`.

        `router`, `asgi` in front of an application and `init_app` have it already.

        Args:
            app: an application to stand in front of, where a framework mounts none.
            accounts: as the auth routes have it.
            oauth: as the auth routes have it.

        Example:
            >>> from starlette.applications import Starlette
            >>> from sealring.testing import InMemorySealring
            >>> auth = InMemorySealring(issuer="https://example.com/auth")
            >>> app = Starlette()
            >>> app.mount("/auth", auth.asgi())
            >>> app.mount("/.well-known", auth.asgi_well_known())
            >>> [row.path for row in auth.asgi_well_known().endpoints]
            ['/oauth-authorization-server/auth']
        """
        from sealring.frameworks.asgi import AuthApp  # noqa: PLC0415 - as `_router`

        service = self._service(accounts=accounts, oauth=oauth)
        return AuthApp(service, self._well_known, prefix="" if app is None else WELL_KNOWN, otherwise=app)

    def asgi_health(self, app: App) -> AuthApp:
        """`/healthz`, `/readyz` and, with `metrics=`, `/metrics`, in front of an ASGI application.

        Args:
            app: what it stands in front of: it gets all other paths.

        >>> from starlette.applications import Starlette
        >>> from starlette.testclient import TestClient
        >>> TestClient(auth.asgi_health(Starlette())).get("/healthz").json()
        {'status': 'alive'}
        """
        from sealring.frameworks.asgi import AuthApp  # noqa: PLC0415 - as `_router`

        rows = (*HEALTH, *(METRICS if self.metrics is not None else ()))
        return AuthApp(self._service(), rows, otherwise=app)

    def wsgi(self, *, accounts: bool = True, oauth: bool | None = None) -> WsgiAuthApp:
        """The auth routes as a WSGI application, for a server or a framework that mounts one (by `SCRIPT_NAME`).

        The parts are those of `router`.

        Args:
            accounts: see `router`.
            oauth: see `router`.

        Returns:
            A WSGI application.

        >>> from werkzeug.test import Client
        >>> Client(auth.wsgi()).get("/me").status_code
        401
        """
        return self._wsgi_app(self._rows(accounts=accounts, oauth=oauth), accounts=accounts, oauth=oauth)

    def wsgi_well_known(
        self, app: WsgiApp | None = None, *, accounts: bool = True, oauth: bool | None = None
    ) -> WsgiAuthApp:
        """As `asgi_well_known`, for a server or a framework that mounts it at `/.well-known`, or in front of `app`.

        Args:
            app: a WSGI application to stand in front of.
            accounts: as the auth routes have it.
            oauth: as the auth routes have it.

        Example:
            >>> from sealring.testing import InMemorySealring
            >>> auth, statuses = InMemorySealring(), []
            >>> environ = {
            ...     "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/.well-known", "PATH_INFO": "/oauth-authorization-server"
            ... }
            >>> (body,) = auth.wsgi_well_known()(environ, lambda status, fields: statuses.append(status))
            >>> statuses, b"token_endpoint" in body
            (['200 OK'], True)
        """
        prefix = "" if app is None else WELL_KNOWN
        return self._wsgi_app(self._well_known, prefix, app, accounts=accounts, oauth=oauth)

    def wsgi_health(self, app: WsgiApp) -> WsgiAuthApp:
        """`/healthz`, `/readyz` and, with `metrics=`, `/metrics`, in front of a WSGI application.

        Asked whether it is ready, a process that has served no request yet opens the store.

        Args:
            app: what it stands in front of: it gets all other paths.

        >>> from flask import Flask
        >>> app = Flask("shop")
        >>> app.wsgi_app = auth.wsgi_health(app.wsgi_app)
        >>> app.test_client().get("/readyz").json
        {'status': 'ready', 'lag_seconds': 0.0}
        """
        return self._wsgi_app((*HEALTH, *(METRICS if self.metrics is not None else ())), otherwise=app)

    def wsgi_middleware(
        self, app: WsgiApp, *, protect: Protect = (), invalid_status: Literal[401, 403] = 401
    ) -> WsgiSessionMiddleware:
        """As `middleware`, for WSGI: the principal is `environ["sealring.principal"]`, None for an anonymous user.

        Args:
            app: what it stands in front of.
            protect: see `middleware`.
            invalid_status: see `middleware`.

        Returns:
            A WSGI application.

        Raises:
            TypeError, ValueError: as `middleware`.

        >>> from flask import Flask
        >>> app = Flask("shop")
        >>> app.wsgi_app = auth.wsgi_middleware(app.wsgi_app, protect=["/orders"])
        >>> app.test_client().get("/orders").status_code
        401
        """
        from sealring.frameworks.wsgi import WsgiSessionMiddleware  # noqa: PLC0415 - as `_router`

        return WsgiSessionMiddleware(
            app, authenticator=self._wsgi_authenticator(), protect=protect, invalid_status=invalid_status
        )

    def init_app(
        self,
        app: Flask | Quart,
        *,
        accounts: bool = True,
        oauth: bool | None = None,
        protect: Protect = (),
        invalid_status: Literal[401, 403] = 401,
    ) -> None:
        """Give a Flask or Quart application the auth routes (below `auth_path`), and refusals as problem details.

        Views then use `require` and `current_principal` of `sealring.frameworks.flask` or `.quart`. The parts are those
        of `router`, `protect` and `invalid_status` as in `middleware`. Quart opens and closes it with the application.

        Args:
            app: the application.
            accounts: see `router`.
            oauth: see `router`.
            protect: see `middleware`.
            invalid_status: see `middleware`.

        Raises:
            ConfigurationError: it has a Sealring already, or this process has no threads (gevent).
            TypeError, ValueError: another application, or an `invalid_status` that is neither 401 nor 403.

        >>> from flask import Flask
        >>> app = Flask("shop")
        >>> auth.init_app(app, protect={"/orders": ["orders:read"]})
        >>> app.test_client().get("/auth/me").status_code, app.test_client().get("/orders").status_code
        (401, 401)
        """
        host: Any = app
        if not hasattr(app, "wsgi_app") and not hasattr(app, "asgi_app"):
            raise TypeError(f"app must be a Flask or Quart application, not {type(app).__name__}")
        check_invalid_status(invalid_status)
        if hasattr(app, "asgi_app"):
            from sealring.frameworks.quart import install as install_in_quart  # noqa: PLC0415 - as `_router`

            install_in_quart(
                host,
                self.authenticator,
                partial(self.asgi, accounts=accounts, oauth=oauth),
                protect=protect,
                invalid_status=invalid_status,
            )
            return
        from sealring.frameworks.flask import install  # noqa: PLC0415 - as `_router`

        prefix, rows = self.settings.auth_path.rstrip("/"), self._rows(accounts=accounts, oauth=oauth)
        install(
            host,
            self._wsgi_authenticator(),
            lambda inner: self._wsgi_app(
                rows,
                prefix,
                self.wsgi_well_known(inner, accounts=accounts, oauth=oauth),
                accounts=accounts,
                oauth=oauth,
            ),
            protect=protect,
            invalid_status=invalid_status,
        )

    def django(self, *, accounts: bool = True, oauth: bool | None = None) -> DjangoHost:
        """What `sealring.frameworks.django` serves: it asks for this, by the setting `SEALRING` of a Django project.

        Args:
            accounts: see `router`.
            oauth: see `router`.

        >>> type(auth.django(accounts=False)).__name__
        'DjangoHost'
        """
        from sealring.frameworks.django.host import DjangoHost  # noqa: PLC0415 - as `_router`

        return DjangoHost(
            service=self._service(accounts=accounts, oauth=oauth),
            authenticator=self._wsgi_authenticator(),
            runner=self._runner,
            routes=Routes(
                (
                    *self._rows(accounts=accounts, oauth=oauth),
                    *at_root(self._well_known),
                    *HEALTH,
                    *(METRICS if self.metrics is not None else ()),
                )
            ),
        )

    def _wsgi_app(
        self,
        endpoints: Iterable[Endpoint],
        prefix: str = "",
        otherwise: WsgiApp | None = None,
        *,
        accounts: bool = True,
        oauth: bool | None = None,
    ) -> WsgiAuthApp:
        from sealring.frameworks.wsgi import WsgiAuthApp  # noqa: PLC0415 - as `_router`

        service = self._service(accounts=accounts, oauth=oauth)
        return WsgiAuthApp(
            service, self._wsgi_authenticator(), self._runner, endpoints, prefix=prefix, otherwise=otherwise
        )

    def _wsgi_authenticator(self) -> WsgiAuthenticator:
        from sealring.frameworks.wsgi import WsgiAuthenticator  # noqa: PLC0415 - as `_router`

        return WsgiAuthenticator(self.authenticator, self._runner)

    def _router(self, endpoints: Iterable[Endpoint]) -> APIRouter:
        # asked for here: an application of another framework has no FastAPI
        from sealring.frameworks.fastapi_router import endpoint_router  # noqa: PLC0415

        return endpoint_router(self._service(), endpoints)

    @property
    def _well_known(self) -> tuple[Endpoint, ...]:
        settings = self.settings
        return well_known_of(
            issuer=settings.issuer, resource=settings.resource, passkeys=bool(settings.page_of_passkeys)
        )

    def _rows(self, *, accounts: bool, oauth: bool | None) -> tuple[Endpoint, ...]:
        return endpoints_of(accounts=accounts, oauth=oauth, pages=self.settings.has_pages)

    def _service(self, *, accounts: bool = True, oauth: bool | None = None) -> AuthService:
        settings = self.settings
        has_password_grant = settings.has_password_grant and accounts
        has_oauth = accounts if oauth is None else oauth
        grants = tuple(grants_served(password_grant=has_password_grant)) if has_oauth else ()
        return AuthService(
            issuer=self.issuer,
            authenticator=self.authenticator,
            node=self.node,
            delivery=self.delivery,
            trusted_proxies=settings.trusted_proxies,
            open=self._opening.open_for_request,
            feed=self.parts.feed,
            feed_token=settings.feed_token,
            status_lists=self.parts.status_lists,
            jwks_max_age=JWKS_MAX_AGE_SECONDS,
            password_grant=has_password_grant,
            published=ServerMetadata(
                issuer=settings.issuer,
                auth_path=settings.auth_path,
                audience=settings.audience_or_issuer,
                grants=grants,
                takes_proofs=self.parts.proofs is not None,
                signs_introspection_with=("" if ALGORITHMS[settings.algorithm].is_symmetric else settings.algorithm),
            ),
            options=options_of(
                settings,
                self.issuer.logins.authenticator.policy.methods,
                mail=self.issuer.email.drafts.are_sent,
                providers=[client.provider for client in self.issuer.sign_ins.answers.clients.values()],
            ),
            pages=pages_of(settings),
            proofs=None if self.parts.proofs is None else self.parts.proofs.at_login,
            needs_proof=settings.dpop == "required",
            passkey_page=settings.page_of_passkeys,
            refused=self.refused,
            resource=self.resource,
            exposition=None if self.metrics is None else self.metrics.exposition,
        )
