"""MCP: a `TokenVerifier` for servers of the Model Context Protocol, whose access tokens can be revoked at once.

    verifier = Verifier.from_issuer("https://auth.example.com/auth", audience="https://mcp.example.com/mcp")
    tokens = TokenVerifier(verifier)
    server = MCPServer("orders", token_verifier=tokens, auth=AuthSettings(issuer_url=…, resource_server_url=…, …))
    app = server.streamable_http_app()
    app.add_middleware(tokens.middleware)

The SDK reads the Authorization field, checks scopes, writes challenges and the metadata of RFC 9728. It knows two
answers, a token or none, and looks at a token once for each request. So the middleware adds what it cannot say: 503
where revocation data on this node is out of date, which must not send a client to log in again, and the end of an
event stream when its session ends (design D23).
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Any, Protocol

try:
    import mcp  # noqa: F401 - asked for first, so that the answer says what to install
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{__name__} needs the package {missing.name}: pip install mcp", name=missing.name
    ) from missing
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthenticationError

from sealring.errors import SealringError, Stale
from sealring.frameworks.lifespan import Lifespan
from sealring.http.asgi_types import App, Message, Receive, Scope, Send
from sealring.http.authenticate import RequestAuthenticator
from sealring.http.problems import answer, send_answer
from sealring.verifier.open_connections import EndedBy, OpenConnection
from sealring.verifier.principal import Principal

__all__ = ["TokenVerifier"]

_EVENT_STREAM = b"text/event-stream"


class VerifiesForMcp(Protocol):
    """A `Verifier`, or the `Sealring` of the same process."""

    authenticator: RequestAuthenticator

    def lifespan(self, app: Any = None, /) -> AbstractAsyncContextManager[None]:
        """Open it, and close it in the end."""


class TokenVerifier:
    """The `token_verifier` of an MCP server: checks tokens from memory, and refuses those of revoked sessions.

    Args:
        verifier: a `Verifier`, or the `Sealring` of the same process. Its audience is the address of the MCP server
            (RFC 8707); then `validate_token_resource=True` of the SDK's `AuthSettings` holds.
        resource: the address of the MCP server, where tokens name several audiences.

    Raises:
        TypeError: it is neither.

    >>> from sealring.testing import InMemorySealring
    >>> tokens = TokenVerifier(InMemorySealring(audience="https://mcp.example.com/mcp"))
    """

    def __init__(self, verifier: VerifiesForMcp, *, resource: str | None = None) -> None:
        if not isinstance(getattr(verifier, "authenticator", None), RequestAuthenticator):
            raise TypeError(f"verifier must be a Verifier or a Sealring, not {type(verifier).__name__}")
        self._verifier = verifier
        self._resource = resource
        self._authenticator = verifier.authenticator

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return who the bearer is; None for a token that is refused. The SDK calls this.

        Args:
            token: as it was sent.

        Returns:
            The SDK's `AccessToken`: `client_id`, `scopes`, `expires_at` and `subject` of the token, all its `claims`,
            and its audience as `resource`.

        Raises:
            AuthenticationError: revocation data is out of date. Behind the middleware the client gets 503, without it
                400, and never the 401 that would send it to log in again.

        Example:
            >>> tokens = TokenVerifier(auth)
            >>> issued = await auth.start_session("42", scopes=["orders:read"])
            >>> (await tokens.verify_token(issued.access_token.text)).scopes
            ['orders:read']
            >>> await auth.revoke_session(issued.session.id)
            True
            >>> await tokens.verify_token(issued.access_token.text) is None
            True
        """
        request = _request.get(None)
        field = b"Bearer " + token.encode("latin-1", "replace")
        scope = {"type": "http", "method": "GET", "path": "mcp", "headers": [(b"authorization", field)]}
        if request is not None:
            scope["path"] = request.path
        found = await self._authenticator.authenticate_when_open(scope)
        if found.principal is not None:
            if request is not None:
                request.principal = found.principal
            return self._access_token(token, found.principal)
        refusal = found.refusal
        if refusal is not None and not (isinstance(refusal, Stale) and request is not None):
            self._authenticator.report(refusal, scope)
        if isinstance(refusal, Stale):
            if request is not None:
                request.stale = refusal
            raise AuthenticationError(str(refusal))
        return None

    def middleware(self, app: App) -> McpMiddleware:
        """Return the ASGI middleware: `app.add_middleware(tokens.middleware)`.

        It opens and closes the verifier with the application, answers 503 with Retry-After where revocation data is
        out of date, and ends event streams when the session ends.

        Args:
            app: the server's `streamable_http_app()` or `sse_app()`.

        Returns:
            An ASGI application.

        Example:
            >>> from mcp.server.mcpserver import MCPServer
            >>> from sealring.testing import InMemorySealring
            >>> tokens = TokenVerifier(InMemorySealring())
            >>> app = MCPServer("orders").streamable_http_app()
            >>> app.add_middleware(tokens.middleware)
        """
        return McpMiddleware(app, self._verifier, self._authenticator)

    def _access_token(self, token: str, principal: Principal) -> AccessToken:
        return AccessToken(
            token=token,
            client_id=principal.client_id or principal.subject,
            scopes=sorted(principal.scopes),
            expires_at=principal.expires_at,
            resource=_resource(principal.claims.get("aud"), self._resource),
            subject=principal.subject,
            claims=dict(principal.claims),
        )


