"""The routes in somebody else's application: under any prefix, with no lifespan, over a store that comes late."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from sealring import Sealring
from sealring.errors import StoreUnavailable
from sealring.store.memory import MemoryStore
from tests.serving import PASSWORD, bearer, cheap_sealring, problem

pytestmark = pytest.mark.anyio

BODY = {"username": "ada", "password": PASSWORD}


def mounted(auth: Sealring, prefix: str = "") -> FastAPI:
    app = FastAPI()
    app.include_router(auth.router(), prefix=prefix)
    return app


def visitor(app: FastAPI | Starlette) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000")


async def test_without_a_lifespan_the_first_request_opens_the_store() -> None:
    auth = cheap_sealring(auth_path="/account")
    async with visitor(mounted(auth)) as client:
        answers = await asyncio.gather(
            *(client.post("/account/login", json=BODY) for _ in range(5)),
            client.get("/account/.well-known/jwks.json"),
        )
        assert [answer.status_code for answer in answers] == [401] * 5 + [200]
        assert len(answers[-1].json()["keys"]) == 2
        tokens = (await client.post("/account/register", json=BODY)).json()
        assert (await client.get("/account/me", headers=bearer(tokens["access_token"]))).status_code == 200
    await auth.close()


async def test_the_refresh_cookie_goes_to_the_prefix_and_nowhere_else() -> None:
    auth = cheap_sealring(issuer="https://example.com", auth_path="/account")
    async with visitor(mounted(auth, "/api/v1")) as client:
        answer = await client.post("/api/v1/account/register", json=BODY | {"delivery": "cookie"})
        paths = {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}
        assert "Path=/api/v1/account;" in paths["__Secure-sealring_refresh"]
        assert "Path=/;" in paths["__Host-sealring_access"]
        assert all("; Secure;" in line for line in paths.values())
    await auth.close()


async def test_inside_another_framework_at_another_root() -> None:
    auth = cheap_sealring()
    app = Starlette(routes=[Mount("/inner", mounted(auth))])
    async with visitor(app) as client:
        tokens = (await client.post("/inner/auth/register", json=BODY)).json()
        assert (await client.get("/inner/auth/me", headers=bearer(tokens["access_token"]))).status_code == 200
        assert problem(await client.get("/inner/auth/me")) == (401, "missing_credential")
        assert problem(await client.put("/inner/auth/me")) == (405, "method_not_allowed")
        assert (await client.put("/inner/auth/sessions")).headers["allow"] == "DELETE, GET, HEAD"
    await auth.close()


class Late(MemoryStore):
    """A store that cannot be reached the first time."""

    asked = 0

    async def open(self) -> None:
        self.asked += 1
        if self.asked == 1:
            raise StoreUnavailable("not yet")


async def test_f10_a_store_that_comes_late_is_503_and_then_there() -> None:
    auth = cheap_sealring()
    late = cheap_sealring(Late(auth.clock.now_ms))
    async with visitor(mounted(late)) as client:
        answer = await client.post("/auth/login", json=BODY)
        assert problem(answer)[0] == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert (await client.post("/auth/register", json=BODY)).status_code == 201
    await late.close()


async def test_a_guarded_route_opens_the_store_that_no_lifespan_has_opened() -> None:
    here = cheap_sealring()
    there = cheap_sealring(here.store)
    async with visitor(mounted(here)) as one, visitor(mounted(there)) as other:
        token = (await one.post("/auth/register", json=BODY)).json()["access_token"]
        assert (await other.get("/auth/me", headers=bearer(token))).status_code == 200
    await there.close()
    await here.close()


async def test_two_issuers_in_one_application_do_not_take_each_others_tokens() -> None:
    one, two = (cheap_sealring(issuer=f"https://{name}.example", auth_path=f"/{name}") for name in ("one", "two"))
    app = FastAPI()
    app.include_router(one.router())
    app.include_router(two.router())
    async with visitor(app) as client:
        mine = (await client.post("/one/register", json=BODY)).json()
        theirs = (await client.post("/two/register", json=BODY)).json()
        assert (await client.get("/one/me", headers=bearer(mine["access_token"]))).status_code == 200
        assert problem(await client.get("/two/me", headers=bearer(mine["access_token"]))) == (401, "invalid_token")
        assert problem(await client.get("/one/me", headers=bearer(theirs["access_token"]))) == (401, "invalid_token")
    await one.close()
    await two.close()
