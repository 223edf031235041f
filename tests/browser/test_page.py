"""The page as people use it: from no account to signed out, by mouse, by keyboard, on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Visitor, desk, door, fill_login

Visit = Callable[..., Visitor]

TAB_STOPS = """() => [...document.querySelectorAll("a, button, input")]
  .filter(e => e.checkVisibility() && e.tabIndex >= 0)
  .map(e => e.getAttribute("aria-label") || e.labels?.[0]?.innerText || e.innerText)"""


def private_text(tab: Page) -> str:
    """All text of the document, shown or not."""
    return str(tab.evaluate("document.body.textContent + [...document.querySelectorAll('input')].map(i => i.value)"))


def test_from_sign_up_to_signed_out_everywhere(site: str, visit: Visit) -> None:
    visitor = visit(site)
    first = visitor.sign_up("ada")
    expect(first.locator("#who")).to_have_text("ada")
    first.reload()
    expect(desk(first)).to_be_visible()
    second = visitor.open()
    expect(desk(second)).to_be_visible()

    first.get_by_role("button", name="Sign out").click()
    expect(door(first)).to_be_visible()
    expect(door(second)).to_be_visible()  # without a word from the server
    for tab in (first, second):
        assert "ada" not in private_text(tab)
        assert "Signed in just now" not in private_text(tab)
    assert [cookie["name"] for cookie in visitor.context.cookies() if "device" not in cookie.get("name", "")] == []

    first.goto(site + "/healthz")
    first.go_back()
    expect(door(first)).to_be_visible()
    expect(first.locator("#orders tbody tr")).to_have_count(0)
    assert "ada" not in private_text(first)


def test_a_page_left_signed_in_shows_nothing_when_back_is_pressed_after_the_end(site: str, visit: Visit) -> None:
    visitor = visit(site)
    tab = visitor.sign_up("back")
    tab.goto(site + "/healthz")
    other = visitor.open()
    other.get_by_role("button", name="Sign out").click()
    expect(door(other)).to_be_visible()
    tab.go_back()
    expect(door(tab)).to_be_visible()
    assert "back" not in private_text(tab)


def test_cookies_are_invisible_to_script(site: str, visit: Visit) -> None:
    visitor = visit(site)
    tab = visitor.sign_up("crumb")
    assert tab.evaluate("document.cookie") == ""
    assert tab.evaluate("localStorage.length + sessionStorage.length") == 0
    cookies = {cookie.get("name"): cookie for cookie in visitor.context.cookies()}
    assert {"sealring_access", "sealring_refresh"} <= cookies.keys()
    for cookie in cookies.values():
        assert cookie.get("httpOnly") is True
        assert cookie.get("sameSite") == "Lax"
    assert cookies["sealring_access"].get("path") == "/"
    assert cookies["sealring_refresh"].get("path") == "/auth"
    # Nor does any answer that script can read hold what the cookies hold.
    secrets = [cookie.get("value", "") for cookie in cookies.values()]
    read = tab.evaluate("Promise.all(['/auth/me', '/auth/sessions'].map(u => fetch(u).then(r => r.text())))")
    read += tab.evaluate("fetch('/auth/refresh', {method: 'POST'}).then(r => r.text())")
    assert not [secret for secret in secrets if secret in str(read)]


def test_sign_in_by_keyboard_alone(site: str, visit: Visit) -> None:
    visit(site).sign_up("keys")
    tab = visit(site).open()
    expect(door(tab)).to_be_visible()
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("link", name="Skip to the content")).to_be_focused()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    tab.keyboard.type("keys")
    tab.keyboard.press("Tab")
    tab.keyboard.type(PASSWORD)
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("button", name="Show password")).to_be_focused()
    tab.keyboard.press("Tab")
    outline = tab.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"
    tab.keyboard.press("Enter")
    expect(desk(tab)).to_be_visible()
    expect(tab.locator("#orders-title")).to_be_focused()


@pytest.mark.parametrize("width", [360, 1280])
def test_every_control_has_a_name_and_the_page_fits(site: str, visit: Visit, width: int) -> None:
    visitor = visit(site, width=width, height=740)
    tab = visitor.open()
    expect(door(tab)).to_be_visible()
    stops = [tab.evaluate(TAB_STOPS)]
    stops += [visitor.sign_up(f"wide{width}").evaluate(TAB_STOPS)]
    for page in visitor.context.pages:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.documentElement.lang") == "en"
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))
        described = page.evaluate(
            "[...document.querySelectorAll('input')].map(e => e.getAttribute('aria-describedby'))"
        )
        assert {name for names in described if names for name in names.split()} <= set(ids)
    assert all(name and name.strip() for names in stops for name in names)


CONTRAST = """(e) => {
  const luminance = (color) => color.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0.05);
  const {color, backgroundColor} = getComputedStyle(e);
  const [dark, light] = [luminance(color), luminance(backgroundColor)].sort();
  return light / dark;
}"""
"""WCAG 2.2, 1.4.3."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_button_under_the_mouse_can_be_read(site: str, visit: Visit, scheme: Literal["light", "dark"]) -> None:
    tab = visit(site).open()
    tab.emulate_media(color_scheme=scheme)
    expect(door(tab)).to_be_visible()
    for button in tab.locator("#login button").all():
        button.hover()
        assert button.evaluate(CONTRAST) >= 4.5, button.inner_text()


def test_password_managers_are_told_what_is_what(site: str, visit: Visit) -> None:
    tab = visit(site).open()
    expect(door(tab)).to_be_visible()
    told = tab.evaluate(
        "[...document.forms].map(f => [f.id, ...[...f.querySelectorAll('input')].map(i => i.autocomplete)])"
    )
    assert told == [
        ["login", "username", "current-password"],
        ["register", "username", "email", "off", "new-password"],
        ["password", "username", "current-password", "new-password"],
    ]


