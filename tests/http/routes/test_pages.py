"""The pages below the auth path, on every kind of application, and what they must know."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import Mount
from werkzeug.test import Client as WerkzeugClient

from sealring import ConfigurationError
from sealring.pages.frame import PAGES
from sealring.testing import InMemorySealring
from tests.serving import cheap_sealring

NAMES = sorted(PAGES)


@pytest.mark.parametrize("name", [*NAMES, "login.js", "pages.css"])
def test_c10_a_page_lets_no_foreign_script_run_and_nobody_frame_it(client: httpx2.Client, name: str) -> None:
    answer = client.get(f"/auth/pages/{name}")
    assert answer.status_code == 200
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert (
        policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == policy["trusted-types"] == "'none'"
    )
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"  # a link of a mail has its token in the fragment, and yet
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    again = client.get(f"/auth/pages/{name}", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    # RFC 9111 §4.3.4: a browser takes the header fields of a 304 for those of what it keeps
    assert again.headers["content-security-policy"] == answer.headers["content-security-policy"]


def test_what_is_no_page_is_not_found(client: httpx2.Client) -> None:
    for name in ("frame", "login.html", "..%2Fpages.py", "x"):
        assert client.get(f"/auth/pages/{name}").status_code == 404, name
    assert client.post("/auth/pages/login").status_code == 405


def test_options_say_what_there_is(client: httpx2.Client) -> None:
    answer = client.get("/auth/options")
    assert answer.status_code == 200
    body = answer.json()
    assert body["registration"] == "open"
    assert body["password_min_length"] == 15
    assert body["methods"][0] == "password"


def test_options_follow_the_settings() -> None:
    auth = InMemorySealring(registration="invited", password_min_length=20)
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router())
    with TestClient(app) as client:
        body = client.get("/auth/options").json()
    assert (body["registration"], body["password_min_length"]) == ("invited", 20)


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:8000", "https://auth.example.com"])
def test_options_say_whether_there_is_mail(issuer: str) -> None:
    auth = cheap_sealring(issuer=issuer)  # in development the console is the mailbox
    with TestClient(Starlette(routes=[Mount("/auth", auth.asgi())], lifespan=auth.lifespan)) as client:
        body = client.get("/auth/options").json()
    assert body["mail"] is issuer.startswith("http:")
    assert body["email_required"] is False


def test_pages_can_be_off_and_are_accounts_of_ours() -> None:
    for auth, accounts in ((InMemorySealring(pages=False), True), (InMemorySealring(), False)):
        app = FastAPI(lifespan=auth.lifespan)
        app.include_router(auth.router(accounts=accounts))
        with TestClient(app) as client:
            assert client.get("/auth/pages/login").status_code == 404


def test_pages_are_the_same_where_they_are_mounted() -> None:
    auth = InMemorySealring(pages_name="Shop")
    mounted = TestClient(Starlette(routes=[Mount("/x/auth", auth.asgi())], lifespan=auth.lifespan))
    flask = Flask("shop")
    auth.init_app(flask)
    with mounted:
        page = mounted.get("/x/auth/pages/account")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert flask.test_client().get("/auth/pages/account").data == page.content
    assert WerkzeugClient(auth.wsgi()).get("/pages/account").data == page.content
    assert "<title>Your account · Shop</title>" in page.text


def test_a_stylesheet_is_read_at_the_start(tmp_path: Path) -> None:
    style = tmp_path / "brand.css"
    style.write_text(":root { --accent: #005f73; }")
    auth = InMemorySealring(pages_style=str(style))
    app = Starlette(routes=[Mount("/auth", auth.asgi())], lifespan=auth.lifespan)
    style.unlink()
    with TestClient(app) as client:
        answer = client.get("/auth/pages/style.css")
    assert (answer.text, answer.headers["content-type"]) == (":root { --accent: #005f73; }", "text/css; charset=utf-8")
    with pytest.raises(ConfigurationError, match="SEALRING_PAGES_STYLE: the file cannot be read"):
        auth.asgi()
    style.write_bytes(b" " * 262_145)
    with pytest.raises(ConfigurationError, match="at most 262144 bytes"):
        auth.asgi()


@pytest.mark.parametrize(
    "home", ["//evil.example", "/\\evil.example", "https://evil.example", "shop", "", "/a b", "/ä"]
)
def test_a_home_is_a_path_of_the_same_origin(home: str) -> None:
    with pytest.raises(ConfigurationError, match="SEALRING_PAGES_HOME: must be a path of the same origin"):
        InMemorySealring(pages_home=home)


@pytest.mark.parametrize("name", ["x" * 65, "a\nb", "\x00"])
def test_a_name_can_be_shown(name: str) -> None:
    with pytest.raises(ConfigurationError, match="SEALRING_PAGES_NAME: must be at most 64 printable characters"):
        InMemorySealring(pages_name=name)
