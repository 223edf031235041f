"""Who may register: `SEALRING_REGISTRATION`, in every host, from code, and on the page of the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from sealring.demo import create_app
from sealring.errors import RegistrationClosed
from sealring.settings import load_settings
from tests.conformance.hosts import HOSTS
from tests.serving import PASSWORD, SECRET, cheap_sealring, problem

pytestmark = pytest.mark.anyio

HERE = "192.0.2.7"


def client_of(app: Any) -> httpx2.AsyncClient:
    transport = app if isinstance(app, httpx2.AsyncBaseTransport) else httpx2.ASGITransport(app)
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")


def body(name: str, **more: str) -> dict[str, str]:
    return {"username": name, "password": PASSWORD, **more}


@pytest.mark.parametrize("host", HOSTS)
async def test_each_mode_over_http(host: str) -> None:
    for mode, status, code in (
        ("open", 201, ""), ("invited", 403, "invitation_required"), ("closed", 403, "registration_closed"),
    ):  # fmt: skip
        auth = cheap_sealring(registration=mode)
        async with auth.lifespan(), client_of(HOSTS[host](auth)) as client:
            answer = await client.post("/auth/register", json=body("ada"))
            assert answer.status_code == status
            if code:
                assert problem(answer) == (403, code)
                assert await auth.accounts.list() == []
            if mode == "closed":
                with pytest.raises(RegistrationClosed):
                    await auth.accounts.invite()
            invitation = "x" if mode == "closed" else await auth.accounts.invite()
            answer = await client.post("/auth/register", json=body("bob", invitation=invitation))
            assert answer.status_code == (403 if mode == "closed" else 201)
            if mode == "invited":
                again = await client.post("/auth/register", json=body("eve", invitation=invitation))
                assert problem(again) == (403, "invitation_required")
            await auth.accounts.create("made", PASSWORD)
            assert (await client.post("/auth/login", json=body("made"))).status_code == 200


async def test_an_applications_own_route_is_closed_too() -> None:
    auth = cheap_sealring(registration="closed")
    async with auth.lifespan():
        with pytest.raises(RegistrationClosed):
            await auth.register("ada", PASSWORD, address=HERE)


@pytest.mark.parametrize("mode", ["open", "invited", "closed"])
async def test_the_page_of_the_demo_says_who_may_register(mode: Any, tmp_path: Path) -> None:
    settings = load_settings(secret=SECRET, database_url=f"sqlite:///{tmp_path}/a.db", registration=mode)
    async with client_of(create_app(settings)) as client:
        assert f'data-registration="{mode}"' in (await client.get("/")).text
        assert "{" not in (await client.get("/")).text
