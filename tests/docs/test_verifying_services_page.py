"""docs/how-to/verifying-services.md: each application that it shows knows good tokens, bad ones and missing scopes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "verifying-services.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python( no-run)?\n(.*?)^```", re.DOTALL | re.MULTILINE)

BEFORE = """
import asyncio, sys, types
import unittest  # a test runner: `sealring.testing` asks for one
import httpx2
from sealring.testing import InMemorySealring, access_token, verifier_of
from sealring.verifier import Verifier

issuer = InMemorySealring(audience="orders")


def in_this_process(url, **options):
    Verifier.from_issuer = real  # for the others of the page, which nobody asks
    return verifier_of(issuer, **options)


real, Verifier.from_issuer = Verifier.from_issuer, in_this_process
"""
AFTER = """
sys.modules["shop"] = types.ModuleType("shop")
sys.modules["shop.tokens"] = tokens = types.ModuleType("shop.tokens")
tokens.verifier = verifier
project = {"INSTALLED_APPS": [], "MIDDLEWARE": []}
exec(DJANGO_SETTINGS, project)
from django.conf import settings

given = {name: value for name, value in project.items() if name.isupper()}
settings.configure(ROOT_URLCONF="shop", ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None, **given)
import django

django.setup()
views = {"__name__": "shop.views"}
exec(DJANGO_VIEWS, views)
from django.core.handlers.wsgi import WSGIHandler
from django.urls import path

sys.modules["shop"].urlpatterns = [path("orders", views["orders"])]


async def ask(name, transport, tokens):
    for token, status in tokens:
        async with httpx2.AsyncClient(transport=transport, base_url="http://orders") as client:
            answer = await client.get("/orders", headers={"Authorization": f"Bearer {token}"} if token else {})
        assert answer.status_code == status, (name, status, answer.text)
        assert "42" in answer.text if status == 200 else answer.json()["code"], name


async def main():
    from tests.conformance.hosts import WSGI

    async with issuer.lifespan():
        started = await issuer.start_session("42", scopes=["orders:read"])
        revoked = await issuer.start_session("42", scopes=["orders:read"])
        unscoped = await issuer.start_session("42")
        await issuer.revoke_session(revoked.session.id)
        texts = [one.access_token.text for one in (started, revoked, unscoped)]
        tokens = [*zip(texts, (200, 401, 403)), (None, 401)]
        async with verifier.lifespan():
            for name in ("app", "starlette_app", "litestar_app", "asgi_app", "quart_app"):
                await ask(name, httpx2.ASGITransport(globals()[name]), tokens)
            for name, app in (("flask", flask_app), ("WSGI", wsgi_app), ("Django", WSGIHandler())):
                await ask(name, WSGI(app), tokens)


asyncio.run(main())
exec(TEST, globals())
test_a_revoked_session_reads_no_orders()
"""


def test_every_application_of_the_page_checks_tokens() -> None:
    blocks = [(bool(apart), code) for apart, code in BLOCK.findall(PAGE)]
    settings = next(code for apart, code in blocks if apart and "settings.py" in code)
    views = next(code for apart, code in blocks if apart and "views.py" in code)
    test = next(code for apart, code in blocks if apart and "test_orders.py" in code)
    script = "\n".join(
        [
            BEFORE,
            *(code for apart, code in blocks if not apart),
            f"DJANGO_SETTINGS = {settings!r}",
            f"DJANGO_VIEWS = {views!r}",
            f"TEST = {test!r}",
            AFTER,
        ]
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
