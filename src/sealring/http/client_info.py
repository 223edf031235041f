"""Where a request came from, read from its ASGI scope: for our routes, and for an application's own.

Any framework's request will do that has a `scope` (Starlette, FastAPI, Litestar) or an `environ` (Flask, Django), and
so will the scope or the environ itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sealring.authentication.client_info import ClientInfo
from sealring.http.client_address import TrustedProxy, client_address
from sealring.http.cookies import read_cookie
from sealring.http.environ import is_environ, scope_of_environ

MAX_USER_AGENT = 512
MAX_LANGUAGES = 256


class HasEnviron(Protocol):
    """A request object of a WSGI framework."""

    @property
    def environ(self) -> dict[str, Any]:
        """The request's WSGI environ."""


class HasScope(Protocol):
    """A request object of an ASGI framework."""

    @property
    def scope(self) -> Mapping[str, Any]:
        """The connection's ASGI scope."""


AnyRequest = HasScope | HasEnviron | Mapping[str, Any]
"""A request, or its ASGI scope, or its WSGI environ."""


def scope_of(request: AnyRequest) -> Mapping[str, Any]:
    """The ASGI scope of a request.

    Raises:
        TypeError: it is neither a request nor a scope nor an environ.
    """
    environ = getattr(request, "environ", request)
    if is_environ(environ):
        return scope_of_environ(environ, is_decoded=getattr(request, "META", None) is environ)  # Django's request
    scope = getattr(request, "scope", request)  # first: Starlette's request is a mapping too
    if not isinstance(scope, Mapping) or "headers" not in scope:
        raise TypeError(f"request must be a request, its ASGI scope or its WSGI environ, not {type(request).__name__}")
    return scope


def client_info(
    scope: Mapping[str, Any], *, trusted_proxies: Sequence[TrustedProxy], device_cookie: bytes
) -> ClientInfo:
    """The client's address, its user agent and the device cookie that it shows."""
    headers = scope["headers"]
    agent = next((value for name, value in headers if name == b"user-agent"), b"")
    languages = next((value for name, value in headers if name == b"accept-language"), b"")
    device = read_cookie(headers, device_cookie)
    return ClientInfo(
        address=client_address(scope, trusted_proxies),
        user_agent=agent[:MAX_USER_AGENT].decode("latin-1"),
        device_cookie=None if device is None else device.decode("ascii"),
        languages=languages[:MAX_LANGUAGES].decode("latin-1"),
    )
