"""Several tabs, several browsers, a bad network: nobody honest is logged out, and whoever is ended is out.

The answers to refreshes are held back, crossed and lost *after* the server has acted: the routes ask the
server themselves, with the jar's cookies, so that a lost answer leaves the jar as a cut cable would.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request, Route, expect

from tests.browser.conftest import Visitor, desk, door

Visit = Callable[..., Visitor]

REFRESH = "client.refresh().then(o => o instanceof Response ? o.status : o)"


def with_client(tab: Page, call: str) -> Any:
    """What `call` comes to in this tab, or the name of the error that it ends in."""
    return tab.evaluate(f"import('/auth/client.js').then((client) => {call}).catch((error) => error.name)")


def fetch_status(tab: Page, url: str = "/api/userOrders", init: str = "{}") -> Any:
    """The status of the answer to the client's own fetch."""
    return with_client(tab, f"client.fetch('{url}', {init}).then(r => r.status)")


def start_refresh(tab: Page) -> None:
    """Starts a refresh and leaves it running; `outcome` waits for it."""
    tab.evaluate(
        f"""() => {{
          window.outcome = null;
          import('/auth/client.js').then((client) => {REFRESH}).catch((e) => e.name)
            .then((outcome) => {{ window.outcome = outcome; }});
        }}"""
    )


@dataclass
class Answer:
    """What the server said to one refresh, not yet given to the browser."""

    route: Route
    status: int
    headers: dict[str, str]
    body: bytes

    def deliver(self) -> None:
        self.route.fulfill(status=self.status, headers=self.headers, body=self.body)

    def lose(self) -> None:
        self.route.abort("connectionreset")


