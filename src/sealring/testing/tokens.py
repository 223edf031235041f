"""Access tokens, really signed, good or bad: one row for each way in which a token is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from sealring import jwt
from sealring.issuer.session_tokens import Issued
from sealring.sealring import Sealring
from sealring.sessions.access_token import TYPE
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.testing.principals import SUBJECT
from sealring.testing.sessions import start, wait

TokenState = Literal["valid", "expired", "revoked", "outdated", "forged", "wrong_audience"]


def access_token(
    auth: Sealring,
    subject: str = SUBJECT,
    *,
    scopes: Iterable[str] | None = None,
    claims: Mapping[str, Any] | None = None,
    state: TokenState = "valid",
) -> str:
    """An access token of a session that is started for it.

    Args:
        auth: the issuer, open or not.
        subject: whose.
        scopes: what it may do; left out, `grant_for` is asked.
        claims: what the application adds.
        state: "valid"; "expired"; "revoked": its session has ended; "outdated": the subject's claims have changed
            since; "forged": another key signed it; "wrong_audience": it is for another service.

    Returns:
        The compact text (RFC 9068), for `Authorization: Bearer`.

    Raises:
        TypeError, ValueError: what no session can have, or no such state.
        RuntimeError: called in the event loop in which a `Sealring` with a database is open.

    >>> from sealring.testing import InMemorySealring
    >>> auth = InMemorySealring()
    >>> auth.verify(access_token(auth, "42", scopes=["orders:read"])).subject
    '42'
    >>> auth.verify(access_token(auth, "42", state="revoked"))
    Traceback (most recent call last):
    sealring.errors.Revoked: revoked by session
    """
    spoil = _SPOILED.get(state)
    if spoil is None:
        raise ValueError(f"state must be one of {', '.join(_SPOILED)}")
    return spoil(auth, start(auth, subject, scopes=scopes, claims=claims))


def _valid(auth: Sealring, issued: Issued) -> str:  # noqa: ARG001 - one row of the table
    return issued.access_token.text


def _expired(auth: Sealring, issued: Issued) -> str:
    passed = issued.expires_in + LEEWAY_SECONDS + 1
    return _signed(auth, issued, lambda claims: {name: claims[name] - passed for name in ("iat", "exp", "auth_time")})


def _revoked(auth: Sealring, issued: Issued) -> str:
    session_id = issued.session.id
    wait(auth, lambda: auth.revoke_session(session_id), lambda s: s.revoke_session(session_id))
    return issued.access_token.text


def _outdated(auth: Sealring, issued: Issued) -> str:
    subject = issued.session.subject
    wait(auth, lambda: auth.refresh_claims(subject), lambda s: s.refresh_claims(subject))
    return issued.access_token.text


def _forged(auth: Sealring, issued: Issued) -> str:
    key = auth.issuer.keys.signing()
    return _signed(auth, issued, lambda _: {}, key=jwt.Key.generate(key.alg, kid=key.kid))


def _wrong_audience(auth: Sealring, issued: Issued) -> str:
    return _signed(auth, issued, lambda _: {"aud": "another-service"})


def _signed(
    auth: Sealring,
    issued: Issued,
    changes: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    *,
    key: jwt.Key | None = None,
) -> str:
    claims = jwt.peek(issued.access_token.text).claims
    return jwt.sign({**claims, **changes(claims)}, key or auth.issuer.keys.signing(), typ=TYPE)


_SPOILED: Mapping[TokenState, Callable[[Sealring, Issued], str]] = MappingProxyType(
    {
        "valid": _valid,
        "expired": _expired,
        "revoked": _revoked,
        "outdated": _outdated,
        "forged": _forged,
        "wrong_audience": _wrong_audience,
    }
)
