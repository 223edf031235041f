"""Opens, closes, verifies: what every use of the public object stands on.

Building it opens nothing. The store opens with `lifespan`, or on the first use where a framework runs no lifespan for
a mounted application.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sealring.errors import ConfigurationError
from sealring.forks import stop_watching, watch_forks
from sealring.http.authenticate import RequestAuthenticator
from sealring.http.problems import OnRefusal
from sealring.http.protected_resource import ProtectedResource
from sealring.opening import Opening
from sealring.settings import Settings
from sealring.sync_runner import SyncRunner
from sealring.verifier.principal import Principal
from sealring.verifier.while_live import WhileLive
from sealring.wiring import Parts


class Lifecycle:
    """Both halves of one application, open or closed.

    Args:
        settings: all of them.
        parts: what `wire` made of them.
    """

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings = settings
        self.parts = parts
        self.clock = parts.clock
        self.store = parts.store
        self.node = parts.node
        self.follower = parts.follower
        self.verifier = parts.verifier
        self.issuer = parts.issuer
        self.metrics = parts.metrics
        self.delivery = parts.delivery
        self.resource = (
            ProtectedResource(resource=settings.resource, issuer=settings.issuer, takes_proofs=parts.proofs is not None)
            if settings.resource
            else None
        )
        self._follows = True
        self._opening = Opening(start=self._start, stop=self._stop, abandon=self._abandon)
        self._runner = SyncRunner(self._opening)
        self.authenticator = RequestAuthenticator(
            self.verifier.verify,
            access_cookie=self.delivery.cookies.names.access,
            origins=self.delivery.origins,
            matches_csrf=self.delivery.csrf_tokens.matches,
            refused=self.refused,
            opens=self._open_for_check,
            watch=self.verifier.watch,
            foreign=None if parts.foreign_tokens is None else parts.foreign_tokens.verify,
            bound=None if parts.proofs is None else parts.proofs.at_use,
            resource_metadata="" if self.resource is None else self.resource.metadata_url,
            clock=lambda: parts.clock.now_ms() / 1000,
        )

    # life

    async def open(self, *, follow: bool = True) -> None:
        """Open the store, make sure that a key can sign, load all revocations; once, for all callers.

        It may be closed and opened again, in another event loop too. With `follow=False`, as commands open it, no key
        is made and nothing is followed: it writes, and verifies no token.

        Args:
            follow: whether this node makes keys and follows revocations.

        Raises:
            ConfigurationError: the store cannot be used, or no listed secret opens its keys.
            StoreUnavailable: it cannot be reached now.

        >>> from sealring.testing import InMemorySealring
        >>> auth = InMemorySealring()
        >>> await auth.open()
        >>> auth.verify((await auth.start_session("42")).access_token.text).subject
        '42'
        >>> await auth.close()
        """
        if not isinstance(follow, bool):
            raise TypeError(f"follow must be True or False, not {type(follow).__name__}")
        if not self._opening.is_open():
            self._follows = follow
        await self._opening.open()

    def forked(self) -> None:
        """In a child it is closed; `open` opens it again, unless its SQLite file is the parent's (`sealring.forks`)."""
        self.parts.maintenance.forked()
        self.parts.mail.forked()
        self.issuer.keys.forked()
        self.parts.feed.forked()
        self.parts.declaration.forked()
        self.parts.committing.forked()
        self._opening.forked()

    async def close(self) -> None:
        """Stop following, close the store.

        `open` may follow. Until then this node learns of no revocation, and within `max_staleness` it accepts no token.

        >>> issued = await auth.start_session("42")  # opens it
        >>> await auth.close()
        """
        await self._opening.close()

    async def _start(self) -> None:
        await self.store.open()
        self.issuer.accounts.open()
        if not self._follows:
            return
        await self.parts.declaration.declare()  # before anything is written: the keys of another issuer are not ours
        try:
            await self._start_issuing()
        except BaseException:
            await self.parts.declaration.withdraw()
            raise

    async def _start_issuing(self) -> None:
        wants_mail = self.settings.verify_email != "off" or self.settings.has_email_login
        if wants_mail and not self.issuer.email.drafts.are_sent:
            raise ConfigurationError(
                "SEALRING_VERIFY_EMAIL, SEALRING_EMAIL_LOGIN: no mail is set up",
                hint="set SEALRING_MAIL_URL and SEALRING_MAIL_FROM, or give Sealring(mail=…)",
            )
        await self.parts.access_ttl.declare()  # before the ring is read: a longer life puts the end of keys off
        await self.issuer.keys.start()
        self.issuer.keys.verifying()  # a key that no listed secret opens is said now
        await self.follower.start()
        self.parts.maintenance.start()
        self.parts.mail.start()
        watch_forks(self)

    async def _stop(self) -> None:
        stop_watching(self)
        await self.parts.mail.stop()
        await self.parts.maintenance.stop()
        await self.follower.stop()
        self.parts.feed.close()
        if self._follows:
            await self.parts.declaration.withdraw()
        await self.issuer.accounts.close()
        await self.parts.committing.finish()
        await self.store.close()

    def _abandon(self) -> None:
        self.parts.mail.abandon()
        self.parts.maintenance.abandon()
        self.follower.abandon()
        self.parts.feed.abandon()

    async def _open_for_check(self) -> bool:
        return await self._opening.try_for_request() and self.node.is_fresh

    @asynccontextmanager
    async def lifespan(self, app: Any = None, *, follow: bool = True) -> AsyncIterator[None]:  # noqa: ARG002 - ASGI frameworks pass the app
        """Open before the first request and close after the last: `FastAPI(lifespan=auth.lifespan)`.

        `follow=False` is for commands: see `open`.

        Args:
            app: the application that calls it; not used.
            follow: see `open`.

        Raises:
            ConfigurationError, StoreUnavailable: as `open`.

        >>> from sealring.testing import InMemorySealring
        >>> auth = InMemorySealring()
        >>> async def administer() -> int:
        ...     async with auth.lifespan(follow=False):
        ...         return await auth.revoke_subject("42")
        >>> await administer()
        0
        """
        await self.open(follow=follow)
        try:
            yield
        finally:
            await self.close()

    # checking

    def verify(self, token: str) -> Principal:
        """Who the bearer of this access token is; no I/O.

        Args:
            token: a compact JWT (RFC 7519), without "Bearer ".

        Returns:
            The principal; the same value for the same token, while it is remembered.

        Raises:
            TokenError: why not. `Stale` says that this node's revocation data is out of date: answer 503, not 401.

        >>> issued = await auth.start_session("42", scopes=["orders:read"])
        >>> user = auth.verify(issued.access_token.text)
        >>> user.subject, sorted(user.scopes)
        ('42', ['orders:read'])
        >>> auth.verify("no token")
        Traceback (most recent call last):
        sealring.errors.Malformed: a token is three base64url parts with two dots
        """
        return self.verifier.verify(token)

    def while_live(self, principal: Principal) -> WhileLive:
        """Cancel a block when the principal's session ends: for WebSockets, event streams, long work.

        It ends when the session, the subject's epoch or the key is revoked, at the end of the session, and when this
        node's revocation data is out of date: within `max_staleness` (5 s) of a revocation anywhere, at once of one on
        this node. It does not end when the access token expires. `auth.while_live(user).stream(chunks)` does the same
        for what a response streams.

        Args:
            principal: whose session it is, as `verify` or a guard gave it.

        Returns:
            An async context manager, or the source of a stream (`stream`), for one use.

        Raises:
            TokenError: on entering it, as `verify` would: `Stale`, `Expired` or `Revoked`.
            ConnectionEnded: on leaving it, when it was ended; `problem_response` turns it into a close code
                (docs/how-to/websockets.md).

        >>> user = auth.verify((await auth.start_session("42")).access_token.text)
        >>> async def serve() -> None:
        ...     async with auth.while_live(user):
        ...         await auth.revoke_session(user.session_id)  # in reality by another request
        ...         await asyncio.sleep(60)
        >>> await serve()
        Traceback (most recent call last):
        sealring.errors.ConnectionEnded: the connection was ended: session
        """
        return self.verifier.while_live(principal)

    @property
    def refused(self) -> OnRefusal | None:
        """Counts refusals by their true cause; none without metrics."""
        return None if self.metrics is None else self.metrics.refused
