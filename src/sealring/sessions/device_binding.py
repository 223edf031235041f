"""Sessions that are bound to the device they began on (design D22): when a key is taken, and what follows. Pure.

A browser that knows Device Bound Session Credentials (W3C) makes a key pair right after a login, in hardware that does
not give it away, and registers the public half. From then on its session is refreshed only with a signature of that
key, and its access tokens live for minutes: so copied cookies are worth minutes, and a copied refresh cookie nothing.

A key is taken within a minute of a login or a step-up, and never in the place of another, unless the user has proved
again who they are since: a thief of the cookies of a bound session cannot put another key there.
"""

from __future__ import annotations

from sealring.sessions.session import DeviceBindingMode, Session

REGISTRATION_SECONDS = 60
"""How long after a login its browser may register a key. Making one in a TPM takes a second or two."""

OFFER_SECONDS = 5
"""How long after it the answer still offers to: the login's own, not that of a refresh soon after."""

BOUND_ACCESS_SECONDS = 600
"""How long an access token of a bound session lives by default: how long copied cookies are worth something."""

MODES: dict[DeviceBindingMode, str] = {
    "off": "sessions are not bound",
    "prefer": "a browser that can binds its session; every other goes on as ever",
    "require": "a browser's session that is not bound is not refreshed",
}


def proved_at(session: Session) -> int:
    """When the user last proved who they are: the login was complete, or a step-up."""
    return max(session.created_at, session.auth_time)


def may_offer(session: Session, *, now: int) -> bool:
    """Whether the answer that carries the session's tokens asks the browser to register a key.

    After a step-up of a bound session, too: its browser may have lost the key.
    """
    return may_bind(session, now=now) and now - proved_at(session) <= OFFER_SECONDS


def may_bind(session: Session, *, now: int) -> bool:
    """Whether a key may be registered now: see above.

    >>> from dataclasses import replace
    >>> session = Session(
    ...     id="c2VhbHJpbmctc2Vzc2lvbg", subject="42", client_id="http", scopes=(), created_at=0, auth_time=0,
    ...     last_seen_at=0, idle_seconds=100, expires_at=1000, minted_ms=0, confirmed_ms=0, device_binding="prefer",
    ... )
    >>> bound = replace(session, device_jwk="{}", device_bound_at=1)
    >>> may_bind(session, now=60), may_bind(session, now=61), may_bind(bound, now=2)
    (True, False, False)
    >>> may_bind(replace(bound, auth_time=50), now=51)  # the user has proved again who they are
    True
    """
    if session.device_binding == "off" or not 0 <= now - proved_at(session) <= REGISTRATION_SECONDS:
        return False
    return session.device_bound_at is None or session.device_bound_at < proved_at(session)


def lives_short(session: Session, *, now: int) -> bool:
    """Whether an access token that is issued now lives as long as those of bound sessions.

    Also while the session may still become bound, or must: a copy of the login's own token is worth minutes, too.
    """
    if session.is_bound or session.device_binding == "require":
        return True
    return session.device_binding == "prefer" and now - proved_at(session) <= REGISTRATION_SECONDS
