"""Flask: the auth routes, who is asking, and views that need it.

>>> from flask import Flask
>>> app = Flask("shop")
>>> auth.init_app(app)  # the routes under /auth, and refusals as problem details
>>> @app.get("/orders")
... @require("orders:read")
... def orders() -> str:
...     return current_principal.subject
>>> as_user(app.test_client(), auth, "42", scopes=["orders:read"]).get("/orders").text
'42'

The auth routes stand in front of the application's `wsgi_app`: no hook of the application reads their bodies first, and
no other extension's CSRF check refuses them besides ours. All state is in `app.extensions["sealring"]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Literal, NoReturn, TypeVar, cast

try:
    import flask  # noqa: F401 - asked for first, so that the answer says what to install
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{__name__} needs the package {missing.name}: pip install flask", name=missing.name
    ) from missing
from flask import Flask, Request, Response, current_app, request
from werkzeug.local import LocalProxy

from sealring.errors import ConfigurationError, SealringError
from sealring.frameworks.decorator_order import check_order, remember_application
from sealring.frameworks.guard import Guard, check_is_function
from sealring.frameworks.http_exception import http_exception
from sealring.frameworks.wsgi import (
    Environ,
    StartResponse,
    WsgiApp,
    WsgiAuthenticator,
    WsgiSessionMiddleware,
    text_headers,
)
from sealring.http.authenticate import AuthResult
from sealring.http.middleware import ANONYMOUS, Anonymous, Protect
from sealring.http.problems import answer, is_refusal
from sealring.jwt.durations import Duration
from sealring.sync_runner import check_real_threads
from sealring.verifier.principal import Principal

__all__ = ["current_principal", "problem_response", "require"]

EXTENSION = "sealring"

View = TypeVar("View", bound=Callable[..., Any])


def install(
    app: Flask,
    authenticator: WsgiAuthenticator,
    routes: Callable[[WsgiApp], WsgiApp],
    *,
    protect: Protect = (),
    invalid_status: Literal[401, 403] = 401,
) -> None:
    """`auth.init_app` calls this: `routes` puts the auth routes in front of an application.

    Raises:
        ConfigurationError: the application has a Sealring already, or a view whose `@require` stands in the wrong
            place, or this process no threads (gevent).
    """
    if EXTENSION in app.extensions:
        raise ConfigurationError("this Flask application has a Sealring already: call auth.init_app(app) once")
    check_real_threads()
    remember_application(app)
    served = routes(_CheckedOnce(app))
    if protect:
        served = WsgiSessionMiddleware(
            served, authenticator=authenticator, protect=protect, invalid_status=invalid_status
        )
    host: Any = app  # typed, `wsgi_app` is a method; Flask documents that it may be replaced
    host.wsgi_app = served
    app.extensions[EXTENSION] = authenticator
    if SealringError not in app.error_handler_spec[None][None]:  # an application's own handler stays
        app.register_error_handler(SealringError, _answer)


def require(
    *scopes: str, optional: bool = False, max_age: Duration | None = None, acr: str = "", bound: bool = False
) -> Callable[[View], View]:
    """Decorate a view that only a principal with all of these scopes may call: 401, 403 or 503 for all others.

    `optional=True` lets a request without any credential through; a credential that was sent and is bad is refused all
    the same, and scopes are asked of a principal only. It works on `async def` views (with `flask[async]`), in
    `decorators` of class-based views, and on functions for `before_request`.

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
        ConfigurationError: the view is registered already. The first request says so where nobody could know it here.

    >>> from flask import Flask
    >>> app = Flask("shop")
    >>> auth.init_app(app)
    >>> @app.get("/orders")
    ... @require("orders:read")
    ... def orders() -> str:
    ...     return "all orders"
    >>> client = app.test_client()
    >>> client.get("/orders").status_code, as_user(client, auth, "42", scopes=["orders:read"]).get("/orders").text
    (401, 'all orders')
    """
    guard = Guard(scopes, optional=optional, max_age=max_age, acr=acr, bound=bound)

    def decorate(view: View) -> View:
        check_is_function(view)
        if iscoroutinefunction(view):

            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                _check(guard)
                return current_app.ensure_sync(view)(*args, **kwargs)
        else:

            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                _check(guard)
                return view(*args, **kwargs)

        return cast("View", guarded)

    return decorate


def problem_response(error: SealringError, request: Request | None = None) -> Response:  # noqa: ARG001
    """What a client gets for `error`, as a Flask response: for handlers of an application's own.

    Frameworks of ASGI need the request too; under WSGI the server ends connections (PEP 3333).

    Args:
        error: the refusal.
        request: not used here.

    >>> from sealring.errors import NotFound
    >>> problem_response(NotFound("no such order")).status
    '404 NOT FOUND'
    """
    reply = answer(error)
    return Response(reply.body, reply.status, text_headers(reply.headers))


def _find() -> Principal | Anonymous:
    return _authenticate().principal or ANONYMOUS


current_principal: Principal = cast("Principal", LocalProxy(_find))
"""Who sent this request. Where nobody is known, it is false and has `is_authenticated` alone, which is false too."""


_application: Callable[[], Flask] = cast("Any", current_app)._get_current_object  # noqa: SLF001 - Werkzeug documents it
_request: Callable[[], Request] = cast("Any", request)._get_current_object  # noqa: SLF001 - as above
"""Each attribute that is read through a proxy costs four times as much."""


def _authenticate() -> AuthResult:
    return _installed().authenticate(_request().environ)


def _installed() -> WsgiAuthenticator:
    installed = _application().extensions.get(EXTENSION)
    if installed is None:
        # no RuntimeError, which a LocalProxy that is asked for its truth would take for "nobody"
        raise ConfigurationError("this Flask application has no Sealring: call auth.init_app(app)")
    return cast("WsgiAuthenticator", installed)


def _check(guard: Guard) -> None:
    error = guard.refusal(_authenticate())
    if error is not None:
        _refuse(error)


def _refuse(error: SealringError) -> NoReturn:
    """Raise the HTTP exception of a refusal: an application may handle its status, as it handles Flask's own."""
    _installed().report(error, request.environ)
    raise http_exception(error, problem_response(error)) from error


def _answer(error: SealringError) -> Response:
    """Answer a view with the refusal that it raised. An invalid setting or key stays a server error."""
    if not is_refusal(error):
        raise error
    _installed().report(error, request.environ)
    return problem_response(error)


class _CheckedOnce:
    """The application itself: its first request finds a guard in the wrong place, of blueprints too.

    Flask takes no view after its first request.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._wsgi_app: WsgiApp = app.wsgi_app
        self._is_checked = False

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not self._is_checked:
            check_order(self._app)
            self._is_checked = True
        return self._wsgi_app(environ, start_response)
