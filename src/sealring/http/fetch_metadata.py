"""CSRF checks: did our own page, another site's page, or a program send the request (attacks C2, C3, C5; I13).

Three checks in this order, each used only when the one before has nothing to read:
`Sec-Fetch-Site`, which a page cannot forge (Fetch Metadata §2.2); `Origin` against the origins that
the settings name (RFC 6454 §7); and without either, the CSRF token bound to the session. A page of another origin
counts as ours only where the settings list its exact origin: the browser names it in `Origin` on every request that
may change something. Host and X-Forwarded-Host decide nothing: an attacker who forges the request forges them too
(C12). A request without a cookie is not a tricked browser, and needs none of the three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from sealring.http.cookies import Headers
from sealring.http.origins import Origins, check_origin, may_be_same_site
from sealring.http.request_errors import CrossSite, CrossSiteCookies

Site = Literal["same-origin", "trusted", "cross-site", "unknown"]
TokenState = Literal["absent", "good", "bad"]
MatchesCsrf = Callable[[str, str], bool]
"""(text of the header, session id) → whether it is that session's token. Accepts any text, in constant time."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 §9.2.1

_SITE_OF_FETCH: dict[bytes, Site] = {
    b"same-origin": "same-origin",
    b"none": "same-origin",  # no page caused it: the user typed, reloaded, opened a bookmark
    b"same-site": "cross-site",  # a sibling host is another site (C8)
    b"cross-site": "cross-site",
}

_ELSEWHERE = frozenset({b"same-site", b"cross-site"})
"""What the browser says of a page of another origin: the settings may trust that origin."""

_MAY_ACT: dict[tuple[Site, TokenState], bool] = {
    ("same-origin", "absent"): True,
    ("same-origin", "good"): True,
    ("same-origin", "bad"): False,  # another session's token: the page and the cookie belong to different sessions
    ("trusted", "absent"): True,
    ("trusted", "good"): True,
    ("trusted", "bad"): False,
    ("unknown", "absent"): False,
    ("unknown", "good"): True,  # only a page that could read our answer can have it
    ("unknown", "bad"): False,
    ("cross-site", "absent"): False,
    ("cross-site", "good"): False,
    ("cross-site", "bad"): False,
}
"""May an unsafe request act on the cookie it brought?"""


def decide_same_origin(headers: Headers, origins: Origins) -> Site:
    """Return what the browser reports about the page behind a request; `unknown` when it reports nothing.

    An unreadable or doubled field is `cross-site`: no browser sends one. Origins compare byte for
    byte, so a common prefix, userinfo or another port never matches.
    """
    fetch_sites = [value for name, value in headers if name == b"sec-fetch-site"]
    named = [value for name, value in headers if name == b"origin"]
    if len(fetch_sites) > 1 or len(named) > 1:
        return "cross-site"
    if fetch_sites:
        site = _SITE_OF_FETCH.get(fetch_sites[0], "cross-site")
        is_elsewhere = fetch_sites[0] in _ELSEWHERE
    elif named:
        site = "same-origin" if named[0] in origins.own else "cross-site"
        is_elsewhere = site == "cross-site"
    else:
        return "unknown"
    return "trusted" if is_elsewhere and named and named[0] in origins.trusted else site


def read_csrf_token(headers: Headers, session_id: str, matches: MatchesCsrf | None) -> TokenState:
    """Return whether `X-CSRF-Token` came once and belongs to this session. Without `matches` no token is good."""
    state: TokenState = "absent"
    for name, value in headers:
        if name == b"x-csrf-token":
            if state != "absent" or matches is None:
                return "bad"
            state = "good" if matches(value.decode("latin-1"), session_id) else "bad"
    return state


def check_csrf(headers: Headers, origins: Origins, session_id: str, matches: MatchesCsrf | None) -> None:
    """Check that an unsafe request may act on its cookie, for the cookie's session.

    Raises:
        CrossSite: nothing proves that our own page, or one of a trusted origin, sent it (I13).
    """
    site = decide_same_origin(headers, origins)
    if not _MAY_ACT[site, read_csrf_token(headers, session_id, matches)]:
        raise CrossSite(with_hint("no proof of same origin", headers, origins))


def check_same_origin(headers: Headers, origins: Origins) -> None:
    """Refuse requests of another site's page, with or without a cookie: login, registration, refresh, logout (C2).

    A program that sends neither field passes: it is not a browser that could be tricked.

    Raises:
        CrossSite: the browser reports another site, and the settings do not trust the origin.
    """
    if decide_same_origin(headers, origins) == "cross-site":
        raise CrossSite(with_hint("sent by another site's page", headers, origins))


def check_keeps_cookies(headers: Headers, origins: Origins) -> None:
    """Refuse to deliver cookies to a page that would not keep them: of a trusted origin, but of another site.

    Our cookies are SameSite=Lax: a browser neither stores nor sends them for such a page's `fetch`, so the login would
    seem to work and the next request would be anonymous. For a browser without `Sec-Fetch-Site`, `may_be_same_site`
    decides by `Origin`.

    Raises:
        CrossSiteCookies: it is such a page.
    """
    if decide_same_origin(headers, origins) != "trusted":
        return
    fields = dict(headers)
    fetch_site = fields.get(b"sec-fetch-site")
    is_kept = (
        any(may_be_same_site(fields[b"origin"], own) for own in origins.own)
        if fetch_site is None
        else fetch_site != b"cross-site"
    )
    if not is_kept:
        raise CrossSiteCookies("cookie delivery to a page of another site")


def with_hint(why: str, headers: Headers, origins: Origins) -> str:
    """The cause for the log, with the setting that would let this page in. Only a well-formed origin is repeated."""
    origin = next((value for name, value in headers if name == b"origin"), b"").decode("latin-1")
    try:
        known = check_origin(origin).encode() in origins.own | origins.trusted
    except ValueError:
        return why
    return why if known else f"{why}; if it is a front end of yours, set SEALRING_ALLOWED_ORIGINS={origin}"
