"""A front end on another origin, in Chromium: cookies for a page of the same site, tokens for one of another (10.4)."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PASSWORD, Visitor
from tests.browser.test_cross_site import elsewhere

__all__ = ["elsewhere"]

Visit = Callable[..., Visitor]
SAME_SITE, CROSS_SITE = "127.0.0.1", "localhost"

CALL = """async ([url, method, headers, body]) => {
  const answer = await fetch(url, {method, credentials: "include", headers: {...headers,
    ...(body && {"Content-Type": "application/json"})}, ...(body && {body: JSON.stringify(body)})});
  return [answer.status, await answer.json().catch(() => null), answer.headers.get("WWW-Authenticate")];
}"""


@pytest.fixture
def api(serve: Callable[..., str], elsewhere: int) -> str:
    """A server that trusts the pages of the other port, by both names of this machine."""
    return serve(SEALRING_ALLOWED_ORIGINS=f"http://{SAME_SITE}:{elsewhere},http://{CROSS_SITE}:{elsewhere}")


def create(api: str, name: str) -> None:
    body = json.dumps({"username": name, "password": PASSWORD}).encode()
    request = urllib.request.Request(f"{api}/auth/register", body, {"Content-Type": "application/json"})  # noqa: S310
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - loopback, our own server


def open_page(visitor: Visitor, host: str, port: int) -> Page:
    tab = visitor.context.new_page()
    tab.goto(f"http://{host}:{port}/")
    return tab


def call(tab: Page, url: str, method: str = "GET", headers: dict[str, str] | None = None, body: Any = None) -> Any:
    return tab.evaluate(CALL, [url, method, headers or {}, body])


def test_a_page_of_the_same_site_lives_by_cookies(api: str, visit: Visit, elsewhere: int) -> None:
    create(api, "samesite")
    visitor = visit(api)
    tab = open_page(visitor, SAME_SITE, elsewhere)
    login = {"username": "samesite", "password": PASSWORD, "delivery": "cookie"}
    status, grant, _ = call(tab, f"{api}/auth/login", "POST", body=login)
    assert (status, "access_token" in grant) == (200, False)
    csrf = {"X-CSRF-Token": grant["csrf_token"]}
    assert call(tab, f"{api}/auth/me")[1]["username"] == "samesite"
    assert call(tab, f"{api}/auth/refresh", "POST", csrf)[0] == 200
    assert call(tab, f"{api}/auth/logout", "POST", {"X-CSRF-Token": "x"})[:1] == [403], "a token must fit all the same"
    assert call(tab, f"{api}/auth/sessions", "DELETE", csrf)[0] == 204
    status, problem, challenge = call(tab, f"{api}/auth/me")
    assert (status, problem["code"], challenge) == (401, "missing_credential", 'Bearer realm="sealring"')


def test_a_page_of_another_site_lives_by_tokens(api: str, visit: Visit, elsewhere: int) -> None:
    create(api, "crosssite")
    visitor = visit(api)
    tab = open_page(visitor, CROSS_SITE, elsewhere)
    login = {"username": "crosssite", "password": PASSWORD}
    status, problem, _ = call(tab, f"{api}/auth/login", "POST", body=login | {"delivery": "cookie"})
    assert (status, problem["code"]) == (400, "cross_site_cookies"), "the page can read why"
    status, tokens, _ = call(tab, f"{api}/auth/login", "POST", body=login)
    assert status == 200
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert call(tab, f"{api}/auth/me", headers=bearer)[1]["username"] == "crosssite"
    refresh = {"refresh_token": tokens["refresh_token"]}
    assert call(tab, f"{api}/auth/refresh", "POST", body=refresh)[0] == 200
    assert visitor.context.cookies() == []


@pytest.mark.parametrize("host", [SAME_SITE, CROSS_SITE])
def test_the_browser_client_loads_as_a_module_of_the_other_origin(
    api: str,
    visit: Visit,
    elsewhere: int,
    host: str,
) -> None:
    tab = open_page(visit(api), host, elsewhere)
    assert tab.evaluate(f"import('{api}/auth/client.js').then((client) => typeof client.login)") == "function"


@pytest.mark.parametrize("host", [SAME_SITE, CROSS_SITE])
def test_a_page_that_is_not_listed_learns_nothing(site: str, visit: Visit, elsewhere: int, host: str) -> None:
    visitor = visit(site)
    tab = open_page(visitor, host, elsewhere)
    statuses: list[int] = []
    wire = visitor.context.new_cdp_session(tab)
    wire.on("Network.responseReceivedExtraInfo", lambda answer: statuses.append(answer["statusCode"]))
    wire.send("Network.enable")
    login = {"username": "nobody", "password": PASSWORD}
    failed = tab.evaluate(
        f"(given) => ({CALL})(given).catch((error) => error.name)", [f"{site}/auth/login", "POST", {}, login]
    )
    assert failed == "TypeError"
    assert statuses == [403], "the preflight was refused, and the request never sent"
