"""Limits on request heads, checked before the application runs (attacks D3, D5, D7).

Raw ASGI. Servers and proxies have their own limits, but an application should not rely on them:
httptools reads header fields without end, and h11 accepts a request with both Content-Length and
Transfer-Encoding, which starts request smuggling (RFC 9112 §6.3). The server has already parsed the
head when this runs, so these limits bound the cost of *our* scans, not the server's memory.
"""

from __future__ import annotations

from sealring.http.asgi_types import App, Receive, Scope, Send
from sealring.http.cookies import Headers
from sealring.http.problems import OnRefusal, answer, report, send_answer
from sealring.http.request_errors import HeadersTooLarge, RequestRefused, TargetTooLong

MAX_FIELDS = 100
"""Browsers behind two proxies send about forty; Apache and nginx users live with 100."""
MAX_FIELDS_BYTES = 32_768
"""Cookies of 16 KiB, a token of 8, the rest; nginx's own default is 4 times 8 KiB."""
MAX_TARGET_BYTES = 8_192
"""RFC 9112 §3 asks for at least 8,000 octets."""

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class HeadLimits:
    """Answers 431, 414 or 400 to a head past its limits, before the application sees it.

    At most 100 fields of together 32 KiB, and 8 KiB of path and query (RFC 6585 §5, RFC 9112 §3).

    Args:
        app: what it stands in front of.
        refused: counts refusals by their true cause: `auth.refused`.

    >>> from starlette.applications import Starlette
    >>> from starlette.testclient import TestClient
    >>> TestClient(HeadLimits(Starlette())).get("/" + "a" * 9000).status_code
    414
    """

    __slots__ = ("_app", "_refused")

    def __init__(self, app: App, *, refused: OnRefusal | None = None) -> None:
        self._app = app
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3.0); lifespan passes through."""
        if scope["type"] == "http" or scope["type"] == "websocket":
            try:
                check_head(scope["headers"], scope["path"], scope.get("query_string", b""))
            except RequestRefused as error:
                report(error, where=scope["path"], refused=self._refused)
                await send_answer(answer(error), scope, send)
                return
        await self._app(scope, receive, send)


def check_head(headers: Headers, path: str, query: bytes) -> None:
    """Check that an honest client could have sent this head.

    Raises:
        HeadersTooLarge: too many fields, or too many bytes in them (431, RFC 6585 §5).
        TargetTooLong: path and query (414).
        RequestRefused: a body framed in two ways, or two hosts (400).
    """
    if len(headers) > MAX_FIELDS:
        raise HeadersTooLarge("too many header fields")
    size = 0
    framings = 0
    hosts = 0
    for name, value in headers:
        size += len(name) + len(value)
        if name in _FRAMING:
            framings += 1
        elif name == b"host":
            hosts += 1
    if size > MAX_FIELDS_BYTES:
        raise HeadersTooLarge("header fields too large")
    if framings > 1:
        raise RequestRefused("a body framed in two ways")
    if hosts > 1:
        raise RequestRefused("more than one Host field")  # RFC 9112 §3.2; httptools accepts it
    if len(path) + len(query) > MAX_TARGET_BYTES:
        raise TargetTooLong("path and query are too long")
