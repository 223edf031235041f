"""What all endpoints stand on: the two halves, the cookies, and who our own pages are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sealring.authentication.client_info import ClientInfo
from sealring.http.auth_path import auth_path
from sealring.http.client_address import TrustedProxy, client_address
from sealring.http.client_info import client_info
from sealring.http.cookies import CookiePolicy, read_cookies
from sealring.http.credentials import PresentedToken, find_credential
from sealring.http.delivery import TokenDelivery
from sealring.http.endpoint import Call, Endpoint, Head, HeaderList
from sealring.http.fetch_metadata import check_csrf
from sealring.http.proofs import ProofChecker, has_proof
from sealring.http.schemas import Delivery, Options, Tokens, User
from sealring.http.server_metadata import ServerMetadata
from sealring.http.verifying_service import VerifyingService
from sealring.pages.frame import Pages
from sealring.sessions.csrf import CsrfTokens

if TYPE_CHECKING:  # what only verifies imports this for its type, and has no Argon2
    from sealring.issuer.issuer import Issuer
    from sealring.issuer.session_tokens import Issued
    from sealring.issuer.status_list import StatusLists


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthService(VerifyingService):
    """One set of auth routes, wherever it is mounted."""

    issuer: Issuer
    delivery: TokenDelivery
    """How tokens reach a client."""
    trusted_proxies: tuple[TrustedProxy, ...]
    jwks_max_age: int
    status_lists: StatusLists
    """The Token Status List, where one is published."""
    published: ServerMetadata
    """What OAuth clients read of this issuer."""
    options: Options
    """What login pages read of it."""
    pages: Pages | None = None
    """The pages, where they are served."""
    proofs: ProofChecker | None = None
    """Checks DPoP proofs where tokens are issued; none where it is turned off."""
    needs_proof: bool = False
    """Whether every token in a body must be bound to a key."""
    passkey_page: str = ""
    """Where users add and remove passkeys; empty where nobody says."""

    @property
    def cookies(self) -> CookiePolicy:
        """Names and attributes of our cookies."""
        return self.delivery.cookies

    @property
    def csrf_tokens(self) -> CsrfTokens:
        """Makes and matches the CSRF tokens of sessions."""
        return self.delivery.csrf_tokens

    def credential(self, head: Head) -> PresentedToken | None:
        """The access token that came, unverified."""
        return find_credential(head.headers, self.cookies.names.access)

    def is_by_cookie(self, head: Head) -> bool:
        """Whether the access token came in a cookie."""
        credential = self.credential(head)
        return credential is not None and credential.from_cookie

    def check_csrf(self, head: Head, session_id: str) -> None:
        """Let a request act on the cookies of a session (I13).

        Raises:
            CrossSite: nothing proves that a page of our own asks.
        """
        check_csrf(head.headers, self.origins, session_id, self.csrf_tokens.matches)

    def held_session(self, head: Head) -> str | None:
        """The session that this browser holds, by the cookie that no other host can write."""
        return self.delivery.held_session(head.headers)

    def refresh_cookies(self, head: Head) -> list[str]:
        """Every refresh cookie that came: ours, one of an earlier path, one that a sibling host planted (N3, N5)."""
        return [value.decode("ascii") for value in read_cookies(head.headers, self.cookies.names.refresh)]

    def bound_refresh(self, head: Head) -> str | None:
        """The refresh token in the cookie that counts: the newest of the session that this browser holds."""
        held = self.held_session(head)
        if held is None:
            return None
        return self.issuer.sessions.tokens.newest_refresh_token(held, self.refresh_cookies(head))

    def holds_session(self, head: Head) -> bool:
        """Whether the session and the refresh cookie of one session came.

        Raises:
            CrossSite: they did, and nothing proves that a page of our own asks.
        """
        text = self.bound_refresh(head)
        if text is None:
            return False
        self.check_csrf(head, self.issuer.sessions.tokens.session_of(text))
        return True

    def check_room(self, endpoint: Endpoint, path: Mapping[str, str], head: Head) -> None:
        """Refuse a login before its body is read, where it would not even get into the queue (I14, N7).

        Raises:
            Overloaded: its network waits as much as any.
            UnknownMethod: the path names no login method that is in use.
        """
        if endpoint.queue == "hashing" or (endpoint.queue == "method" and self._costs_hash(path["method"])):
            self.issuer.accounts.refuse_when_full(ClientInfo(client_address(head.scope, self.trusted_proxies)))

    def _costs_hash(self, method: str) -> bool:
        return self.issuer.logins.authenticator.find(method).row.costs_hash

    def client(self, head: Head, *, device: str | None = None) -> ClientInfo:
        """Where the request came from; `device` is what its body says of that, which counts before a cookie."""
        client = client_info(head.scope, trusted_proxies=self.trusted_proxies, device_cookie=self.cookies.names.device)
        return client if device is None else replace(client, device_cookie=device)

    def proved_client(self, call: Call[Any], *, device: str | None = None) -> ClientInfo:
        """As `client`, with the key of the request's DPoP proof, to which the tokens in the body will be bound.

        Where DPoP is off, a proof is not looked at, and the client sees by `token_type` that its tokens are bound to
        nothing (RFC 9449 §5).

        Raises:
            InvalidProof: a proof came that is not valid, or needs a nonce; or all tokens must be bound, and none came.
        """
        client = self.client(call.head, device=device)
        if self.proofs is None or not (self.needs_proof or has_proof(call.head.headers)):
            return client
        key = self.proofs.check(call.head.scope).thumbprint
        call.headers.append((b"dpop-nonce", self.proofs.nonce().encode()))
        return replace(client, proof_key=key)

    def max_access_chars(self, head: Head, delivery: Delivery) -> int | None:
        """See `TokenDelivery.max_access_chars`."""
        return self.delivery.max_access_chars(head.headers, delivery)

    def deliver(
        self,
        head: Head,
        headers: HeaderList,
        issued: Issued,
        delivery: Delivery,
        *,
        user: User | None = None,
        device: str | None = None,
        depth: int = 1,
    ) -> Tokens:
        """The tokens in the body, or in cookies that no script can read (design D10).

        `depth` is how many segments the route has below the auth path.
        """
        refresh_path = auth_path(head.scope, depth=depth)
        delivered = self.delivery.deliver(issued, delivery, refresh_path=refresh_path, user=user, device=device)
        headers.extend(delivered.headers)
        return delivered.body

    def clear_cookies(self, head: Head, headers: HeaderList, *, depth: int = 1) -> None:
        """Have the browser forget its session; `depth` is how many segments the route has below the auth path."""
        headers.extend(self.cookies.clear(auth_path=auth_path(head.scope, depth=depth)))
