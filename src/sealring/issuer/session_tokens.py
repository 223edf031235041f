"""What a client of a session holds: an access token and a refresh token, issued together."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from sealring.errors import TokenTooLong
from sealring.issuer.access_tokens import AccessToken, AccessTokenIssuer
from sealring.sessions.grant import Grant
from sealring.sessions.lifetimes import refresh_expiry
from sealring.sessions.refresh_token import RefreshToken, RefreshTokenCodec
from sealring.sessions.session import Session

log = logging.getLogger("sealring")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What a client gets: both tokens and the session that they belong to.

    >>> issued = await auth.start_session("42", scopes=["orders:read"])
    >>> issued.scopes, issued.expires_in, issued.refresh_expires_in
    (('orders:read',), 1800, 1209600)
    """

    access_token: AccessToken
    """`text` is the compact JWT (RFC 9068), `expires_at` its end in Unix seconds."""
    refresh_token: str = field(repr=False)
    """Opaque text, for one use."""
    refresh_expires_at: int
    """Unix seconds: the session's absolute end, or its idle limit from now."""
    session: Session
    """The session as the store has it."""
    scopes: tuple[str, ...]
    """What the access token allows."""
    issued_at: int
    """Unix seconds."""
    delivery: Literal["body", "cookie"] = "body"
    """How the tokens are to reach the client; said when the session starts, for it decides what can be carried."""

    @property
    def expires_in(self) -> int:
        """Seconds that the access token lives from its issue on, independent of the time now."""
        return self.access_token.expires_at - self.issued_at

    @property
    def refresh_expires_in(self) -> int:
        """Seconds that the refresh token lives from its issue on."""
        return self.refresh_expires_at - self.issued_at


@dataclass(frozen=True, slots=True)
class SessionTokens:
    """Issues both tokens of a session, and reads its refresh tokens."""

    access: AccessTokenIssuer
    refresh: RefreshTokenCodec

    def issue(self, session: Session, token: RefreshToken, grant: Grant, epoch: int, now: int) -> Issued:
        """Sign an access token for this session, and give it with that refresh token."""
        access_token = self.access.issue(session, epoch=epoch, scopes=grant.scopes, claims=grant.claims, now=now)
        return self.issued(session, token, grant.scopes, access_token, now)

    def issued(
        self, session: Session, token: RefreshToken, scopes: Iterable[str], access_token: AccessToken, now: int
    ) -> Issued:
        """Both tokens, where the access token is signed already."""
        return Issued(
            access_token=access_token,
            refresh_token=self.refresh.encode(token),
            refresh_expires_at=refresh_expiry(session, now),
            session=session,
            scopes=tuple(scopes),
            issued_at=now,
        )

    def session_of(self, text: str) -> str:
        """The sid of a refresh token, for logging out with nothing else in hand.

        Raises:
            InvalidRefreshToken: not one of ours.
        """
        return self.refresh.decode(text).session_id

    def newest_refresh_token(self, session_id: str, texts: Iterable[str]) -> str | None:
        """The newest refresh token of that session among `texts`; None when none is of it."""
        return self.refresh.newest_of(session_id, texts)


def check_length(chars: int, max_chars: int | None) -> None:
    """Check that what is to carry an access token can; None: nothing in particular is to.

    Raises:
        TokenTooLong: it cannot (N12).
    """
    if max_chars is None:
        return
    if chars > max_chars:
        raise TokenTooLong(max_chars)
    if chars > max_chars // 2:
        fields = {"characters": chars, "limit": max_chars}
        log.warning(
            "an access token is long for a cookie: proxies with small buffers refuse it", extra={"sealring": fields}
        )
