"""Device Bound Session Credentials on the wire (W3C draft): the header fields and the instructions to the browser.

The draft asks for structured fields (RFC 9651), whose strings are quoted; Chromium sends its own without quotes. Both
forms are read here, and of neither more than the alphabet of a compact JWS. What is written is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from sealring.http.cookies import HeaderPair, Headers
from sealring.http.schemas import DeviceCredential, DeviceScope, DeviceScopeRule, DeviceSession
from sealring.sessions.device_proof import ALGORITHMS

PROOF: Final = b"secure-session-response"
SESSION: Final = b"sec-secure-session-id"
_CHALLENGE: Final = b"secure-session-challenge"
_REGISTRATION: Final = b"secure-session-registration"
_VALUE: Final = re.compile(rb'"([A-Za-z0-9_.-]{1,4096})"|([A-Za-z0-9_.-]{1,4096})')

BIND: Final = "/device"
"""Below the auth path: where a browser registers its key."""
REFRESH: Final = "/device/refresh"
"""Below the auth path: where it proves the key."""

_NEED_NO_SESSION: Final = ("/login", "/register", "/logout", "/client.js", "/.well-known")
"""Below the auth path: what works without an access token."""


def read_field(headers: Headers, name: bytes) -> str | None:
    """The value of a field that a browser writes; None where there is none, more than one, or anything else.

    >>> read_field([(SESSION, b"c2Vzc2lvbg")], SESSION), read_field([(SESSION, b'"c2Vzc2lvbg"')], SESSION)
    ('c2Vzc2lvbg', 'c2Vzc2lvbg')
    """
    found = [value for key, value in headers if key == name]
    match = _VALUE.fullmatch(found[0]) if len(found) == 1 else None
    return None if match is None else str(match[1] or match[2], "ascii")


def registration(auth_path: str, *, challenge: str, authorization: str) -> HeaderPair:
    """Asks the browser that has just logged in to register a key.

    >>> registration("/auth", challenge="c", authorization="a")[1]
    b'(ES256 RS256);path="/auth/device";challenge="c";authorization="a"'
    """
    path = _below(auth_path, BIND)
    parameters = f';path="{path}";challenge="{challenge}";authorization="{authorization}"'
    return _REGISTRATION, f"({' '.join(ALGORITHMS)}){parameters}".encode()


def challenge_field(session_id: str, challenge: str) -> HeaderPair:
    """Asks the browser to sign: with status 403, it does so at once and repeats the request."""
    return _CHALLENGE, f'"{challenge}";id="{session_id}"'.encode()


def instructions(
    session_id: str,
    *,
    auth_path: str,
    cookie: bytes,
    attributes: str,
    unbound_paths: Sequence[str],
    initiators: Sequence[str],
) -> DeviceSession:
    """What the browser is to do: have this cookie before each request of this origin, but for some paths.

    Args:
        session_id: the session.
        auth_path: where the browser sees the auth routes.
        cookie: the name of the access cookie.
        attributes: exactly as it is set with.
        unbound_paths: the application's own paths that need no session.
        initiators: origins of front ends elsewhere, whose requests may start a refresh, too.
    """
    excluded = [*(_below(auth_path, path) for path in _NEED_NO_SESSION), *unbound_paths]
    return DeviceSession(
        session_identifier=session_id,
        refresh_url=_below(auth_path, REFRESH),
        scope=DeviceScope(
            include_site=False,
            scope_specification=[DeviceScopeRule(type="exclude", domain="*", path=path) for path in excluded],
        ),
        credentials=[DeviceCredential(type="cookie", name=cookie.decode(), attributes=attributes)],
        allowed_refresh_initiators=sorted({urlsplit(origin).hostname or "" for origin in initiators} - {""}),
    )


def _below(auth_path: str, path: str) -> str:
    return auth_path.rstrip("/") + path
