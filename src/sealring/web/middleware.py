"""The ASGI middleware: who is asking, for every request, and a fence around paths on demand.

Raw ASGI, no framework imported. It puts the principal (or an anonymous user) into `scope["user"]`
and the gate's finding into `scope["auth"]`, in Starlette's words, and refuses nothing by itself.
Told to `protect` paths, it answers there itself, for http and websocket, whatever the method. It
decides on `scope["path"]`, the path that routers match, never on a URL rebuilt from Host
(CVE-2026-48710), and counts a path as protected when any reading of it is: slashes doubled, dots,
`;parameters`, another case, escaped twice, with or without the mount's `root_path` (C13).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Literal
from urllib.parse import unquote

from sealring.errors import MissingCredential
from sealring.web.gate import Finding, Gate
from sealring.web.problems import answer, send_answer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PARAMETERS = re.compile(r";[^/]*")
_SLASHES = re.compile(r"[/\\]+")


class Anonymous:
    """The user of a request without a valid credential (Starlette's `UnauthenticatedUser`, without Starlette)."""

    __slots__ = ()
    is_authenticated = False
    display_name = ""
    identity = ""


ANONYMOUS = Anonymous()


class SessionMiddleware:
    """Finds the sender of each request, and guards the paths in `protect`.

    `protect` holds path prefixes by segment: "/api/" (or "/api") is `/api` and all below it. An OPTIONS
    request there needs a credential like any other, so a CORS middleware belongs outside this one.
    `invalid_status` answers a bad token there: 401 as RFC 6750 §3.1 has it, or the 403 of tutorials.

    Raises:
        ValueError: a prefix does not begin with a slash.

    >>> from starlette.applications import Starlette
    >>> def verify(token): ...
    >>> app = SessionMiddleware(Starlette(), gate=Gate(verify), protect=["/api/"])
    """

    __slots__ = ("_app", "_examine", "_gate", "_invalid_status", "_protect")

    def __init__(
        self, app: App, *, gate: Gate, protect: Iterable[str] = (), invalid_status: Literal[401, 403] = 401
    ) -> None:
        prefixes = [protect] if isinstance(protect, str) else list(protect)
        if not all(prefix.startswith("/") for prefix in prefixes):
            raise ValueError("protect must hold path prefixes that begin with '/'")
        if invalid_status not in {401, 403}:
            raise ValueError("invalid_status must be 401 or 403")
        self._app = app
        self._gate = gate
        self._examine = gate.examine
        self._protect = tuple(_plain_path(prefix).rstrip("/") + "/" for prefix in prefixes)
        self._invalid_status = invalid_status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3.0); lifespan passes through."""
        if scope["type"] == "http" or scope["type"] == "websocket":
            finding = self._examine(scope)
            principal = finding.principal
            scope["auth"] = finding
            if principal is None:
                scope["user"] = ANONYMOUS
                if self._protect and self._covers(scope):
                    await self._refuse(finding, scope, send)
                    return
            else:
                scope["user"] = principal
        await self._app(scope, receive, send)

    def _covers(self, scope: Scope) -> bool:
        path: str = scope["path"]
        inner = path.removeprefix(scope.get("root_path", ""))
        readings = (path, inner, _plain_path(path), _plain_path(inner))
        return any((reading + "/").startswith(self._protect) for reading in readings)

    async def _refuse(self, finding: Finding, scope: Scope, send: Send) -> None:
        error = finding.refusal or MissingCredential("no credential was sent")
        self._gate.report(error, scope)
        await send_answer(answer(error, invalid_status=self._invalid_status), scope, send)


def _plain_path(path: str) -> str:
    """The most liberal reading of a path that any router behind us might make."""
    for _ in range(2):  # already decoded once by the server: a router that decodes again must not find a gap
        path = unquote(path)
    path = _SLASHES.sub("/", _PARAMETERS.sub("", path))
    return posixpath.normpath("/" + path.lower().lstrip("/"))
