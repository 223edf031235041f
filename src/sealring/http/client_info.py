"""Where a request came from, read from its ASGI scope: for our routes, and for an application's own.

Any framework's request will do that has a `scope` (Starlette, FastAPI, Litestar), and so will the scope itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sealring.authentication.client_info import ClientInfo
from sealring.http.asgi_types import Scope
from sealring.http.client_address import TrustedProxy, client_address
from sealring.http.cookies import read_cookie

MAX_USER_AGENT = 512


class HasScope(Protocol):
    """A request object of an ASGI framework."""

    @property
    def scope(self) -> Scope:
        """The connection's ASGI scope."""


AsgiRequest = HasScope | Mapping[str, Any]
"""A request, or its ASGI scope."""


def scope_of(request: AsgiRequest) -> Mapping[str, Any]:
    """The ASGI scope of a request.

    Raises:
        TypeError: it is neither a request nor a scope.
    """
    scope = getattr(request, "scope", request)  # first: Starlette's request is a mapping too
    if not isinstance(scope, Mapping) or "headers" not in scope:
        raise TypeError(f"request must be an ASGI request or its scope, not {type(request).__name__}")
    return scope


def client_info(
    scope: Mapping[str, Any], *, trusted_proxies: Sequence[TrustedProxy], device_cookie: bytes
) -> ClientInfo:
    """The client's address, its user agent and the device cookie that it shows."""
    headers = scope["headers"]
    agent = next((value for name, value in headers if name == b"user-agent"), b"")
    device = read_cookie(headers, device_cookie)
    return ClientInfo(
        address=client_address(scope, trusted_proxies),
        user_agent=agent[:MAX_USER_AGENT].decode("latin-1"),
        device_cookie=None if device is None else device.decode("ascii"),
    )