@dataclass
class Cable:
    """Between one browser and the refresh route: every answer waits here until a test says what becomes of it."""

    context: BrowserContext
    waiting: list[Answer] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.route("**/auth/refresh", lambda route: self.waiting.append(self.ask(route)))

    def ask(self, route: Route) -> Answer:
        """Puts the request to the server as the browser would have."""
        url = urlsplit(route.request.url)
        jar = "; ".join(
            f"{cookie.get('name')}={cookie.get('value')}" for cookie in self.context.cookies(route.request.url)
        )
        headers = dict(route.request.headers)
        headers |= {"cookie": jar, "sec-fetch-site": "same-origin", "origin": f"{url.scheme}://{url.netloc}"}
        connection = http.client.HTTPConnection(url.netloc, timeout=5)
        try:
            connection.request("POST", url.path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        given: dict[str, str] = {}
        for name, value in answer.getheaders():
            lower = name.lower()
            given[lower] = f"{given[lower]}\n{value}" if lower in given else value
        self.statuses.append(answer.status)
        return Answer(route, answer.status, given, body)

    def wait_for(self, tab: Page, count: int) -> list[Answer]:
        """Takes the next answers off the cable, in the server's order."""
        for _ in range(200):
            if len(self.waiting) >= count:
                break
            tab.wait_for_timeout(25)
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        assert len(taken) == count
        return taken


def outcome(tab: Page) -> str:
    for _ in range(200):
        if (said := tab.evaluate("window.outcome")) is not None:
            return str(said)
        tab.wait_for_timeout(25)
    pytest.fail("the refresh never ended")


def refreshes(tab: Page) -> list[Request]:
    """The list that this tab's refresh requests will be written to."""
    seen: list[Request] = []
    tab.on("request", lambda request: seen.append(request) if request.url.endswith("/auth/refresh") else None)
    return seen


def test_two_tabs_through_three_refreshes_with_answers_delayed_and_dropped(site: str, visit: Visit) -> None:
    visitor = visit(site)
    one = visitor.sign_up("twotabs")
    two = visitor.open()
    expect(desk(two)).to_be_visible()
    cable = Cable(visitor.context)

    # 1: both ask at once, and the answers cross.
    for tab in (one, two):
        start_refresh(tab)
    first, second = cable.wait_for(one, 2)
    second.deliver()
    first.deliver()
    assert (outcome(one), outcome(two)) == ("renewed", "renewed")
    assert (fetch_status(one), fetch_status(two)) == (200, 200)

    # 2: one answer is lost, the other late.
    for tab in (one, two):
        start_refresh(tab)
    first, second = cable.wait_for(one, 2)
    first.lose()
    second.deliver()
    assert sorted((outcome(one), outcome(two))) == ["TypeError", "renewed"]
    assert (fetch_status(one), fetch_status(two)) == (200, 200)

    # 3: both are lost; each tab tries again by itself, or hears that the other has.
    for tab in (one, two):
        start_refresh(tab)
    for answer in cable.wait_for(one, 2):
        answer.lose()
    assert (outcome(one), outcome(two)) == ("TypeError", "TypeError")
    for tab in (one, two):
        start_refresh(tab)
    for answer in cable.wait_for(one, 2):
        answer.deliver()
    assert (outcome(one), outcome(two)) == ("renewed", "renewed")

    assert set(cable.statuses) <= {200, 409}
    visitor.context.unroute_all()
    for tab in (one, two):
        assert fetch_status(tab) == 200
        expect(desk(tab)).to_be_visible()
        tab.reload()
        expect(desk(tab)).to_be_visible()


def test_short_tokens_refresh_by_themselves_though_every_second_answer_is_lost(
    serve: Callable[..., str], visit: Visit
) -> None:
    visitor = visit(serve(SEALRING_ACCESS_TTL="2s"))
    one = visitor.sign_up("ticking")
    two = visitor.open()
    cable = Cable(visitor.context)
    for number in range(6):
        (answer,) = cable.wait_for(one, 1)
        if number % 2:
            answer.deliver()
        else:
            answer.lose()
    visitor.context.unroute_all()
    for answer in cable.waiting:
        answer.lose()
    assert set(cable.statuses) <= {200, 409}
    for tab in (one, two):
        expect(desk(tab)).to_be_visible()
        assert fetch_status(tab) == 200


def test_one_tab_refreshes_for_all(site: str, visit: Visit) -> None:
    visitor = visit(site)
    one = visitor.sign_up("forall")
    two = visitor.open()
    expect(desk(two)).to_be_visible()
    ends = "new Promise(known => client.onChange(state => known(state.expiresAt)))"
    before = with_client(two, ends)
    token_id = two.locator("#inspector dl div", has_text="jti").locator("dd")
    old = token_id.inner_text()
    asked = refreshes(two)
    one.wait_for_timeout(1100)  # an expiry is told in whole seconds
    assert with_client(one, REFRESH) == "renewed"
    expect(token_id).not_to_have_text(old)
    assert with_client(two, ends) > before
    assert asked == []


def test_a_page_out_of_the_back_forward_cache_asks_before_it_shows_anything(site: str, visit: Visit) -> None:
    visitor = visit(site)
    tab = visitor.sign_up("thawed")
    visitor.context.clear_cookies()  # an end that this page has not heard of
    shown = tab.evaluate(
        """() => {
          dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
          return document.querySelector("#orders").checkVisibility() || document.body.textContent.includes("thawed");
        }"""
    )
    assert shown is False
    expect(door(tab)).to_be_visible()


def test_a_reload_with_a_spent_access_cookie_is_one_refresh(site: str, visit: Visit) -> None:
    visitor = visit(site)
    tab = visitor.sign_up("spent")
    visitor.context.clear_cookies(name="sealring_access")
    asked = refreshes(tab)
    tab.reload()
    expect(desk(tab)).to_be_visible()
    assert len(asked) == 1


def test_many_refused_requests_share_one_refresh_and_succeed(site: str, visit: Visit) -> None:
    visitor = visit(site)
    tab = visitor.sign_up("shared")
    visitor.context.clear_cookies(name="sealring_access")
    asked = refreshes(tab)
    one = "client.fetch('/api/userOrders').then(r => r.status)"
    assert with_client(tab, f"Promise.all([{one}, {one}, {one}, {one}])") == [200] * 4
    assert len(asked) == 1


def test_a_request_is_retried_once_and_no_more(site: str, visit: Visit) -> None:
    tab = visit(site).sign_up("once")
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.post_data or "")
        route.fulfill(status=403, content_type="application/problem+json", body='{"code": "invalid_token"}')

    tab.route("**/api/echo", refuse)
    assert fetch_status(tab, "/api/echo", "{method: 'POST', body: 'kept'}") == 403
    assert asked == ["kept", "kept"]
    expect(desk(tab)).to_be_visible()


@pytest.mark.parametrize("code", ["csrf", "insufficient_scope"])
def test_another_403_is_handed_on_without_a_refresh(site: str, visit: Visit, code: str) -> None:
    tab = visit(site).sign_up(f"forbidden{code[:4]}")
    asked = refreshes(tab)
    tab.route(
        "**/api/echo",
        lambda route: route.fulfill(status=403, content_type="application/problem+json", body=f'{{"code": "{code}"}}'),
    )
    assert fetch_status(tab, "/api/echo") == 403
    assert asked == []


