"""A provider of OpenID Connect on loopback, of a few lines: honest, or hostile in what the test says."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sealring import jwt

KEY = jwt.Key.generate("ES256", kid="op-1")
CLIENT_ID, CLIENT_SECRET = "client: ä", "s3cret/+ s3cret"
"""With what must be form-encoded first in basic authentication."""
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class FakeProvider:
    """What it says of its user, and what it does wrong."""

    issuer: str = ""
    clock: Callable[[], int] = lambda: 0
    """Unix seconds."""
    user: dict[str, Any] = field(default_factory=lambda: {"sub": "op-ann", "sid": "op-session-1"})
    userinfo: dict[str, Any] | None = None
    key: jwt.Key = KEY
    published: list[jwt.Key] = field(default_factory=lambda: [KEY])
    metadata: dict[str, Any] = field(default_factory=dict)
    """In place of members of the discovery document; None leaves one out."""
    claims: dict[str, Any] = field(default_factory=dict)
    """In place of claims of the ID token; None leaves one out."""
    typ: str | None = "JWT"
    token_answer: Callable[[dict[str, Any]], bytes] = field(default=lambda members: json.dumps(members).encode())
    status: int = 200
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Authorization requests by the code that was given for them."""
    down: bool = False

    def authorize(self, url: str) -> str:
        """Log the user in and consent; the code."""
        asked = dict(parse_qsl(urlsplit(url).query))
        assert url.startswith(f"{self.issuer}/authorize?"), url
        assert asked["client_id"] == CLIENT_ID
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return code

    def callback(self, url: str, **changed: str | None) -> tuple[str, dict[str, str]]:
        """Where the browser is sent, with the parameters of an honest answer but for those that are changed."""
        code = self.authorize(url)
        asked = self.codes[code]
        given = {"code": code, "state": asked["state"], "iss": self.issuer} | changed
        path = urlsplit(asked["redirect_uri"]).path
        return path, {name: value for name, value in given.items() if value is not None}

    def id_token(self, nonce: str | None) -> str:
        now = self.clock()
        claims = {
            "iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce, **self.user,
        } | self.claims  # fmt: skip
        left = {name: value for name, value in claims.items() if value is not None}
        return jwt.sign(left, self.key, typ=self.typ, issued_at=False)

    def logout_token(self, **changed: Any) -> str:
        now = self.clock()
        claims = {
            "iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 120, "jti": "logout-1",
            "events": {LOGOUT_EVENT: {}}, "sub": self.user["sub"], "sid": self.user.get("sid"),
        } | changed  # fmt: skip
        typ = claims.pop("typ", "logout+jwt")
        key = claims.pop("key", self.key)
        left = {name: value for name, value in claims.items() if value is not None}
        return jwt.sign(left, key, typ=typ, issued_at=False)

    def answer(self, method: str, path: str, fields: dict[str, str], body: bytes) -> tuple[int, bytes]:
        self.asked.append(f"{method} {path}")
        match path:
            case "/.well-known/openid-configuration":
                members = {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/jwks",
                    "end_session_endpoint": f"{self.issuer}/end",
                    "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
                    "authorization_response_iss_parameter_supported": True,
                } | ({} if self.userinfo is None else {"userinfo_endpoint": f"{self.issuer}/userinfo"})
                members |= self.metadata
                left = {name: value for name, value in members.items() if value is not None}
                return 200, json.dumps(left).encode()
            case "/jwks":
                return 200, json.dumps({"keys": [key.to_jwk() for key in self.published]}).encode()
            case "/token":
                return self._token(fields, dict(parse_qsl(body.decode())))
            case "/userinfo":
                assert fields["authorization"] == "Bearer op-access-token"
                return 200, json.dumps(self.userinfo).encode()
        return 404, b"{}"

    def _token(self, fields: dict[str, str], form: dict[str, str]) -> tuple[int, bytes]:
        self.forms.append(form)
        if "authorization" in fields:
            given = b64decode(fields["authorization"].removeprefix("Basic ")).decode()
            assert given == "client%3A%20%C3%A4:s3cret%2F%2B%20s3cret", "each part is form-encoded (RFC 6749 §2.3.1)"
        else:
            assert (form["client_id"], form["client_secret"]) == (CLIENT_ID, CLIENT_SECRET)
        asked = self.codes.pop(form["code"], None)
        if asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, b'{"error": "invalid_grant"}'
        digest = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if digest != asked["code_challenge"]:
            return 400, b'{"error": "invalid_grant"}'
        members = {
            "access_token": "op-access-token",
            "token_type": "Bearer",
            "id_token": self.id_token(asked.get("nonce")),
        }
        return self.status, self.token_answer(members)


@asynccontextmanager
async def serving(provider: FakeProvider) -> AsyncIterator[FakeProvider]:
    """Serve until the block ends, in this event loop."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")
            fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            if provider.down:
                return
            method, path, _ = first.split()
            status, said = provider.answer(method, path, fields, body)
            start = f"HTTP/1.1 {status} X\r\nContent-Length: {len(said)}\r\nConnection: close\r\n\r\n"
            writer.write(start.encode() + said)
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    provider.issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.close()
        await server.wait_closed()
