"""A proxy that strips a path, and a server that does not know it: the page finds out at the login (attack N10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import PASSWORD
from tests.nginx import StrippingProxy, stripping_proxy

ENTER = """async ([client, route, username, password]) => {
    const auth = await import(client);
    try { await auth[route]({ username, password }); } catch (error) { return [error.name, error.message]; }
    return [await auth.refresh(), ""];
}"""


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[StrippingProxy]:
    with stripping_proxy(tmp_path) as start:
        yield start


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context() as context:
        tab = context.new_page()
        tab.route("**/blank", lambda route: route.fulfill(content_type="text/html", body=""))  # a page without a CSP
        yield tab


def enter(tab: Page, base: str, route: str, name: str) -> Any:
    return tab.evaluate(ENTER, [f"{base}/auth/client.js", route, name, PASSWORD])


def test_n10_a_stripped_path_that_the_server_does_not_know_is_refused_at_the_login(
    site: str, proxy: StrippingProxy, tab: Page
) -> None:
    url = proxy("/shop", site)
    tab.goto(f"{url}/shop/blank")
    for route in ("register", "login"):
        outcome, message = enter(tab, "/shop", route, "stripped")
        assert outcome == "WrongRefreshPath"
        assert "the auth routes at /shop/auth" in message
        assert "sent to /auth only" in message
        left = {cookie.get("name") for cookie in tab.context.cookies([url, f"{url}/auth", f"{url}/shop/auth"])}
        assert left == {"sealring_device"}, "no half of a session is left behind"


@pytest.mark.parametrize("path", ["/a/shop", "/sho"])
def test_n10_a_path_that_only_ends_or_begins_alike_does_not_fit(
    site: str, proxy: StrippingProxy, tab: Page, path: str
) -> None:
    """As if the server were told of another path than the browser asks for."""
    url = proxy(path, site)
    tab.goto(f"{url}{path}/blank")
    assert enter(tab, path, "register", "alike" + path.replace("/", ""))[0] == "WrongRefreshPath"


def test_n10_where_the_paths_fit_nobody_is_refused(serve: Callable[..., str], tab: Page) -> None:
    site = serve(SEALRING_AUTH_PATH="/account/auth")
    tab.goto(f"{site}/blank")
    assert tab.evaluate(ENTER, ["/account/auth/client.js", "register", "fits", PASSWORD]) == ["renewed", ""]
