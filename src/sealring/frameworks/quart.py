"""Quart: the auth routes, who is asking, and views that need it.

>>> from quart import Quart
>>> app = Quart("shop")
>>> auth.init_app(app)  # the routes under /auth, the lifespan, and refusals as problem details
>>> @app.get("/orders")
... @require("orders:read")
... async def orders() -> str:
...     return current_principal.subject
>>> client = as_user(app.test_client(), auth, "42", scopes=["orders:read"])
>>> await (await client.get("/orders")).get_data(as_text=True)
'42'

The auth routes stand in front of the application's `asgi_app`, as the middleware does, so no hook of the application
reads their bodies first. All state is in `app.extensions["sealring"]`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Literal, NoReturn, TypeVar, cast

try:
    import quart  # noqa: F401 - asked for first, so that the answer says what to install
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{__name__} needs the package {missing.name}: pip install quart", name=missing.name
    ) from missing
from quart import Quart, Request, Response, current_app, has_websocket_context, request, websocket
from werkzeug.local import LocalProxy

from sealring.errors import ConfigurationError, SealringError
from sealring.frameworks.decorator_order import check_order, remember_application
from sealring.frameworks.guard import Guard, check_is_function
from sealring.frameworks.http_exception import http_exception
from sealring.http.asgi_types import App, Receive, Scope, Send
from sealring.http.authenticate import RequestAuthenticator
from sealring.http.middleware import ANONYMOUS, Anonymous, Protect, SessionMiddleware
from sealring.http.problems import answer, is_refusal, must_close
from sealring.jwt.durations import Duration
from sealring.verifier.principal import Principal

__all__ = ["current_principal", "problem_response", "require"]

EXTENSION = "sealring"

View = TypeVar("View", bound=Callable[..., Any])


def install(
    app: Quart,
    authenticator: RequestAuthenticator,
    routes: Callable[[App], App],
    *,
    protect: Protect = (),
    invalid_status: Literal[401, 403] = 401,
) -> None:
    """`auth.init_app` calls this: `routes` puts the auth routes and the lifespan in front of an application.

    Raises:
        ConfigurationError: the application has a Sealring already, or a view whose `@require` stands in the wrong
            place.
    """
    if EXTENSION in app.extensions:
        raise ConfigurationError("this Quart application has a Sealring already: call auth.init_app(app) once")
    remember_application(app)
    host: Any = app  # typed, `asgi_app` is a method; Quart documents that it may be replaced
    host.asgi_app = SessionMiddleware(
        routes(_CheckedOnce(app)), authenticator=authenticator, protect=protect, invalid_status=invalid_status
    )
    app.extensions[EXTENSION] = authenticator
    if SealringError not in app.error_handler_spec[None][None]:  # an application's own handler stays
        app.register_error_handler(SealringError, _answer)


def require(
    *scopes: str, optional: bool = False, max_age: Duration | None = None, acr: str = "", bound: bool = False
) -> Callable[[View], View]:
    """Decorate a view that only a principal with all of these scopes may call: 401, 403 or 503 for all others.

    `optional=True` lets a request without any credential through; a credential that was sent and is bad is refused all
    the same, and scopes are asked of a principal only. It works on views of requests and WebSockets, `async def` or
    not, and on functions for `before_request`.

    It stands below the decorator that registers the view (`@app.get`), which else would register it without the guard.

    Args:
        scopes: scope tokens of RFC 6749 §3.3, all of which the principal must have; none for any principal.
        optional: whether a request without any credential passes.
        max_age: how long ago the user may have proved who they are, as in "5m"; a refresh does not renew it. Else 401
            `insufficient_user_authentication` (RFC 9470): `POST /auth/reauthenticate/{method}` helps.
        acr: how strongly: `mfa` for two factors, `phr` for two that no phishing page gets.
        bound: whether the session must be bound to a key of its client: the device (DBSC) or DPoP. Else 403
            `session_not_bound`.

    Raises:
        TypeError: a scope that is not text: `@require` needs parentheses.
        ValueError: one that is not a scope token (RFC 6749 §3.3), or what cannot be asked of a proof.
        ConfigurationError: the view is registered already. The start says so where nobody could know it here.

    >>> from quart import Quart
    >>> app = Quart("shop")
    >>> auth.init_app(app)
    >>> @app.get("/orders")
    ... @require("orders:read")
    ... async def orders() -> str:
    ...     return "all orders"
    >>> (await app.test_client().get("/orders")).status_code
    401
    """
    guard = Guard(scopes, optional=optional, max_age=max_age, acr=acr, bound=bound)

    def decorate(view: View) -> View:
        check_is_function(view)
        if iscoroutinefunction(view):  # asked here: on each request, it costs more than the check

            @wraps(view)
            async def guarded(*args: Any, **kwargs: Any) -> Any:
                await _check(guard)
                return await view(*args, **kwargs)
        else:

            @wraps(view)
            async def guarded(*args: Any, **kwargs: Any) -> Any:
                await _check(guard)
                return await current_app.ensure_async(view)(*args, **kwargs)

        return cast("View", guarded)

    return decorate


def problem_response(error: SealringError, request: Request | None = None) -> Response:
    """What a client gets for `error`, as a Quart response; with the request, it may end the connection.

    Args:
        error: the refusal.
        request: the request that it answers.

    >>> from sealring.errors import NotFound
    >>> problem_response(NotFound("no such order")).status_code
    404
    """
    reply = answer(error)
    response = Response(reply.body, reply.status)
    for name, value in reply.headers:
        response.headers[name.decode("ascii")] = value.decode("latin-1")
    if request is not None and must_close(reply, request.scope):
        response.headers["connection"] = "close"
    return response


def _find() -> Principal | Anonymous:
    return _installed().result_for(_scope()).principal or ANONYMOUS


current_principal: Principal = cast("Principal", LocalProxy(_find))
"""Who sent this request. Where nobody is known, it is false and has `is_authenticated` alone, which is false too."""


_application: Callable[[], Quart] = cast("Any", current_app)._get_current_object  # noqa: SLF001 - Werkzeug documents it
_request: Callable[[], Any] = cast("Any", request)._get_current_object  # noqa: SLF001 - as above
"""Each attribute that is read through a proxy costs four times as much."""


def _scope() -> Scope:
    scope: Any = websocket.scope if has_websocket_context() else _request().scope
    return cast("Scope", scope)


def _installed() -> RequestAuthenticator:
    installed = _application().extensions.get(EXTENSION)
    if installed is None:
        # no RuntimeError, which a LocalProxy that is asked for its truth would take for "nobody"
        raise ConfigurationError("this Quart application has no Sealring: call auth.init_app(app)")
    return cast("RequestAuthenticator", installed)


async def _check(guard: Guard) -> None:
    error = guard.refusal(await _installed().authenticate_when_open(_scope()))
    if error is not None:
        _refuse(error)


def _refuse(error: SealringError) -> NoReturn:
    """Raise the HTTP exception of a refusal: an application may handle its status, as it handles Quart's own."""
    _installed().report(error, _scope())
    raise http_exception(error, problem_response(error, None if has_websocket_context() else _request())) from error


async def _answer(error: SealringError) -> Response:
    """Answer a view with the refusal that it raised. An invalid setting or key stays a server error."""
    if not is_refusal(error):
        raise error
    _installed().report(error, _scope())
    return problem_response(error, None if has_websocket_context() else _request())


class _CheckedOnce:
    """The application itself: its start or first request finds a guard in the wrong place, of blueprints too.

    Quart takes no view after its first request.
    """

    def __init__(self, app: Quart) -> None:
        self._app = app
        host: Any = app
        self._asgi_app: App = host.asgi_app
        self._is_checked = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._start(scope, receive, send)
            return
        if not self._is_checked:  # hooks of the start may have added views
            check_order(self._app)
            self._is_checked = True
        await self._asgi_app(scope, receive, send)

    async def _start(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            check_order(self._app)
        except ConfigurationError as error:  # raised, it would say that this application has no lifespan (ASGI)
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await self._asgi_app(scope, receive, send)
