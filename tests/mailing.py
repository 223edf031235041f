"""A whole issuer in memory with its routes, and the mails that it sends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from fastapi import FastAPI

from sealring import MailMessage
from sealring.testing import InMemorySealring
from tests.serving import PASSWORD

ADA = "ada@example.com"


@dataclass
class Scene:
    """An issuer, a program that talks to it, and its mailboxes."""

    auth: InMemorySealring
    http: httpx2.AsyncClient

    async def post(self, path: str, body: object = None, *, token: str | None = None, **more: Any) -> httpx2.Response:
        headers = more.pop("headers", {}) | ({} if token is None else {"Authorization": f"Bearer {token}"})
        return await self.http.post(f"/auth{path}", json=body, headers=headers, **more)

    async def register(self, name: str = "ada", email: str | None = ADA, **more: Any) -> httpx2.Response:
        body = {"username": name, "password": PASSWORD} | ({} if email is None else {"email": email})
        return await self.post("/register", body, **more)

    async def access_token(self, name: str = "ada", password: str = PASSWORD) -> str:
        answer = await self.post("/login", {"username": name, "password": password})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def mails(self) -> list[MailMessage]:
        """Those that have come since this was last asked."""
        await self.auth.deliver_mail()
        new = list(self.auth.sent_mail)
        self.auth.sent_mail.clear()
        return new

    async def mail(self) -> MailMessage:
        (one,) = await self.mails()
        return one

    async def kinds(self) -> list[str]:
        """Kinds of all events."""
        return [event.kind for event in await self.auth.store.read_events()]


def token_of(mail: MailMessage) -> str:
    """The token in the link of a mail."""
    return mail.link.partition("#token=")[2]


@asynccontextmanager
async def mail_scene(**settings: Any) -> AsyncIterator[Scene]:
    """An issuer; `ada` is an account whose address an operator vouched for, unless `ada=False`."""
    make_ada = settings.pop("ada", True)
    auth = InMemorySealring(**settings)
    app = FastAPI()
    app.include_router(auth.router())
    app.add_middleware(auth.middleware)
    transport = httpx2.ASGITransport(app)
    async with (
        auth.lifespan(),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http,
    ):
        if make_ada:
            await auth.accounts.create("ada", PASSWORD, email=ADA)
        yield Scene(auth, http)
