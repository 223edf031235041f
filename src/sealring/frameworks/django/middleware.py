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
from sealring.frameworks.django.configuration import CURRENT, Configuration, configuration
from sealring.frameworks.django.endpoints import serve, serve_async, served_path
from sealring.frameworks.django.guard import PASSED, guard_of
from sealring.frameworks.django.refused import KEPT, answer_refused
from sealring.frameworks.django.responses import problem_response, refusal_response
from sealring.frameworks.django.users import attach
from sealring.frameworks.guard import Guard
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

    Args:
        get_response: what it stands in front of; Django gives it.

    Raises:
        ConfigurationError: the setting `SEALRING` is invalid, the application is not installed, a system check finds an
            error in the order of the middleware, or this process has no threads (gevent).

    >>> from django.http import HttpResponse
    >>> from django.test import RequestFactory
    >>> serve = SealringMiddleware(lambda request: HttpResponse("known" if request.principal else "nobody"))
    >>> serve(RequestFactory().get("/")).content
    b'nobody'
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        check_real_threads()
        configuration()  # a server runs no system checks: what is wrong is said at its start all the same
        from sealring.frameworks.django.checks import refuse_errors  # noqa: PLC0415 - they look for this class

        refuse_errors()
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        self.process_view: Callable[..., Any] = self._process_view
        if self._is_async:
            markcoroutinefunction(self)
            self.process_view = self._process_view_async  # a plain function would need a thread for each request

    def __call__(self, request: Any) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve one request."""
        if self._is_async:
            return self._call_async(request)
        made = CURRENT.made or CURRENT.make()
        result = authenticate(made.host, request)
        attach(made, request, result.principal)
        request.sealring_result = result
        if request.method not in SAFE_METHODS or made.protected is not None:
            refusal = _begin(made, request, result)
            if refusal is not None:
                return refusal
        response: HttpResponseBase = self.get_response(request)
        return answer_refused(request, response) if KEPT in request.__dict__ else response

    async def _call_async(self, request: Any) -> HttpResponseBase:
        made = CURRENT.made or CURRENT.make()
        result = await authenticate_async(made.host, request)
        attach(made, request, result.principal)
        request.sealring_result = result
        refusal = _begin(made, request, result)
        return refusal or answer_refused(request, await self.get_response(request))

    def _process_view(self, request: Any, view: Any, *_: object) -> Any:
        """Refuse what the view's guard refuses; serve the auth routes."""
        guard = guard_of(view, request.method)
        if guard is not None:
            return _ask(guard, request)
        path = served_path(view, request)
        return None if path is None else serve(configuration().host, path, request)

    async def _process_view_async(self, request: Any, view: Any, *_: object) -> Any:
        guard = guard_of(view, request.method)
        if guard is not None:
            return _ask(guard, request)
        path = served_path(view, request)
        return None if path is None else await serve_async(configuration().host, path, request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Called by Django: answer a view with the refusal that it raised.

        Args:
            request: the request.
            error: what the view raised. An invalid setting or key is no refusal: a server error.

        Returns:
            The answer; None for what is not ours.
        """
        if not is_refusal(error):
            return None
        report(configuration().host, error, request)
        return problem_response(error, request)


def _begin(made: Configuration, request: Any, result: AuthResult) -> HttpResponseBase | None:
    """Have the guard decide on what changes something; the refusal where the path is protected."""
    if request.method not in SAFE_METHODS and not getattr(request, _CSRF_DONE, False):
        setattr(request, _CSRF_DONE, _GuardDecides(request, result))
    if made.protected is None or (result.principal is not None and not made.asks_scopes):
        return None
    scope = request_scope(request)
    error = refusal_of(result, made.protected.scopes(scope["path"], scope.get("root_path", "")))
    if error is None:
        return None
    report(made.host, error, request)
    return refusal_response(error, request, invalid_status=made.invalid_status)


def _ask(guard: Guard, request: Any) -> HttpResponseBase | None:
    """The refusal of a view's guard, by what `__call__` has found."""
    result: AuthResult | None = request.__dict__.get("sealring_result")
    if result is None:  # a project's own `__call__`
        result = authenticate(configuration().host, request)
    error = guard.refusal(result)
    if error is None:
        setattr(request, PASSED, guard)
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
        return guard is not None and not guard.is_passed_by_nobody(self._result)
