"""Identity providers on the pages: the login goes there and comes back, an account links one and unlinks it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from sealring.providers import OIDC
from sealring.testing import InMemorySealring
from tests.browser.conftest import Visitor
from tests.browser.test_pages import findings, join
from tests.providers.fake_provider import CLIENT_ID, CLIENT_SECRET, FakeProvider, serving
from tests.serving import ServedThread, serve_in_thread

Visit = Callable[..., Visitor]


@dataclass
class PageProvider(FakeProvider):
    """With a page: it logs in whom the test says, and leads the browser back."""

    site: str = ""
    said: dict[str, Any] = field(default_factory=dict)
    """In place of parameters of an honest answer."""

    def answer(self, method: str, path: str, fields: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if not path.startswith("/authorize?"):
            return super().answer(method, path, fields, body)
        back, given = self.callback(self.issuer + path, **self.said)
        url = f"{self.site}{back}?{urlencode(given)}"
        return 200, f"<!doctype html><title>Provider</title><script>location.replace({url!r})</script>".encode()

    def log_in(self, subject: str, **said: Any) -> None:
        """Who is at the browser next, and what is told of it."""
        self.user, self.said = {"sub": subject, "preferred_username": subject}, said


@pytest.fixture(scope="module")
def provider() -> Iterator[PageProvider]:
    """A provider in a thread with an event loop of its own."""
    made, loop, started, end = PageProvider(), asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def run() -> None:
        async with serving(made):
            started.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    assert started.wait(10)
    yield made
    loop.call_soon_threadsafe(end.set)
    thread.join(10)
    loop.close()


@pytest.fixture(scope="module")
def issuer(provider: PageProvider) -> Iterator[ServedThread]:
    acme = OIDC(provider.issuer, CLIENT_ID, CLIENT_SECRET, name="acme", title="Acme")
    auth = InMemorySealring(providers=[acme], pages_home="/auth/pages/account")
    provider.clock = auth.clock.now
    with serve_in_thread(auth) as served:
        provider.site = served.url
        yield served


def test_a_login_at_a_provider_leads_there_and_back(issuer: ServedThread, provider: PageProvider, visit: Visit) -> None:
    tab = visit(issuer.url).open("/auth/pages/login?next=/auth/pages/account%3Fa%3Db")
    assert findings(tab) == []
    provider.log_in("op-eve", error="access_denied", code=None)
    tab.get_by_role("link", name="Continue with Acme").click()
    expect(tab.locator("#answer")).to_have_text("The login was called off.")
    expect(tab).to_have_url(f"{issuer.url}/auth/pages/login?next=%2Fauth%2Fpages%2Faccount%3Fa%3Db")
    provider.log_in("op-eve")
    tab.get_by_role("link", name="Continue with Acme").click()
    tab.wait_for_url(f"{issuer.url}/auth/pages/account?a=b")
    expect(tab.locator("#identities li .label")).to_contain_text("Acme")


@pytest.mark.slow
def test_an_account_links_a_provider_and_unlinks_it(issuer: ServedThread, provider: PageProvider, visit: Visit) -> None:
    tab = join(visit(issuer.url), "provada")
    expect(tab.locator("#identities .state")).to_have_text("None is linked.")
    provider.log_in("op-ada")
    tab.get_by_role("button", name="Link Acme").click()
    row = tab.locator("#identities li")
    expect(row.locator(".label")).to_contain_text("Acme")
    assert findings(tab) == []

    again = visit(issuer.url).open("/auth/pages/login")
    provider.log_in("op-ada")
    again.get_by_role("link", name="Continue with Acme").click()
    expect(again.locator("#profile-username")).to_have_text("provada")
    row.get_by_role("button", name="Remove Acme").click()
    expect(tab.locator("#notice")).to_contain_text("Removed: Acme")
    expect(row).to_have_count(0)
    again.wait_for_url("**/auth/pages/login?next=*")  # what began by it has ended


@pytest.mark.slow
def test_the_last_way_to_log_in_stays(issuer: ServedThread, provider: PageProvider, visit: Visit) -> None:
    tab = visit(issuer.url, width=360, height=740).open("/auth/pages/login")
    provider.log_in("op-solo")
    tab.get_by_role("link", name="Continue with Acme").click()
    tab.locator("#identities li").get_by_role("button").click()
    expect(tab.locator("#notice")).to_contain_text("add another first")
    expect(tab.locator("#identities li")).to_have_count(1)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