def _resource(aud: object, wanted: str | None) -> str | None:
    """Return the one of the token's audiences that the SDK compares with `resource_server_url` (RFC 8707 §2)."""
    names = [aud] if isinstance(aud, str) else list(aud) if isinstance(aud, list | tuple) else []
    return wanted if wanted in names else next(iter(names), None)


class _Request:
    """What is known of the request that is being served."""

    __slots__ = ("path", "principal", "stale")

    def __init__(self, path: str) -> None:
        self.path = path
        self.principal: Principal | None = None
        self.stale: Stale | None = None


_request: ContextVar[_Request | None] = ContextVar("sealring_mcp_request", default=None)


class McpMiddleware:
    """What `TokenVerifier.middleware` returns."""

    def __init__(self, app: App, verifier: VerifiesForMcp, authenticator: RequestAuthenticator) -> None:
        self._app = app
        self._authenticator = authenticator
        self._lifespan = Lifespan(app, verifier.lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope of ASGI 3.0."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(scope["path"])
        stream = _Stream(request, self._authenticator, scope, send)
        before = _request.set(request)
        try:
            await self._app(scope, receive, stream.send)
        except asyncio.CancelledError:
            if not stream.ended:
                raise
            stream.uncancel()
            # without a last chunk, the server closes the connection, and the client sees that the stream was cut
        finally:
            _request.reset(before)
            stream.close()


class _Stream:
    """`send` of one request: 503 in place of the SDK's answer, and the end of an event stream."""

    def __init__(self, request: _Request, authenticator: RequestAuthenticator, scope: Scope, send: Send) -> None:
        self._request = request
        self._authenticator = authenticator
        self._scope = scope
        self._send = send
        self._task = asyncio.current_task()
        self._connection: OpenConnection | None = None
        self.ended = False

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        request = self._request
        if self.ended:
            return
        if request.stale is not None:
            if message["type"] == "http.response.start":
                await self._refuse(request.stale)
            return
        watch = self._authenticator.watch
        if request.principal is not None and watch is not None and _begins_stream(message):
            try:
                self._connection = watch(request.principal, self._end)
            except SealringError as error:  # since it was verified
                request.stale = error if isinstance(error, Stale) else None
                await self._refuse(error)
                self._end("session")
                return
        await self._send(message)

    def close(self) -> None:
        """The request is over."""
        if self._connection is not None:
            self._connection.close()

    def uncancel(self) -> None:
        """Take back that the task is to end: what cancels it is over."""
        if self._task is not None:
            self._task.uncancel()

    async def _refuse(self, error: SealringError) -> None:
        self._authenticator.report(error, self._scope)
        await send_answer(answer(error), self._scope, self._send)

    def _end(self, _: EndedBy) -> None:
        self.ended = True
        if self._task is not None:
            self._task.cancel()


def _begins_stream(message: Message) -> bool:
    if message["type"] != "http.response.start":
        return False
    return any(name == b"content-type" and value.startswith(_EVENT_STREAM) for name, value in message["headers"])
