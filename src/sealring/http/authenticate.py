"""From the raw request to what we know of its sender: authenticated once, asked by every guard.

The authenticator reads a credential, has it verified (no I/O: the verifier's promise) and, where a cookie
brought it to an unsafe method or a WebSocket handshake, asks who sent it (I13; a handshake is a GET
that acts, and any page may open one). It refuses nothing: a refusal is remembered in the
`AuthResult`, so that the route that wants a principal answers with the right error and the route that
does not goes on with an anonymous user. Whatever the bytes, `authenticate` returns (I9, C14).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from sealring.errors import (
    BadSignature,
    InvalidProof,
    SealringError,
    Stale,
    TokenBound,
    TooLarge,
    UnknownKey,
    UnsupportedAlgorithm,
)
from sealring.http.credentials import PresentedToken, find_credential, find_websocket_credential
from sealring.http.fetch_metadata import SAFE_METHODS, MatchesCsrf, check_csrf
from sealring.http.origins import NO_ORIGINS, Origins
from sealring.http.problems import OnRefusal, report
from sealring.http.proofs import BoundTokens
from sealring.http.request_errors import (
    InsufficientAuthentication,
    InsufficientScope,
    MissingCredential,
    SessionNotBound,
)
from sealring.sessions.step_up import StepUp
from sealring.verifier.open_connections import OnEnd, OpenConnection
from sealring.verifier.principal import Principal

Verify = Callable[[str], Principal]
"""From an access token to its principal; raises `TokenError`."""

Opens = Callable[[], Awaitable[bool]]
"""Opens the verifier if nobody has; true when it may answer now. Costs nothing where it is open."""

Watch = Callable[[Principal, OnEnd], OpenConnection]
"""Registers a connection that is open for a principal: `Verifier.watch`."""

_AUTHENTICATED = frozenset({"authenticated"})

_NOT_OURS = (UnknownKey, UnsupportedAlgorithm, BadSignature, TooLarge)
"""None of our keys has signed such a token, or it is longer than any of ours.

Every other refusal is of a token of ours, and final.
"""


class AuthResult(msgspec.Struct, frozen=True):
    """What the authenticator found; also `scope["auth"]`, with the `scopes` that Starlette's `requires` reads."""

    verify: Verify
    """By whom: a guard that trusts another verifier does not take this result over."""
    principal: Principal | None = None
    refusal: SealringError | None = None
    """Why a credential that was sent brought no principal; none when none was sent."""
    resource_metadata: str = ""
    """What challenges point to (RFC 9728 §5.1)."""
    clock: Callable[[], float] = time.time
    """Unix seconds, by which a step-up is judged."""

    @property
    def scopes(self) -> frozenset[str]:
        """The token's scopes and Starlette's word "authenticated"; nothing for an anonymous user."""
        return frozenset() if self.principal is None else self.principal.scopes | _AUTHENTICATED

    def require(self, *scopes: str, step_up: StepUp | None = None, bound: bool = False) -> Principal:
        """Return the principal, who has all of `scopes` and has proved as recently and as strongly as `step_up` asks.

        With `bound`, the session must be bound to the client's own key: its device's (DBSC), or that of DPoP.

        Raises:
            SealringError: the refusal; `MissingCredential` when no credential was sent; `InsufficientScope` when the
                token lacks one of the scopes; `InsufficientAuthentication` when the user must prove again, or more;
                `SessionNotBound`.
        """
        principal = self.principal
        if principal is None:
            raise self.refuse()
        if step_up is not None and (error := self._step_up(principal, scopes, step_up)) is not None:
            raise error
        if scopes and not principal.scopes.issuperset(scopes):
            raise self.refuse(scopes)
        if bound and not principal.is_bound:
            raise SessionNotBound("the session is not bound to a key of its client")
        return principal

    def _step_up(self, principal: Principal, scopes: tuple[str, ...], step_up: StepUp) -> SealringError | None:
        """Why the user must prove again.

        A class that is too weak comes before the scopes, since a step-up may bring them (`SEALRING_MFA_SCOPES`). A
        proof that is too old comes after: nobody is asked for a password where it would not have helped.
        """
        unknown = principal.is_client or type(principal.claims.get("auth_time")) is not int
        if unknown or not step_up.is_strong_enough(principal.acr):
            return self._pointing(InsufficientAuthentication(step_up))
        if scopes and not principal.scopes.issuperset(scopes):
            return None
        recent = step_up.is_recent_enough(principal.auth_time, self.clock())
        return None if recent else self._pointing(InsufficientAuthentication(step_up))

    def refuse(self, scopes: tuple[str, ...] = ()) -> SealringError:
        """Why nobody, or a principal without these scopes, is refused; the challenge says where to begin."""
        error = self.refusal
        if error is None:
            error = MissingCredential("no credential was sent") if self.principal is None else InsufficientScope(scopes)
        return self._pointing(error)

    def _pointing(self, error: SealringError) -> SealringError:
        if self.resource_metadata:
            error.resource_metadata = self.resource_metadata
        return error


