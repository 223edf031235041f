"""The SDK's own server and client: what its `TokenVerifier` cannot say is said, and a session that ends is refused."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from starlette.authentication import AuthenticationError
from starlette.routing import Mount

from sealring import ForeignPrincipal, Sealring, jwt
from sealring.frameworks.mcp import TokenVerifier
from sealring.remote_verifier import Verifier
from sealring.testing import InMemorySealring, verifier_of
from tests.ports import free_port

pytestmark = pytest.mark.anyio

ISSUER = "https://auth.example.com"
RESOURCE = "https://mcp.example.com/mcp"
POST = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def issuer(**options: Any) -> InMemorySealring:
    return InMemorySealring(issuer=ISSUER, audience=RESOURCE, **options)


async def token_of(auth: Sealring, subject: str = "42", scopes: tuple[str, ...] = ("orders:read",)) -> str:
    return (await auth.start_session(subject, scopes=scopes)).access_token.text


@asynccontextmanager
async def served(
    tokens: TokenVerifier,
    *,
    middleware: bool = True,
    port: int | None = None,
    issuer: str = ISSUER,
    resource: str = RESOURCE,
) -> AsyncIterator[str]:
    """The address of a real MCP server, in this event loop."""
    port = free_port() if port is None else port
    mcp = MCPServer(
        "orders",
        token_verifier=tokens,
        auth=AuthSettings.model_validate(
            {
                "issuer_url": issuer,
                "resource_server_url": resource,
                "validate_token_resource": True,
                "required_scopes": ["orders:read"],
            }
        ),
    )

    @mcp.tool()
    async def whoami() -> str:
        """Who asks."""
        token = get_access_token()
        assert token is not None
        claims = token.claims or {}
        return f"{token.subject} {token.client_id} {token.scopes} {claims.get('org')} {claims['sid']}"

    app = mcp.streamable_http_app()
    if middleware:
        app.add_middleware(tokens.middleware)
    async with listening(app, port):
        yield f"http://127.0.0.1:{port}/mcp"


@asynccontextmanager
async def listening(app: Any, port: int) -> AsyncIterator[None]:
    """Serve an application in this event loop."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


async def call(url: str, token: str) -> str:
    """What the tool answers to the SDK's own client."""
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=10, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as opened,
    ):
        (content,) = (await opened.call_tool("whoami")).content
        return str(getattr(content, "text", content))


