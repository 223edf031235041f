"""A service with passkeys in memory, Ann who has a password, and her authenticator."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from sealring import Sealring
from sealring.store.memory import MemoryStore
from sealring.store.protocol import Store
from tests.clocks import FrozenClock
from tests.conformance.hosts import raw_asgi
from tests.serving import PASSWORD, bearer, cheap_sealring
from tests.soft_authenticator import ORIGIN, SoftAuthenticator

LOGIN = "/auth/login/passkey"


class Counting(MemoryStore):
    """A store that says how often it was asked: each call is a round trip of a database."""

    def __init__(self, now_ms: Any) -> None:
        super().__init__(now_ms)
        self.calls: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name[0] != "_" and callable(found):
            super().__getattribute__("calls")[name] += 1
        return found


class Scene:
    """A service with passkeys, Ann with a password, and her authenticator."""

    def __init__(self, auth: Sealring) -> None:
        self.auth = auth
        self.device = SoftAuthenticator()
        self.http = self.browser()
        self.headers: dict[str, str] = {}

    def browser(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(raw_asgi(self.auth)), base_url=ORIGIN)

    async def ann(self, **body: Any) -> dict[str, Any]:
        """Log in by password; the tokens are sent from then on."""
        answer = await self.http.post("/auth/login", json={"username": "ann", "password": PASSWORD, **body})
        assert answer.status_code == 200, answer.text
        self.headers = bearer(answer.json()["access_token"])
        self.refresh_token = answer.json()["refresh_token"]
        return dict(answer.json())

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        return await self.http.request(method, f"/auth/passkeys{path}", json=body, headers=self.headers, **more)

    async def options(self, **body: Any) -> dict[str, Any]:
        answer = await self.ask("POST", "/register/start", body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["options"])

    async def register(self, device: SoftAuthenticator | None = None, **body: Any) -> dict[str, Any]:
        credential = (device or self.device).create(await self.options())
        answer = await self.ask("POST", "/register/finish", {"credential": credential, **body})
        assert answer.status_code == 201, answer.text
        await self.refresh()
        return dict(answer.json())

    async def refresh(self) -> None:
        """Adding and removing outdate access tokens."""
        answer = await self.http.post("/auth/refresh", json={"refresh_token": self.refresh_token})
        assert answer.status_code == 200, answer.text
        self.headers, self.refresh_token = bearer(answer.json()["access_token"]), answer.json()["refresh_token"]

    async def pass_seconds(self, seconds: float) -> None:
        clock = self.auth.clock
        assert isinstance(clock, FrozenClock)
        clock.pass_seconds(seconds)
        assert await self.auth.follower.poll()

    async def begin(self, **body: Any) -> dict[str, Any]:
        answer = await self.http.post(f"{LOGIN}/begin", json=body)
        assert answer.status_code == 200, answer.text
        return dict(json.loads(answer.json()["challenge"]["options"]))

    async def log_in(self, credential: Any, **body: Any) -> httpx2.Response:
        text = credential if isinstance(credential, str) else json.dumps(credential)
        return await self.http.post(LOGIN, json={"response": {"credential": text}, **body})

    async def causes(self) -> list[str]:
        return [event.cause for event in await self.auth.store.read_events() if event.kind == "login_failed"]

    async def events(self, kind: str) -> list[Any]:
        return [event for event in await self.auth.store.read_events() if event.kind == kind]


@asynccontextmanager
async def passkey_scene(clock: FrozenClock, store: Store | None = None, **settings: Any) -> AsyncIterator[Scene]:
    """The service, open, and Ann logged in."""
    given = {"issuer": ORIGIN, "passkeys": "on"} | settings
    auth = cheap_sealring(Counting(clock.now_ms) if store is None else store, clock, **given)
    async with auth.lifespan():
        await auth.issuer.accounts.create("ann", PASSWORD)
        scene = Scene(auth)
        await scene.ann()
        yield scene
