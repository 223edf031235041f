"""Login at a certified provider (npm's `oidc-provider`), through its real pages in Chromium."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.npm import installed
from tests.plain_http import TRUST_NOBODY
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import SECRET, START_WITHIN_SECONDS, ServedProcess, start

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("npm")]

PACKAGE = Path(__file__).parent / "oidc_provider"
SHOP = """
import os

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from sealring import Sealring
from sealring.providers import OIDC

OP, SECRET = os.environ["OP"], "s3cret-s3cret-s3cret"
acme = OIDC(OP, "sealring", SECRET, name="acme", title="Acme")
posted = OIDC(OP, "sealring", SECRET, name="posted", response_mode="form_post")
auth = Sealring(providers=[acme, posted])
app = FastAPI(lifespan=auth.lifespan)
app.include_router(auth.router())
app.include_router(auth.health_router())
app.add_middleware(auth.middleware)


@app.get("/hello")
async def hello(request: Request) -> HTMLResponse:
    user = request.user
    name = "nobody" if not user.is_authenticated else (await auth.accounts.get(user.subject)).name
    return HTMLResponse(f'<link rel="icon" href="data:,"><h1>hello {name}</h1>')
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServedProcess, str]]:
    """The application, and the URL of the provider."""
    folder, port, op_port = tmp_path_factory.mktemp("shop"), free_port(), free_port()
    url, op = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{op_port}"
    (folder / "node_modules").symlink_to(installed(PACKAGE))
    (folder / "provider.mjs").write_text((PACKAGE / "provider.mjs").read_text())
    (folder / "shop.py").write_text(SHOP)
    with (folder / "op.log").open("wb") as log:
        process = subprocess.Popen(
            [str(required_program("node")), "provider.mjs"],
            cwd=folder,
            env={**os.environ, "PORT": str(op_port), "SHOP": url},
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while not _answers(f"{op}/.well-known/openid-configuration"):
            assert process.poll() is None, (folder / "op.log").read_text()
            assert time.monotonic() < deadline, (folder / "op.log").read_text()
            time.sleep(0.1)
        served = start(folder, "shop:app", port=port, SEALRING_SECRET=SECRET, SEALRING_ISSUER=url, OP=op)
        try:
            yield served, op
        finally:
            served.kill()
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=1, trust_env=False, verify=TRUST_NOBODY).status_code == 200
    except httpx2.TransportError:
        return False


def log_in(tab: Page, name: str) -> None:
    """On the provider's pages: who one is, and that the application may know it."""
    tab.locator("input[name=login]").fill(name)
    tab.locator("input[name=password]").fill("any")
    tab.get_by_role("button", name="Sign-in").click()
    tab.get_by_role("button", name="Continue").click()


def user(tab: Page) -> str:
    return str(tab.request.get("/auth/me").json()["username"]) if tab.request.get("/auth/me").ok else ""


@pytest.mark.parametrize("provider", ["acme", "posted"])
def test_a_user_logs_in_and_the_provider_logs_them_out(
    shop: tuple[ServedProcess, str], visit: Callable[..., Visitor], provider: str
) -> None:
    served, op = shop
    visitor = visit(served.url)
    tab = visitor.open(f"/auth/oidc/{provider}?next=/hello")
    log_in(tab, f"ann-{provider}")
    expect(tab.get_by_role("heading")).to_have_text(f"hello ann-{provider}")
    assert tab.url == f"{served.url}/hello"
    tab.go_back()
    tab.goto(f"{served.url}/hello")
    expect(tab.get_by_role("heading")).to_have_text(f"hello ann-{provider}")

    again = visitor.open(f"/auth/oidc/{provider}?next=/hello")  # the provider knows the user: no page of it
    expect(again.get_by_role("heading")).to_have_text(f"hello ann-{provider}")
    if provider == "posted":
        return  # the provider has one logout URI for each client
    leaving = visitor.open("/hello")
    leaving.goto(f"{op}/session/end")
    leaving.get_by_role("button", name="Yes, sign me out").click()
    leaving.wait_for_load_state()
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while leaving.request.get(f"{served.url}/auth/me").status != 401:
        assert time.monotonic() < deadline, "the logout token has not ended the session here"
        leaving.wait_for_timeout(50)


def test_cancel_leads_back(shop: tuple[ServedProcess, str], visit: Callable[..., Visitor]) -> None:
    served, _ = shop
    tab = visit(served.url).open("/auth/oidc/acme?next=/hello")
    tab.get_by_role("link", name="Cancel").click()
    expect(tab.get_by_role("heading")).to_have_text("hello nobody")
    assert tab.url == f"{served.url}/hello?sign_in_error=access_denied"
