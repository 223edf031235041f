"""From a token to a principal, without I/O: what every request of every user passes through.

I10 in one place: the node is fresh ∧ the token is what `jwt.Verifier` demands of an access token
(canonical, known kid, its alg, signature, typ, iss, aud, integer dates, now within them) ∧ session,
subject's epoch and key are live. A verified token is remembered; whether the node is fresh, the
token in date and the session live is asked on every request, remembered or not.
"""

from __future__ import annotations

from typing import Any

from sealring import jwt
from sealring.errors import BadClaim, Revoked, Stale
from sealring.jwt.frozen import freeze
from sealring.verifier.clock import Clock
from sealring.verifier.follower import Follower
from sealring.verifier.principal import Principal
from sealring.verifier.source import Source

TYPE = "at+jwt"
REQUIRED = ("iss", "aud", "sub", "client_id", "sid", "jti", "iat", "exp", "auth_time", "epoch", "scope")
"""RFC 9068 §2.2, and what revocation needs."""
CACHE_SIZE = 10_000


class Verifier:
    """Verifies access tokens of one issuer for one audience.

    Args:
        source: where keys and revocations come from.
        issuer: `iss`, compared whole.
        audience: `aud`, compared whole.
        leeway: how far clocks may differ, seconds.
        max_staleness: S, seconds: how old this node's word of revocations may be.
        poll_interval: how often it asks for news, seconds.
        clock: the node's clock.
    """

    def __init__(
        self,
        source: Source,
        *,
        issuer: str,
        audience: str,
        leeway: int,
        max_staleness: float,
        poll_interval: float,
        clock: Clock,
    ) -> None:
        self.follower = Follower(
            source,
            on_keys=self.use_keys,
            on_access_ttl=self.use_access_ttl,
            clock=clock,
            max_staleness=max_staleness,
            poll_interval=poll_interval,
            leeway=leeway,
        )
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway
        self._keys = jwt.KeySet([])
        self._tokens = self._compile(0)

    def verify(self, token: str) -> Principal:
        """Who the bearer of this token is.

        Raises:
            TokenError: why not. `Stale` is this node's fault, never the token's: answer 503.
        """
        steady = self._clock.steady()
        follower = self.follower
        if steady > follower.fresh_until:
            raise Stale(follower.retry_after, follower.trouble)
        principal = self._tokens.verify(token, steady + self._clock.epoch)
        cause = follower.view.cause(principal.session_id, principal.subject, principal.epoch, principal.kid)
        if cause is not None:
            raise Revoked(cause)
        return principal

    def use_keys(self, keys: jwt.KeySet) -> None:
        """Verify with these keys from now on. The follower calls it, and whoever has just changed them here (I12)."""
        self._keys = keys
        self._tokens.replace_keys(keys)

    def use_access_ttl(self, seconds: int) -> None:
        """Accept no token that lives longer (J10). The follower calls it.

        The number is the store's, not a setting of this node: during a rolling change a node would refuse the tokens
        of its neighbors for ever, or until the last restart (N1).
        """
        self._tokens = self._compile(seconds)

    def _compile(self, max_lifetime: int) -> jwt.Verifier[Principal]:
        return jwt.Verifier(
            self._keys,
            cache_size=CACHE_SIZE,
            project=_principal,
            issuer=self._issuer,
            audience=self._audience,
            typ=TYPE,
            leeway=self._leeway,
            require=REQUIRED,
            integer_dates=True,
            max_lifetime=max_lifetime,
        )


def _principal(token: jwt.Token) -> Principal:
    claims = token.claims
    return Principal(
        subject=_text(claims, "sub"),
        session_id=_text(claims, "sid"),
        client_id=_text(claims, "client_id"),
        scopes=frozenset(_text(claims, "scope").split()),
        epoch=_number(claims, "epoch"),
        kid=token.kid or "",
        token_id=_text(claims, "jti"),
        issued_at=_number(claims, "iat"),
        expires_at=_number(claims, "exp"),
        auth_time=_number(claims, "auth_time"),
        amr=_texts(claims, "amr") if "amr" in claims else (),
        acr=_text(claims, "acr") if "acr" in claims else "",
        claims=freeze(claims),
    )


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims[name]
    if not isinstance(value, str):
        raise BadClaim(name, "a string")
    return value


def _texts(claims: dict[str, Any], name: str) -> tuple[str, ...]:
    value = claims[name]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadClaim(name, "a list of strings")
    return tuple(value)


def _number(claims: dict[str, Any], name: str) -> int:
    value = claims[name]
    if type(value) is not int:
        raise BadClaim(name, "an integer")
    return value
