"""From a token to a principal, without I/O: what every request of every user passes through.

I10 in one place: the node is fresh ∧ the token is what `jwt.Verifier` demands of an access token
(canonical, known kid, its alg, signature, typ, iss, aud, integer dates, now within them) ∧ session,
subject's epoch and key are live. A verified token is remembered; whether the node is fresh, the
token in date and the session live is asked on every request, remembered or not.
"""

from __future__ import annotations

from collections.abc import Callable

from sealring import jwt
from sealring.errors import MissingClaim, Revoked, Stale, TokenBound
from sealring.sessions.access_token import REQUIRED, TYPE, read_claims
from sealring.verifier.node_state import NodeState, Trusted
from sealring.verifier.open_connections import OnEnd, OpenConnection
from sealring.verifier.principal import Principal
from sealring.verifier.while_live import WhileLive

CACHE_SIZE = 10_000


class AccessTokenVerifier:
    """Verifies access tokens of one issuer for one audience.

    Args:
        node: keys, revocations and freshness; a follower fills it.
        issuer: `iss`, compared whole.
        audience: `aud`, compared whole.
        leeway: how far clocks may differ, seconds.

    >>> verifier = auth.verifier
    >>> verifier.verify((await auth.start_session("42")).access_token.text).subject
    '42'
    """

    def __init__(self, node: NodeState, *, issuer: str, audience: str, leeway: int) -> None:
        self._node = node
        self._clock = node.clock
        self._steady = node.clock.steady
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway
        self._compiled = node.trusted, self._compile(node.trusted, _bearer)
        self._compiled_bound = node.trusted, self._compile(node.trusted, _bound)
        """One reference each: a thread that is late replaces both, and the next request sees it."""

    def verify(self, token: str) -> Principal:
        """Who the bearer of this token is.

        Args:
            token: a compact JWT (RFC 7519), without "Bearer ".

        Raises:
            TokenError: why not. `Stale` is this node's fault, never the token's: answer 503. `TokenBound`: who has
                nothing but the token is not who it was issued to (RFC 9449).
        """
        node = self._node
        steady = self._steady()
        if steady > node.fresh_until:
            raise Stale(node.retry_after, node.last_error)
        trusted, tokens = self._compiled
        if trusted is not node.trusted:  # other keys, or another longest life: what was remembered is forgotten, once
            trusted = node.trusted
            tokens = self._compile(trusted, _bearer)
            self._compiled = trusted, tokens
        principal = tokens.verify(token, steady + self._clock.offset)
        cause = node.revocations.cause(principal.session_id, principal.subject, principal.epoch, principal.kid)
        if cause is not None:
            raise Revoked(cause)
        return principal

    def verify_bound(self, token: str) -> Principal:
        """What a token says that is bound to a key; the caller has the proof checked (`sealring.http.proofs`).

        Its own cache and its own compiled form, so that a token without a proof costs what it did.

        Args:
            token: a compact JWT (RFC 7519).

        Raises:
            TokenError: as `verify`; `MissingClaim` for a token that is bound to nothing.
        """
        node = self._node
        if not node.is_fresh:
            raise Stale(node.retry_after, node.last_error)
        trusted, tokens = self._compiled_bound
        if trusted is not node.trusted:
            trusted = node.trusted
            tokens = self._compile(trusted, _bound)
            self._compiled_bound = trusted, tokens
        principal = tokens.verify(token, self._steady() + self._clock.offset)
        cause = node.revocations.cause(principal.session_id, principal.subject, principal.epoch, principal.kid)
        if cause is not None:
            raise Revoked(cause)
        return principal

    def while_live(self, principal: Principal) -> WhileLive:
        """Cancel a block when the principal's session ends; see `Sealring.while_live`.

        Args:
            principal: whose session it is.

        Raises:
            Stale, Expired, Revoked, ConnectionEnded: see there.

        >>> user = auth.verify((await auth.start_session("42")).access_token.text)
        >>> async def numbers() -> AsyncIterator[int]:
        ...     for number in range(2):
        ...         yield number
        >>> async def serve() -> list[int]:
        ...     return [number async for number in auth.verifier.while_live(user).stream(numbers())]
        >>> await serve()
        [0, 1]
        """
        return WhileLive(self._node, principal, leeway=self._leeway)

    def watch(self, principal: Principal, on_end: OnEnd) -> OpenConnection:
        """Register a connection that is open for this principal: `on_end` is called in this loop when it must end.

        The caller closes it.

        Args:
            principal: whose session it is.
            on_end: called once, with the reason.

        Raises:
            Stale, Expired, Revoked: as `verify` would.

        >>> user = auth.verify((await auth.start_session("42")).access_token.text)
        >>> async def serve() -> None:
        ...     connection = auth.verifier.watch(user, lambda cause: print("ended by", cause))
        ...     await auth.revoke_session(user.session_id)
        ...     await asyncio.sleep(0)
        ...     connection.close()
        >>> await serve()
        ended by session
        """
        return self._node.connections.open(principal, on_end, leeway=self._leeway)

    def _compile(self, trusted: Trusted, project: Callable[[jwt.Token], Principal]) -> jwt.Verifier[Principal]:
        return jwt.Verifier(
            trusted.keys,
            cache_size=CACHE_SIZE,
            project=project,
            issuer=self._issuer,
            audience=self._audience,
            typ=TYPE,
            leeway=self._leeway,
            require=REQUIRED,
            integer_dates=True,
            max_lifetime=trusted.longest_access_ttl,
        )


def _bearer(token: jwt.Token) -> Principal:
    if "cnf" in token.claims:
        raise TokenBound
    return Principal(**read_claims(token))


def _bound(token: jwt.Token) -> Principal:
    if "cnf" not in token.claims:
        raise MissingClaim("cnf")
    return Principal(**read_claims(token))
