"""`Sealring`: both halves put together for one application, and nothing else.

Building one opens nothing and reads no file but the settings; the store opens with `lifespan`, or on
the first use where a framework runs no lifespan for a mounted application.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self, Unpack

from msgspec import to_builtins

from sealring.authentication.client_info import ClientInfo
from sealring.forks import stop_watching, watch_forks
from sealring.frameworks.responses import write_fields
from sealring.http.asgi_types import App
from sealring.http.auth_path import auth_path as auth_path_of
from sealring.http.authenticate import RequestAuthenticator
from sealring.http.client_address import plain_address
from sealring.http.client_info import AnyRequest, client_info, scope_of
from sealring.http.endpoint import Endpoint, Routes
from sealring.http.fetch_metadata import SAFE_METHODS, check_same_origin
from sealring.http.middleware import Protect, SessionMiddleware, check_invalid_status
from sealring.http.problems import OnRefusal
from sealring.http.routes import HEALTH, METRICS, endpoints_of
from sealring.http.schemas import Delivery, User
from sealring.http.service import AuthService
from sealring.issuer.account_commands import AccountCommands, check_text
from sealring.issuer.commit import OnEvent
from sealring.issuer.log_in import LoggedIn
from sealring.issuer.opening import Opening
from sealring.issuer.sessions import Issued
from sealring.sessions.grant import GrantFor, check_subject
from sealring.sessions.session import Session
from sealring.settings import Settings, SettingsArguments, load_settings
from sealring.store.protocol import Store
from sealring.sync_runner import SyncRunner
from sealring.verifier.clock import Clock
from sealring.verifier.principal import Principal
from sealring.verifier.while_live import WhileLive
from sealring.wiring import JWKS_MAX_AGE_SECONDS, LoginCost, wire

NO_STORE = (b"cache-control", b"no-store")


class Browser(NamedTuple):
    """What a login must know of the browser that the cookies go to."""

    held: str | None
    """The session that it held: it ends (C1)."""
    max_access_chars: int | None
    """How long an access token it keeps (N12)."""


if TYPE_CHECKING:
    from fastapi import APIRouter
    from flask import Flask
    from prometheus_client import CollectorRegistry
    from quart import Quart
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

    from sealring.frameworks.asgi import AuthApp
    from sealring.frameworks.django.host import DjangoHost
    from sealring.frameworks.starlette import Backend
    from sealring.frameworks.wsgi import AuthApp as WsgiAuthApp
    from sealring.frameworks.wsgi import SessionMiddleware as WsgiSessionMiddleware
    from sealring.frameworks.wsgi import WsgiApp, WsgiAuthenticator
    from sealring.sync import SyncSealring


class Sealring:
    """The issuer of an application, with its verifier inside.

    Args:
        settings: what `load_settings` gave; or give single settings by name.
        store: another store than `database_url` names.
        clock: another clock than the machine's.
        grant_for: asked at each login and refresh what the session's subject may do now.
        on_event: told of each audit event after it was committed here.
        metrics: a Prometheus registry to count in (needs the extra `metrics`).
        given: settings by name, as in `Sealring(secret=…, issuer=…)`.

    Raises:
        ConfigurationError: a setting is missing or unfit.
    """

    _login_cost: ClassVar = LoginCost()

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        store: Store | None = None,
        clock: Clock | None = None,
        grant_for: GrantFor | None = None,
        on_event: OnEvent | None = None,
        metrics: CollectorRegistry | None = None,
        **given: Unpack[SettingsArguments],
    ) -> None:
        self.settings = settings = load_settings(**given) if settings is None else settings
        self.parts = parts = wire(
            settings,
            store=store,
            clock=clock,
            grant_for=grant_for,
            on_event=on_event,
            registry=metrics,
            login_cost=self._login_cost,
        )
        self.clock = parts.clock
        self.store = parts.store
        self.node = parts.node
        self.follower = parts.follower
        self.verifier = parts.verifier
        self.issuer = parts.issuer
        self.metrics = parts.metrics
        self.delivery = parts.delivery
        self._follows = True
        self._opening = Opening(start=self._start, stop=self._stop, abandon=self._abandon)
        self._runner = SyncRunner(self._opening)
        self.authenticator = RequestAuthenticator(
            self.verifier.verify,
            access_cookie=self.delivery.cookies.names.access,
            origins=[settings.issuer],
            trusted_origins=settings.allowed_origins,
            matches_csrf=self.delivery.csrf_tokens.matches,
            refused=self.refused,
            opens=self._open_for_check,
            watch=self.verifier.watch,
        )

    @classmethod
    def from_env(cls) -> Self:
        """From the environment and `.env` alone."""
        return cls()

    # life

    async def open(self, *, follow: bool = True) -> None:
        """Open the store, make sure that a key can sign, load all revocations; once, for all callers.

        It may be closed and opened again, in another event loop too. With `follow=False`, as commands open it, no key
        is made and nothing is followed: it writes, and verifies no token.

        Raises:
            ConfigurationError: the store cannot be used, or no listed secret opens its keys.
            StoreUnavailable: it cannot be reached now.
        """
        if not isinstance(follow, bool):
            raise TypeError(f"follow must be True or False, not {type(follow).__name__}")
        if not self._opening.is_open():
            self._follows = follow
        await self._opening.open()

    def forked(self) -> None:
        """In a child it is closed; `open` opens it anew, unless its SQLite file is the parent's (`sealring.forks`)."""
        self.parts.maintenance.forked()
        self.issuer.keys.forked()
        self.parts.committing.forked()
        self._opening.forked()

    async def close(self) -> None:
        """Stop following, close the store."""
        await self._opening.close()

    async def _start(self) -> None:
        await self.store.open()
        self.issuer.accounts.open()
        if not self._follows:
            return
        await self.parts.access_ttl.declare()  # before the ring is read: a longer life puts the end of keys off
        await self.issuer.keys.start()
        self.issuer.keys.verifying()  # a key that no listed secret opens is said now
        await self.follower.start()
        self.parts.maintenance.start()
        watch_forks(self)

    async def _stop(self) -> None:
        stop_watching(self)
        await self.parts.maintenance.stop()
        await self.follower.stop()
        await self.issuer.accounts.close()
        await self.parts.committing.finish()
        await self.store.close()

    def _abandon(self) -> None:
        self.parts.maintenance.abandon()
        self.follower.abandon()

    async def _open_for_check(self) -> bool:
        return await self._opening.try_for_request() and self.node.is_fresh

    @asynccontextmanager
    async def lifespan(self, app: Any = None, *, follow: bool = True) -> AsyncIterator[None]:  # noqa: ARG002 - ASGI frameworks pass the app
        """Open before the first request and close after the last: `FastAPI(lifespan=auth.lifespan)`.

        `follow=False` is for commands: see `open`.
        """
        await self.open(follow=follow)
        try:
            yield
        finally:
            await self.close()

    def sync(self) -> SyncSealring:
        """The same use cases for code without an event loop: `with auth.sync() as s: s.start_session("42")`."""
        from sealring.sync import SyncSealring  # noqa: PLC0415 - it stands above this class

        return SyncSealring(self, self._runner)

    # checking

    def verify(self, token: str) -> Principal:
        """Who the bearer of this access token is; no I/O.

        Raises:
            TokenError: why not.
        """
        return self.verifier.verify(token)

    def while_live(self, principal: Principal) -> WhileLive:
        """Cancel a block when the principal's session ends: for WebSockets, event streams, long work.

            async with auth.while_live(user):
                async for message in messages:
                    await websocket.send_text(message)

        It ends when the session, the subject's epoch or the key is revoked, at the end of the session, and when this
        node's revocation data is out of date: within `max_staleness` (5 s) of a revocation anywhere, at once of one on
        this node. It does not end when the access token expires. `auth.while_live(user).stream(chunks)` does the same
        for what a response streams.

        Entering it raises `Stale`, `Expired` or `Revoked` as `verify` would; when it was ended, leaving it raises
        `ConnectionEnded`, which `problem_response` turns into a close code (docs/open-connections.md).
        """
        return self.verifier.while_live(principal)

    # for applications

    def middleware(
        self, app: App, *, protect: Protect = (), invalid_status: Literal[401, 403] = 401
    ) -> SessionMiddleware:
        """The raw ASGI middleware, as `app.add_middleware(auth.middleware)` wants it.

        Args:
            app: what it stands in front of.
            protect: path prefixes that it guards by itself, or a mapping from each to the scopes that it needs;
                without any it refuses nothing.
            invalid_status: the answer to a bad token there: 401 (RFC 6750 §3.1), or the 403 of tutorials.
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
        """
        rows = endpoints_of(accounts=accounts, oauth=oauth)
        return self._router(rows, self.settings.auth_path.rstrip("/"), accounts=accounts)

    def health_router(self) -> APIRouter:
        """`/healthz` and `/readyz`, for FastAPI: the process answers; this node is fresh and may check tokens."""
        return self._router(HEALTH)

    def metrics_router(self) -> APIRouter:
        """`/metrics`, for FastAPI: Prometheus text of the registry that was given as `metrics=`; 404 without one."""
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
        """
        from sealring.frameworks.asgi import AuthApp  # noqa: PLC0415 - as `_router`

        return AuthApp(
            self._service(accounts=accounts),
            endpoints_of(accounts=accounts, oauth=oauth),
            prefix="" if app is None else self.settings.auth_path.rstrip("/"),
            otherwise=app,
            lifespan=self.lifespan,
        )

    def asgi_health(self, app: App) -> AuthApp:
        """`/healthz`, `/readyz` and, with `metrics=`, `/metrics`, in front of an ASGI application."""
        from sealring.frameworks.asgi import AuthApp  # noqa: PLC0415 - as `_router`

        rows = (*HEALTH, *(METRICS if self.metrics is not None else ()))
        return AuthApp(self._service(), rows, otherwise=app)

    def wsgi(self, *, accounts: bool = True, oauth: bool | None = None) -> WsgiAuthApp:
        """The auth routes as a WSGI application, for a server or a framework that mounts one (by `SCRIPT_NAME`).

        The parts are those of `router`.
        """
        return self._wsgi_app(endpoints_of(accounts=accounts, oauth=oauth), accounts=accounts)

    def wsgi_health(self, app: WsgiApp) -> WsgiAuthApp:
        """`/healthz`, `/readyz` and, with `metrics=`, `/metrics`, in front of a WSGI application.

        Asked whether it is ready, a process that has served no request yet opens the store.
        """
        return self._wsgi_app((*HEALTH, *(METRICS if self.metrics is not None else ())), otherwise=app)

    def wsgi_middleware(
        self, app: WsgiApp, *, protect: Protect = (), invalid_status: Literal[401, 403] = 401
    ) -> WsgiSessionMiddleware:
        """As `middleware`, for WSGI: the principal is `environ["sealring.principal"]`, None for an anonymous user."""
        from sealring.frameworks.wsgi import SessionMiddleware as WsgiSessionMiddleware  # noqa: PLC0415 - as `_router`

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

        Raises:
            ConfigurationError: it has a Sealring already, or this process has no threads (gevent).
            TypeError, ValueError: another application, or an `invalid_status` that is neither 401 nor 403.
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

        prefix, rows = self.settings.auth_path.rstrip("/"), endpoints_of(accounts=accounts, oauth=oauth)
        install(
            host,
            self._wsgi_authenticator(),
            lambda inner: self._wsgi_app(rows, prefix, inner, accounts=accounts),
            protect=protect,
            invalid_status=invalid_status,
        )

    def django(self, *, accounts: bool = True, oauth: bool | None = None) -> DjangoHost:
        """What `sealring.frameworks.django` serves: it asks for this, by the setting `SEALRING` of a Django project."""
        from sealring.frameworks.django.host import DjangoHost  # noqa: PLC0415 - as `_router`

        return DjangoHost(
            service=self._service(accounts=accounts),
            authenticator=self._wsgi_authenticator(),
            runner=self._runner,
            routes=Routes(
                (
                    *endpoints_of(accounts=accounts, oauth=oauth),
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
    ) -> WsgiAuthApp:
        from sealring.frameworks.wsgi import AuthApp as WsgiAuthApp  # noqa: PLC0415 - as `_router`

        service = self._service(accounts=accounts)
        return WsgiAuthApp(
            service, self._wsgi_authenticator(), self._runner, endpoints, prefix=prefix, otherwise=otherwise
        )

    def _wsgi_authenticator(self) -> WsgiAuthenticator:
        from sealring.frameworks.wsgi import WsgiAuthenticator  # noqa: PLC0415 - as `_router`

        return WsgiAuthenticator(self.authenticator, self._runner)

    def _router(self, endpoints: Iterable[Endpoint], prefix: str = "", *, accounts: bool = True) -> APIRouter:
        # asked for here: an application of another framework has no FastAPI
        from sealring.frameworks.fastapi_router import endpoint_router  # noqa: PLC0415

        return endpoint_router(self._service(accounts=accounts), endpoints, prefix=prefix)

    def _service(self, *, accounts: bool = True) -> AuthService:
        settings = self.settings
        return AuthService(
            issuer=self.issuer,
            authenticator=self.authenticator,
            node=self.node,
            delivery=self.delivery,
            trusted_proxies=settings.trusted_proxies,
            open=self._opening.open_for_request,
            jwks_max_age=JWKS_MAX_AGE_SECONDS,
            password_grant=settings.has_password_grant and accounts,
            refused=self.refused,
            exposition=None if self.metrics is None else self.metrics.exposition,
        )

    @property
    def refused(self) -> OnRefusal | None:
        """Counts refusals by their true cause; none without metrics."""
        return None if self.metrics is None else self.metrics.refused

    @property
    def accounts(self) -> AccountCommands:
        """Find, list, create, disable, enable, delete accounts, set scopes and passwords; each in force at once."""
        return AccountCommands(self.issuer.accounts, self._opening)

    # accounts of ours, from an application's own routes

    async def register(
        self,
        username: str,
        password: str,
        *,
        email: str | None = None,
        invitation: str | None = None,
        request: AnyRequest | None = None,
        delivery: Delivery = "body",
        address: str | None = None,
        user_agent: str = "",
    ) -> LoggedIn:
        """Make an account and start its first session.

        Args:
            username: the name that the user chose.
            password: the password that the user chose.
            email: an address, if the user gave one.
            invitation: what `accounts.invite` gave, where `SEALRING_REGISTRATION=invited`.
            request: the request that asks, of any framework, an ASGI scope or a WSGI environ: attempts are counted by
                address.
            delivery: how `deliver` will hand over the tokens; see `start_session`.
            address: the client's IP address, where there is no request.
            user_agent: what it came with, where there is no request.

        Raises:
            InvalidField, NameTaken, Throttled, Overloaded: why not; `problem_response` answers with it.
            RegistrationClosed, InvitationRequired: this person may not register; see `SEALRING_REGISTRATION`.
            NotGranted, Unavailable, TokenTooLong: its session could not start: no account is made, and no
                invitation is used up. `grant_for` is asked before the account can be found.
            CrossSite, RequestRefused: see `start_session`.
            TypeError, ValueError: neither a request nor an IP address, or both.
        """
        check_text(username=username, password=password)
        client = self._counted_client(request, address, user_agent)
        browser = self._browser(request, delivery)
        await self.open()
        logged_in = await self.issuer.register(
            username,
            password,
            email=email,
            invitation=invitation,
            client=client,
            replaces=browser.held,
            max_access_chars=browser.max_access_chars,
        )
        return replace(logged_in, issued=replace(logged_in.issued, delivery=delivery))

    async def log_in(
        self,
        username: str,
        password: str,
        *,
        request: AnyRequest | None = None,
        delivery: Delivery = "body",
        address: str | None = None,
        user_agent: str = "",
        device: str | None = None,
    ) -> LoggedIn:
        """Check a password and start a session.

        Args:
            username: as it was typed.
            password: as it was typed.
            request: the request that asks, of any framework, an ASGI scope or a WSGI environ: attempts are counted by
                address.
            delivery: how `deliver` will hand over the tokens; see `start_session`.
            address: the client's IP address, where there is no request.
            user_agent: what it came with, where there is no request.
            device: `device` of an earlier answer to this client, so that no stranger's guesses lock it out; else the
                request's device cookie.

        Raises:
            WrongCredentials, Throttled, Overloaded: why not; `problem_response` answers with it.
            CrossSite, RequestRefused, TokenTooLong: see `start_session`.
            TypeError, ValueError: neither a request nor an IP address, or both.
        """
        check_text(username=username, password=password)
        client = self._counted_client(request, address, user_agent)
        browser = self._browser(request, delivery)
        await self.open()
        if device is not None:
            client = replace(client, device_cookie=device)
        logged_in = await self.issuer.log_in(
            username, password, client=client, replaces=browser.held, max_access_chars=browser.max_access_chars
        )
        return replace(logged_in, issued=replace(logged_in.issued, delivery=delivery))

    def refuse_cross_site(self, request: AnyRequest) -> None:
        """Refuse in a route of one's own what another site's page sends, cookies or none, as our login does (C2).

        Raises:
            CrossSite: the browser says that it was another site's page. A program passes.
        """
        check_same_origin(scope_of(request)["headers"], self.authenticator.origins)

    async def problem_response(self, request: Request | WebSocket, error: Exception) -> Response:
        """Answer a route of one's own with the refusal that it raised, as our routes do (RFC 9457).

        `app.add_exception_handler(SealringError, auth.problem_response)`. A setting or a key that is not as needed is
        no refusal: it is raised again, a server error. An open WebSocket is closed with a code that says why
        (docs/open-connections.md), or 1008; one not yet accepted is refused.
        """
        from sealring.frameworks.starlette import answer_refusal  # noqa: PLC0415 - as `_router`

        return await answer_refusal(request, error, self.refused)

    def _counted_client(self, request: AnyRequest | None, address: str | None, user_agent: str) -> ClientInfo:
        """Where an attempt came from, which must be said: without an address, all callers would share one count."""
        if request is None and address is None:
            raise TypeError("give request=, the request that asks, or address=, its client's IP address")
        if address is not None:
            address = plain_address(address)
            if address is None:
                raise ValueError("address must be an IP address, as in 192.0.2.7")
        return self._client(request, address, user_agent)

    def _client(self, request: AnyRequest | None, address: str | None, user_agent: str) -> ClientInfo:
        if request is None:
            return ClientInfo(address or "", user_agent)
        if address is not None or user_agent:
            raise TypeError("give request=, or address= and user_agent=, not both")
        return client_info(
            scope_of(request),
            trusted_proxies=self.settings.trusted_proxies,
            device_cookie=self.delivery.cookies.names.device,
        )

    # for applications with users of their own

    async def start_session(
        self,
        subject: str,
        *,
        scopes: Iterable[str] | None = None,
        claims: Mapping[str, Any] | None = None,
        client_id: str = "",
        amr: Iterable[str] = (),
        acr: str = "",
        request: AnyRequest | None = None,
        delivery: Delivery = "body",
        address: str | None = None,
        user_agent: str = "",
    ) -> Issued:
        """Start a session for a user whom the application has just authenticated.

        Args:
            subject: the user's id, `sub`: 1 to 255 printable characters.
            scopes: what the session may do: scope tokens of RFC 6749 §3.3. Left out, `grant_for` is asked, and
                without one it may do nothing.
            claims: added to each access token of the session. Left out, those that `grant_for` gives, if asked.
            client_id: the OAuth client; ours when left out.
            amr: how the user proved who they are: names of RFC 8176 §2, such as `["pwd", "otp", "mfa"]`.
            acr: how strongly: a name of yours (OpenID Connect Core §2).
            request: the request that asks: the list of sessions then says from where and by which device.
            delivery: how `deliver` will hand over the tokens. With "cookie" the session that this browser held ends,
                as at every login (C1), and what cookies cannot carry is refused before anything is written.
            address: where the request came from, where there is none to give.
            user_agent: what it came with, where there is no request to give.

        Raises:
            TypeError, ValueError: the subject, scopes or claims are invalid.
            AccountInactive: the subject is an account of ours that is disabled or was deleted.
            NotGranted: `grant_for` was asked and grants nothing.
            Unavailable: it failed or took longer than five seconds; try again.
            CrossSite: for cookies: another site's page sent the request (C2).
            RequestRefused, TokenTooLong: for cookies: the browser would drop them.
        """
        browser = self._browser(request, delivery)
        client = self._client(request, address, user_agent)
        await self.open()
        issued = await self.issuer.sessions.start(
            subject,
            scopes=scopes,
            claims=claims,
            client_id=client_id or self.issuer.client_id,
            client=client,
            replaces=browser.held,
            max_access_chars=browser.max_access_chars,
            amr=amr,
            acr=acr,
        )
        return replace(issued, delivery=delivery)

    def deliver(
        self,
        response: object,
        issued: Issued | LoggedIn,
        *,
        request: AnyRequest | None = None,
        auth_path: str | None = None,
    ) -> dict[str, Any]:
        """Hand over the tokens of a session that was started in a route of one's own.

        With `delivery="cookie"` at the start, the cookies of our own login are set on the response. The auth routes
        serve them from there on: refresh, logout, the list of sessions.

        Args:
            response: of Starlette, FastAPI, Litestar, Django, Flask or Quart; it gets cookies and `Cache-Control:
                no-store`.
            issued: what `start_session`, `refresh_session`, `log_in` or `register` gave.
            request: the request that asks: where the browser sees this application (`root_path`).
            auth_path: where the browser sees the auth routes, such as "/shop/auth"; left out, at the setting
                `auth_path` of the application that this request reached.

        Returns:
            What belongs in the body, as JSON: the tokens, or, with cookies, `csrf_token` and how long they live.

        Raises:
            TypeError: a response of another framework, or `issued` that is no such value.
            ValueError: an `auth_path` that a cookie cannot have.
        """
        if not isinstance(issued, Issued | LoggedIn):
            raise TypeError(f"issued must be what start_session or log_in gave, not {type(issued).__name__}")
        logged_in = issued if isinstance(issued, LoggedIn) else None
        tokens = issued.issued if isinstance(issued, LoggedIn) else issued
        delivered = self.delivery.deliver(
            tokens,
            tokens.delivery,
            refresh_path=self._refresh_path(request, auth_path),
            user=None if logged_in is None else User.of(logged_in.account),
            device=None if logged_in is None else logged_in.device,
        )
        write_fields(response, [*delivered.headers, NO_STORE])
        members: dict[str, Any] = to_builtins(delivered.body)
        return members

    def clear(self, response: object, *, request: AnyRequest | None = None, auth_path: str | None = None) -> None:
        """Have the browser forget its session: from a logout of one's own, after `revoke_session`.

        Args:
            response: as in `deliver`.
            request: as in `deliver`.
            auth_path: as in `deliver`.

        Raises:
            TypeError, ValueError: as `deliver`.
        """
        cleared = self.delivery.cookies.clear(auth_path=self._refresh_path(request, auth_path))
        write_fields(response, [*cleared, NO_STORE, (b"clear-site-data", b'"cache"')])  # C11

    def csrf_token(self, principal: Principal) -> str:
        """The CSRF token of the principal's session, for forms in pages of one's own: sent as `X-CSRF-Token`."""
        return self.delivery.csrf_tokens.token(principal.session_id)

    def _browser(self, request: AnyRequest | None, delivery: Delivery) -> Browser:
        """What a session that is to be delivered to this browser must keep to, before anything is written."""
        if delivery == "body":
            return Browser(None, None)
        if delivery != "cookie":
            raise ValueError('delivery must be "body" or "cookie"')
        if request is None:
            raise TypeError('delivery="cookie" needs request=, the request that asks')
        scope = scope_of(request)
        headers = scope["headers"]
        if scope.get("method") in SAFE_METHODS:  # a redirect back from an identity provider is a GET of its site
            held = self.delivery.held_session(headers)
        else:
            check_same_origin(headers, self.delivery.origins)
            held = self.delivery.replaced_session(headers)
        return Browser(held, self.delivery.max_access_chars(headers, delivery))

    def _refresh_path(self, request: AnyRequest | None, given: str | None) -> str:
        if given is not None:
            return given
        root = "" if request is None else scope_of(request).get("root_path", "").rstrip("/")
        return auth_path_of({"path": f"{root}{self.settings.auth_path.rstrip('/')}/x", "root_path": root})

    async def refresh_session(
        self, refresh_token: str, *, request: AnyRequest | None = None, address: str | None = None
    ) -> Issued:
        """Trade a refresh token for the next one and a fresh access token.

        Args:
            refresh_token: the client's.
            request: the request that asks; with it, or with `address`, refusals are counted by address.
            address: the client's IP address, where there is no request.

        Raises:
            RefreshRefused: the subclass says why; `problem_response` answers with it.
            Throttled: too many dead refresh tokens from this address.
        """
        client = self._client(request, address, "")
        await self.open()
        return await self.issuer.refresh(
            refresh_token, client=client, counted=request is not None or address is not None
        )

    async def list_sessions(self, subject: str, *, limit: int = 1000) -> list[Session]:
        """Live sessions of a subject, an account of ours or a user of yours: the newest first, at most `limit`."""
        check_subject(subject)
        await self.open()
        return await self.issuer.sessions.list(subject, limit=limit)

    async def revoke_session(self, session_id: str) -> bool:
        """End one session on every node; true when there was a live one."""
        if not isinstance(session_id, str):
            raise TypeError("session_id must be text, as in issued.session.id")
        await self.open()
        return await self.issuer.sessions.end(session_id, cause="ended_by_operator")

    async def revoke_subject(self, subject: str) -> int:
        """End every session of a subject on every node; how many there were to end."""
        check_subject(subject)
        await self.open()
        return await self.issuer.sessions.end_subject(subject)

    async def refresh_claims(self, subject: str) -> None:
        """Make the subject's access tokens outdated: the next refresh brings new claims, nobody is logged out."""
        check_subject(subject)
        await self.open()
        await self.issuer.sessions.refresh_claims(subject)
