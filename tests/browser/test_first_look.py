"""What a first visitor of the demo meets: an end that shows by itself, a focus that stays, words that are true."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Visitor, desk, door, fill_login

Visit = Callable[..., Visitor]
FOCUSED = "document.activeElement.id || document.activeElement.innerText || document.activeElement.tagName"


def test_a_session_that_was_ended_elsewhere_is_gone_within_seconds(site: str, visit: Visit) -> None:
    here, there = visit(site), visit(site)
    ended = there.sign_up("lookedat")
    looks: list[str] = []
    ended.on("request", lambda request: looks.append(request.url.removeprefix(site)))
    tab = here.sign_in("lookedat")
    tab.locator("#sessions").get_by_role("button", name="End all others").click()
    expect(tab.locator("#notice")).to_have_text("All other sessions are ended.")
    expect(door(ended)).to_be_visible(timeout=8_000)  # without a click
    expect(ended.locator("#notice")).to_have_text("This session has ended. Please sign in again.")
    before = looks[: looks.index("/auth/refresh")]
    assert set(before) == {"/auth/live"}, "a look asks for nothing that costs a read"


def test_a_hidden_or_signed_out_page_does_not_look(site: str, visit: Visit) -> None:
    tab = visit(site).open()
    expect(door(tab)).to_be_visible()
    looks: list[str] = []
    tab.on("request", lambda request: looks.append(request.url))
    tab.wait_for_timeout(3_500)
    assert looks == []


@pytest.mark.parametrize("by", ["click", "Enter"])
def test_a_refused_submit_keeps_the_focus(site: str, visit: Visit, by: str) -> None:
    tab = visit(site).open()
    expect(door(tab)).to_be_visible()
    if by == "click":
        fill_login(tab, "nobody", "not the password at all")
    else:
        tab.locator("#login-username").fill("nobody")
        tab.locator("#login-password").fill("not the password at all")
        tab.locator("#login-password").press("Enter")
    expect(tab.locator("#login .alert")).to_have_text("Username or password is wrong.")
    assert tab.evaluate(FOCUSED) == ("Sign in" if by == "click" else "login-password")
    tab.keyboard.press("Enter")  # and so it can be sent again
    expect(tab.locator("#login [type=submit]")).to_be_enabled()


def test_a_button_keeps_the_focus_while_it_works(site: str, visit: Visit) -> None:
    tab = visit(site).sign_up("steady")
    button = tab.get_by_role("button", name="Refresh now")
    button.focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#notice")).to_have_text("A new access token; the same session.")
    expect(button).to_be_focused()


def test_what_was_said_at_sign_out_does_not_outlive_the_next_sign_in(site: str, visit: Visit) -> None:
    tab = visit(site).sign_up("brief")
    tab.get_by_role("button", name="Sign out").click()
    expect(tab.locator("#notice")).to_contain_text("You are signed out")
    fill_login(tab, "brief", PASSWORD)
    expect(desk(tab)).to_be_visible()
    expect(tab.locator("#notice")).to_have_text("")


@pytest.mark.parametrize("length", ["15", "12"])
def test_the_length_of_a_password_is_said_before_the_first_failure(
    serve: Callable[..., str], visit: Visit, length: str
) -> None:
    visitor = visit(serve(SEALRING_PASSWORD_MIN_LENGTH=length))
    tab = visitor.open("/#sign-up")
    expect(tab.locator("#register-password-hint")).to_contain_text(f"At least {length} characters")
    desktop = visitor.sign_up("told")
    expect(desktop.locator("#password-new-hint")).to_contain_text(f"At least {length} characters")


def test_the_claims_fold_away(site: str, visit: Visit) -> None:
    tab = visit(site).sign_up("folded")
    claims = tab.locator("#inspector dl")
    expect(tab.locator("#inspector summary")).to_be_visible()
    expect(claims).to_be_hidden()
    tab.locator("#inspector summary").click()
    expect(claims).to_be_visible()
    expect(claims.get_by_text("sid", exact=True)).to_be_visible()


def places(tab: Page, *selectors: str) -> list[float]:
    return [box["y"] for selector in selectors if (box := tab.locator(selector).bounding_box()) is not None]


def test_on_a_phone_the_account_comes_first(site: str, visit: Visit) -> None:
    visitor = visit(site, width=390, height=800)
    tab = visitor.open()
    expect(door(tab)).to_be_visible()
    form, pitch = places(tab, "#sign-in", ".pitch")
    assert form < pitch
    tab = visitor.sign_up("pocket")
    order = places(tab, "#orders", "#sessions", "section.password", "#inspector")
    assert order == sorted(order)
    assert len(order) == 4
    stops = tab.evaluate("[...document.querySelectorAll('.desk section')].map(e => e.getBoundingClientRect().y)")
    assert stops == sorted(stops), "the keyboard goes the way of the eye (WCAG 2.2 §2.4.3)"


def test_authorize_in_the_docs_works_beside_the_pages_own_session(site: str, visit: Visit) -> None:
    visitor = visit(site)
    visitor.sign_up("docs")
    tab = visitor.open("/docs")
    tab.get_by_role("button", name="Authorize").first.click()
    box = tab.locator(".modal-ux")
    box.locator("#oauth_username, input[name=username]").first.fill("docs")
    box.locator("#oauth_password, input[name=password]").first.fill(PASSWORD)
    box.get_by_role("button", name="Apply given OAuth2 credentials").click()
    expect(box.get_by_role("button", name="Remove authorization")).to_be_visible()
    box.get_by_role("button", name="Close").click()
    operation = tab.locator("#operations-auth-me")
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    with tab.expect_response("**/auth/me") as answered:
        operation.get_by_role("button", name="Execute").click()
    assert answered.value.status == 200
    assert answered.value.json()["username"] == "docs"
    assert "csrf_token" not in answered.value.json(), "by the token alone, without the cookies"
