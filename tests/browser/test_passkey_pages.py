"""Passkeys on the pages: added in the account, good for a login without a name, removed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.test_pages import fill_password, findings, join
from tests.browser.test_passkeys import AUTHENTICATOR, passkey_site

__all__ = ["passkey_site"]

Visit = Callable[..., Visitor]


class Authenticator:
    """An authenticator of a tab, whose user can be asked to be there or not."""

    def __init__(self, tab: Page) -> None:
        self._session = tab.context.new_cdp_session(tab)
        self._session.send("WebAuthn.enable", {"enableUI": False})
        self._id = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]

    def be_there(self, *, there: bool) -> None:
        """Say yes to what the browser asks, or nothing."""
        self._session.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": self._id, "enabled": there})


@pytest.mark.slow
def test_a_passkey_is_added_logs_in_and_is_removed(passkey_site: str, visit: Visit) -> None:
    tab = join(visit(passkey_site), "keyada")
    authenticator = Authenticator(tab)
    expect(tab.locator("#passkeys .state")).to_contain_text("None yet")
    assert findings(tab) == []
    tab.get_by_role("button", name="Add a passkey").click()
    expect(tab.locator("#notice")).to_have_text("The passkey is added.")
    row = tab.locator("#passkeys li")
    expect(row).to_have_count(1)

    authenticator.be_there(there=False)
    tab.get_by_role("button", name="Sign out").click()
    tab.wait_for_url("**/auth/pages/login?next=*")
    expect(tab.locator("#login-username")).to_have_attribute("autocomplete", "username webauthn")
    assert findings(tab) == []
    authenticator.be_there(there=True)
    tab.get_by_role("button", name="Sign in with a passkey").click()
    tab.wait_for_url("**/auth/pages/account")
    expect(tab.locator("#profile-username")).to_have_text("keyada")

    row.get_by_role("button").click()
    expect(tab.locator("#notice")).to_contain_text("Removed: ")
    expect(row).to_have_count(0)


@pytest.mark.slow
def test_a_passkey_is_the_second_step_of_a_password(passkey_site: str, visit: Visit) -> None:
    tab = join(visit(passkey_site), "keybea")
    authenticator = Authenticator(tab)
    tab.get_by_role("button", name="Add a passkey").click()
    expect(tab.locator("#passkeys li")).to_have_count(1)
    authenticator.be_there(there=False)
    tab.get_by_role("button", name="Sign out").click()
    fill_password(tab, "keybea")
    expect(tab.locator("#proof .hint")).to_have_text("Your browser asks for your passkey.")
    authenticator.be_there(there=True)
    tab.get_by_role("button", name="Continue").click()
    tab.wait_for_url("**/auth/pages/account")
