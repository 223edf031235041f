"""Two-step login on the pages: set up, used, given up; the app is pyotp, and time is a clock that is set."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyotp
import pytest
from playwright.sync_api import Page, expect

from sealring.testing import InMemorySealring
from tests.browser.conftest import PASSWORD, Visitor
from tests.browser.test_pages import fill_password, findings, join
from tests.serving import ServedThread, serve_in_thread

Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def issuer() -> Iterator[ServedThread]:
    with serve_in_thread(InMemorySealring(pages_home="/auth/pages/account")) as served:
        yield served


class Phone:
    """An authenticator app that has scanned the picture of a tab."""

    def __init__(self, tab: Page, auth: object) -> None:
        assert isinstance(auth, InMemorySealring)
        self._clock = auth.clock
        expect(tab.locator("img.qr")).to_be_visible()
        assert tab.locator("img.qr").evaluate("(image) => image.naturalWidth") > 100, "the picture loads"
        uri = tab.get_by_role("link", name="open it in the app").get_attribute("href")
        app = pyotp.parse_uri(str(uri))
        assert isinstance(app, pyotp.TOTP)
        self._app = app
        typed = tab.locator(".secret-text").inner_text().replace(" ", "")
        assert typed == self._app.secret

    def code(self) -> str:
        """The next code that was not used yet."""
        self._clock.advance(30)
        return str(self._app.at(self._clock.now()))


def test_an_app_is_set_up_asked_for_and_removed(issuer: ServedThread, visit: Visit) -> None:
    tab = join(visit(issuer.url), "twoada")
    tab.get_by_role("button", name="Set up an authenticator app").click()
    phone = Phone(tab, issuer.auth)
    assert findings(tab) == []
    tab.get_by_label("Code that the app shows").fill("000000")
    tab.keyboard.press("Enter")
    expect(tab.locator("#totp-code-error")).to_be_visible()
    tab.get_by_label("Code that the app shows").fill(phone.code())
    tab.keyboard.press("Enter")
    expect(tab.locator("#codes li")).to_have_count(10)
    assert findings(tab) == []
    spare = tab.locator("#codes li").first.inner_text()
    tab.get_by_role("button", name="I have kept them").click()
    expect(tab.locator("#codes li")).to_have_count(0)
    assert spare not in str(tab.evaluate("document.body.textContent"))
    expect(tab.locator("#factors-words")).to_contain_text("10 of your recovery codes are left")

    tab.get_by_role("button", name="Sign out").click()
    fill_password(tab, "twoada")
    expect(tab.locator("#second")).to_be_visible()
    assert findings(tab) == []
    tab.get_by_label("Code", exact=True).fill("000000")
    tab.keyboard.press("Enter")
    expect(tab.locator("#proof").get_by_role("alert")).to_be_visible()
    tab.get_by_label("Code", exact=True).fill(phone.code())
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/auth/pages/account")

    tab.get_by_role("button", name="Sign out").click()
    fill_password(tab, "twoada")
    tab.get_by_role("button", name="Use a recovery code").click()
    tab.get_by_label("Recovery code").fill(spare)
    tab.keyboard.press("Enter")
    expect(tab.locator("#factors-words")).to_contain_text("9 of your recovery codes are left")

    auth = issuer.auth
    assert isinstance(auth, InMemorySealring)
    auth.clock.advance("11m")  # the proof of the login is too old: both factors are asked
    tab.get_by_role("button", name="Remove the authenticator app").click()
    dialog = tab.locator("#recent")
    dialog.get_by_label("Password").fill(PASSWORD)
    tab.keyboard.press("Enter")
    dialog.get_by_label("Code", exact=True).fill(phone.code())
    tab.keyboard.press("Enter")
    expect(tab.locator("#notice")).to_have_text("Two-step login is off.")
    expect(dialog).to_be_hidden()
    expect(tab.get_by_role("button", name="Set up an authenticator app")).to_be_visible()


@pytest.mark.slow
def test_where_two_steps_are_required_an_account_sets_up_its_app_at_the_login(visit: Visit) -> None:
    auth = InMemorySealring(pages_home="/auth/pages/account", mfa="required")
    with serve_in_thread(auth) as served:
        served.run(auth.accounts.create("twobea", PASSWORD))
        tab = visit(served.url, width=360, height=740).open("/auth/pages/login")
        fill_password(tab, "twobea")
        phone = Phone(tab, auth)
        assert findings(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360
        tab.get_by_label("Code", exact=True).fill(phone.code())
        tab.keyboard.press("Enter")
        expect(tab.locator("#profile-username")).to_have_text("twobea")
