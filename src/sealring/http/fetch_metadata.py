"""CSRF checks: did our own page, another site's page, or a program send the request (attacks C2, C3, C5; I13).

Three checks in this order, each used only when the one before has nothing to read:
`Sec-Fetch-Site`, which a page cannot forge (Fetch Metadata §2.2); `Origin` against the origins that
the settings name (RFC 6454 §7); and without either, the CSRF token bound to the session. Host
and X-Forwarded-Host decide nothing: an attacker who forges the request forges them too (C12). A
request without a cookie is not a tricked browser, and needs none of the three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit

from sealring.http.cookies import Headers
from sealring.http.request_errors import CrossSite

Site = Literal["same-origin", "cross-site", "unknown"]
TokenState = Literal["absent", "good", "bad"]
MatchesCsrf = Callable[[str, str], bool]
"""(text of the header, session id) → whether it is that session's token. Accepts any text, in constant time."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 §9.2.1

_DEFAULT_PORTS = {"http": 80, "https": 443}

_SITE_OF_FETCH: dict[bytes, Site] = {
    b"same-origin": "same-origin",
    b"none": "same-origin",  # no page caused it: the user typed, reloaded, opened a bookmark
    b"same-site": "cross-site",  # a sibling host is another site (C8)
    b"cross-site": "cross-site",
}

_MAY_ACT: dict[tuple[Site, TokenState], bool] = {
    ("same-origin", "absent"): True,
    ("same-origin", "good"): True,
    ("same-origin", "bad"): False,  # another session's token: the page and the cookie belong to different sessions
    ("unknown", "absent"): False,
    ("unknown", "good"): True,  # only a page that could read our answer can have it
    ("unknown", "bad"): False,
    ("cross-site", "absent"): False,
    ("cross-site", "good"): False,
    ("cross-site", "bad"): False,
}
"""May an unsafe request act on the cookie it brought?"""


def origin_of(url: str) -> bytes:
    """Return the origin of a URL as browsers write it (RFC 6454 §6.1): scheme, host, and port unless it is the default.

    Raises:
        ValueError: not an http or https URL with a host, or a host that is not in its ASCII form.

    >>> origin_of("https://Auth.example.com:443/auth")
    b'https://auth.example.com'
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or not url.isascii():
        raise ValueError("an origin needs an http or https URL with a host in its ASCII form")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port
    suffix = "" if port is None or port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{host}{suffix}".encode()


def decide_same_origin(headers: Headers, allowed_origins: frozenset[bytes]) -> Site:
    """Return what the browser reports about the page behind a request; `unknown` when it reports nothing.

    An unreadable or doubled field is `cross-site`: no browser sends one. Origins compare byte for
    byte, so a common prefix, userinfo or another port never matches.
    """
    fetch_site: bytes | None = None
    origin: bytes | None = None
    for name, value in headers:
        if name == b"sec-fetch-site":
            if fetch_site is not None:
                return "cross-site"
            fetch_site = value
        elif name == b"origin":
            if origin is not None:
                return "cross-site"
            origin = value
    if fetch_site is not None:
        return _SITE_OF_FETCH.get(fetch_site, "cross-site")
    if origin is not None:
        return "same-origin" if origin in allowed_origins else "cross-site"
    return "unknown"


def read_csrf_token(headers: Headers, session_id: str, matches: MatchesCsrf | None) -> TokenState:
    """Return whether `X-CSRF-Token` came once and belongs to this session. Without `matches` no token is good."""
    state: TokenState = "absent"
    for name, value in headers:
        if name == b"x-csrf-token":
            if state != "absent" or matches is None:
                return "bad"
            state = "good" if matches(value.decode("latin-1"), session_id) else "bad"
    return state


def check_csrf(
    headers: Headers, allowed_origins: frozenset[bytes], session_id: str, matches: MatchesCsrf | None
) -> None:
    """Check that an unsafe request may act on its cookie, for the cookie's session.

    Raises:
        CrossSite: nothing proves that our own page sent it (I13).
    """
    site = decide_same_origin(headers, allowed_origins)
    if not _MAY_ACT[site, read_csrf_token(headers, session_id, matches)]:
        raise CrossSite("no proof of same origin")


def check_same_origin(headers: Headers, allowed_origins: frozenset[bytes]) -> None:
    """Refuse requests of another site's page, with or without a cookie: login, registration, refresh, logout (C2).

    A program that sends neither field passes: it is not a browser that could be tricked.

    Raises:
        CrossSite: the browser reports another site.
    """
    if decide_same_origin(headers, allowed_origins) == "cross-site":
        raise CrossSite("sent by another site's page")
