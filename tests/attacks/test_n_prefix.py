"""N10: wherever a browser sees the auth routes, the refresh cookie comes back to them, and to nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from sealring import Sealring
from tests.nginx import StrippingProxy, stripping_proxy
from tests.serving import PASSWORD, cheap_sealring, fresh_name, serve_in_thread

SAME = {"Sec-Fetch-Site": "same-origin"}


def included(auth: Sealring, prefix: str = "") -> FastAPI:
    app = FastAPI()
    app.include_router(auth.router(), prefix=prefix)
    return app


def mounted(path: str) -> Callable[[Sealring], Any]:
    return lambda auth: Starlette(routes=[Mount(path, included(auth))])


def stripping(app: Any, path: str, **told: str) -> Any:
    """A proxy that strips a path, and a server that is told of it, or not."""

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        inner = scope["path"].removeprefix(path)
        # uvicorn puts the root_path that it is told before the path (since 0.26); hypercorn and FastAPI do not
        await app(
            {**scope, "path": told.get("before", "") + inner, "root_path": told.get("root_path", "")}, receive, send
        )

    return proxy


SITES: dict[str, tuple[Callable[[Sealring], Any], str, str]] = {
    # how the routes hang, where the browser sees them, the Path that the refresh cookie gets
    "by the setting alone": (included, "/auth", "/auth"),
    "a prefix of include_router": (lambda auth: included(auth, "/api/v1"), "/api/v1/auth", "/api/v1/auth"),
    "a mount": (mounted("/inner"), "/inner/auth", "/inner/auth"),
    "two mounts": (lambda auth: Starlette(routes=[Mount("/a", mounted("/b")(auth))]), "/a/b/auth", "/a/b/auth"),
    "a mount with a parameter": (mounted("/{tenant}"), "/acme/auth", "/acme/auth"),
    "a mount beyond ASCII": (mounted("/café"), "/caf%C3%A9/auth", "/caf%C3%A9/auth"),
    "a mount that no cookie can say": (mounted("/x/a;b"), "/x/a;b/auth", "/x"),
    "root_path as uvicorn has it, stripped": (
        lambda auth: stripping(included(auth), "/shop", root_path="/shop", before="/shop"),
        "/shop/auth",
        "/shop/auth",
    ),
    "root_path with a slash, stripped": (
        lambda auth: stripping(included(auth), "/shop", root_path="/shop/", before="/shop/"),
        "/shop/auth",
        "/shop/auth",
    ),
    "root_path as hypercorn and FastAPI(root_path=) have it, stripped": (
        lambda auth: stripping(included(auth), "/shop", root_path="/shop"),
        "/shop/auth",
        "/shop/auth",
    ),
    "a mount below a root_path": (
        lambda auth: stripping(mounted("/inner")(auth), "/shop", root_path="/shop", before="/shop"),
        "/shop/inner/auth",
        "/shop/inner/auth",
    ),
}


def paths_of(answer: httpx2.Response) -> dict[str, str]:
    """Of each cookie that is set, its Path."""
    fields = [line.split("; ") for line in answer.headers.get_list("set-cookie")]
    return {parts[0].partition("=")[0]: part[5:] for parts in fields for part in parts if part.startswith("Path=")}


@pytest.mark.anyio
@pytest.mark.parametrize("site", SITES)
async def test_n10_refresh_by_cookie_works_wherever_the_routes_hang(site: str) -> None:
    build, base, path = SITES[site]
    auth = cheap_sealring()
    transport = httpx2.ASGITransport(build(auth))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=SAME) as browser:
        body = {"username": fresh_name(), "password": PASSWORD, "delivery": "cookie"}
        entered = await browser.post(f"{base}/register", json=body)
        assert entered.status_code == 201, entered.text
        assert paths_of(entered)["sealring_refresh"] == path == entered.json()["refresh_path"]
        for _ in range(2):
            refreshed = await browser.post(f"{base}/refresh")
            assert refreshed.status_code == 200, refreshed.text
            assert paths_of(refreshed)["sealring_refresh"] == path == refreshed.json()["refresh_path"]
        me = (await browser.get(f"{base}/me")).json()
        ended = await browser.delete(f"{base}/sessions/{me['session']['id']}")
        assert ended.status_code == 204
        assert paths_of(ended)["sealring_refresh"] == path
        assert "sealring_refresh" not in {cookie.name for cookie in browser.cookies.jar}
        assert (await browser.post(f"{base}/login", json=body)).status_code == 200
        for route, method in (("sessions", "DELETE"), ("logout", "POST")):
            answer = await browser.request(method, f"{base}/{route}")
            assert (answer.status_code, paths_of(answer)["sealring_refresh"]) == (204, path)
            assert "sealring_refresh" not in {cookie.name for cookie in browser.cookies.jar}
            await browser.post(f"{base}/login", json=body)
    await auth.close()


@pytest.mark.anyio
@pytest.mark.parametrize(("setting", "base"), [("/", ""), ("/account", "/account"), ("/api/v1/auth", "/api/v1/auth")])
async def test_n10_the_setting_says_it_once(setting: str, base: str) -> None:
    auth = cheap_sealring(auth_path=setting)
    transport = httpx2.ASGITransport(included(auth))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=SAME) as browser:
        body = {"username": fresh_name(), "password": PASSWORD, "delivery": "cookie"}
        assert (await browser.post(f"{base}/register", json=body)).status_code == 201
        assert (await browser.post(f"{base}/refresh")).status_code == 200
        assert (await browser.get(f"{base}/client.js")).status_code == 200
    await auth.close()


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[StrippingProxy]:
    """Starts nginx in front of a server, stripping a path."""
    with stripping_proxy(tmp_path) as start:
        yield start


def test_n10_behind_nginx_that_strips_a_path(proxy: StrippingProxy) -> None:
    with serve_in_thread(cheap_sealring(), root_path="/shop") as served:
        url = proxy("/shop", served.url)
        with httpx2.Client(base_url=f"{url}/shop", headers=SAME, timeout=30, trust_env=False) as browser:
            body = {"username": fresh_name(), "password": PASSWORD, "delivery": "cookie"}
            entered = browser.post("/auth/register", json=body)
            assert entered.status_code == 201
            assert paths_of(entered)["sealring_refresh"] == "/shop/auth"
            assert browser.post("/auth/refresh").status_code == 200
            assert browser.get("/auth/client.js").status_code == 200
            assert browser.post("/auth/logout").status_code == 204
            assert not [cookie for cookie in browser.cookies.jar if cookie.name == "sealring_refresh"]
