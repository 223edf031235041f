"""What all auth routes stand on: the two halves, the cookies, and who our own pages are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request, Response, Security

from sealring.http.auth_path import auth_path
from sealring.http.client_address import TrustedProxy, client_address
from sealring.http.client_origin import client_origin
from sealring.http.cookies import CookiePolicy, read_cookie, read_cookies
from sealring.http.credentials import Credential, find_credential
from sealring.http.fetch_metadata import check_no_foreign_page
from sealring.http.gate import Gate
from sealring.http.openapi import Described
from sealring.http.problems import Refused
from sealring.http.routes.wire import Delivery, Tokens, User
from sealring.http.strict_route import counting
from sealring.issuer.issuer import Issuer
from sealring.issuer.origin import Origin
from sealring.issuer.sessions import Issued
from sealring.sessions.csrf import CsrfTokens
from sealring.sessions.session_cookie import SessionCookieCodec
from sealring.verifier.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSite:
    """One mounted set of auth routes."""

    issuer: Issuer
    gate: Gate
    cookies: CookiePolicy
    csrf_tokens: CsrfTokens
    session_cookies: SessionCookieCodec
    origins: frozenset[bytes]
    """Where our own pages come from."""
    trusted_proxies: tuple[TrustedProxy, ...]
    open: Callable[[], Awaitable[None]]
    """Opens the store on the first request where no lifespan did."""
    jwks_max_age: int
    password_grant: bool
    """Whether the token endpoint takes passwords (RFC 9700 §2.4 says that it must not)."""
    refused: Refused | None = None
    """Counts refusals by their true cause."""

    def router(self) -> APIRouter:
        """A router whose refusals are problem details, and counted."""
        return APIRouter(route_class=counting(self.refused))

    def guarded_router(self) -> APIRouter:
        """The same, for those only who are logged in: nobody else learns what its routes read."""

        async def admit(request: Request) -> None:
            await self.open()
            self.caller(request)

        return APIRouter(route_class=counting(self.refused, admit=admit), dependencies=[Security(Described())])

    def caller(self, request: Request) -> Principal:
        """Who is asking.

        Raises:
            SealringError: nobody whom we know.
        """
        return self.gate.finding(request.scope).require()

    def credential(self, request: Request) -> Credential | None:
        """The access token that came, unverified."""
        return find_credential(request.scope["headers"], self.cookies.names.access)

    def refuse_foreign_page(self, request: Request) -> None:
        """Refuse what another site's page sends, cookies or none (C2).

        Raises:
            CrossSite: the browser says so.
        """
        check_no_foreign_page(request.scope["headers"], self.origins)

    def held_session(self, request: Request) -> str | None:
        """The session that this browser holds, by the cookie that no other host can write."""
        text = self._cookie(request, self.cookies.names.session)
        return None if text is None else self.session_cookies.decode(text)

    def refresh_cookies(self, request: Request) -> list[str]:
        """Every refresh cookie that came: ours, one of an earlier path, one that a sibling host planted (N3, N5)."""
        found = read_cookies(request.scope["headers"], self.cookies.names.refresh)
        return [value.decode("ascii") for value in found]

    def bound_refresh(self, request: Request) -> str | None:
        """The refresh token in the cookie that counts: the newest of the session that this browser holds."""
        held = self.held_session(request)
        if held is None:
            return None
        return self.issuer.sessions.newest_refresh_token(held, self.refresh_cookies(request))

    def refuse_when_full(self, request: Request) -> None:
        """Refuse a log-in before its body is validated, where it would not even get into the queue (I14, N7).

        Raises:
            Overloaded: its network waits as much as any.
        """
        self.issuer.accounts.refuse_when_full(Origin(client_address(request.scope, self.trusted_proxies)))

    def origin(self, request: Request, *, device: str | None = None) -> Origin:
        """Where the request came from; `device` is what its body says of that, which counts before a cookie."""
        origin = client_origin(
            request.scope, trusted_proxies=self.trusted_proxies, device_cookie=self.cookies.names.device
        )
        return origin if device is None else replace(origin, device_cookie=device)

    def deliver(
        self, request: Request, response: Response, issued: Issued, delivery: Delivery, *, user: User | None = None
    ) -> Tokens:
        """The tokens in the body, or in cookies that no script can read (D10); for routes one segment below us."""
        expires_in, refresh_expires_in = issued.expires_in, issued.refresh_expires_in
        if delivery == "body":
            return Tokens(
                access_token=issued.access_token.text,
                token_type="Bearer",  # noqa: S106 - the type's name (RFC 6750 §4)
                expires_in=expires_in,
                refresh_token=issued.refresh_token,
                refresh_expires_in=refresh_expires_in,
                scope=" ".join(issued.scopes),
                user=user,
            )
        response.raw_headers.append(self.cookies.set_access(issued.access_token.text, expires_in))
        session_cookie = self.session_cookies.encode(issued.session.id)
        response.raw_headers.append(self.cookies.set_session(session_cookie, refresh_expires_in))
        refresh_path = auth_path(request.scope)
        response.raw_headers.append(
            self.cookies.set_refresh(issued.refresh_token, refresh_expires_in, auth_path=refresh_path)
        )
        return Tokens(
            expires_in=expires_in,
            refresh_expires_in=refresh_expires_in,
            csrf_token=self.csrf_tokens.token(issued.session.id),
            refresh_path=refresh_path,
            scope=" ".join(issued.scopes),
            user=user,
        )

    def clear_cookies(self, request: Request, response: Response, *, depth: int = 1) -> None:
        """Have the browser forget its session; `depth` is how many segments the route has below the auth path."""
        response.raw_headers.extend(self.cookies.clear(auth_path=auth_path(request.scope, depth=depth)))

    def _cookie(self, request: Request, name: bytes) -> str | None:
        value = read_cookie(request.scope["headers"], name)
        return None if value is None else value.decode("ascii")
