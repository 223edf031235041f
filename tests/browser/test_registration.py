"""The page of the demo follows `SEALRING_REGISTRATION`: a form for those who may register, and for nobody else."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import PASSWORD, Visitor, desk, door

Visit = Callable[..., Visitor]


def test_a_closed_registration_shows_no_form(serve: Callable[..., str], visit: Visit) -> None:
    visitor = visit(serve(SEALRING_REGISTRATION="closed"))
    for path in ("/", "/#sign-up"):
        tab = visitor.open(path)
        expect(door(tab)).to_be_visible()
        expect(tab.locator("#register")).to_be_hidden()
        assert tab.get_by_text("Create an account").count() == 2
        for place in tab.get_by_text("Create an account").all():
            expect(place).to_be_hidden()


def test_by_invitation_the_form_asks_for_one_and_says_when_it_is_not_good(
    serve: Callable[..., str], visit: Visit
) -> None:
    visitor = visit(serve(SEALRING_REGISTRATION="invited"))
    tab = visitor.open("/#sign-up")
    form = tab.locator("#register")
    form.get_by_label("Username").fill("invited")
    form.get_by_label("Invitation").fill("not one of ours")
    form.get_by_label("Password", exact=True).fill(PASSWORD)
    form.get_by_role("button", name="Create account").click()
    expect(tab.locator("#register-invitation-error")).to_be_visible()
    expect(tab.locator("#register-invitation")).to_be_focused()


def test_an_open_registration_asks_for_no_invitation(site: str, visit: Visit) -> None:
    visitor = visit(site)
    tab = visitor.sign_up("uninvited")
    expect(desk(tab)).to_be_visible()
    tab = visit(site).open("/#sign-up")
    expect(tab.locator("#register")).to_be_visible()
    expect(tab.get_by_label("Invitation")).to_be_hidden()
