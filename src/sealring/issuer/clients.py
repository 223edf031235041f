"""Registered clients, carried out: programs that act for themselves (RFC 6749 §4.4).

A token of a client has no session: to issue one is to read the client's row and to sign, and nothing is written. The
token carries the epoch that stood in that row, so whatever changes the client afterwards kills it, the token that is
being signed at that moment included (I7). Each has a `sid` of its own, by which one of them can be revoked alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from sealring.accounts.oauth_client import (
    ID_BYTES,
    SECRET_BYTES,
    SECRET_PREFIX,
    ClientChange,
    ClientRemoval,
    ClientScopesChange,
    ClientSecretChange,
    OAuthClient,
    check_client_name,
    digest_of_secret,
    has_secret,
)
from sealring.audit.event import Event, EventKind
from sealring.authentication.client_info import ClientInfo
from sealring.errors import ClientRefused, NotFound, Throttled
from sealring.issuer.access_tokens import AccessToken, AccessTokenIssuer
from sealring.issuer.accounts import CheckScopes
from sealring.issuer.commit import CommittingStore
from sealring.issuer.new_sessions import SESSION_ID_BYTES
from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.buckets import address_bucket
from sealring.rate_limits.rate import RateLimit
from sealring.sessions.client_id import ID_PREFIX, is_client_id
from sealring.sessions.grant import narrowed, scope_tokens
from sealring.sessions.revocation import EndToken
from sealring.sessions.session import Session
from sealring.verifier.principal import Principal

REVOCATIONS_PER_CLIENT = RateLimit(60, 60)
"""Single tokens of one client: every node holds each entry for the life of an access token (D2)."""


INACTIVE_PER_CLIENT = RateLimit(600, 60)
"""Introspected tokens that are not active: who has found old tokens cannot try them by the thousand."""


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """A new client and its secret, which nobody can read again."""

    client: OAuthClient
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientToken:
    """An access token of a client."""

    access_token: AccessToken
    scopes: tuple[str, ...]
    issued_at: int
    """Unix seconds."""
    token_type: Literal["Bearer", "DPoP"]
    """`DPoP` where it is bound to a key (RFC 9449 §5)."""

    @property
    def expires_in(self) -> int:
        """Seconds that it lives from its issue on."""
        return self.access_token.expires_at - self.issued_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The clients of this issuer.

    Args:
        store: where they live.
        access: signs their tokens.
        address_rate: how often an address may present bad credentials.
        clock: Unix milliseconds.
        check_scopes: whether a token with such scopes is short enough.
    """

    store: CommittingStore
    access: AccessTokenIssuer
    address_rate: RateLimit
    clock: Callable[[], int]
    check_scopes: CheckScopes
    _full_until: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    """In Unix seconds, when a client's inactive answers were too many: a flood asks the store no more than it must."""

    async def register(self, name: str, *, scopes: Iterable[str] = (), introspects: bool = False) -> RegisteredClient:
        """Make a client and its secret.

        Raises:
            InvalidField: a name that cannot be.
            TokenTooLong: more scopes than a token carries.
            TypeError, ValueError: no scopes, or `introspects` is neither True nor False.
        """
        if not isinstance(introspects, bool):
            raise TypeError(f"introspects must be True or False, not {type(introspects).__name__}")
        secret = SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        client = OAuthClient(
            id=ID_PREFIX + secrets.token_urlsafe(ID_BYTES),
            name=check_client_name(name),
            secret_digest=digest_of_secret(secret),
            scopes=self._checked(scopes),
            introspects=introspects,
            created_at=self.clock() // 1000,
        )
        event = self._event("client_registered", client.id, cause="by operator", detail={"name": client.name})
        await self.store.create_client(client, event)
        return RegisteredClient(client, secret)

    async def list(self, *, after: str = "", limit: int = 1000) -> list[OAuthClient]:
        """Clients by id, those after that one."""
        return await self.store.list_clients(after=after, limit=limit)

    async def replace_secret(self, client_id: str) -> str:
        """Give a client another secret; the old one, and every token that it bought, is worthless at once.

        Raises:
            NotFound: there is no such client.
        """
        secret = SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        change = ClientSecretChange(secret_digest=digest_of_secret(secret))
        await self._change(client_id, change, "client_changed", cause="secret replaced")
        return secret

    async def set_scopes(self, client_id: str, scopes: Iterable[str]) -> None:
        """Say what a client's tokens may say at most; those of before are worthless at once.

        Raises:
            NotFound: there is no such client.
            TokenTooLong: more scopes than a token carries.
            TypeError, ValueError: no scopes.
        """
        change = ClientScopesChange(scopes=self._checked(scopes))
        await self._change(client_id, change, "client_changed", cause="scopes changed")

    async def remove(self, client_id: str) -> None:
        """Remove a client; its tokens are worthless at once.

        Raises:
            NotFound: there is no such client.
        """
        await self._change(client_id, ClientRemoval(), "client_removed", cause="by operator")

    async def authenticate(self, client_id: str, secret: str, *, client: ClientInfo) -> OAuthClient:
        """The client whose credentials these are.

        Args:
            client_id: what was presented.
            secret: what was presented.
            client: where the request came from. Its address is counted only when the credentials are bad: who guesses
                at 256 random bits needs no rate limit, but writes a line into the audit log each time.

        Raises:
            ClientRefused: unknown or wrong: never which.
            Throttled: so many from this address were.
        """
        found = await self.store.find_client(client_id) if is_client_id(client_id) else None
        if has_secret(found, secret) and found is not None:
            return found
        bucket = address_bucket(client.address, self.address_rate, purpose="client")
        if wait := await self.store.count_attempt([bucket], now=self.clock() // 1000):
            raise Throttled(wait)
        cause = "unknown client" if found is None else "wrong secret"
        event = self._event("client_refused", "" if found is None else found.id, cause=cause, address=client.address)
        await self.store.settle_attempt("", event)
        raise ClientRefused("unknown client or wrong secret")

    async def issue(
        self, client_id: str, secret: str, *, scopes: Iterable[str] | None, client: ClientInfo
    ) -> ClientToken:
        """Trade a client's credentials for an access token.

        Args:
            client_id: what was presented.
            secret: what was presented.
            scopes: what is asked for; all of the client's when left out.
            client: where the request came from, and the key that the token is to be bound to.

        Raises:
            ClientRefused, Throttled: see `authenticate`.
            ScopeRefused: more is asked for than the client may have.
            TokenTooLong: the token would be longer than a verifier reads.
            StoreUnavailable: try again.
        """
        await self.access.ttl.declare()  # before the row is read: see there
        found = await self.authenticate(client_id, secret, client=client)
        wanted = narrowed(found.scopes, scopes)
        now = self.clock() // 1000
        own = _sessionless(found, now, self.access.ttl.at(now), client.proof_key)
        draft = self.access.draft(own, scopes=wanted, claims={}, now=now)
        draft.check_fits()
        return ClientToken(
            access_token=draft.sign(found.epoch),
            scopes=wanted,
            issued_at=now,
            token_type=own.token_type,
        )

    async def count_inactive(self, client: OAuthClient) -> None:
        """Count an answer that a token is not active.

        Raises:
            Throttled: this client got too many.
        """
        now = self.clock() // 1000
        wait = self._full_until.get(client.id, now) - now
        if wait <= 0:
            bucket = Bucket(key=f"inactive tokens asked by {client.id}", rate=INACTIVE_PER_CLIENT)
            wait = await self.store.count_attempt([bucket], now=now)
            self._full_until[client.id] = now + wait
        if wait > 0:
            raise Throttled(wait)

    async def revoke_token(self, principal: Principal, *, client: ClientInfo) -> None:
        """Revoke one token of a client, which this node has verified.

        Raises:
            Throttled: too many of this client's.
        """
        bucket = Bucket(key=f"revoke tokens of {principal.subject}", rate=REVOCATIONS_PER_CLIENT)
        now = self.clock() // 1000
        if wait := await self.store.count_attempt([bucket], now=now):
            raise Throttled(wait)
        event = Event(
            kind="token_revoked",
            at_ms=self.clock(),
            subject=principal.subject,
            session=principal.session_id,
            address=client.address,
            cause="by its bearer",
        )
        await self.store.revoke(EndToken(id=principal.session_id, subject=principal.subject), event, now=now)

    async def _change(self, client_id: str, change: ClientChange, kind: EventKind, *, cause: str) -> None:
        event = self._event(kind, client_id, cause=cause)
        if not await self.store.change_client(client_id, change, event, now=self.clock() // 1000):
            raise NotFound("no registered client has this id")

    def _checked(self, scopes: Iterable[str]) -> tuple[str, ...]:
        tokens = scope_tokens(scopes)
        self.check_scopes(tokens)
        return tokens

    def _event(
        self,
        kind: EventKind,
        client_id: str,
        *,
        cause: str,
        address: str = "",
        detail: dict[str, str] | None = None,
    ) -> Event:
        return Event(
            kind=kind, at_ms=self.clock(), subject=client_id, address=address, cause=cause, detail=detail or {}
        )


def _sessionless(client: OAuthClient, now: int, ttl: int, proof_key: str) -> Session:
    """What a token of a client says in the place of a session: it is over with the token."""
    return Session(
        id=secrets.token_urlsafe(SESSION_ID_BYTES),
        subject=client.id,
        client_id=client.id,
        scopes=client.scopes,
        created_at=now,
        auth_time=now,
        last_seen_at=now,
        idle_seconds=ttl,
        expires_at=now + ttl,
        minted_ms=now * 1000,
        confirmed_ms=now * 1000,
        proof_key=proof_key,
    )
