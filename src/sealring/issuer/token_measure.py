"""How long an access token of an account becomes with these scopes: asked when they are given, not at each login.

An account whose scopes no cookie can carry could not log in again (N12), so what gives scopes asks first. It is the
measure of a login: the same claims, written by the same function, and a key of the kind that signs. Neither a session
nor the ring of keys is needed, so a command and a constructor can ask too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from sealring import jwt
from sealring.authentication.decision import MFA_AMR
from sealring.authentication.method import METHODS
from sealring.errors import TokenTooLong
from sealring.issuer.keys import generate_signing_key
from sealring.sessions.access_token import MAX_EPOCH, check_fits, write_claims
from sealring.sessions.session import Session
from sealring.sessions.status_list import StatusListSettings

_ID = "x" * 22
"""Of a session, an account or a token: 16 random bytes."""
_TIME = 4_000_000_000
"""Ten digits, as all Unix seconds have until 2286."""


def _longest_amr() -> tuple[str, ...]:
    """What the token says whose login took the methods with the longest names."""
    firsts = [row for row in METHODS if row.first]
    seconds = [row for row in METHODS if row.second]
    pairs = [(first, second) for first in firsts for second in (*seconds, first)]
    return max((tuple({*first.amr, *second.amr, MFA_AMR}) for first, second in pairs), key=lambda amr: len(str(amr)))


_AMR = _longest_amr()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMeasure:
    """What a login of an account is issued, for measuring.

    Args:
        issuer: `iss`.
        audience: `aud`.
        client_id: of sessions that begin at our own routes.
        algorithm: of the signing keys.
        max_chars: what a cookie carries of an access token.
        status_list: where sessions get a place, if anywhere.
    """

    issuer: str
    audience: str
    client_id: str
    algorithm: str
    max_chars: int
    status_list: StatusListSettings | None = None

    def check_scopes(self, scopes: Iterable[str]) -> None:
        """Check that an account with these scopes can log in, with cookies too.

        Raises:
            TokenTooLong: it could not.
        """
        session = Session(
            id=_ID,
            subject=_ID,
            client_id=self.client_id,
            scopes=tuple(scopes),
            created_at=_TIME,
            auth_time=_TIME,
            amr=_AMR,
            acr="mfa",
            last_seen_at=_TIME,
            idle_seconds=1,
            expires_at=_TIME,
            minted_ms=0,
            confirmed_ms=0,
            status_index=None if self.status_list is None else self.status_list.size - 1,
        )
        claims = write_claims(
            session,
            issuer=self.issuer,
            audience=self.audience,
            token_id=_ID,
            epoch=MAX_EPOCH,
            scopes=session.scopes,
            claims={},
            issued_at=_TIME,
            expires_at=_TIME,
            status_list_url="" if self.status_list is None else self.status_list.url,
        )
        if check_fits(claims, _key(self.algorithm)) > self.max_chars:
            raise TokenTooLong(self.max_chars)


@cache
def _key(algorithm: str) -> jwt.Key:
    """One of the size of those that sign; it signs nothing."""
    return generate_signing_key(algorithm)
