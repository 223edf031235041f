"""The pages as people use them: below the auth path of the demo, by mouse and by keyboard, on a phone and a desk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PASSWORD, Visitor
from tests.npm import installed

Visit = Callable[..., Visitor]
AXE = Path(__file__).parent / "axe"


def join(visitor: Visitor, name: str, *, next_: str = "/auth/pages/account") -> Page:
    """A new account, by the page of registration."""
    tab = visitor.open(f"/auth/pages/register?next={next_}")
    form = tab.locator("#register")
    form.get_by_label("Username").fill(name)
    form.get_by_label("Password", exact=True).fill(PASSWORD)
    form.get_by_role("button", name="Create account").click()
    tab.wait_for_url(f"**{next_}")
    return tab


def fill_password(tab: Page, name: str, password: str = PASSWORD) -> None:
    form = tab.locator("#login")
    form.get_by_label("Username").fill(name)
    form.get_by_label("Password", exact=True).fill(password)
    form.get_by_role("button", name="Sign in").click()


def test_from_registration_to_the_account_and_out_and_in_again(site: str, visit: Visit) -> None:
    visitor = visit(site)
    tab = join(visitor, "pageada")
    expect(tab.locator("#profile-username")).to_have_text("pageada")
    expect(tab.locator("#sessions li")).to_have_count(1)
    tab.get_by_role("button", name="Sign out").click()
    tab.wait_for_url("**/auth/pages/login?next=*")  # back to where the user was
    assert "pageada" not in str(tab.evaluate("document.body.textContent"))
    expect(tab.locator("#login-username")).to_be_focused()
    fill_password(tab, "pageada", "not the password at all")
    expect(tab.locator("#login .alert")).to_have_text("Username or password is wrong.")
    fill_password(tab, "pageada")
    tab.wait_for_url("**/auth/pages/account")
    tab.go_back()  # the login left no place in the history
    expect(tab.locator("#login")).to_have_count(0)


@pytest.mark.slow
def test_a_login_leads_home_and_back_to_the_page_that_asked(site: str, visit: Visit) -> None:
    join(visit(site), "pagehome")
    tab = visit(site).open("/auth/pages/login")
    fill_password(tab, "pagehome")
    tab.wait_for_url(f"{site}/")
    tab.goto(f"{site}/auth/pages/login?next=/docs%3Fa%3Db%23c")  # signed in already
    tab.wait_for_url(f"{site}/docs?a=b#c")


def test_open_redirect_next_is_a_path_of_this_origin_as_the_browser_reads_it(site: str, visit: Visit) -> None:
    tab = visit(site).open("/auth/pages/login")
    outside = [
        "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
        "/\n/evil.example", "\t//evil.example", "javascript:alert(1)", "data:text/html,x", "", "evil.example", "///x",
        "/auth/pages/login", "/auth/pages/./login?next=/x", "/auth/pages/register",
    ]  # fmt: skip
    inside = ["/shop", "/shop?a=//b#c", "/a/../b", "/auth/pages/account", "/@evil.example", "/%2F/evil.example"]
    ask = """async (all) => {
      const { nextPlace } = await import("/auth/pages/place.js");
      const here = { origin: location.origin, folder: "/auth/pages/", home: "/home" };
      return all.map((next) => nextPlace("?" + new URLSearchParams({ next }), here));
    }"""
    assert tab.evaluate(ask, outside) == ["/home"] * len(outside)
    assert tab.evaluate(ask, inside) == [
        "/shop", "/shop?a=//b#c", "/b", "/auth/pages/account", "/@evil.example", "/%2F/evil.example",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_password_is_changed_and_other_sessions_end(site: str, visit: Visit) -> None:
    here, there = join(visit(site), "pagemany"), visit(site).open("/auth/pages/login?next=/auth/pages/account")
    fill_password(there, "pagemany")
    expect(there.locator("#sessions li")).to_have_count(2)
    form = here.locator("#password")
    form.get_by_label("Current password", exact=True).fill(PASSWORD)
    form.get_by_label("New password", exact=True).fill("nine red herons dance")
    form.get_by_role("button", name="Change password").click()
    expect(here.locator("#notice")).to_contain_text("Password changed")
    expect(here.locator("#sessions li")).to_have_count(1)
    there.wait_for_url("**/auth/pages/login?next=*")
    fill_password(there, "pagemany", "nine red herons dance")
    expect(there.locator("#sessions li")).to_have_count(2)


@pytest.mark.slow
def test_a_page_looks_as_its_application_wants(
    serve: Callable[..., str], visit: Visit, tmp_path_factory: pytest.TempPathFactory
) -> None:
    style = tmp_path_factory.mktemp("style") / "brand.css"
    style.write_text(":root { --accent: rgb(0, 95, 115); }")
    site = serve(
        SEALRING_PAGES_STYLE=str(style), SEALRING_PAGES_NAME="Fish & Chips", SEALRING_REGISTRATION="closed",
        SEALRING_PAGES_HOME="/docs",
    )  # fmt: skip
    tab = visit(site).open("/auth/pages/login")
    expect(tab).to_have_title("Sign in · Fish & Chips")
    expect(tab.locator(".brand")).to_have_attribute("href", "/docs")
    expect(tab.locator("#login [type=submit]")).to_have_css("background-color", "rgb(0, 95, 115)")
    expect(tab.get_by_text("New here?")).to_be_hidden()
    tab.goto(f"{site}/auth/pages/register")
    expect(tab.locator("#closed")).to_be_visible()
    expect(tab.locator("#register")).to_be_hidden()


def findings(tab: Page) -> Any:
    """What axe finds by the rules of WCAG 2.2 A and AA and by its own of good practice."""
    core = (installed(AXE) / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    return tab.evaluate(core + "; axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")


@pytest.mark.parametrize(("width", "scheme"), [pytest.param(1280, "light", marks=pytest.mark.slow), (360, "dark")])
def test_axe_finds_nothing_and_each_page_fits(
    site: str, visit: Visit, width: int, scheme: Literal["light", "dark"]
) -> None:
    visitor = visit(site, width=width, height=740)
    tab = visitor.open("/auth/pages/login")
    tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for name, shown in (("login", "#login"), ("register", "#register")):
        tab.goto(f"{site}/auth/pages/{name}")
        expect(tab.locator(shown)).to_be_visible()
        assert findings(tab) == [], name
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, name
    tab = join(visitor, f"axe{width}")
    tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    expect(tab.locator("#sessions li")).to_have_count(1)
    assert findings(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


TOO_OLD = {"title": "Unauthorized", "status": 401, "code": "insufficient_user_authentication", "max_age": 600}


def test_an_account_is_deleted_after_a_fresh_proof(site: str, visit: Visit) -> None:
    tab = join(visit(site), "pagegone")
    old = [True]  # as the server answers when ten minutes have passed since the login

    def answer(route: Route) -> None:
        if old:
            old.clear()
            route.fulfill(status=401, content_type="application/problem+json", body=json.dumps(TOO_OLD))
        else:
            route.continue_()

    tab.route("**/auth/account/delete", answer)
    form, dialog = tab.locator("#delete"), tab.locator("#recent")
    form.get_by_label("To go on, enter your username").fill("pagegon")
    form.get_by_role("button").click()
    expect(tab.locator("#notice")).to_contain_text("nothing was deleted")
    form.get_by_label("To go on, enter your username").fill("pagegone")
    form.get_by_role("button").click()
    expect(dialog.get_by_label("Password")).to_be_focused()
    dialog.get_by_label("Password").fill("not the password at all")
    tab.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("Username or password is wrong.")
    dialog.get_by_label("Password").fill(PASSWORD)
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"{site}/")
    tab.goto(f"{site}/auth/pages/login")
    fill_password(tab, "pagegone")
    expect(tab.locator("#login .alert")).to_have_text("Username or password is wrong.")


@pytest.mark.slow
def test_a_proof_that_is_called_off_does_nothing(site: str, visit: Visit) -> None:
    tab = join(visit(site), "pagestays")
    refusal = {"status": 401, "content_type": "application/problem+json", "body": json.dumps(TOO_OLD)}
    tab.route("**/auth/account/delete", lambda route: route.fulfill(**refusal))
    form = tab.locator("#delete")
    form.get_by_label("To go on, enter your username").fill("pagestays")
    form.get_by_role("button").click()
    expect(tab.locator("#recent")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.locator("#recent")).to_be_hidden()
    expect(form.get_by_role("alert")).to_be_hidden()
    expect(tab.locator("#profile-username")).to_have_text("pagestays")
