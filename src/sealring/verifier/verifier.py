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
from sealring.verifier.node_state import NodeState, Trusted
from sealring.verifier.principal import Principal

TYPE = "at+jwt"
REQUIRED = ("iss", "aud", "sub", "client_id", "sid", "jti", "iat", "exp", "auth_time", "epoch", "scope")
"""RFC 9068 §2.2, and what revocation needs."""
CACHE_SIZE = 10_000


class Verifier:
    """Verifies access tokens of one issuer for one audience.

    Args:
        node: keys, revocations and freshness; a follower fills it.
        issuer: `iss`, compared whole.
        audience: `aud`, compared whole.
        leeway: how far clocks may differ, seconds.
    """

    def __init__(self, node: NodeState, *, issuer: str, audience: str, leeway: int) -> None:
        self._node = node
        self._clock = node.clock
        self._steady = node.clock.steady
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway
        self._compiled = node.trusted, self._compile(node.trusted)
        """One reference: a thread that is late replaces both, and the next request sees it."""

    def verify(self, token: str) -> Principal:
        """Who the bearer of this token is.

        Raises:
            TokenError: why not. `Stale` is this node's fault, never the token's: answer 503.
        """
        node = self._node
        steady = self._steady()
        if steady > node.fresh_until:
            raise Stale(node.retry_after, node.last_error)
        trusted, tokens = self._compiled
        if trusted is not node.trusted:  # other keys, or another longest life: what was remembered is forgotten, once
            trusted = node.trusted
            tokens = self._compile(trusted)
            self._compiled = trusted, tokens
        principal = tokens.verify(token, steady + self._clock.epoch)
        cause = node.revocations.cause(principal.session_id, principal.subject, principal.epoch, principal.kid)
        if cause is not None:
            raise Revoked(cause)
        return principal

    def _compile(self, trusted: Trusted) -> jwt.Verifier[Principal]:
        return jwt.Verifier(
            trusted.keys,
            cache_size=CACHE_SIZE,
            project=_principal,
            issuer=self._issuer,
            audience=self._audience,
            typ=TYPE,
            leeway=self._leeway,
            require=REQUIRED,
            integer_dates=True,
            max_lifetime=trusted.longest_access_ttl,
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
