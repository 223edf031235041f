"""Access tokens, carried out: the profile's claims, a random id, and a signature by the key that signs now."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sealring import jwt
from sealring.issuer.access_ttl import AccessTtl
from sealring.sessions.access_token import MAX_EPOCH, TYPE, check_fits, write_claims
from sealring.sessions.device_binding import BOUND_ACCESS_SECONDS, lives_short
from sealring.sessions.lifetimes import access_expiry
from sealring.sessions.session import Session

TOKEN_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed access token, and when it ends in Unix seconds."""

    text: str = field(repr=False)
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTokenDraft:
    """An access token that lacks its epoch and its signature. What fits is what is signed: same claims, same key."""

    claims: Mapping[str, Any]
    key: jwt.Key

    def check_fits(self) -> int:
        """How many characters the token has at the longest epoch; see `sealring.sessions.access_token.check_fits`."""
        return check_fits(self.claims, self.key)

    def sign(self, epoch: int) -> AccessToken:
        """The token."""
        text = jwt.sign({**self.claims, "epoch": epoch}, self.key, typ=TYPE)
        return AccessToken(text, self.claims["exp"])


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTokenIssuer:
    """Signs access tokens for sessions."""

    issuer: str
    audience: str
    ttl: AccessTtl
    signing_key: Callable[[], jwt.Key]
    status_list_url: str = ""
    bound_seconds: int = BOUND_ACCESS_SECONDS
    """How long a token of a session lives that is bound to its device, or may become so."""

    def draft(
        self, session: Session, *, scopes: Iterable[str], claims: Mapping[str, Any], now: int
    ) -> AccessTokenDraft:
        """Begin an access token for this session; it never outlives the session's absolute end (I16).

        Raises:
            ValueError: the application's claims name one of ours.
            StoreUnavailable: the life of the token is not declared in the store (design D19).
        """
        ttl = self.ttl.at(now)
        written = write_claims(
            session,
            issuer=self.issuer,
            audience=self.audience,
            token_id=secrets.token_urlsafe(TOKEN_ID_BYTES),
            epoch=MAX_EPOCH,
            scopes=scopes,
            claims=claims,
            issued_at=now,
            expires_at=access_expiry(
                session, now, min(ttl, self.bound_seconds) if lives_short(session, now=now) else ttl
            ),
            status_list_url=self.status_list_url,
        )
        return AccessTokenDraft(claims=written, key=self.signing_key())

    def issue(
        self, session: Session, *, epoch: int, scopes: Iterable[str], claims: Mapping[str, Any], now: int
    ) -> AccessToken:
        """Sign an access token for this session.

        Raises:
            ValueError, StoreUnavailable: as `draft`.
        """
        return self.draft(session, scopes=scopes, claims=claims, now=now).sign(epoch)
