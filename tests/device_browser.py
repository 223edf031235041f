"""A browser that binds its session to a device, as Chromium does it: cookies, a key, and what it sends by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx2

from sealring import Sealring, jwt
from tests.conformance.hosts import raw_asgi

SITE = "https://shop.example"
ACCESS, SESSION, REFRESH = "__Host-sealring_access", "__Host-sealring_session", "__Secure-sealring_refresh"
OWN_PAGE = {"Sec-Fetch-Site": "same-origin", "Origin": SITE}


class DeviceBrowser:
    """One browser; `key` is in its TPM, `offer` what the last login asked it to register."""

    def __init__(self, auth: Sealring, address: str = "192.0.2.1") -> None:
        transport = httpx2.ASGITransport(raw_asgi(auth), client=(address, 4711))
        self.client = httpx2.AsyncClient(transport=transport, base_url=SITE, headers=OWN_PAGE)
        self.key = jwt.Key.generate("ES256")
        self.offer: Mapping[str, str] = {}

    async def log_in(self, username: str, password: str) -> httpx2.Response:
        body = {"username": username, "password": password, "delivery": "cookie"}
        answer = await self.client.post("/auth/login", json=body)
        self.offer = read_offer(answer)
        return answer

    @property
    def session_id(self) -> str:
        return str(self.client.cookies[SESSION]).partition(".")[0]

    @property
    def access(self) -> Mapping[str, Any]:
        """The claims of the access token in the jar."""
        return jwt.peek(self.client.cookies[ACCESS]).claims

    def registration(self, **changes: Any) -> str:
        """The proof that registers the key, by the last offer; `changes` are claims, or the header with `header`."""
        header = {"jwk": self.key.to_jwk(), **changes.pop("header", {})}
        typ = changes.pop("typ", "dbsc+jwt")
        key = changes.pop("key", self.key)
        claims = {"jti": self.offer["challenge"], "authorization": self.offer["authorization"], **changes}
        return jwt.sign(claims, key, typ=typ, header=header, issued_at=False)

    async def bind(self, proof: str | None = None) -> httpx2.Response:
        text = self.registration() if proof is None else proof
        return await self.client.post(self.offer["path"], headers={"Secure-Session-Response": text})

    async def challenge(self) -> str:
        """Ask without a proof, as a browser does that has no challenge yet."""
        answer = await self.ask()
        assert answer.status_code == 403, answer.text
        found = re.fullmatch(r'"([^"]+)";id="([^"]+)"', answer.headers["secure-session-challenge"])
        assert found is not None
        assert found[2] == self.session_id
        return found[1]

    def proof(self, challenge: str, **claims: Any) -> str:
        return jwt.sign({"jti": challenge, **claims}, self.key, typ="dbsc+jwt", issued_at=False)

    async def ask(self, proof: str | None = None, *, session_id: str | None = None) -> httpx2.Response:
        headers = {"Sec-Secure-Session-Id": self.session_id if session_id is None else session_id}
        if proof is not None:
            headers["Secure-Session-Response"] = proof
        return await self.client.post("/auth/device/refresh", headers=headers)

    async def refresh(self) -> httpx2.Response:
        """All that a browser does when the access cookie is about to end."""
        return await self.ask(self.proof(await self.challenge()))

    def copied_to(self, auth: Sealring, address: str = "203.0.113.7") -> DeviceBrowser:
        """Another machine, with every cookie of this one and another key."""
        other = DeviceBrowser(auth, address)
        other.client.cookies.update(self.client.cookies)
        return other


def read_offer(answer: httpx2.Response) -> Mapping[str, str]:
    """What an answer asks the browser to register; empty when it does not."""
    field = answer.headers.get("secure-session-registration", "")
    assert not field or field.startswith("(ES256 RS256);")
    return dict(re.findall(r';(\w+)="([^"]*)"', field))
