"""An issuer with two registered clients, and a program that talks to its OAuth endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from fastapi import FastAPI

from sealring import Sealring
from sealring.issuer.clients import RegisteredClient
from tests.serving import PASSWORD, cheap_sealring


@dataclass
class Scene:
    """An issuer with a machine that acts for itself and a gateway that introspects, and a program that talks to it."""

    auth: Sealring
    http: httpx2.AsyncClient
    report: RegisteredClient
    gateway: RegisteredClient

    async def token(self, made: RegisteredClient | None = None, /, **more: str) -> httpx2.Response:
        made = made or self.report
        form = {"grant_type": "client_credentials", "client_id": made.client.id, "client_secret": made.secret}
        return await self.http.post("/auth/token", data=form | more)

    async def access_token(self, **more: str) -> str:
        answer = await self.token(**more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def user(self) -> dict[str, Any]:
        body = {"username": "ada", "password": PASSWORD}
        answer = await self.http.post("/auth/register", json=body)
        assert answer.status_code == 201
        tokens: dict[str, Any] = answer.json()
        return tokens

    async def introspect(self, token: str, made: RegisteredClient | None = None, **request: Any) -> httpx2.Response:
        credentials = basic(made or self.gateway)
        return await self.http.post("/auth/introspect", data={"token": token}, auth=credentials, **request)

    async def revoke(self, token: str, **request: Any) -> httpx2.Response:
        return await self.http.post("/auth/revoke", data={"token": token}, **request)


def basic(made: RegisteredClient) -> tuple[str, str]:
    return made.client.id, made.secret


@asynccontextmanager
async def oauth_scene(**settings: Any) -> AsyncIterator[Scene]:
    auth = cheap_sealring(**settings)
    app = FastAPI()
    app.include_router(auth.router())
    transport = httpx2.ASGITransport(app)
    async with (
        auth.lifespan(),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http,
    ):
        report = await auth.clients.register("nightly report", scopes=["orders:read", "orders:write"])
        gateway = await auth.clients.register("gateway", introspects=True)
        yield Scene(auth, http, report, gateway)
