"""Fetches a small document over HTTP: no redirect, no proxy, bounded in size and time.

https only; http on loopback, or anywhere where the caller says so. A redirect would let the other side choose the
address, and so the keys.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from sealring.errors import Unavailable
from sealring.verifier.http_trust import check_ssl_context, is_trusted_scheme, why_no_answer

TIMEOUT_SECONDS = 5.0
MOST_BYTES = 16 * 1024 * 1024

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e\t]*")
_OURS = frozenset({"host", "accept", "connection", "content-length", "transfer-encoding", "expect"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchOptions:
    """How to fetch.

    Attributes:
        headers: more request fields, for the origin that the caller named alone: they may hold a credential.
        ssl_context: in place of the system's certificate authorities.
        allow_http: whether http is allowed anywhere.
        max_bytes: the longest body.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ssl_context: ssl.SSLContext | None = None
    allow_http: bool = False
    max_bytes: int

    def __post_init__(self) -> None:
        """Check the options; raises `TypeError` or `ValueError`, which name a wrong one."""
        headers: Any = self.headers
        if not isinstance(headers, Mapping):
            raise TypeError('headers must be a mapping, as in {"User-Agent": "orders/1.0"}')
        for name, value in headers.items():
            if not (isinstance(name, str) and isinstance(value, str) and _NAME.fullmatch(name)):
                raise TypeError("headers must have field names and text")
            if name.lower() in _OURS or not _VALUE.fullmatch(value):
                raise ValueError(f"headers: the field {name} cannot be set so")
        object.__setattr__(self, "headers", dict(headers))
        check_ssl_context(self.ssl_context)
        if not isinstance(self.allow_http, bool):
            raise TypeError("allow_http must be True or False")
        if type(self.max_bytes) is not int or not 0 < self.max_bytes <= MOST_BYTES:
            raise ValueError(f"max_bytes must be a whole number from 1 to {MOST_BYTES}")


def checked_url(what: str, url: str, *, allow_http: bool) -> SplitResult:
    """Return the parts of a URL that may be asked; raises `ValueError`, which says `what` it is the URL of."""
    parts = urlsplit(url)
    # a password comes with a username, maybe an empty one
    if parts.username is not None or parts.fragment or not parts.hostname:
        raise ValueError(f"{what}'s URL has a host, no user and no fragment")
    if not is_trusted_scheme(parts, allow_http=allow_http):
        raise ValueError(f"{what}'s URL is https, or http on loopback or with allow_http=True")
    return parts


def fetch(
    url: SplitResult, options: FetchOptions, *, accept: str, named: SplitResult | None = None
) -> tuple[bytes, str | None]:
    """Return body and Cache-Control of a 200 answer, within `TIMEOUT_SECONDS` once connected; raises `Unavailable`.

    Args:
        url: what to ask.
        options: how.
        accept: media types.
        named: the URL that the caller of the library gave, when `url` is another.
    """
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    own = options.headers if named is None or _origin(named) == _origin(url) else {}
    connection = _connection(url, options)
    limit = None
    try:
        connection.connect()
        # a socket's timeout starts again with every byte: only this timer ends an answer that drips. It gets the
        # socket now, since the connection drops it when the answer begins
        limit = threading.Timer(TIMEOUT_SECONDS, _cut, [connection.sock])
        limit.daemon = True
        limit.start()
        connection.request("GET", path, headers={"User-Agent": "sealring", "Accept": accept, **_titled(own)})
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise Unavailable(f"answer {response.status}")
        body = response.read(options.max_bytes + 1)  # one byte more than a reader accepts
        if response.length or len(body) > options.max_bytes:
            raise Unavailable(f"answer incomplete, or longer than {options.max_bytes} bytes")
        return body, response.getheader("Cache-Control")
    except (OSError, UnicodeError, http.client.HTTPException) as error:  # UnicodeError: a host name that IDNA refuses
        raise Unavailable(why_no_answer(error)) from None
    finally:
        if limit is not None:
            limit.cancel()
        connection.close()


def _titled(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the fields by one spelling of each name, so that a caller's `user-agent` replaces ours."""
    return {name.title(): value for name, value in headers.items()}


def _origin(url: SplitResult) -> tuple[str, str | None, int]:
    return url.scheme, url.hostname, url.port or (443 if url.scheme == "https" else 80)


def _connection(url: SplitResult, options: FetchOptions) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "https":
        context = options.ssl_context or ssl.create_default_context()
        return http.client.HTTPSConnection(host, url.port, timeout=TIMEOUT_SECONDS, context=context)
    return http.client.HTTPConnection(host, url.port, timeout=TIMEOUT_SECONDS)


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
