"""The pages that a mail leads to: opened, they use nothing up; what a link allows is done at the press of a button."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from sealring import MailMessage
from sealring.testing import InMemorySealring
from tests.browser.conftest import PASSWORD, Visitor
from tests.browser.test_pages import fill_password, findings
from tests.serving import ServedThread, serve_in_thread

Visit = Callable[..., Visitor]
NEW_PASSWORD = "nine red herons dance"


@pytest.fixture(scope="module")
def issuer() -> Iterator[ServedThread]:
    """An issuer that keeps the mail that it sends."""
    with serve_in_thread(InMemorySealring(pages_home="/auth/pages/account", verify_email="optional")) as served:
        yield served


def last_mail(served: ServedThread, kind: str) -> MailMessage:
    auth = served.auth
    assert isinstance(auth, InMemorySealring)
    served.run(auth.deliver_mail())
    mail = auth.sent_mail[-1]
    assert mail.kind == kind
    return mail


def follow(tab: Page, site: str, mail: MailMessage) -> None:
    """Open the link of a mail as a browser does, and as a program does that looks for evil in mail first."""
    parts = urlsplit(mail.link)
    for method in ("GET", "HEAD"):
        assert tab.request.fetch(f"{site}{parts.path}", method=method).ok
    tab.goto(f"{site}{parts.path}#{parts.fragment}")


def test_a_forgotten_password_by_the_link(issuer: ServedThread, visit: Visit) -> None:
    site = issuer.url
    issuer.run(issuer.auth.accounts.create("mailada", PASSWORD, email="ada@example.com"))
    tab = visit(site).open("/auth/pages/login")
    tab.get_by_role("link", name="Forgot your password?").click()
    for address in ("nobody@example.com", "ada@example.com"):
        tab.goto(f"{site}/auth/pages/forgot")
        tab.get_by_label("Email").fill(address)
        tab.get_by_role("button", name="Send the mail").click()
        expect(tab.locator("#sent-words")).to_contain_text(
            f"If an account has the address {address}, a mail is on its way"
        )
    mail = last_mail(issuer, "reset")
    follow(tab, site, mail)
    expect(tab).to_have_url(f"{site}/auth/pages/reset")  # no token in the history
    expect(tab.get_by_label("Email")).to_have_count(0)
    tab.get_by_label("New password", exact=True).fill("short")
    tab.get_by_role("button", name="Set the password").click()
    expect(tab.locator("#reset-new-error")).to_contain_text("15")
    tab.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    tab.get_by_role("button", name="Set the password").click()
    expect(tab.locator("#done-words")).to_contain_text("The password of mailada is changed")
    tab.get_by_role("link", name="Sign in").click()
    fill_password(tab, "mailada", NEW_PASSWORD)
    tab.wait_for_url("**/auth/pages/account")

    other = visit(site).open("/")
    follow(other, site, mail)  # used
    other.get_by_label("New password", exact=True).fill("one more password here")
    other.get_by_role("button", name="Set the password").click()
    expect(other.get_by_role("alert")).to_contain_text("not valid, or has expired")
    expect(other.get_by_role("link", name="Send another mail")).to_be_visible()


@pytest.mark.slow
def test_a_forgotten_password_by_the_code(issuer: ServedThread, visit: Visit) -> None:
    site = issuer.url
    issuer.run(issuer.auth.accounts.create("mailbea", PASSWORD, email="bea@example.com"))
    tab = visit(site, width=360, height=740).open("/auth/pages/forgot")
    tab.get_by_label("Email").fill("bea@example.com")
    tab.keyboard.press("Enter")
    tab.get_by_role("link", name="Enter the code of the mail").click()
    expect(tab.get_by_label("Email")).to_have_value("bea@example.com")
    assert findings(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    tab.get_by_label("Code of the mail").fill(last_mail(issuer, "reset").code)
    tab.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    tab.keyboard.press("Enter")
    expect(tab.locator("#done-words")).to_contain_text("The password of mailbea is changed")


@pytest.mark.slow
def test_an_address_is_verified_changed_and_taken_back(issuer: ServedThread, visit: Visit) -> None:
    site = issuer.url
    visitor = visit(site)
    tab = visitor.open("/auth/pages/register")
    tab.get_by_label("Username").fill("mailcleo")
    tab.get_by_label("Email").fill("cleo@example.com")
    tab.get_by_label("Password", exact=True).fill(PASSWORD)
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/auth/pages/account")
    expect(tab.locator("#profile-email")).to_have_text("cleo@example.com")
    expect(tab.locator("#profile-verified")).to_be_hidden()
    tab.get_by_role("button", name="Send a mail to verify it").click()
    expect(tab.locator("#notice")).to_contain_text("on its way to cleo@example.com")
    follow(tab, site, last_mail(issuer, "verify"))
    tab.get_by_role("button", name="Verify this address").click()
    expect(tab.locator("#done-words")).to_have_text("The address cleo@example.com is verified.")
    tab.get_by_role("link", name="Your account").click()
    expect(tab.locator("#profile-verified")).to_be_visible()
    expect(tab.get_by_role("button", name="Send a mail to verify it")).to_be_hidden()

    tab.get_by_text("Change the email address").click()
    tab.get_by_label("New email address").fill("cleopatra@example.com")
    tab.get_by_role("button", name="Send the mail").click()
    expect(tab.locator("#notice")).to_contain_text("on its way to cleopatra@example.com")
    follow(tab, site, last_mail(issuer, "change"))
    tab.get_by_role("button", name="Verify this address").click()
    expect(tab.locator("#done-words")).to_have_text("The address cleopatra@example.com is verified.")
    tab.goto(f"{site}/auth/pages/account")
    expect(tab.locator("#profile-email")).to_have_text("cleopatra@example.com")

    undo = visit(site).open("/")
    auth = issuer.auth
    assert isinstance(auth, InMemorySealring)
    issuer.run(auth.deliver_mail())
    (mail,) = (mail for mail in auth.sent_mail if mail.to == "cleo@example.com" and "email-undo" in mail.link)
    follow(undo, site, mail)
    undo.get_by_role("button", name="Take it back").click()
    expect(undo.locator("#done-words")).to_contain_text("all sessions have ended")
    tab.wait_for_url("**/auth/pages/login?next=*")


@pytest.mark.slow
def test_where_a_verified_address_is_required_an_account_waits_for_it(visit: Visit) -> None:
    with serve_in_thread(InMemorySealring(pages_home="/auth/pages/account", verify_email="required")) as served:
        tab = visit(served.url).open("/auth/pages/register")
        tab.get_by_label("Username").fill("maildora")
        tab.get_by_label("Password", exact=True).fill(PASSWORD)
        tab.keyboard.press("Enter")
        expect(tab.locator("#register-email-error")).to_have_text("This is needed.")
        tab.get_by_label("Email").fill("dora@example.com")
        tab.keyboard.press("Enter")
        expect(tab.locator("#unverified-words")).to_contain_text("A mail is on its way to dora@example.com")
        tab.get_by_role("link", name="Enter the code of the mail").click()
        tab.get_by_label("Code of the mail").fill(last_mail(served, "verify").code)
        tab.get_by_role("button", name="Verify this address").click()
        expect(tab.locator("#done-words")).to_have_text("The address dora@example.com is verified.")
        tab.goto(f"{served.url}/auth/pages/login")
        fill_password(tab, "maildora")
        tab.wait_for_url("**/auth/pages/account")


@pytest.mark.slow
def test_a_code_or_the_link_of_a_mail_logs_in(visit: Visit) -> None:
    auth = InMemorySealring(pages_home="/auth/pages/account", email_login=True)
    with serve_in_thread(auth) as served:
        served.run(auth.accounts.create("mailfay", None, email="fay@example.com"))
        tab = visit(served.url).open("/auth/pages/login")
        expect(tab.locator("#login")).to_be_visible()
        assert findings(tab) == []
        for by_link in (False, True):
            tab.goto(f"{served.url}/auth/pages/login")
            tab.get_by_role("button", name="Sign in by a code in a mail").click()
            tab.get_by_label("Email").fill("fay@example.com")
            tab.keyboard.press("Enter")
            expect(tab.locator("#mail-sent")).to_contain_text("If an account has verified the address fay@example.com")
            mail = last_mail(served, "login")
            if by_link:
                follow(tab, served.url, mail)
                expect(tab).to_have_url(f"{served.url}/auth/pages/login")  # no code in the history
                tab.locator("#mail-code").get_by_role("button", name="Sign in").click()
            else:
                assert findings(tab) == []
                tab.get_by_label("Code of the mail").fill("00000000")
                tab.keyboard.press("Enter")
                expect(tab.locator("#mail-code").get_by_role("alert")).to_contain_text("wrong")
                tab.get_by_label("Code of the mail").fill(mail.code)
                tab.keyboard.press("Enter")
            expect(tab.locator("#profile-username")).to_have_text("mailfay")
            tab.get_by_role("button", name="Sign out").click()
            tab.wait_for_url("**/auth/pages/login?next=*")
