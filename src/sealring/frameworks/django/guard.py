"""Views that only a principal may call: `require`, and what it decides.

A guarded view carries its guard as an attribute. The middleware asks it before the view is called and before Django's
CSRF check could refuse; the view asks again when it is called, for those who call it without the middleware.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.views import View

from sealring.errors import ConfigurationError
from sealring.frameworks.django.authentication import authenticate, authenticate_async, report
from sealring.frameworks.django.configuration import Configuration, configuration
from sealring.frameworks.django.responses import problem_response
from sealring.frameworks.django.users import attach
from sealring.frameworks.guard import Guard
from sealring.http.authenticate import AuthResult
from sealring.jwt.durations import Duration

__all__ = ["PASSED", "guard_of", "require"]

_ATTRIBUTE = "sealring_guard"
PASSED = "sealring_passed"
"""Which guard has let a request pass: it is asked once, by the middleware or by the view."""

AnyView = TypeVar("AnyView", bound=Callable[..., Any])


def guard_of(view: Any, method: str | None) -> Guard | None:
    """The guard of a view, or of the method of a class-based view that serves a request."""
    guard = getattr(view, _ATTRIBUTE, None)
    if guard is None:
        handler = getattr(getattr(view, "view_class", None), (method or "").lower(), None)
        guard = getattr(handler, _ATTRIBUTE, None)
    return guard if isinstance(guard, Guard) else None


def require(
    *scopes: str, optional: bool = False, max_age: Duration | None = None, acr: str = "", bound: bool = False
) -> Callable[[AnyView], AnyView]:
    """Decorate a view that only a principal with all of these scopes may call: 401, 403 or 503 for all others.

    It works on functions and `async def` functions, on class-based views as a whole, on one method of them, and through
    `method_decorator`. `optional=True` lets a request without any credential through; a credential that was sent and is
    bad is refused all the same, and scopes are asked of a principal only.

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
        ConfigurationError: an operation of Ninja that is registered already, without the guard.

    >>> from django.http import HttpRequest, HttpResponse
    >>> from django.test import RequestFactory
    >>> @require("orders:read")
    ... def orders(request: HttpRequest) -> HttpResponse:
    ...     return HttpResponse(request.principal.subject)
    >>> orders(RequestFactory().get("/orders")).status_code
    401
    """
    guard = Guard(scopes, optional, max_age, acr, bound)

    def decorate(view: AnyView) -> AnyView:
        if isinstance(view, type):
            if not issubclass(view, View):
                raise TypeError(f"require decorates views, and {view.__name__} is none")
            view.dispatch = decorate(view.dispatch)  # type: ignore[method-assign] # as method_decorator does
            return cast("AnyView", view)
        if hasattr(view, "_ninja_operation"):  # which `@api.get` leaves on the function that it has registered
            name = getattr(view, "__name__", "the operation")
            raise ConfigurationError(
                f"@require does not guard {name}: put it below the decorator of Ninja, next to def, or write"
                ' auth=SealringAuth("orders:read") in that one'
            )
        marked: Any = _guarded_coroutine(view, guard) if iscoroutinefunction(view) else _guarded(view, guard)
        setattr(marked, _ATTRIBUTE, guard)
        if not optional:
            marked.login_required = False  # no redirect to a login page before our own answer
        return cast("AnyView", marked)

    return decorate


def _guarded(view: Callable[..., Any], guard: Guard) -> Callable[..., Any]:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if args and getattr(args[0], PASSED, None) is guard:  # nearly always: a function, behind the middleware
            return view(*args, **kwargs)
        request = _request(args, kwargs)
        if not _has_passed(request, guard):
            made = configuration()
            refused = _refuse(made, guard, authenticate(made.host, request), request)
            if refused is not None:
                return refused
        return view(*args, **kwargs)

    return guarded


def _guarded_coroutine(view: Callable[..., Any], guard: Guard) -> Callable[..., Any]:
    @wraps(view)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        request = _request(args, kwargs)
        if not _has_passed(request, guard):
            made = configuration()
            refused = _refuse(made, guard, await authenticate_async(made.host, request), request)
            if refused is not None:
                return refused
        return await view(*args, **kwargs)

    return guarded


def _has_passed(request: HttpRequest, guard: Guard) -> bool:
    """Whether exactly this guard has let the request pass."""
    return request.__dict__.get(PASSED) is guard


def _refuse(made: Configuration, guard: Guard, result: AuthResult, request: HttpRequest) -> HttpResponse | None:
    error = guard.refusal(result)
    if error is None:
        if not hasattr(request, "principal"):
            attach(made, request, result.principal)
        return None
    report(made.host, error, request)
    return problem_response(error, request)


def _request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> HttpRequest:
    """The request among a view's arguments: the first of a function, the second of a method."""
    for candidate in (*args[:2], kwargs.get("request")):
        if hasattr(candidate, "META"):
            return cast("HttpRequest", getattr(candidate, "_request", candidate))  # Django REST framework wraps it
    raise TypeError("a view that requires scopes must be called with a request")