class RequestAuthenticator:
    """Finds the sender of a request.

    `access_cookie` is the exact name of the cookie that may bring the token; none where only the
    Authorization field counts (a service that is not the issuer). `origins` says whose pages may act with our
    cookies. `matches_csrf` knows the CSRF tokens of sessions; without it, a browser that says neither
    Sec-Fetch-Site nor Origin cannot act by cookie.
    `foreign` verifies what none of our keys has signed: tokens of another issuer, in the Authorization field alone. A
    cookie with one is refused, since CSRF tokens are of sessions, and it has none.
    `resource_metadata` is the URL that challenges name (RFC 9728 §5.1), if there is one.
    `bound` verifies tokens that are bound to a key, with their proofs (RFC 9449); without it, they are refused.
    `refused` counts refusals by their true cause. `watch` registers WebSockets, which the middleware then closes when
    their session ends. `opens` is asked where the verifier is stale, since an
    application may have no lifespan to open it. `clock` gives Unix seconds, by which a step-up is judged.
    """

    __slots__ = (
        "_access_cookie",
        "_clock",
        "_foreign",
        "_matches_csrf",
        "_nothing",
        "_opens",
        "_refused",
        "bound",
        "origins",
        "resource_metadata",
        "verify",
        "watch",
    )

    def __init__(
        self,
        verify: Verify,
        *,
        access_cookie: bytes | None = None,
        origins: Origins = NO_ORIGINS,
        matches_csrf: MatchesCsrf | None = None,
        refused: OnRefusal | None = None,
        opens: Opens | None = None,
        watch: Watch | None = None,
        foreign: Verify | None = None,
        resource_metadata: str = "",
        clock: Callable[[], float] = time.time,
        bound: BoundTokens | None = None,
    ) -> None:
        self.verify = verify
        self.bound = bound
        self.resource_metadata = resource_metadata
        self._foreign = foreign
        self.watch = watch
        self._access_cookie = access_cookie
        self.origins = origins
        self._matches_csrf = matches_csrf
        self._refused = refused
        self._opens = opens
        self._clock = clock
        self._nothing = AuthResult(verify, resource_metadata=resource_metadata, clock=clock)

    def authenticate(self, scope: Mapping[str, Any]) -> AuthResult:
        """Return what the fields of this ASGI scope (http or websocket) say about its sender."""
        credential = None
        try:
            is_http = scope["type"] == "http"
            if is_http:
                credential = find_credential(scope["headers"], self._access_cookie)
            else:
                offered = scope.get("subprotocols", ())
                credential = find_websocket_credential(scope["headers"], self._access_cookie, offered)
            if credential is None:
                return self._nothing
            if credential.with_proof:
                principal = self.verify_presented(credential, scope)
            else:
                principal = self.verify(credential.token)
            if credential.from_cookie and (not is_http or scope["method"] not in SAFE_METHODS):
                check_csrf(scope["headers"], self.origins, principal.session_id, self._matches_csrf)
        except SealringError as error:
            # the result lives in the scope: a traceback would tie the frames to it in a cycle
            refusal = error.with_traceback(None)
            if credential is not None and credential.with_proof:
                refusal.challenge_scheme = "DPoP"
                return AuthResult(self.verify, None, refusal, self.resource_metadata, self._clock)
        else:
            return AuthResult(self.verify, principal, None, self.resource_metadata, self._clock)
        if self._foreign is None or credential is None or credential.from_cookie or not isinstance(refusal, _NOT_OURS):
            return AuthResult(self.verify, None, refusal, self.resource_metadata, self._clock)
        try:
            return AuthResult(self.verify, self._foreign(credential.token), None, self.resource_metadata, self._clock)
        except SealringError as error:
            return AuthResult(self.verify, None, error.with_traceback(None), self.resource_metadata, self._clock)

    def verify_presented(self, credential: PresentedToken, scope: Mapping[str, Any]) -> Principal:
        """Who the bearer of this token is; with the scheme DPoP, the proof in the same request counts too.

        Raises:
            TokenError: why the token is refused; `TokenBound` where a proof is needed and the scheme is another.
            InvalidProof: why the proof is.
        """
        if not credential.with_proof:
            return self.verify(credential.token)
        if self.bound is None:
            raise InvalidProof("this server takes no DPoP")
        return self.bound.authenticate(credential.token, scope)

    def verify_without_proof(self, token: str) -> Principal:
        """What an access token says, bound to a key or not; for those to whom it was shown, not for its bearer.

        Raises:
            TokenError: why it is refused.
        """
        try:
            return self.verify(token)
        except TokenBound:
            if self.bound is None:
                raise
            return self.bound.verify(token)

    def result_for(self, scope: Mapping[str, Any]) -> AuthResult:
        """Return what the middleware has found for this request by the same verifier; without it, `authenticate`."""
        found = scope.get("auth")
        if isinstance(found, AuthResult) and found.verify == self.verify:
            return found
        return self.authenticate(scope)

    async def authenticate_when_open(self, scope: Mapping[str, Any]) -> AuthResult:
        """As `result_for`, once the verifier is open: where nobody has opened it, the first request does."""
        found = self.result_for(scope)
        return await self.once_open(scope, found) if type(found.refusal) is Stale else found

    async def once_open(self, scope: Mapping[str, Any], stale: AuthResult) -> AuthResult:
        """Authenticate again where the verifier was stale because nobody had opened it; else the result stands."""
        if self._opens is None or not await self._opens():
            return stale
        return self.authenticate(scope)

    def report(self, error: SealringError, scope: Mapping[str, Any]) -> None:
        """Log and count a refusal. Call once, where the refusal is answered."""
        report(error, where=scope["path"], refused=self._refused)
