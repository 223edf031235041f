"""`expires_in` counts from the moment of issue, wherever in a second an answer is written."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI

from tests.clocks import FrozenClock
from tests.serving import PASSWORD, bearer, cheap_sealring

pytestmark = pytest.mark.anyio


class PassingClock(FrozenClock):
    """A clock on which a second passes between any two looks, as at the edge of one, once it is `running`."""

    running = False

    def now_ms(self) -> int:
        if self.running:
            self.pass_seconds(1)
        return super().now_ms()


async def test_a_token_lives_as_long_as_it_says_at_the_edge_of_a_second() -> None:
    clock = PassingClock()
    auth = cheap_sealring(clock=clock, max_staleness="10m")
    app = FastAPI()
    app.include_router(auth.router())
    async with (
        auth.lifespan(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000") as client,
    ):
        clock.running = True
        ada = {"username": "ada", "password": PASSWORD}
        answers = [await client.post("/auth/register", json=ada), await client.post("/auth/login", json=ada)]
        token = {"refresh_token": answers[-1].json()["refresh_token"]}
        answers.append(await client.post("/auth/refresh", json=token))
        answers.append(await client.post("/auth/token", data=token | {"grant_type": "refresh_token"}))
        new = {"current": PASSWORD, "new": PASSWORD + "!"}
        by = bearer(answers[-1].json()["access_token"])
        answers.append(await client.post("/auth/password", json=new, headers=by))
        for answer in answers:
            body = answer.json()
            assert (body["expires_in"], body["refresh_expires_in"]) == (1800, 14 * 86_400), answer.url
