"""Pages of other origins: they may send, but nothing that they send is done (attacks C2, C3, C4, C10)."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import PASSWORD, Visitor, desk, door

Visit = Callable[..., Visitor]


class Blank(BaseHTTPRequestHandler):
    """An empty page, whatever is asked."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel=icon href=data:,><title>elsewhere</title>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """The port of another server: another site by the name localhost, same site but other origin by the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


FORM_TYPES = ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data")
FORM = """([action, type, fields]) => {
  const form = Object.assign(document.createElement("form"), {method: "post", action, enctype: type});
  for (const [name, value] of Object.entries(fields))
    form.append(Object.assign(document.createElement("input"), {name, value}));
  document.body.append(form);
  setTimeout(() => form.submit()); // after this has returned: a page that is gone cannot answer
}"""

FRAME = """(src) => new Promise((onload) =>
  document.body.append(Object.assign(document.createElement("iframe"), {src, onload})))"""

SEND = """([url, method, headers, body]) => fetch(url, {method, ...(headers && {headers}), ...(body && {body}),
  credentials: "include", mode: headers ? "cors" : "no-cors"})
  .then(r => r.type, e => e.name)"""


def post_form(tab: Page, url: str, kind: str, fields: dict[str, str]) -> Response:
    with tab.expect_response(url) as answer:
        tab.evaluate(FORM, [url, kind, fields])
    tab.wait_for_url(url)
    return answer.value


def json_by_form(username: str) -> dict[str, str]:
    """Text that a text/plain form sends as one JSON object."""
    return {f'{{"username": "{username}", "password": "{PASSWORD}", "delivery": "cookie", "x": "': '"}'}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_c2_a_foreign_form_ends_nothing(site: str, visit: Visit, elsewhere: int, host: str) -> None:
    visitor = visit(site)
    ours = visitor.sign_up(f"victim{host[:3]}")
    evil = visitor.context.new_page()
    for route, kind in itertools.product(("logout", "refresh", "password"), FORM_TYPES):
        evil.goto(f"http://{host}:{elsewhere}/")
        # 401 where the cookie stayed at home: SameSite=Lax sends none with a form of another site
        assert post_form(evil, f"{site}/auth/{route}", kind, {"a": "b"}).status in {401, 403, 415}
    ours.reload()
    expect(desk(ours)).to_be_visible()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("route", ["login", "register"])
def test_c2_a_foreign_form_signs_nobody_in(site: str, visit: Visit, elsewhere: int, host: str, route: str) -> None:
    visit(site).sign_up(f"attacker{route}{host[:3]}")
    victim = visit(site)
    evil = victim.open()
    evil.goto(f"http://{host}:{elsewhere}/")
    name = f"attacker{route}{host[:3]}" if route == "login" else f"planted{host[:3]}"
    assert post_form(evil, f"{site}/auth/{route}", "text/plain", json_by_form(name)).status in {403, 415}
    assert victim.context.cookies(site) == []
    tab = victim.open()
    expect(door(tab)).to_be_visible()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_c3_foreign_script_reads_and_changes_nothing(site: str, visit: Visit, elsewhere: int, host: str) -> None:
    visitor = visit(site)
    ours = visitor.sign_up(f"script{host[:3]}")
    evil = visitor.context.new_page()
    evil.goto(f"http://{host}:{elsewhere}/")
    statuses: list[int] = []
    wire = visitor.context.new_cdp_session(evil)  # the answers are opaque to the page, and to Playwright
    wire.on("Network.responseReceivedExtraInfo", lambda answer: statuses.append(answer["statusCode"]))
    wire.send("Network.enable")
    jar = visitor.context.cookies()
    # a simple request goes out with its cookies (same site) or without (cross site): refused either way
    for route in ("logout", "refresh"):
        assert evil.evaluate(SEND, [f"{site}/auth/{route}", "POST", None, None]) in {"opaque", "TypeError"}
    # anything more asks first, and no one says yes; and what comes back cannot be read
    assert evil.evaluate(SEND, [f"{site}/auth/sessions", "DELETE", {}, None]) == "TypeError"
    assert (
        evil.evaluate(SEND, [f"{site}/auth/logout", "POST", {"Content-Type": "application/json"}, "{}"]) == "TypeError"
    )
    assert evil.evaluate(SEND, [f"{site}/auth/me", "GET", {}, None]) == "TypeError"
    assert statuses[:2] == [403, 403]
    assert visitor.context.cookies() == jar
    ours.reload()
    expect(desk(ours)).to_be_visible()


def test_c10_the_page_cannot_be_framed(site: str, visit: Visit, elsewhere: int) -> None:
    visitor = visit(site)
    visitor.sign_up("framed")
    evil = visitor.context.new_page()
    evil.goto(f"http://127.0.0.1:{elsewhere}/")
    evil.evaluate(FRAME, f"{site}/")
    assert not any("framed" in (frame.locator("body").text_content() or "") for frame in evil.frames[1:])
    assert evil.frames[1].locator("#orders").count() == 0
