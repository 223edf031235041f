"""When a session is over, and how long its tokens may live.

Two limits besides being ended: *idle* (nothing refreshed for so long) and *absolute* (so long
after login, even if it is used). Both are read from the row, so a limit holds on every node and
for tokens minted before. A limit is reached at its very second: live means `now < limit`, the
same rule as for `exp` (RFC 7519 §4.1.4: "on or after which" it is refused). No token of a
session outlives its absolute end (I16). The first request after a limit ends the session, so a clock
that is set back cannot revive it (I5).
"""

from __future__ import annotations

from typing import Literal

from sealring.sessions.session import Session

Limit = Literal["absolute", "idle"]
"""Which limit of a session was reached."""

LEEWAY_SECONDS = 5
"""How far the clocks of nodes may differ (RFC 9068 allows "a few minutes"; NTP needs milliseconds)."""

OverCause = Literal["ended", Limit]
"""Why a session is over: it was ended, or one of its limits was reached."""


def over_cause(session: Session, now: int) -> OverCause | None:
    """Return why the session is over at `now` (Unix seconds); None while it lives.

    >>> from dataclasses import replace
    >>> session = Session(
    ...     id="c2VhbHJpbmctc2Vzc2lvbg", subject="42", client_id="http", scopes=(), created_at=0, auth_time=0,
    ...     last_seen_at=0, idle_seconds=100, expires_at=1000, minted_ms=0, confirmed_ms=0,
    ... )
    >>> over_cause(session, 99), over_cause(session, 100), over_cause(replace(session, last_seen_at=950), 1000)
    (None, 'idle', 'absolute')
    """
    if session.ended_at is not None:
        return "ended"
    if now >= session.expires_at:
        return "absolute"
    if now >= session.last_seen_at + session.idle_seconds:
        return "idle"
    return None


def session_expiry(session: Session) -> int:
    """Return when the session ends unless it is refreshed: by its idle limit, or at its absolute end."""
    return min(session.last_seen_at + session.idle_seconds, session.expires_at)


def access_expiry(session: Session, now: int, ttl: int) -> int:
    """Return `exp` of an access token issued at `now` to live `ttl` seconds: never beyond the absolute end (I16)."""
    return min(now + ttl, session.expires_at)


def refresh_expiry(session: Session, now: int) -> int:
    """Return the Unix second from which a refresh token issued at `now` is refused, unless it is refreshed before."""
    return min(now + session.idle_seconds, session.expires_at)