async def status_of(url: str, token: str | None) -> httpx2.Response:
    fields = POST if token is None else POST | {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as http:
        return await http.post(url, json=INITIALIZE, headers=fields)


@pytest.mark.parametrize("remote", [True, False])
async def test_a_tool_knows_who_calls_until_the_session_is_revoked(remote: bool) -> None:  # noqa: FBT001
    auth = issuer()
    async with auth.lifespan():
        verifier: Verifier | Sealring = verifier_of(auth) if remote else auth
        async with served(TokenVerifier(verifier)) as url:
            issued = await auth.start_session("42", scopes=["orders:read", "orders:write"], claims={"org": "7"})
            token = issued.access_token.text
            client_id = jwt.peek(token).claims["client_id"]
            said = f"42 {client_id} ['orders:read', 'orders:write'] 7 {issued.session.id}"
            assert await call(url, token) == said
            await auth.revoke_session(issued.session.id)
            if isinstance(verifier, Verifier):
                await verifier.follower.poll()
            answer = await status_of(url, token)
            assert answer.status_code == 401
            assert 'resource_metadata="https://mcp.example.com/.well-known/' in answer.headers["www-authenticate"]
            with pytest.raises(BaseException):  # noqa: B017, PT011  # whatever the SDK's client makes of a 401
                await call(url, token)


async def test_a_program_gets_its_token_and_is_refused_when_an_operator_removes_it() -> None:
    """All over HTTP: client credentials, the feed, and the call. The MCP server has no secret."""
    issuer_url, port = f"http://127.0.0.1:{(issuer_port := free_port())}", free_port()
    resource = f"http://127.0.0.1:{port}/mcp"
    auth = InMemorySealring(issuer=issuer_url, audience=resource)
    app = Starlette(routes=[Mount("/auth", auth.asgi())], lifespan=auth.lifespan)
    async with listening(app, issuer_port):
        verifier = Verifier.from_issuer(f"{issuer_url}/auth", audience=resource, clock=auth.clock)
        async with served(TokenVerifier(verifier), port=port, issuer=issuer_url, resource=resource) as url:
            registered = await auth.clients.register("nightly report", scopes=["orders:read"])
            async with httpx2.AsyncClient(trust_env=False, timeout=10) as http:
                answer = await http.post(
                    f"{issuer_url}/auth/token",
                    auth=(registered.client.id, registered.secret),
                    data={"grant_type": "client_credentials", "resource": resource},
                )
            token = answer.json()["access_token"]
            assert (await call(url, token)).startswith(f"{registered.client.id} {registered.client.id} ['orders:read']")
            await auth.clients.remove(registered.client.id)
            async with asyncio.timeout(5):  # I1: the staleness bound; the long poll brings it at once
                await refused(url, token)


async def refused(url: str, token: str) -> None:
    status = 0
    while status != 401:
        status = (await status_of(url, token)).status_code


async def test_what_else_is_refused() -> None:
    auth = issuer()
    other = InMemorySealring(issuer=ISSUER, audience="https://other.example.com/mcp")
    async with auth.lifespan(), other.lifespan(), served(TokenVerifier(auth)) as url:
        for token, status in (
            (None, 401),
            ("junk", 401),
            (await token_of(other), 401),
            (await token_of(auth, scopes=("orders:write",)), 403),
            (await token_of(auth), 200),
        ):
            assert (await status_of(url, token)).status_code == status


async def test_f4_out_of_date_is_503_and_never_a_reason_to_log_in_again() -> None:
    auth = issuer()
    async with auth.lifespan():
        token = await token_of(auth)
        verifier = verifier_of(auth)
        tokens = TokenVerifier(verifier)
        async with served(tokens) as url:
            assert (await status_of(url, token)).status_code == 200
            with auth.outage():
                auth.clock.advance("10s")
                answer = await status_of(url, token)
                assert (answer.status_code, answer.json()["code"]) == (503, "stale")
                assert int(answer.headers["retry-after"]) >= 1
                with pytest.raises(AuthenticationError):  # as the SDK gets it without the middleware
                    await tokens.verify_token(token)
            await verifier.follower.poll()
            assert (await status_of(url, token)).status_code == 200


async def test_f4_without_the_middleware_out_of_date_is_no_401_either() -> None:
    auth = issuer()
    async with auth.lifespan():
        token = await token_of(auth)
        verifier = verifier_of(auth)
        async with served(TokenVerifier(verifier), middleware=False) as url:
            assert (await status_of(url, token)).status_code == 200  # opened by the first request
            with auth.outage():
                auth.clock.advance("10s")
                assert (await status_of(url, token)).status_code == 400
        await verifier.close()


async def test_d23_an_event_stream_ends_with_its_session() -> None:
    auth = issuer()
    async with auth.lifespan(), served(TokenVerifier(auth)) as url:
        issued = await auth.start_session("42", scopes=["orders:read"])
        fields = POST | {"Authorization": f"Bearer {issued.access_token.text}"}
        async with httpx2.AsyncClient(trust_env=False, timeout=10, headers=fields) as http:
            begun = await http.post(url, json=INITIALIZE)
            http.headers["Mcp-Session-Id"] = begun.headers["mcp-session-id"]
            await http.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
            async with http.stream("GET", url) as stream:
                assert stream.status_code == 200
                reading = asyncio.create_task(drained(stream))
                await asyncio.sleep(0.1)
                assert not reading.done()
                await auth.revoke_session(issued.session.id)
                async with asyncio.timeout(5):
                    await reading
            assert (await http.post(url, json=INITIALIZE)).status_code == 401


async def drained(stream: httpx2.Response) -> None:
    with contextlib.suppress(httpx2.RemoteProtocolError):  # cut, as it is: no last chunk
        async for _ in stream.aiter_bytes():
            pass


async def test_tokens_of_another_issuer_name_their_own_resource() -> None:
    key = jwt.Key.generate("ES256")
    auth = issuer(foreign_tokens=jwt.Verifier(key, audience=jwt.ANY, project=ForeignPrincipal()))
    async with auth.lifespan():
        for aud, resource in (
            (RESOURCE, RESOURCE),
            (["https://a.example.com", RESOURCE], RESOURCE),
            (["https://a.example.com"], "https://a.example.com"),
            (None, None),
        ):
            tokens = TokenVerifier(auth, resource=RESOURCE)
            found = await tokens.verify_token(jwt.sign({"sub": "42"}, key, audience=aud, expires_in=60))
            assert found is not None
            assert (found.subject, found.resource) == ("42", resource)


@pytest.mark.parametrize("wrong", [None, "https://auth.example.com", jwt.Verifier(jwt.Key.generate("HS256"))])
async def test_what_is_no_verifier_is_named(wrong: Any) -> None:
    with pytest.raises(TypeError, match="verifier must be a Verifier or a Sealring"):
        TokenVerifier(wrong)
