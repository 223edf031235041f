"""The ASGI middleware: who is asking, for every request, and a fence around paths on demand.

Raw ASGI, no framework imported. It puts the principal (or an anonymous user) into `scope["user"]`
and the authenticator's result into `scope["auth"]`, in Starlette's words, and refuses nothing by itself.
Told to `protect` paths, it answers there itself, for http and websocket, whatever the method. It
decides on `scope["path"]`, the path that routers match, never on a URL rebuilt from Host
(CVE-2026-48710), and counts a path as protected when any reading of it is: `protected_paths` (C13, N2).

A WebSocket that has a principal is closed when the principal's session ends, whatever the application does with it
(`websockets`, design D23).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from sealring.errors import ConfigurationError, SealringError, Stale
from sealring.http.asgi_types import App, Receive, Scope, Send
from sealring.http.authenticate import AuthResult, RequestAuthenticator
from sealring.http.problems import answer, send_answer
from sealring.http.protected_paths import ProtectedPaths, read_rules
from sealring.http.websockets import serve_websocket

Protect = Iterable[str] | Mapping[str, Iterable[str]]
"""Path prefixes, or a mapping from each to the scopes that it needs."""


class Anonymous:
    """The user of a request without a valid credential (Starlette's `UnauthenticatedUser`, without Starlette)."""

    __slots__ = ()
    is_authenticated = False
    display_name = ""
    identity = ""

    def __bool__(self) -> Literal[False]:
        """`if request.user:` must not take nobody for somebody."""
        return False


ANONYMOUS = Anonymous()


def check_invalid_status(status: object) -> None:
    """The answer to a bad token is 401 (RFC 6750 §3.1), or the 403 of tutorials.

    Raises:
        ValueError: it is another.
    """
    if type(status) is not int or status not in {401, 403}:
        raise ValueError("invalid_status must be 401 or 403")


class SessionMiddleware:
    """Finds the sender of each request, and guards the paths in `protect`.

    `protect` holds path prefixes by segment: "/api/" (or "/api") is `/api` and all below it. As a mapping it
    says which scopes each prefix needs; where several cover a path, all their scopes are needed. An OPTIONS
    request there needs a credential like any other, so a CORS middleware belongs outside this one.
    `invalid_status` answers a bad token there: 401 as RFC 6750 §3.1 has it, or the 403 of tutorials.

    Raises:
        TypeError: a prefix that is no text, or scopes that are no list of text.
        ConfigurationError: a CORS middleware directly inside.
        ValueError: a prefix that does not begin with a slash, or has a segment that routers drop.

    >>> from starlette.applications import Starlette
    >>> def verify(token): ...
    >>> protect = {"/api": [], "/api/admin": ["admin"]}
    >>> app = SessionMiddleware(Starlette(), authenticator=RequestAuthenticator(verify), protect=protect)
    """

    __slots__ = ("_app", "_asks_scopes", "_authenticate", "_authenticator", "_invalid_status", "_protected")

    def __init__(
        self,
        app: App,
        *,
        authenticator: RequestAuthenticator,
        protect: Protect = (),
        invalid_status: Literal[401, 403] = 401,
    ) -> None:
        rules = read_rules(protect)
        if rules and type(app).__name__ == "CORSMiddleware":
            raise ConfigurationError(
                "a CORS middleware must stand outside, since protect refuses its preflights: add it after this one"
            )
        check_invalid_status(invalid_status)
        self._app = app
        self._authenticator = authenticator
        self._authenticate = authenticator.authenticate
        self._protected = ProtectedPaths(rules) if rules else None
        self._asks_scopes = any(rule.scopes for rule in rules)
        self._invalid_status = invalid_status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3.0); lifespan passes through."""
        if scope["type"] == "http" or scope["type"] == "websocket":
            result = self._authenticate(scope)
            if type(result.refusal) is Stale:
                result = await self._authenticator.once_open(scope, result)
            principal = result.principal
            scope["auth"] = result
            scope["user"] = ANONYMOUS if principal is None else principal
            if self._protected is not None and (principal is None or self._asks_scopes):
                error = refusal_of(result, self._protected.scopes(scope["path"], scope.get("root_path", "")))
                if error is not None:
                    self._authenticator.report(error, scope)
                    await send_answer(answer(error, invalid_status=self._invalid_status), scope, send)
                    return
            if scope["type"] == "websocket":
                await serve_websocket(self._app, scope, receive, send, self._authenticator)
                return
        await self._app(scope, receive, send)


def refusal_of(result: AuthResult, scopes: tuple[str, ...] | None) -> SealringError | None:
    """Why a request that needs these scopes may not pass; None when it may. No scopes: it needs nothing at all."""
    if scopes is None:
        return None
    if result.principal is None:
        return result.refuse()
    return None if result.principal.scopes.issuperset(scopes) else result.refuse(scopes)
