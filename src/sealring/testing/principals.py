"""A `Principal` made by hand, for functions that take one: no token, no session, nothing to open."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from sealring import jwt
from sealring.sessions.access_token import TYPE, read_claims, write_claims
from sealring.sessions.grant import check_acr, check_amr, check_subject, scope_tokens
from sealring.sessions.session import Session
from sealring.verifier.principal import Principal

SUBJECT = "42"
"""Who asks, where a test does not care."""
_LIFE_SECONDS = 1800
_ISSUER = "https://issuer.example"


def principal(
    subject: str = SUBJECT,
    *,
    scopes: Iterable[str] = (),
    claims: Mapping[str, Any] | None = None,
    session_id: str = "test-session",
    client_id: str = "test-client",
    epoch: int = 0,
    auth_time: int | None = None,
    amr: Iterable[str] = (),
    acr: str = "",
    is_device_bound: bool = False,
) -> Principal:
    """A principal as the verifier would make it of such a token: same types, same frozen claims.

    Args:
        subject: the user's id, 1 to 255 printable characters.
        scopes: what they may do: scope tokens of RFC 6749 §3.3.
        claims: what the application adds to its tokens.
        session_id: of which session.
        client_id: of which OAuth client.
        epoch: of which epoch of the subject: 0 before anything has revoked its tokens.
        auth_time: when they proved who they are, in Unix seconds; by default now.
        amr: how, by names of RFC 8176 §2.
        acr: how strongly.
        is_device_bound: whether the session is bound to the device that it began on.

    Returns:
        The principal. Its token seems to have been issued now, for 30 minutes.

    Raises:
        TypeError, ValueError: what no token can say.

    >>> admin = principal("42", scopes=["orders:read"], claims={"tenant": "t1"})
    >>> admin.subject, sorted(admin.scopes), admin.claims["tenant"], admin.is_authenticated
    ('42', ['orders:read'], 't1', True)
    """
    check_subject(subject)
    now = int(time.time())
    auth_time = now if auth_time is None else auth_time
    session = Session(
        id=session_id,
        subject=subject,
        client_id=client_id,
        scopes=(),
        created_at=auth_time,
        auth_time=auth_time,
        amr=check_amr(amr),
        acr=check_acr(acr),
        last_seen_at=now,
        idle_seconds=_LIFE_SECONDS,
        expires_at=now + _LIFE_SECONDS,
        minted_ms=now * 1000,
        confirmed_ms=now * 1000,
        device_jwk="{}" if is_device_bound else None,
    )
    written = write_claims(
        session,
        issuer=_ISSUER,
        audience=_ISSUER,
        token_id="test-token",  # noqa: S106 - an id
        epoch=epoch,
        scopes=scope_tokens(scopes),
        claims={} if claims is None else claims,
        issued_at=now,
        expires_at=now + _LIFE_SECONDS,
    )
    return Principal(**read_claims(jwt.Token(written, {"typ": TYPE, "kid": "test-key"})))
