"""`Verifier`: the verifying half for a service of its own, without a database and without a secret.

Its methods stand in `sealring.application`: `verifier_life` opens, closes and verifies; `verifier_hosts` has what each
framework gets. No part of the issuing half is imported here or there: no store, no database driver, no Argon2.
"""

from __future__ import annotations

from typing import Self

from sealring.application.verifier_hosts import VerifierHosts
from sealring.sync_runner import SyncRunner
from sealring.verifier.principal import Principal


class Verifier(VerifierHosts):
    """Verifies the access tokens of one issuer for one audience, and refuses those of revoked sessions.

    It follows the issuer in the background and checks from memory. When its last good poll is older than
    `max_staleness`, every check answers 503 with Retry-After, never 401.

    Args:
        source: where keys and revocations come from.
        issuer: `iss` of the tokens, compared whole.
        audience: `aud` of the tokens, compared whole: the name of this service at the issuer.
        max_staleness: how long it answers without news from the source, as seconds or text such as "5s".
        poll_interval: how often it asks for news; shorter than `max_staleness`.
        cookie_name: for a service on the issuer's own host, where browsers send it the access cookie: the issuer's
            `SEALRING_COOKIE_NAME`, "sealring" unless it was set. Left out, only the Authorization field counts.
        allowed_origins: with `cookie_name`: whose pages may act with the cookie, beside those of the issuer's origin.
            A browser that names no origin cannot act by cookie here: the session's CSRF token is the issuer's to check.
        metrics: a Prometheus registry to count in (needs the extra `metrics`).
        clock: another clock than the machine's.

    Raises:
        ConfigurationError: durations that exclude each other, or an invalid cookie name or origin.
        TypeError, ValueError: an argument of another type, or empty.

    >>> from typing import Annotated
    >>> from fastapi import FastAPI, Security
    >>> from sealring import Principal
    >>> from sealring.frameworks.fastapi import guard
    >>> from sealring.testing import InMemorySealring, verifier_of
    >>> verifier = verifier_of(InMemorySealring(audience="orders"))  # in a test
    >>> app = FastAPI(lifespan=verifier.lifespan)
    >>> @app.get("/orders")
    ... async def orders(user: Annotated[Principal, Security(guard(verifier), scopes=["orders:read"])]) -> str:
    ...     return user.subject
    """

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
