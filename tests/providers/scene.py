"""An application with one provider, and a browser that goes there and comes back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from sealring import Sealring
from sealring.providers import OIDC
from sealring.store.protocol import Store
from tests.clocks import FrozenClock
from tests.conformance.hosts import raw_asgi
from tests.providers.fake_provider import CLIENT_ID, CLIENT_SECRET, FakeProvider, serving
from tests.serving import cheap_sealring

ISSUER = "http://127.0.0.1:8000"
FROM_ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
OURS = {"Origin": ISSUER, "Sec-Fetch-Site": "same-origin"}


@dataclass
class Scene:
    """Both sides."""

    auth: Sealring
    op: FakeProvider
    clock: FrozenClock

    def browser(self, address: str = "192.0.2.7") -> httpx2.AsyncClient:
        """A browser of its own."""
        transport = httpx2.ASGITransport(raw_asgi(self.auth), client=(address, 4711))
        return httpx2.AsyncClient(transport=transport, base_url=ISSUER)

    async def begin(self, browser: httpx2.AsyncClient, *, next_path: str = "/orders", **query: str) -> str:
        """Press "Continue with …"; the URL of the provider."""
        begun = await browser.get("/auth/oidc/acme", params={"next": next_path, **query})
        assert begun.status_code == 303, begun.text
        return str(begun.headers["location"])

    async def come_back(self, browser: httpx2.AsyncClient, url: str, **changed: str | None) -> httpx2.Response:
        """Consent at the provider, and come back."""
        path, given = self.op.callback(url, **changed)
        return await browser.get(path, params=given, headers=FROM_ELSEWHERE)

    async def log_in(self, browser: httpx2.AsyncClient, **query: str) -> httpx2.Response:
        """All of it."""
        return await self.come_back(browser, await self.begin(browser, **query))

    async def user(self, browser: httpx2.AsyncClient) -> dict[str, Any]:
        """Who is logged in there."""
        answer = await browser.get("/auth/me")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def causes(self) -> list[str]:
        """Causes of logins that failed, as in the audit log."""
        events = await self.auth.store.read_events()
        return [event.cause for event in events if event.kind == "login_failed"]


def error_of(answer: httpx2.Response) -> str | None:
    """With which error the browser went back to the application; None without one."""
    assert answer.status_code == 303, answer.text
    target = answer.headers["location"]
    assert target.startswith("/"), "nowhere but to the application"
    return parse_qs(urlsplit(target).query).get("sign_in_error", [None])[0]


@asynccontextmanager
async def scene(store: Store | None = None, *, op: FakeProvider | None = None, **more: Any) -> AsyncIterator[Scene]:
    """Serve both until the block ends; `more` is for `cheap_sealring`, and `provider` for `OIDC`."""
    clock = FrozenClock() if store is None else FrozenClock(time.time())
    provider: dict[str, Any] = {"name": "acme"} | more.pop("provider", {})
    async with serving(FakeProvider() if op is None else op) as served:
        served.clock = lambda: clock.now_ms() // 1000
        kind = more.pop("kind", None)
        acme = OIDC(served.issuer, CLIENT_ID, CLIENT_SECRET, **provider) if kind is None else kind(served)
        auth = cheap_sealring(store, clock, issuer=ISSUER, providers=[acme], **more)
        async with auth.lifespan():
            yield Scene(auth, served, clock)
