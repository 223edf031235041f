"""Two applications in one jar, and cookies that an earlier path of the auth routes left there (attack N5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor, desk

Visit = Callable[..., Visitor]


def refresh(tab: Page) -> Any:
    return tab.evaluate(
        "import('/auth/client.js').then(client => client.refresh()).then(o => o instanceof Response ? o.status : o)"
    )


def test_n5_two_applications_on_two_ports_of_loopback_share_a_jar_in_peace(
    serve: Callable[..., str], visit: Visit
) -> None:
    here, there = serve(), serve(SEALRING_COOKIE_NAME="shop")
    visitor = visit(here)
    mine = visitor.sign_up("athome")
    visitor.site = there
    other = visitor.sign_up("atshop")
    names = {cookie.get("name") for cookie in visitor.context.cookies()}
    assert names == {
        f"{app}_{part}" for app in ("sealring", "shop") for part in ("access", "session", "refresh", "device")
    }
    for name in ("sealring_access", "shop_access"):
        visitor.context.clear_cookies(name=name)
    for tab, user in ((mine, "athome"), (other, "atshop")):
        assert refresh(tab) == "renewed"
        tab.reload()
        expect(tab.locator("#who")).to_have_text(user)
    mine.get_by_role("button", name="Sign out").click()
    other.reload()
    expect(desk(other)).to_be_visible()


def test_n5_a_refresh_cookie_left_at_another_path_signs_nobody_out(site: str, visit: Visit) -> None:
    visitor = visit(site)
    tab = visitor.sign_up("moved")
    [left] = [cookie for cookie in visitor.context.cookies(f"{site}/auth") if cookie.get("name") == "sealring_refresh"]
    for path in ("/", "/auth/refresh"):  # shorter and longer than ours: the browser sends longer ones first
        visitor.context.add_cookies(
            [{"name": "sealring_refresh", "value": left.get("value", ""), "domain": "127.0.0.1", "path": path}]
        )
    for _ in range(3):
        assert refresh(tab) == "renewed"
    visitor.context.clear_cookies(name="sealring_access")
    tab.reload()
    expect(tab.locator("#who")).to_have_text("moved")
    tab.get_by_role("button", name="Sign out").click()
    visitor.sign_in("moved")
    visitor.context.clear_cookies(name="sealring_access")
    assert refresh(visitor.open()) == "renewed"