def test_the_csrf_token_goes_with_changes_to_our_own_origin_only(site: str, visit: Visit) -> None:
    tab = visit(site).sign_up("onlyours")
    seen: dict[str, str | None] = {}

    def note(route: Route) -> None:
        request = route.request
        if request.method == "OPTIONS":
            route.fulfill(status=204, headers={"access-control-allow-origin": "*", "access-control-allow-headers": "*"})
            return
        seen[f"{request.method} {urlsplit(request.url).hostname}"] = request.headers.get("x-csrf-token")
        route.fulfill(status=401, headers={"access-control-allow-origin": "*"})

    asked = refreshes(tab)
    tab.route("**/elsewhere", note)
    # The demo's own policy would stop this at once: ask from a page without one.
    tab.route(
        "**/blank",
        lambda route: route.fulfill(status=200, content_type="text/html", body="<link rel=icon href=data:,>"),
    )
    tab.goto(site + "/blank")
    with_client(tab, "new Promise(known => client.onChange(state => state.user && known()))")
    assert fetch_status(tab, "http://localhost:9/elsewhere", "{method: 'POST'}") == 401
    assert fetch_status(tab, "/elsewhere") == 401
    assert fetch_status(tab, "/elsewhere", "{method: 'POST'}") == 401
    assert seen["POST localhost"] is None
    assert seen["GET 127.0.0.1"] is None
    assert seen["POST 127.0.0.1"]
    assert len(asked) <= 2  # for our own two 401s; another origin's 401 is not about us


@pytest.mark.parametrize("fault", ["503", "429", "abort"])
def test_an_outage_signs_nobody_out(site: str, visit: Visit, fault: str) -> None:
    visitor = visit(site)
    tab = visitor.sign_up(f"outage{fault}")

    def fail(route: Route) -> None:
        if fault == "abort":
            route.abort("connectionrefused")
        else:
            body = '{"code": "stale", "detail": "try again"}'
            route.fulfill(
                status=int(fault), headers={"retry-after": "1"}, content_type="application/problem+json", body=body
            )

    visitor.context.clear_cookies(name="sealring_access")
    visitor.context.route("**/auth/refresh", fail)
    assert with_client(tab, REFRESH) == ("TypeError" if fault == "abort" else int(fault))
    expect(tab.locator("#trouble")).to_contain_text("You are still signed in.")
    expect(desk(tab)).to_be_visible()
    answer = fetch_status(tab)
    assert answer in {"TypeError", 503, 429}  # never the 401 that would read as "logged out"
    tab.reload()
    expect(tab.locator("#trouble")).to_be_visible()
    expect(door(tab)).to_be_hidden()
    visitor.context.unroute_all()
    expect(desk(tab)).to_be_visible()  # by itself, after Retry-After
    expect(tab.locator("#trouble")).to_be_hidden()


def test_retry_after_is_honoured(site: str, visit: Visit) -> None:
    visitor = visit(site)
    tab = visitor.sign_up("patient")
    asked = refreshes(tab)
    visitor.context.route("**/auth/refresh", lambda route: route.fulfill(status=503, headers={"retry-after": "60"}))
    assert with_client(tab, REFRESH) == 503
    assert [with_client(tab, REFRESH) for _ in range(3)] == [503] * 3
    assert len(asked) == 1


def test_a_refresh_that_lost_its_race_is_no_log_out(site: str, visit: Visit) -> None:
    visitor = visit(site)
    tab = visitor.sign_up("loser")
    answers = iter([409])

    def supersede(route: Route) -> None:
        if next(answers, None) is None:
            route.continue_()
        else:
            route.fulfill(status=409, content_type="application/problem+json", body='{"code": "refresh_superseded"}')

    visitor.context.route("**/auth/refresh", supersede)
    visitor.context.clear_cookies(name="sealring_access")
    assert fetch_status(tab) == 200
    expect(desk(tab)).to_be_visible()


def test_end_all_others_ends_the_other_browser_at_its_next_request(site: str, visit: Visit) -> None:
    mine, theirs = visit(site), visit(site)
    here, there = mine.sign_up("endothers"), theirs.sign_in("endothers")
    sibling = theirs.open()
    expect(desk(sibling)).to_be_visible()
    here.reload()
    here.get_by_role("button", name="End all others").click()
    expect(here.locator("#sessions li")).to_have_count(1)
    assert fetch_status(there) in {401, 403}
    expect(door(there)).to_be_visible()
    expect(there.locator("#notice")).to_contain_text("This session has ended")
    expect(door(sibling)).to_be_visible()  # its tabs tell each other
    assert fetch_status(here) == 200
    expect(desk(here)).to_be_visible()


def test_another_tab_signs_in_as_somebody_else(site: str, visit: Visit) -> None:
    visitor = visit(site)
    visit(site).sign_up("second")
    one = visitor.sign_up("first")
    two = visitor.open()
    two.get_by_role("button", name="Sign out").click()
    expect(door(one)).to_be_visible()
    two.close()
    visitor.sign_in("second")
    expect(one.locator("#who")).to_have_text("second")
    assert "first" not in one.locator("body").inner_text()
