"""For routes of an application's own: who asks, how the tokens reach the client, how a refusal is answered.

By the same functions as our own routes, on requests and responses of any framework.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import to_builtins

from sealring.application.lifecycle import Lifecycle
from sealring.authentication.client_info import ClientInfo
from sealring.errors import SecondFactorRequired
from sealring.frameworks.responses import write_fields
from sealring.http.auth_path import auth_path as auth_path_of
from sealring.http.client_address import plain_address
from sealring.http.client_info import AnyRequest, client_info, scope_of
from sealring.http.fetch_metadata import SAFE_METHODS, check_same_origin
from sealring.http.proofs import has_proof
from sealring.http.schemas import Delivery, User
from sealring.issuer.account_commands import check_optional_text, check_text
from sealring.issuer.log_in import BegunLogin, LoggedIn
from sealring.issuer.reauthentication import Reauthenticated
from sealring.issuer.session_tokens import Issued
from sealring.verifier.principal import Principal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

NO_STORE = (b"cache-control", b"no-store")


class Recipient(NamedTuple):
    """Where the tokens of a session go: what must be known of it before the session is written."""

    held: str | None
    """The session that this browser held: it ends (C1). None for a program, which has no cookies."""
    max_access_chars: int | None
    """How long an access token it keeps (N12)."""


class OwnRoutes(Lifecycle):
    """Reads the requests and writes the responses of an application's own routes."""

    def refuse_cross_site(self, request: AnyRequest) -> None:
        """Refuse in a route of your own what another site's page sends, cookies or none, as our login does (C2).

        Args:
            request: the request that asks, of any framework, an ASGI scope or a WSGI environ.

        Raises:
            CrossSite: the browser says that it was another site's page. A program passes.

        Source: Fetch Metadata Request Headers, `Sec-Fetch-Site`.

        >>> auth.refuse_cross_site({"type": "http", "headers": [(b"sec-fetch-site", b"same-origin")]})
        >>> auth.refuse_cross_site({"type": "http", "headers": [(b"sec-fetch-site", b"cross-site")]})
        Traceback (most recent call last):
        sealring.http.request_errors.CrossSite: sent by another site's page
        """
        check_same_origin(scope_of(request)["headers"], self.authenticator.origins)

    async def problem_response(self, request: Request | WebSocket, error: Exception) -> Response:
        """Answer a route of your own with the refusal that it raised, as our routes do (RFC 9457).

        `app.add_exception_handler(SealringError, auth.problem_response)`. A setting or a key that is not as needed is
        no refusal: it is raised again, a server error. An open WebSocket is closed with a code that says why
        (docs/how-to/websockets.md), or 1008; one not yet accepted is refused.

        Args:
            request: the request of Starlette or FastAPI, or the WebSocket.
            error: a `SealringError`, or the 403 of Starlette's `@requires`.

        Returns:
            The response; None for a WebSocket that was closed.

        >>> from sealring import WrongCredentials
        >>> from starlette.requests import Request
        >>> request = Request({"type": "http", "method": "POST", "path": "/login", "headers": []})
        >>> answer = await auth.problem_response(request, WrongCredentials())
        >>> answer.status_code, answer.headers["content-type"]
        (401, 'application/problem+json')
        """
        from sealring.frameworks.starlette import answer_refusal  # noqa: PLC0415 - as `Hosts`

        return await answer_refusal(request, error, self.refused)

    def deliver(
        self,
        response: object,
        issued: Issued | LoggedIn | Reauthenticated | SecondFactorRequired | BegunLogin,
        *,
        request: AnyRequest | None = None,
        auth_path: str | None = None,
    ) -> dict[str, Any]:
        """Hand over the tokens of a session that was started in a route of your own.

        With `delivery="cookie"` at the start, the cookies of our own login are set on the response. The auth routes
        serve them from there on: refresh, logout, the list of sessions.

        Args:
            response: of Starlette, FastAPI, Litestar, Django, Flask or Quart; it gets cookies and `Cache-Control:
                no-store`.
            issued: what `start_session`, `reauthenticate_session`, `refresh_session`, `log_in`, `log_in_by` or
                `register` gave. Of a login that
                is not complete: the `SecondFactorRequired` that was raised, or what `begin_login` gave; the answer
                then gets the cookie that binds the login to this browser, if it is to have cookies.
            request: the request that asks: where the browser sees this application (`root_path`).
            auth_path: where the browser sees the auth routes, such as "/shop/auth"; left out, at the setting
                `auth_path` of the application that this request reached.

        Returns:
            What belongs in the body, as JSON: the tokens, or, with cookies, `csrf_token` and how long they live. Of a
            login that is not complete: `pending` and `methods`, or `challenge`.

        Raises:
            TypeError: a response of another framework, or `issued` that is no such value.
            ValueError: an `auth_path` that a cookie cannot have.

        >>> from starlette.responses import Response
        >>> response = Response()
        >>> body = auth.deliver(response, await auth.start_session("42"))
        >>> sorted(body)
        ['access_token', 'expires_in', 'refresh_expires_in', 'refresh_token', 'scope', 'token_type']
        >>> response.headers["cache-control"]
        'no-store'
        """
        if isinstance(issued, SecondFactorRequired | BegunLogin):
            write_fields(response, [*(() if issued.cookie is None else (issued.cookie,)), NO_STORE])
            if isinstance(issued, BegunLogin):
                return {"challenge": dict(issued.challenge)}
            return {"pending": issued.pending, "methods": list(issued.methods)}
        members: dict[str, Any]
        if isinstance(issued, Reauthenticated):
            again = self.delivery.deliver_access(
                issued, issued.delivery, refresh_path=self._refresh_path(request, auth_path)
            )
            write_fields(response, [*again.headers, NO_STORE])
            members = to_builtins(again.body)
            return members
        if not isinstance(issued, Issued | LoggedIn):
            raise TypeError(f"issued must be what start_session or log_in gave, not {type(issued).__name__}")
        logged_in = issued if isinstance(issued, LoggedIn) else None
        tokens = issued.issued if isinstance(issued, LoggedIn) else issued
        delivered = self.delivery.deliver(
            tokens,
            tokens.delivery,
            refresh_path=self._refresh_path(request, auth_path),
            user=None if logged_in is None else User.of(logged_in.account),
            device=None if logged_in is None else logged_in.device,
        )
        write_fields(response, [*delivered.headers, NO_STORE])
        members = to_builtins(delivered.body)
        return members

    def clear(self, response: object, *, request: AnyRequest | None = None, auth_path: str | None = None) -> None:
        """Have the browser forget its session: from a logout of your own, after `revoke_session`.

        Args:
            response: as in `deliver`.
            request: as in `deliver`.
            auth_path: as in `deliver`.

        Raises:
            TypeError, ValueError: as `deliver`.

        >>> from starlette.responses import Response
        >>> response = Response()
        >>> auth.clear(response)
        >>> [cookie.partition("=")[0] for cookie in response.headers.getlist("set-cookie")]
        ['sealring_access', 'sealring_session', 'sealring_refresh']
        """
        cleared = self.delivery.cookies.clear(auth_path=self._refresh_path(request, auth_path))
        write_fields(response, [*cleared, NO_STORE, (b"clear-site-data", b'"cache"')])  # C11

    def csrf_token(self, principal: Principal) -> str:
        """The CSRF token of the principal's session, for forms in pages of your own: sent as `X-CSRF-Token`.

        Args:
            principal: as `verify` or a guard gave it.

        Raises:
            ValueError: the principal has no session (a token of another issuer, which no cookie carries).

        Returns:
            Text for a hidden field or a meta tag: the same for the whole session, and worth nothing with any other.

        >>> user = auth.verify((await auth.start_session("42")).access_token.text)
        >>> auth.csrf_token(user) == auth.csrf_token(user)
        True
        """
        if not principal.session_id:
            raise ValueError("principal has no session: its token is of another issuer and comes in no cookie")
        return self.delivery.csrf_tokens.token(principal.session_id)

    def _counted_client(
        self, request: AnyRequest | None, address: str | None, user_agent: str, *, with_proof: bool = False
    ) -> ClientInfo:
        """Where an attempt came from, which must be said: without an address, all callers would share one count."""
        if request is None and address is None:
            raise TypeError("give request=, the request that asks, or address=, its client's IP address")
        if address is not None:
            check_text(address=address)
            address = plain_address(address)
            if address is None:
                raise ValueError("address must be an IP address, as in 192.0.2.7")
        return self._client(request, address, user_agent, with_proof=with_proof)

    def _login_client(
        self,
        request: AnyRequest | None,
        delivery: Delivery,
        address: str | None,
        user_agent: str,
        device: str | None,
    ) -> ClientInfo:
        """Who takes a step of a login, bound to its browser."""
        client = self._counted_client(request, address, user_agent, with_proof=delivery == "body")
        if device is not None:
            check_text(device=device)
            client = replace(client, device_cookie=device)
        if request is None:
            return client
        return replace(client, browser=self.delivery.login_binding(scope_of(request)["headers"], delivery))

    def _client(
        self, request: AnyRequest | None, address: str | None, user_agent: str, *, with_proof: bool = False
    ) -> ClientInfo:
        """Who is asking; `with_proof`, the key of the request's DPoP proof too, to which tokens in a body are bound.

        Raises:
            InvalidProof: the proof is not valid, or needs a nonce.
            TypeError: arguments that exclude each other.
        """
        check_text(user_agent=user_agent)
        check_optional_text(address=address)
        if request is None:
            return ClientInfo(address or "", user_agent)
        if address is not None or user_agent:
            raise TypeError("give request=, or address= and user_agent=, not both")
        scope = scope_of(request)
        client = client_info(
            scope,
            trusted_proxies=self.settings.trusted_proxies,
            device_cookie=self.delivery.cookies.names.device,
        )
        if self.parts.proofs is None or not with_proof or not has_proof(scope["headers"]):
            return client
        return replace(client, proof_key=self.parts.proofs.at_login.check(scope).thumbprint)

    def _recipient(self, request: AnyRequest | None, delivery: Delivery) -> Recipient:
        """What a session that is to be delivered to this browser must keep to, before anything is written."""
        if delivery == "body":
            return Recipient(None, None)
        if delivery != "cookie":
            raise ValueError('delivery must be "body" or "cookie"')
        if request is None:
            raise TypeError('delivery="cookie" needs request=, the request that asks')
        scope = scope_of(request)
        headers = scope["headers"]
        if scope.get("method") in SAFE_METHODS:  # a redirect back from an identity provider is a GET of its site
            held = self.delivery.held_session(headers)
        else:
            check_same_origin(headers, self.delivery.origins)
            held = self.delivery.replaced_session(headers)
        return Recipient(held, self.delivery.max_access_chars(headers, delivery))

    def _refresh_path(self, request: AnyRequest | None, given: str | None) -> str:
        if given is not None:
            return given
        root = "" if request is None else scope_of(request).get("root_path", "").rstrip("/")
        return auth_path_of({"path": f"{root}{self.settings.auth_path.rstrip('/')}/x", "root_path": root})
