"""Who sent a request of Django's: found once, for the middleware, guards, Django REST framework and Ninja.

A request under WSGI is authenticated from its environ, as `sealring.frameworks.wsgi` does, and the result is kept
there; one under ASGI from its scope. So a middleware of ours around the whole of Django has the same result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from sealring.errors import SealringError, Stale
from sealring.frameworks.django.host import DjangoHost
from sealring.http.authenticate import AuthResult
from sealring.http.environ import scope_of_environ

__all__ = ["authenticate", "authenticate_async", "report", "request_scope"]


def authenticate(host: DjangoHost, request: HttpRequest) -> AuthResult:
    """What the request says about its sender. The first request opens the store."""
    environ = getattr(request, "environ", None)
    if environ is not None:
        return host.authenticator.authenticate(environ, is_decoded=True)
    scope = _asgi_scope(request)
    result = host.service.authenticator.result_for(scope)
    if type(result.refusal) is Stale:
        host.runner.try_open()
        result = host.service.authenticator.authenticate(scope)
    scope["auth"] = result
    return result


async def authenticate_async(host: DjangoHost, request: HttpRequest) -> AuthResult:
    """As `authenticate`, in an event loop, which goes on while the store opens."""
    if getattr(request, "environ", None) is None:
        scope = _asgi_scope(request)
        result = host.service.authenticator.result_for(scope)
        if type(result.refusal) is not Stale:
            scope["auth"] = result
            return result
    if not host.runner.is_open:
        await asyncio.to_thread(host.runner.try_open)
    return authenticate(host, request)


def report(host: DjangoHost, error: SealringError, request: HttpRequest) -> None:
    """Log and count a refusal. Call once, where the refusal is answered."""
    host.service.authenticator.report(error, request_scope(request))


def request_scope(request: HttpRequest) -> Mapping[str, Any]:
    """The ASGI scope of a request, under WSGI too."""
    environ = getattr(request, "environ", None)
    scope = _asgi_scope(request) if environ is None else scope_of_environ(environ, is_decoded=True)
    if settings.FORCE_SCRIPT_NAME is not None:  # then the application is where this says, whatever the server says
        return {**scope, "path": request.path, "root_path": settings.FORCE_SCRIPT_NAME.rstrip("/")}
    return scope


def _asgi_scope(request: HttpRequest) -> dict[str, Any]:
    scope: dict[str, Any] | None = getattr(request, "scope", None)
    if scope is None:
        raise TypeError(f"request must be one that a WSGI or ASGI server sent, not a bare {type(request).__name__}")
    return scope
