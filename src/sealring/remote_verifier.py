"""`Verifier`: the verifying half for a service of its own, without a database and without a secret.

Its methods stand in `sealring.application`: `verifier_life` opens, closes and verifies; `verifier_hosts` has what each
framework gets. No part of the issuing half is imported here or there: no store, no database driver, no Argon2.
"""

from __future__ import annotations

from collections.abc import Sequence
from ssl import SSLContext
from typing import TYPE_CHECKING, Self, TypedDict, Unpack

from sealring.application.verifier_hosts import VerifierHosts
from sealring.jwt.durations import Duration, named_duration
from sealring.sessions.lifetimes import LEEWAY_SECONDS
from sealring.sync_runner import SyncRunner
from sealring.verifier.clock import Clock, SystemClock
from sealring.verifier.http_get import checked_url
from sealring.verifier.http_source import HttpSource
from sealring.verifier.principal import Principal

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class VerifierOptions(TypedDict, total=False):
    """Arguments of `Verifier` that `Verifier.from_issuer` passes on."""

    poll_interval: Duration
    cookie_name: str | None
    allowed_origins: Sequence[str]
    resource: str | None
    metrics: CollectorRegistry | None
    dpop_secret: str | None


class Verifier(VerifierHosts):
    """Verifies the access tokens of one issuer for one audience, and refuses those of revoked sessions.

    It follows the issuer in the background and checks from memory. When its last good poll is older than
    `max_staleness`, every check answers 503 with Retry-After, never 401.

    Args:
        source: where keys and revocations come from.
        issuer: `iss` of the tokens, compared whole.
        audience: `aud` of the tokens, compared whole: what the issuer writes into all its tokens.
        max_staleness: how long it answers without news from the source, as seconds or text such as "5s".
        poll_interval: how often it asks for news; shorter than `max_staleness`.
        cookie_name: for a service on the issuer's own host, where browsers send it the access cookie: the issuer's
            `SEALRING_COOKIE_NAME`, "sealring" unless it was set. Left out, only the Authorization field counts.
        allowed_origins: with `cookie_name`: whose pages may act with the cookie, beside those of the issuer's origin.
            A browser that names no origin cannot act by cookie here: the session's CSRF token is the issuer's to check.
        resource: the URL by which OAuth clients know this service. Challenges then name its metadata (RFC 9728), which
            `well_known_router`, `asgi_well_known` and `wsgi_well_known` serve. Tokens that are bound to a key
            (DPoP, RFC 9449) are taken, too: their proofs are made for this URL.
        metrics: a Prometheus registry to count in (needs the extra `metrics`).
        clock: another clock than the machine's.
        dpop_secret: 32 or more random characters that all processes of this service share, so that each knows the
            nonces of the others: a client whose clock is wrong needs one. Left out, each process has its own.

    Raises:
        ConfigurationError: durations that exclude each other, or an invalid cookie name, origin or resource.
        TypeError, ValueError: an argument of another type, or empty.

    >>> from typing import Annotated
    >>> from fastapi import FastAPI, Security
    >>> from sealring import Principal, Verifier
    >>> from sealring.frameworks.fastapi import guard
    >>> verifier = Verifier.from_issuer("https://auth.example.com/auth", audience="orders")
    >>> app = FastAPI(lifespan=verifier.lifespan)
    >>> @app.get("/orders")
    ... async def orders(user: Annotated[Principal, Security(guard(verifier), scopes=["orders:read"])]) -> str:
    ...     return user.subject
    """

    @classmethod
    def from_issuer(
        cls,
        url: str,
        *,
        audience: str,
        issuer: str | None = None,
        feed_url: str | None = None,
        feed_token: str | None = None,
        allow_http: bool = False,
        ssl_context: SSLContext | None = None,
        max_staleness: Duration = 5,
        clock: Clock | None = None,
        **options: Unpack[VerifierOptions],
    ) -> Self:
        """Verify tokens of an issuer elsewhere, by its revocation feed over HTTP (docs/reference/feed.md).

        Nothing is asked before it opens. It needs no more than the base install.

        Args:
            url: where the issuer's auth routes are: https, or http on loopback.
            audience: `aud` of the tokens, compared whole: what the issuer writes into all its tokens.
            issuer: `iss` of the tokens and of the feed, compared whole; left out, the origin of `url`.
            feed_url: where the feed is read from instead, such as the auth routes of a relay. It is signed, so they
                need not be trusted; the keys come from `url`.
            feed_token: the issuer's `SEALRING_FEED_TOKEN`, if it has one.
            allow_http: for http between machines, where nobody else can reach the network between them: who can writes
                the keys.
            ssl_context: another trust store or a client certificate than the machine's; it must verify certificates and
                host names.
            max_staleness: how long it answers without news, as seconds or text such as "5s".
            clock: another clock than the machine's.
            options: as of the class.

        Raises:
            ConfigurationError: durations that exclude each other, or an invalid cookie name, origin or resource.
            TypeError, ValueError: a URL that is not https, a TLS context that verifies nothing, or another argument of
                another form.

        Example:
            >>> from sealring import Verifier
            >>> verifier = Verifier.from_issuer("https://auth.example.com/auth", audience="orders")
            >>> verifier.node.is_fresh  # not open yet
            False
        """
        parts = checked_url(url, allow_http=allow_http)
        expected = f"{parts.scheme}://{parts.netloc}" if issuer is None else issuer
        clock = SystemClock(LEEWAY_SECONDS) if clock is None else clock
        source = HttpSource(
            url,
            issuer=expected,
            clock=clock,
            max_staleness=named_duration("max_staleness", max_staleness),
            feed_url=feed_url,
            feed_token=feed_token,
            allow_http=allow_http,
            ssl_context=ssl_context,
        )
        return cls(source, issuer=expected, audience=audience, max_staleness=max_staleness, clock=clock, **options)

    def sync(self) -> SyncVerifier:
        """For code without an event loop.

        Returns:
            The same verifier, to be opened by `with` or by its first check.

        >>> from sealring.testing import InMemorySealring, access_token, verifier_of
        >>> auth = InMemorySealring()
        >>> with auth.sync(), verifier_of(auth).sync() as verifier:
        ...     verifier.verify(access_token(auth, "42")).subject
        '42'
        """
        return SyncVerifier(self, self._runner)


class SyncVerifier:
    """`verifier.sync()`: opens, checks and closes without an event loop.

    `with` opens and closes; without it, the first check opens, and the end of the process closes. A check is made in
    the caller's thread, from memory; what follows the issuer runs in a thread of its own.

    >>> from sealring.testing import InMemorySealring, access_token, verifier_of
    >>> auth = InMemorySealring()
    >>> sync = verifier_of(auth).sync()
    >>> sync.verify(access_token(auth, "42")).subject  # the first check opens
    '42'
    >>> sync.close()
    >>> sync.open()
    >>> sync.close()
    """

    def __init__(self, verifier: Verifier, runner: SyncRunner) -> None:
        self._verifier = verifier
        self._runner = runner

    def __enter__(self) -> Self:
        self._runner.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Start to follow, and load all revocations if the source answers, unless it is open."""
        self._runner.open()

    def close(self) -> None:
        """Stop following, and end the thread. What another event loop opened stays open."""
        self._runner.close()

    def verify(self, token: str) -> Principal:
        """Who the bearer of this access token is; no I/O, and no other thread, once it is open.

        Raises:
            TokenError: why not. `Stale` is this node's fault, never the token's.
        """
        if not self._runner.is_open:
            self._runner.open()
        return self._verifier.verify(token)
