"""What an access token says, and signing it (RFC 9068).

No name, no e-mail: a cookie must hold no personal data. What the application adds may not speak
for the issuer: a claim of ours cannot be replaced.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sealring import jwt
from sealring.issuer.access_ttl import AccessTtl
from sealring.sessions.lifetimes import access_expiry
from sealring.sessions.session import Session

RESERVED = frozenset(
    {
        "iss",
        "aud",
        "sub",
        "client_id",
        "sid",
        "jti",
        "iat",
        "nbf",
        "exp",
        "auth_time",
        "amr",
        "acr",
        "epoch",
        "scope",
        "cnf",
        "act",
        "nonce",
    }
)
"""Claims that the issuer alone may set."""

TYPE = "at+jwt"
TOKEN_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed access token, and when it ends in Unix seconds."""

    text: str = field(repr=False)
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTokenIssuer:
    """Signs access tokens for sessions."""

    issuer: str
    audience: str
    ttl: AccessTtl
    signing_key: Callable[[], jwt.Key]

    def issue(
        self, session: Session, *, epoch: int, scopes: Sequence[str], claims: Mapping[str, Any], now: int
    ) -> AccessToken:
        """Sign an access token for this session; it never outlives the session's absolute end (I16).

        Raises:
            ValueError: the application's claims name one of ours.
            StoreUnavailable: the life of the token is not declared in the store (D19).
        """
        check_claims(claims)
        expires_at = access_expiry(session, now, self.ttl.at(now))
        payload = {
            **claims,
            **_how_proved(session),
            "iss": self.issuer,
            "aud": self.audience,
            "sub": session.subject,
            "client_id": session.client_id,
            "sid": session.id,
            "jti": secrets.token_urlsafe(TOKEN_ID_BYTES),
            "iat": now,
            "exp": expires_at,
            "auth_time": session.auth_time,
            "epoch": epoch,
            "scope": " ".join(scopes),
        }
        return AccessToken(jwt.sign(payload, self.signing_key(), typ=TYPE, now=now), expires_at)


def estimate_chars(scopes: Sequence[str], *, issuer: str, audience: str) -> int:
    """About how many characters an access token with these scopes has under the default algorithm: for warnings."""
    names = "".join(RESERVED - {"nbf", "cnf", "act", "nonce"})
    ids, numbers, punctuation, header, signature = 3 * 22, 4 * 10, 80, 120, 64
    said = " ".join(scopes) + issuer + 2 * audience + names  # the audience is the client id of our own routes, too
    return (len(said) + ids + numbers + punctuation + header + signature) * 4 // 3


def _how_proved(session: Session) -> dict[str, Any]:
    """`amr` and `acr` (RFC 9068 §2.2.1), where they are known: an empty one would say that nothing was proved."""
    said: dict[str, Any] = {"amr": list(session.amr), "acr": session.acr}
    return {name: value for name, value in said.items() if value}


def check_claims(claims: Mapping[str, Any]) -> None:
    """Refuse claims that only the issuer may set.

    Raises:
        TypeError: not a mapping.
        ValueError: names the claim.
    """
    if not isinstance(claims, Mapping):
        raise TypeError('claims must be a mapping, as in {"tenant": "t1"}')
    if clash := sorted(RESERVED.intersection(claims)):
        raise ValueError(f"claim {clash[0]!r} is set by the issuer")
