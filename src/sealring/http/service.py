"""What all endpoints stand on: the two halves, the cookies, and who our own pages are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from sealring.authentication.client_info import ClientInfo
from sealring.errors import UnknownKey
from sealring.http.auth_path import auth_path
from sealring.http.authenticate import RequestAuthenticator
from sealring.http.client_address import TrustedProxy, client_address
from sealring.http.client_info import client_info
from sealring.http.cookies import CookiePolicy, read_cookies
from sealring.http.credentials import PresentedToken, find_credential
from sealring.http.delivery import TokenDelivery
from sealring.http.endpoint import Head, HeaderList
from sealring.http.fetch_metadata import check_csrf
from sealring.http.origins import Origins
from sealring.http.problems import OnRefusal
from sealring.http.schemas import Delivery, Tokens, User
from sealring.http.server_metadata import ServerMetadata
from sealring.issuer.issuer import Issuer
from sealring.issuer.session_tokens import Issued
from sealring.sessions.csrf import CsrfTokens
from sealring.verifier.node_state import NodeState
from sealring.verifier.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthService:
    """One set of auth routes, wherever it is mounted."""

    issuer: Issuer
    authenticator: RequestAuthenticator
    node: NodeState
    delivery: TokenDelivery
    """How tokens reach a client."""
    trusted_proxies: tuple[TrustedProxy, ...]
    open: Callable[[], Awaitable[None]]
    """Opens the store on the first request where no lifespan did."""
    jwks_max_age: int
    password_grant: bool
    """Whether the token endpoint takes passwords (RFC 9700 §2.4 says that it must not)."""
    published: ServerMetadata
    """What OAuth clients read of this issuer."""
    refused: OnRefusal | None = None
    """Counts refusals by their true cause."""
    exposition: Callable[[], bytes] | None = None
    """What Prometheus reads; none without metrics."""

    @property
    def cookies(self) -> CookiePolicy:
        """Names and attributes of our cookies."""
        return self.delivery.cookies

    @property
    def csrf_tokens(self) -> CsrfTokens:
        """Makes and matches the CSRF tokens of sessions."""
        return self.delivery.csrf_tokens

    @property
    def origins(self) -> Origins:
        """Where our own pages come from, and those of front ends that the settings trust."""
        return self.authenticator.origins

    def caller(self, head: Head) -> Principal:
        """Who is asking, with a session of ours: these routes do nothing for a token of another issuer.

        Raises:
            SealringError: nobody whom we know.
        """
        principal = self.authenticator.result_for(head.scope).require()
        if not principal.session_id:
            raise UnknownKey("a token of another issuer, for which there is no session")
        return principal

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

    def refuse_when_full(self, head: Head) -> None:
        """Refuse a login before its body is read, where it would not even get into the queue (I14, N7).

        Raises:
            Overloaded: its network waits as much as any.
        """
        self.issuer.accounts.refuse_when_full(ClientInfo(client_address(head.scope, self.trusted_proxies)))

    def costs_hash(self, method: str) -> bool:
        """Whether a login by that method waits for a place to hash.

        Raises:
            UnknownMethod: no such method is in use.
        """
        return self.issuer.logins.authenticator.find(method).row.costs_hash

    def client(self, head: Head, *, device: str | None = None) -> ClientInfo:
        """Where the request came from; `device` is what its body says of that, which counts before a cookie."""
        client = client_info(head.scope, trusted_proxies=self.trusted_proxies, device_cookie=self.cookies.names.device)
        return client if device is None else replace(client, device_cookie=device)

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
        """The tokens in the body, or in cookies that no script can read (D10).

        `depth` is how many segments the route has below the auth path.
        """
        refresh_path = auth_path(head.scope, depth=depth)
        delivered = self.delivery.deliver(issued, delivery, refresh_path=refresh_path, user=user, device=device)
        headers.extend(delivered.headers)
        return delivered.body

    def clear_cookies(self, head: Head, headers: HeaderList, *, depth: int = 1) -> None:
        """Have the browser forget its session; `depth` is how many segments the route has below the auth path."""
        headers.extend(self.cookies.clear(auth_path=auth_path(head.scope, depth=depth)))
