"""The middleware: who is asking, for every request, and the guards of views before anything else refuses.

It is both a synchronous and an asynchronous middleware. It belongs after Django's `AuthenticationMiddleware`, which
would replace `request.user`; a system check says so. A guarded view that changes something by a cookie is checked here
(I13), and Django's own CSRF check, which knows nothing of bearer tokens and wants a token of its own, must not refuse
it again. So the request, not the view, is exempt: only if its view is guarded, and only while this guard decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from sealring.frameworks.django.authentication import authenticate, authenticate_async, report, request_scope
from sealring.frameworks.django.configuration import Configuration, configuration
from sealring.frameworks.django.endpoints import serve, serve_async, served_path
from sealring.frameworks.django.guard import guard_of, let_pass
from sealring.frameworks.django.refused import answer_refused
from sealring.frameworks.django.responses import problem_response
from sealring.frameworks.django.users import attach
from sealring.http.authenticate import AuthResult
from sealring.http.fetch_metadata import SAFE_METHODS
from sealring.http.middleware import refusal_of
from sealring.http.problems import is_refusal
from sealring.sync_runner import check_real_threads

__all__ = ["SealringMiddleware"]

_CSRF_DONE = "_dont_enforce_csrf_checks"
"""Where Django's CSRF check looks before it refuses, after it has handled its cookie."""


class SealringMiddleware:
    """`MIDDLEWARE += ["sealring.frameworks.django.SealringMiddleware"]`.

    Raises:
        ConfigurationError: the setting `SEALRING` is unfit, the application is not installed, or this process has no
            threads (gevent).
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        check_real_threads()
        configuration()  # a server runs no system checks: a misspelt setting is said at its start all the same
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        self.process_view: Callable[..., Any] = self._process_view
        if self._is_async:
            markcoroutinefunction(self)
            self.process_view = self._process_view_async  # a plain function would need a thread for each request

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve one request."""
        if self._is_async:
            return self._call_async(request)
        made = configuration()
        refusal = _begin(made, request, authenticate(made.host, request))
        return refusal or answer_refused(request, self.get_response(request))

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        made = configuration()
        refusal = _begin(made, request, await authenticate_async(made.host, request))
        return refusal or answer_refused(request, await self.get_response(request))

    def _process_view(self, request: HttpRequest, view: Any, *_: object) -> Any:
        """Refuse what the view's guard refuses; serve the auth routes."""
        path = served_path(view, request)
        return _guard(request, view) if path is None else serve(configuration().host, path, request)

    async def _process_view_async(self, request: HttpRequest, view: Any, *_: object) -> Any:
        path = served_path(view, request)
        return _guard(request, view) if path is None else await serve_async(configuration().host, path, request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Answer a view with the refusal that it raised. An unfit setting or key is no refusal: a server error."""
        if not is_refusal(error):
            return None
        report(configuration().host, error, request)
        return problem_response(error, request)


def _begin(made: Configuration, request: HttpRequest, result: AuthResult) -> HttpResponseBase | None:
    """Put the sender on the request; the refusal where its path is protected."""
    attach(made, request, result.principal)
    if request.method not in SAFE_METHODS and not getattr(request, _CSRF_DONE, False):
        setattr(request, _CSRF_DONE, _GuardDecides(request, result))
    if made.protected is None or (result.principal is not None and not made.asks_scopes):
        return None
    scope = request_scope(request)
    error = refusal_of(result, made.protected.scopes(scope["path"], scope.get("root_path", "")))
    if error is None:
        return None
    report(made.host, error, request)
    return problem_response(error, request, invalid_status=made.invalid_status)


def _guard(request: HttpRequest, view: Any) -> HttpResponseBase | None:
    guard = guard_of(view, request.method)
    if guard is None:
        return None
    error = guard.refusal(
        authenticate(configuration().host, request)
    )  # what `__call__` has found, kept with the request
    if error is None:
        let_pass(request, guard)
        return None
    report(configuration().host, error, request)
    return problem_response(error, request)


class _GuardDecides:
    """True when the guard of the request's view answers for its CSRF check, asked once Django has found the view.

    False where there is no guard, and where it lets a request without credential pass: that one may be known to Django
    by a session of its own, and Django's check must look at it.
    """

    __slots__ = ("_request", "_result")

    def __init__(self, request: HttpRequest, result: AuthResult) -> None:
        self._request = request
        self._result = result

    def __bool__(self) -> bool:
        match = cast("Any", self._request.resolver_match)
        guard = None if match is None else guard_of(match.func, self._request.method)
        return guard is not None and not guard.lets_nobody_pass(self._result)
