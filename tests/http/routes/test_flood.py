"""More log-ins than can be hashed: whoever comes on top hears so at once, whoever they are (D1, I11, I14)."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI

from tests.serving import PASSWORD, cheap_sealring, problem

pytestmark = pytest.mark.anyio


async def test_d1_a_full_queue_is_told_to_everybody_alike_and_before_anything_is_validated() -> None:
    auth = cheap_sealring()
    app = FastAPI()
    app.include_router(auth.router())
    hasher = auth.issuer.accounts._hasher
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000") as client:
        ada = {"username": "ada", "password": PASSWORD}
        assert (await client.post("/auth/register", json=ada)).status_code == 201
        hasher.queue.free, hasher.queue.waiting = 0, hasher.queue.max_waiting
        answers = [
            await client.post("/auth/login", json=ada),
            await client.post("/auth/login", json=ada | {"password": "wrong"}),
            await client.post("/auth/login", json=ada | {"username": "nobody"}),
            await client.post("/auth/login", json={"is_admin": True}),
            await client.post("/auth/register", json=ada),
            await client.post("/auth/register", json={"username": "\u200b"}),
        ]
        by_form = await client.post("/auth/token", data=ada | {"grant_type": "password"})
        assert (by_form.status_code, by_form.json()["code"]) == (503, "overloaded")
        assert [problem(answer) for answer in answers] == [(503, "overloaded")] * len(answers)
        assert len({(answer.content, answer.headers["retry-after"]) for answer in answers}) == 1
        assert problem(await client.post("/auth/login", content=b"{")) != (503, "overloaded"), "the body was read"
        hasher.queue.free, hasher.queue.waiting = hasher.places, 0
        assert (await client.post("/auth/login", json=ada)).status_code == 200
        assert problem(await client.post("/auth/login", json={"is_admin": True})) == (422, "invalid_field")
    await auth.close()