def test_a_refusal_stands_beside_its_field(site: str, visit: Visit) -> None:
    visitor = visit(site)
    visitor.sign_up("taken").get_by_role("button", name="Sign out").click()
    tab = visitor.open("/#sign-up")
    form = tab.locator("#register")
    form.get_by_role("button", name="Create account").click()
    expect(tab.locator("#register-username-error")).to_have_text("This is needed.")
    expect(form.get_by_label("Username")).to_be_focused()

    form.get_by_label("Username").fill("nottaken")
    form.get_by_label("Password", exact=True).fill("short")
    form.get_by_role("button", name="Create account").click()
    expect(tab.locator("#register-password-error")).to_contain_text("15")
    expect(form.get_by_label("Password", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(form.get_by_label("Password", exact=True)).to_be_focused()

    form.get_by_label("Username").fill("taken")
    form.get_by_label("Password", exact=True).fill(PASSWORD)
    form.get_by_role("button", name="Create account").click()
    expect(tab.locator("#register-username-error")).to_have_text("This username is taken.")
    expect(tab.locator("#register-password-error")).to_be_hidden()

    form.page.get_by_role("link", name="Sign in").click()
    fill_login(tab, "taken", "not the password at all")
    expect(tab.locator("#login .alert")).to_have_text("Username or password is wrong.")


def test_too_many_attempts_count_down(serve: Callable[..., str], visit: Visit) -> None:
    tab = visit(serve(SEALRING_THROTTLE_ACCOUNT="1/5m")).open()
    expect(door(tab)).to_be_visible()
    alert = tab.locator("#login .alert")
    fill_login(tab, "nobody", "not the password at all")
    expect(alert).to_have_text("Username or password is wrong.")
    tab.locator("#login").get_by_role("button", name="Sign in").click()
    expect(alert).to_contain_text(re.compile(r"Try again in \d+:\d\d\."))
    expect(tab.locator("#login [type=submit]")).to_be_disabled()


def test_end_this_one_and_change_of_password_end_the_others(site: str, visit: Visit) -> None:
    desktop, phone = visit(site), visit(site, width=390, height=800)
    here, there = desktop.sign_up("many"), phone.sign_in("many")
    here.reload()
    rows = here.locator("#sessions li")
    expect(rows).to_have_count(2)
    expect(rows.first.locator(".current")).to_have_text("this one")
    rows.nth(1).get_by_role("button", name="End this one").click()
    expect(rows).to_have_count(1)
    there.reload()
    expect(door(there)).to_be_visible()

    fill_login(there, "many", PASSWORD)
    expect(desk(there)).to_be_visible()
    form = here.locator("#password")
    form.get_by_label("Current password", exact=True).fill("not the password at all")
    form.get_by_label("New password", exact=True).fill("nine red herons dance")
    form.get_by_role("button", name="Change password").click()
    expect(here.locator("#password-current-error")).to_have_text("This is not your password.")
    form.get_by_label("Current password", exact=True).fill(PASSWORD)
    form.get_by_role("button", name="Change password").click()
    expect(here.locator("#notice")).to_contain_text("Password changed")
    here.reload()
    expect(desk(here)).to_be_visible()
    there.reload()
    expect(door(there)).to_be_visible()
    fill_login(there, "many", "nine red herons dance")
    expect(desk(there)).to_be_visible()


def test_the_inspector_shows_the_claims_and_counts_down(site: str, visit: Visit) -> None:
    tab = visit(site).sign_up("inspect")
    tab.locator("#inspector summary").click()
    claims = tab.locator("#inspector dl")
    for name in (
        "iss",
        "aud",
        "sub",
        "client_id",
        "sid",
        "jti",
        "iat",
        "exp",
        "auth_time",
        "amr",
        "acr",
        "epoch",
        "scope",
    ):
        expect(claims.locator("dt code").get_by_text(name, exact=True)).to_have_count(1)
    expect(claims).not_to_contain_text("inspect")  # no name in a token
    expect(tab.get_by_role("timer")).to_have_text(re.compile(r"^(30:00|29:\d\d)$"))
    token_id = claims.locator("div", has_text="jti").locator("dd")
    before = token_id.inner_text()
    tab.get_by_role("button", name="Refresh now").click()
    expect(token_id).not_to_have_text(before)


def test_the_page_brings_a_strict_policy_and_takes_no_inline_code(site: str, visit: Visit) -> None:
    visitor = visit(site)
    tab = visitor.context.new_page()
    answer = tab.goto(site + "/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<style|<script(?! type=\"module\" src=\"/)|\s(?:style|on\w+)=|https?://", answer.text()) == []
    outside = tab.evaluate(
        "performance.getEntriesByType('resource').map(e => new URL(e.name).origin).filter(o => o !== origin)"
    )
    assert outside == []


def _luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_keep_their_contrast(scheme: str) -> None:
    """WCAG 2.2 §1.4.3 (text, 4.5) and §1.4.11 (edges of controls, 3)."""
    css = (files("sealring.pages") / "static" / "pages.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    colours: dict[str, str] = {}
    for block in blocks if scheme == "dark" else blocks[:1]:
        colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    assert len(blocks) == 2
    for ground in ("paper", "card", "wash"):
        for text in ("ink", "quiet", "accent"):
            assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for text, ground in (("on-accent", "accent"), ("on-accent", "accent-strong"), ("good", "card"), ("paper", "ink")):
        assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert _contrast(colours["edge"], colours["card"]) >= 3
