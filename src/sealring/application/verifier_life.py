"""Opens, closes, verifies: what every use of the public `Verifier` stands on. It knows no store, no account, no secret.

As of `Sealring`, building one opens nothing. It opens with `lifespan`, or on the first request where a framework runs
no lifespan. It opens without its source, too: until the first full load, every check answers 503.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sealring.errors import ConfigurationError
from sealring.forks import stop_watching, watch_forks
from sealring.http.authenticate import RequestAuthenticator
from sealring.http.cookies import CookieNames
from sealring.http.origins import NO_ORIGINS, Origins
from sealring.http.problems import OnRefusal
from sealring.http.proofs import BoundTokens, proofs_of
from sealring.http.protected_resource import ProtectedResource, check_resource
from sealring.jwt.durations import Duration, named_duration
from sealring.opening import Opening
from sealring.rate_limits.networks import is_loopback
from sealring.revocation.feed import FeedPage
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.sessions.proof_nonce import ProofNonces
from sealring.sync_runner import SyncRunner
from sealring.verifier.clock import Clock, SystemClock
from sealring.verifier.follower import Follower
from sealring.verifier.node_state import NodeState
from sealring.verifier.principal import Principal
from sealring.verifier.relay import FeedRelay
from sealring.verifier.source import Relayable, Source
from sealring.verifier.verifier import AccessTokenVerifier
from sealring.verifier.while_live import WhileLive

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from sealring.http.metrics import Metrics


MIN_SECRET_CHARS = 32


class VerifierLife:
    """The verifying half alone, open or closed. `Verifier` has the words for its arguments."""

    def __init__(
        self,
        source: Source,
        *,
        issuer: str,
        audience: str,
        max_staleness: Duration = 5,
        poll_interval: Duration = 0.5,
        cookie_name: str | None = None,
        allowed_origins: Sequence[str] = (),
        resource: str | None = None,
        metrics: CollectorRegistry | None = None,
        clock: Clock | None = None,
        dpop_secret: str | None = None,
    ) -> None:
        for option, value in (("issuer", issuer), ("audience", audience)):
            if not isinstance(value, str):
                raise TypeError(f"{option} must be text, not {type(value).__name__}")
            if not value:
                raise ValueError(f"{option} must not be empty")
        interval = named_duration("poll_interval", poll_interval)
        bound = named_duration("max_staleness", max_staleness)
        if not 0 < interval < bound:
            raise ConfigurationError(
                "max_staleness must be longer than poll_interval, and both longer than nothing,"
                " or this verifier is out of date between two polls"
            )
        self.clock = SystemClock(LEEWAY_SECONDS) if clock is None else clock
        self.node = NodeState(self.clock, max_staleness=bound, retry_after=max(1, round(interval)))
        self._source = source
        self._relay: FeedRelay | None = None
        self.follower = Follower(
            source, self.node, poll_interval=interval, leeway=LEEWAY_SECONDS, publish=self._followed
        )
        self.tokens = AccessTokenVerifier(self.node, issuer=issuer, audience=audience, leeway=LEEWAY_SECONDS)
        self.metrics = None if metrics is None else _metrics(self.node, metrics)
        self._opening = Opening(start=self._start, stop=self._stop, abandon=self._abandon)
        self._runner = SyncRunner(self._opening)
        self.resource = None if resource is None else _resource(resource, issuer)
        origins = _origins(issuer, cookie_name, allowed_origins)
        self.authenticator = RequestAuthenticator(
            self.tokens.verify,
            access_cookie=None if cookie_name is None else _access_cookie(cookie_name, origins),
            origins=origins,
            refused=self.refused,
            opens=self._open_for_check,
            watch=self.tokens.watch,
            bound=self._bound(resource, dpop_secret),
            resource_metadata="" if self.resource is None else self.resource.metadata_url,
            clock=lambda: self.clock.now_ms() / 1000,
        )

    def _bound(self, resource: str | None, dpop_secret: str | None) -> BoundTokens | None:
        """Takes tokens that are bound to a key, where this service knows its own URL, of which proofs speak."""
        key = _proof_key(dpop_secret)
        if resource is None:
            return None
        nonces = ProofNonces([key])
        return proofs_of(self.tokens.verify_bound, urls=[resource], nonces=nonces, now_ms=self.clock.now_ms).at_use

    # life

    async def open(self) -> None:
        """Start to follow, and load all revocations if the source answers; once, for all callers.

        It may be closed and opened again, in another event loop too.

        >>> from sealring.testing import InMemorySealring, access_token, verifier_of
        >>> auth = InMemorySealring()
        >>> verifier = verifier_of(auth)
        >>> await auth.open()
        >>> await verifier.open()
        >>> verifier.verify(access_token(auth, "42")).subject
        '42'
        >>> await verifier.close()
        >>> await auth.close()
        """
        await self._opening.open()

    async def close(self) -> None:
        """Stop following. Every check answers 503 from here, once `max_staleness` is over.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> await verifier.close()  # which nobody has opened: nothing to do
        """
        await self._opening.close()

    def forked(self) -> None:
        """In a child it is closed; the first request that needs it opens it again. The fork itself calls this.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> verifier.forked()
        """
        self._opening.forked()
        if self._relay is not None:
            self._relay.forked()

    async def _start(self) -> None:
        await self.follower.start()
        watch_forks(self)

    async def _stop(self) -> None:
        stop_watching(self)
        await self.follower.stop()
        if self._relay is not None:
            self._relay.close()

    def _abandon(self) -> None:
        self.follower.abandon()
        if self._relay is not None:
            self._relay.begin()

    def _followed(self, page: FeedPage, known_ms: int, read_ms: int) -> None:
        if self._relay is not None:
            self._relay.follow(page, known_ms, read_ms)

    def _passing_on(self) -> FeedRelay:
        """What passes the feed on, one for all routes.

        Raises:
            TypeError: what this verifier follows is no signed feed.
        """
        if self._relay is None:
            if not isinstance(self._source, Relayable):
                raise TypeError("a relay needs a verifier of Verifier.from_issuer: others follow no signed feed")
            self._relay = self._source.relay(self.node)
        return self._relay

    async def _open_for_check(self) -> bool:
        return await self._opening.try_for_request() and self.node.is_fresh

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncIterator[None]:  # noqa: ARG002 - ASGI frameworks pass the app
        """Open before the first request and close after the last: `FastAPI(lifespan=verifier.lifespan)`.

        Args:
            app: what the framework passes; not used.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> from starlette.applications import Starlette
        >>> app = Starlette(lifespan=verifier.lifespan)
        """
        await self.open()
        try:
            yield
        finally:
            await self.close()

    # checking

    def verify(self, token: str) -> Principal:
        """Who the bearer of this access token is; no I/O.

        Args:
            token: the compact text, as it came in the Authorization field.

        Returns:
            The principal.

        Raises:
            TokenError: why not. `Stale` is this node's fault, never the token's: answer 503.

        >>> from sealring.testing import InMemorySealring, access_token, verifier_of
        >>> auth = InMemorySealring()
        >>> with auth.sync():
        ...     token = access_token(auth, "42", state="revoked")
        ...     with verifier_of(auth).sync() as verifier:
        ...         verifier.verify(token)
        Traceback (most recent call last):
        sealring.errors.Revoked: revoked by session
        """
        return self.tokens.verify(token)

    def while_live(self, principal: Principal) -> WhileLive:
        """Cancel a block when the principal's session ends: for WebSockets, event streams, long work.

        Args:
            principal: what `verify` or a guard gave.

        Returns:
            An async context manager, or the source of a stream (`stream`), for one use; see `Sealring.while_live`.

        >>> from sealring.testing import InMemorySealring, access_token, verifier_of
        >>> auth = InMemorySealring()
        >>> verifier = verifier_of(auth)
        >>> async def greet(user):
        ...     async with verifier.while_live(user):
        ...         return f"hello {user.subject}"
        >>> await auth.open()
        >>> await verifier.open()
        >>> await greet(verifier.verify(access_token(auth, "42")))
        'hello 42'
        >>> await verifier.close()
        >>> await auth.close()
        """
        return self.tokens.while_live(principal)

    @property
    def refused(self) -> OnRefusal | None:
        """Counts refusals by their true cause; none without metrics.

        >>> from sealring.testing import InMemorySealring, verifier_of
        >>> verifier = verifier_of(InMemorySealring())
        >>> verifier.refused is None
        True
        """
        return None if self.metrics is None else self.metrics.refused


def _metrics(node: NodeState, registry: CollectorRegistry) -> Metrics:
    from sealring.http.metrics import Metrics  # noqa: PLC0415 - prometheus-client is an extra

    return Metrics(node, registry)


def _proof_key(secret: str | None) -> bytes:
    """The key of this service's nonces.

    Raises:
        TypeError, ValueError: the secret is no text, or too short to be one.
    """
    if secret is None:
        return secrets.token_bytes(MIN_SECRET_CHARS)
    if not isinstance(secret, str):
        raise TypeError(f"dpop_secret must be text, not {type(secret).__name__}")
    if len(secret) < MIN_SECRET_CHARS:
        raise ValueError(f"dpop_secret must have at least {MIN_SECRET_CHARS} characters: `sealring secret` prints one")
    return sha256(secret.encode()).digest()


def _resource(url: str, issuer: str) -> ProtectedResource:
    if not isinstance(url, str):
        raise TypeError(f"resource must be text, not {type(url).__name__}")
    try:
        return ProtectedResource(resource=check_resource(url), issuer=issuer)
    except ValueError as error:
        raise ConfigurationError(f"resource {error}") from None


def _origins(issuer: str, cookie_name: str | None, allowed: Sequence[str]) -> Origins:
    """Whose pages may act with the cookie: the issuer's, and those that are listed.

    Raises:
        ConfigurationError: one of them is no origin, or there is no cookie that they could act with.
    """
    if cookie_name is None:
        if allowed:
            raise ConfigurationError("allowed_origins needs cookie_name: no page can act with a bearer token")
        return NO_ORIGINS
    if isinstance(allowed, str):
        raise TypeError("allowed_origins must be a list of origins, not one string")
    try:
        return Origins.of([issuer], allowed)
    except ValueError as error:
        raise ConfigurationError(f"issuer or allowed_origins: {error}") from None


def _access_cookie(name: str, origins: Origins) -> bytes:
    """As the issuer names it: with `__Host-`, unless it is plain http on loopback."""
    try:
        return CookieNames.of(name, secure=not all(map(_is_loopback_http, origins.own))).access
    except ValueError as error:
        raise ConfigurationError(f"cookie_name {error}") from None


def _is_loopback_http(origin: bytes) -> bool:
    parts = urlsplit(origin.decode("ascii"))
    return parts.scheme == "http" and is_loopback(parts.hostname or "")
