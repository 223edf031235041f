"""Finds a request's access token: in the Authorization field or the cookie, never both.

Reads the raw fields of the ASGI scope; of tokens it checks only the alphabet. RFC 6750
§2.1 decides: scheme in any case, one or more spaces (1*SP, never a tab), one b64token. The scheme DPoP
(RFC 9449 §7.1) has the same form. Two
Authorization fields, both ways at once, or a malformed credential of ours is `InvalidRequest`
(§3.1, attack C9). Another scheme (Basic before a staging site) is not our credential, and the
cookie still counts: §2 forbids sending *the token* twice, and nothing else. `?access_token=` and
form fields are never read.

A page cannot set Authorization on a WebSocket handshake. It offers the token as a subprotocol, right after ours:
`new WebSocket(url, ["sealring.bearer", token])` (`find_websocket_credential`). The cookies that a browser adds to that
by itself are not read: the page said which session it means, and cannot leave them away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from sealring.http.cookies import TOKEN_BYTES, Headers, cookie_line, pick_cookie
from sealring.http.request_errors import CookiesTooLarge, InvalidRequest

_OTHER_SCHEME = re.compile(rb"(?!(?:bearer|dpop)(?: |$))[!#$%&'*+.^_`|~0-9a-z-]+(?: .*)?", re.IGNORECASE | re.DOTALL)
"""A scheme that is neither Bearer nor DPoP and what follows it (RFC 9110 §11.4)."""


BEARER_SUBPROTOCOL = "sealring.bearer"
"""The WebSocket subprotocol after which a page offers its token; the server selects this one, never the token."""


class PresentedToken(msgspec.Struct, frozen=True, gc=False):
    """An access token as received, not verified."""

    token: str
    from_cookie: bool
    """The browser sent it automatically: a change of state needs proof that our own page asked (attacks C2, C3)."""
    with_proof: bool = False
    """By the scheme DPoP: it is bound to a key, and a proof of that comes along (RFC 9449 §7.1)."""

    def __repr__(self) -> str:
        return f"PresentedToken(token=..., from_cookie={self.from_cookie}, with_proof={self.with_proof})"


def find_credential(headers: Headers, access_cookie: bytes | None) -> PresentedToken | None:
    """Return the one credential among `headers`; None when there is none.

    `access_cookie` is the cookie's exact name; None where only the Authorization field counts.

    Raises:
        InvalidRequest: RFC 6750 §3.1, see above.
        CookiesTooLarge: our cookie is the only credential, and it is among too many others.

    >>> find_credential([(b"authorization", b"bearer abc")], None).token
    'abc'
    """
    authorization: bytes | None = None
    cookies: bytes | None = None
    several_cookie_fields = False
    for name, value in headers:
        if name == b"authorization":
            if authorization is not None:
                raise InvalidRequest("more than one Authorization field")
            authorization = value
        elif name == b"cookie":
            several_cookie_fields = cookies is not None
            cookies = value
    if several_cookie_fields:
        cookies = cookie_line(headers)
    bearer = None
    if authorization is not None:
        # a client repeats its token: read once, its text also keeps its hash, which the verifier's cache asks for
        is_short = len(authorization) <= _REMEMBERED_BYTES
        bearer = _remembered_presented_token(authorization) if is_short else _presented_token(authorization)
    if cookies is not None and access_cookie is not None:
        cookie = _pick(cookies, access_cookie + b"=", needed=bearer is None)
        if cookie is not None:
            if bearer is not None:
                raise InvalidRequest("a bearer token and a cookie at once")
            return PresentedToken(str(cookie, "ascii"), from_cookie=True)
    return bearer


def find_websocket_credential(
    headers: Headers, access_cookie: bytes | None, offered: Sequence[str]
) -> PresentedToken | None:
    """As `find_credential`, for a WebSocket handshake: the token may be among the subprotocols that are `offered`.

    Raises:
        InvalidRequest: also for more or less than one token after our subprotocol, or one in Authorization besides.
        CookiesTooLarge: as `find_credential`.

    >>> find_websocket_credential([], None, ["chat", "sealring.bearer", "abc"]).token
    'abc'
    """
    if BEARER_SUBPROTOCOL not in offered:
        return find_credential(headers, access_cookie)
    after = offered[offered.index(BEARER_SUBPROTOCOL) + 1 :]
    token = after[0] if after else ""
    is_one = offered.count(BEARER_SUBPROTOCOL) == 1
    if not is_one or not token or not token.isascii() or token.encode().translate(None, TOKEN_BYTES):
        raise InvalidRequest("malformed bearer token among the subprotocols")
    if find_credential(headers, None) is not None:
        raise InvalidRequest("a bearer token in Authorization and among the subprotocols")
    return PresentedToken(token, from_cookie=False)


def _pick(cookies: bytes, name_and_equals: bytes, *, needed: bool) -> bytes | None:
    try:
        return pick_cookie(cookies, name_and_equals)
    except CookiesTooLarge:
        if needed:
            raise
        return None  # a program with its own token needs no cookie, however many its host has set


def _presented_token(value: bytes) -> PresentedToken | None:
    with_proof = value[:5].lower() == b"dpop "
    if not with_proof and value[:7].lower() != b"bearer ":
        if _OTHER_SCHEME.fullmatch(value):
            return None
        raise InvalidRequest("malformed Authorization field")
    token = value.partition(b" ")[2].lstrip(b" ")
    if not token or token.translate(None, TOKEN_BYTES):
        raise InvalidRequest("malformed bearer token")
    return PresentedToken(str(token, "ascii"), from_cookie=False, with_proof=with_proof)


_REMEMBERED_BYTES = 2048
_remembered_presented_token = lru_cache(1024)(_presented_token)
"""At most 4 MiB, whatever strangers send. How a field reads is remembered; the token is verified again each time."""
