"""A sibling host against the browser session, in Chromium over TLS (attacks N3, C7, C8; design D20).

`evil.example.com` writes any cookie for `.example.com` that a browser lets it write: twins of ours, junk, and so many
that the jar drops what it held. Whatever it writes, the browser is never signed in as somebody else at
`app.example.com`, a log-in heals it, and a log-out ends the session.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import LAUNCH_ARGUMENTS, PASSWORD, Visitor, desk, door, fill_login
from tests.browser.tls_front import APP, PARENT, SIBLING, make_certificate, tls_front
from tests.programs import required_program

Visit = Callable[..., Visitor]
ACCESS, HELD, REFRESH = "__Host-sealring_access", "__Host-sealring_session", "__Secure-sealring_refresh"
JUNK = "sealring_rt1_junk"


@pytest.fixture(scope="session")
def backend(serve: Callable[..., str]) -> str:
    return serve(SEALRING_ISSUER=APP)


@pytest.fixture(scope="module")
def chromium(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium that finds every host of the domain on loopback, and takes our certificate."""
    executable = required_program("chromium")
    certificate, fingerprint = make_certificate(tmp_path_factory.mktemp("tls"))
    with tls_front(certificate, backend) as port, sync_playwright() as playwright:
        rules = f"MAP *.{PARENT} 127.0.0.1:{port}, MAP {PARENT} 127.0.0.1:{port}"
        arguments = [f"--host-resolver-rules={rules}", f"--ignore-certificate-errors-spki-list={fingerprint}"]
        browser = playwright.chromium.launch(executable_path=executable, args=LAUNCH_ARGUMENTS + arguments)
        yield browser
        browser.close()


def sign_up_attacker(backend: str, name: str) -> str:
    """An account of the attacker's own; its refresh token."""
    body = json.dumps({"username": name, "password": PASSWORD}).encode()
    request = urllib.request.Request(  # noqa: S310 - loopback, our own server
        f"{backend}/auth/register", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        return str(json.load(answer)["refresh_token"])


def plant(visitor: Visitor, *cookies: tuple[str, str], crowd: int = 0) -> None:
    """What a page of the sibling host can write: first a crowd, then these cookies at paths that ours have."""
    page = visitor.context.new_page()
    page.goto(f"{SIBLING}/")
    lines = [f"crowd{number}=x; Domain={PARENT}; Path=/; Secure; Max-Age=9999" for number in range(crowd)]
    for name, value in cookies:
        lines += [f"{name}={value}; Domain={PARENT}; Path={path}; Secure; Max-Age=9999" for path in ("/", "/auth")]
    # read at the end: writes travel to the jar by themselves, and a page that closes early takes them along
    page.evaluate("lines => { for (const line of lines) document.cookie = line; return document.cookie }", lines)
    page.close()


def jar(visitor: Visitor) -> dict[str, list[str]]:
    """Names of all cookies that go to the auth routes, with the domains that they are of."""
    found: dict[str, list[str]] = {}
    for cookie in visitor.context.cookies(f"{APP}/auth/refresh"):
        found.setdefault(cookie.get("name", ""), []).append(cookie.get("domain", ""))
    return found


def with_client(tab: Page, call: str) -> Any:
    return tab.evaluate(f"import('/auth/client.js').then((client) => {call}).catch((error) => error.name)")


def watch_identity(tab: Page) -> None:
    """Has the page keep what it hears of other users, in `window.changes`."""
    note = "client.onIdentityChange(({before, now}) => window.changes.push([before.username, now.username]))"
    with_client(tab, f"{{ window.changes = []; {note}; }}")


def log_in_past_the_client(tab: Page, name: str) -> Any:
    send = "fetch('/auth/login', {method: 'POST', headers: {'Content-Type': 'application/json'}, body})"
    body = json.dumps({"username": name, "password": PASSWORD, "delivery": "cookie"})
    return tab.evaluate(f"body => {send}.then(r => r.status)", body)


def refresh(tab: Page) -> Any:
    return with_client(tab, "client.refresh().then(o => o instanceof Response ? o.status : o)")


def whose(tab: Page) -> Any:
    return tab.evaluate("fetch('/auth/me').then(r => r.ok ? r.json() : null).then(me => me?.username ?? null)")


def drop_access(visitor: Visitor) -> None:
    visitor.context.clear_cookies(name=ACCESS)


@pytest.mark.parametrize("crowd", [0, 250])
def test_n3_a_planted_cookie_signs_nobody_in_and_the_next_log_in_heals(backend: str, visit: Visit, crowd: int) -> None:
    token = sign_up_attacker(backend, f"planter{crowd}")
    visitor = visit(APP)
    plant(visitor, (REFRESH, token), (HELD, "x"), (ACCESS, "x"), crowd=crowd)
    assert {name for name in jar(visitor) if name.startswith("__")} == {REFRESH}  # the browser refuses `__Host-`
    tab = visitor.open()
    expect(door(tab)).to_be_visible()
    answer = tab.evaluate("fetch('/auth/refresh', {method: 'POST'}).then(async r => [r.status, (await r.json()).code])")
    assert answer == [401, "refresh_unbound"]

    tab.close()
    tab = visitor.sign_up(f"plantee{crowd}")
    assert sorted(set(jar(visitor)[REFRESH])) == [f".{PARENT}", "app.example.com"]
    drop_access(visitor)
    assert refresh(tab) == "renewed"
    tab.reload()
    expect(tab.locator("#who")).to_have_text(f"plantee{crowd}")


def test_n3_a_full_jar_and_a_planted_cookie_make_no_open_page_another_users(backend: str, visit: Visit) -> None:
    token = sign_up_attacker(backend, "filler")
    visitor = visit(APP)
    tab, second = visitor.sign_up("filled"), visitor.open()
    expect(desk(second)).to_be_visible()
    for each in (tab, second):
        watch_identity(each)
    sent: list[str | None] = []
    visitor.context.on(
        "request",
        lambda request: sent.append(request.headers.get("x-csrf-token")) if "/auth/refresh" in request.url else None,
    )
    plant(visitor, (REFRESH, token), crowd=250)
    assert HELD not in jar(visitor)  # the attack works as far as the jar goes
    assert refresh(tab) == "signed-out"
    assert with_client(second, "client.fetch('/api/userOrders').then(r => r.status)") in {401, 403}
    for each in (tab, second):
        expect(door(each)).to_be_visible()
        assert "filler" not in each.locator("body").inner_text()
        assert each.evaluate("window.changes") == []
        assert whose(each) is None
    assert sent
    assert None not in sent  # never without the proof

    fill_login(tab, "filled", PASSWORD)
    expect(desk(tab)).to_be_visible()
    assert whose(tab) == "filled"
    drop_access(visitor)
    assert refresh(tab) == "renewed"
    assert whose(tab) == "filled"


@pytest.mark.parametrize("value", [JUNK, "", "another"])
def test_n3_a_junk_twin_signs_nobody_out(backend: str, visit: Visit, value: str) -> None:
    value = sign_up_attacker(backend, "twin") if value == "another" else value
    visitor = visit(APP)
    name = f"twinned{len(value)}"
    tab = visitor.sign_up(name)
    plant(visitor, (REFRESH, value))
    for _ in range(2):
        drop_access(visitor)
        assert refresh(tab) == "renewed"
        assert whose(tab) == name
    drop_access(visitor)
    tab.reload()
    expect(tab.locator("#who")).to_have_text(name)


@pytest.mark.parametrize("crowd", [0, 250])
def test_n4_a_log_out_beside_planted_cookies_ends_the_session(backend: str, visit: Visit, crowd: int) -> None:
    token = sign_up_attacker(backend, f"stayer{crowd}")
    visitor = visit(APP)
    tab = visitor.sign_up(f"leaver{crowd}")
    held = visitor.context.cookies(f"{APP}/auth")
    plant(visitor, (REFRESH, token), (REFRESH, JUNK), crowd=crowd)
    tab.get_by_role("button", name="Sign out").click()
    expect(door(tab)).to_be_visible()
    assert whose(tab) is None
    if crowd:
        return  # the jar dropped what could have ended the session: nobody is signed in here, all the same
    visitor.context.clear_cookies()
    visitor.context.add_cookies([cookie for cookie in held if cookie.get("name", "").startswith("__")])  # type: ignore[misc]
    status = tab.evaluate("fetch('/auth/refresh', {method: 'POST'}).then(r => r.status)")
    assert status == 401


def test_an_open_page_hears_that_it_is_another_users_and_sends_nothing_in_the_new_name(
    backend: str, visit: Visit
) -> None:
    sign_up_attacker(backend, "newcomer")
    visitor = visit(APP)
    tab = visitor.sign_up("former")
    tab.route("**/auth/live", lambda route: route.fulfill(status=204))  # or it notices by itself
    watch_identity(tab)
    # a log-in past our client, so that no tab tells the others: an application's own page, say
    assert log_in_past_the_client(tab, "newcomer") == 200
    sent: list[str | None] = []
    tab.on(
        "request", lambda request: sent.append(request.headers.get("x-csrf-token")) if "/echo" in request.url else None
    )
    assert with_client(tab, "client.fetch('/auth/sessions/echo', {method: 'DELETE'})") == "IdentityChanged"
    assert len(sent) == 1
    assert sent != [None]
    assert tab.evaluate("window.changes") == [["former", "newcomer"]]
    expect(tab.locator("#notice")).to_contain_text("Another user has signed in with this browser: newcomer.")
    expect(tab.locator("#who")).to_have_text("newcomer")
    assert "former" not in tab.locator("body").inner_text()


def test_n3_an_open_page_that_asks_for_nothing_notices_another_user_by_itself(backend: str, visit: Visit) -> None:
    sign_up_attacker(backend, "latecomer")
    tab = visit(APP).sign_up("earlier")
    watch_identity(tab)
    assert log_in_past_the_client(tab, "latecomer") == 200
    expect(tab.locator("#who")).to_have_text("latecomer")
    assert tab.evaluate("window.changes") == [["earlier", "latecomer"]]
    expect(tab.locator("#notice")).to_contain_text("Another user has signed in with this browser: latecomer.")


def test_n3_a_refused_proof_is_never_left_out_of_the_next_try(backend: str, visit: Visit) -> None:
    sign_up_attacker(backend, "successor")
    visitor = visit(APP)
    tab = visitor.sign_up("predecessor")
    tab.route("**/auth/live", lambda route: route.fulfill(status=204))  # or it notices by itself
    watch_identity(tab)
    assert log_in_past_the_client(tab, "successor") == 200
    drop_access(visitor)  # so that nothing but a refresh could say whose the cookies are
    sent: list[str | None] = []
    tab.on(
        "request",
        lambda request: sent.append(request.headers.get("x-csrf-token")) if "/auth/refresh" in request.url else None,
    )
    assert refresh(tab) == "signed-out"
    assert len(sent) == 1
    assert sent != [None]
    expect(door(tab)).to_be_visible()
    assert "successor" not in tab.locator("body").inner_text()
    tab.reload()  # a page that is nobody's yet asks whose the browser is
    expect(tab.locator("#who")).to_have_text("successor")


def test_a_newer_session_of_the_same_user_changes_no_identity_and_loses_no_request(visit: Visit) -> None:
    visitor = visit(APP)
    tab = visitor.sign_up("samesame")
    tab.route("**/auth/live", lambda route: route.fulfill(status=204))  # or it notices by itself
    watch_identity(tab)
    assert log_in_past_the_client(tab, "samesame") == 200
    change = "client.fetch('/auth/sessions?keep=current', {method: 'DELETE'}).then(r => r.status)"
    assert with_client(tab, change) == 204
    assert tab.evaluate("window.changes") == []
    assert refresh(tab) == "renewed"


def test_n12_too_many_cookies_are_said_in_words_and_are_no_log_in_loop(visit: Visit) -> None:
    visitor = visit(APP)
    tab = visitor.sign_up("crowded")
    plant(visitor, *((f"big{number}", "x" * 3000) for number in range(3)))
    tab.reload()
    expect(tab.locator("#trouble")).to_contain_text("This browser sends too many cookies.")
    expect(door(tab)).to_be_hidden()
    assert with_client(tab, "client.fetch('/auth/me').then(r => r.status)") == 431
    for number in range(3):
        visitor.context.clear_cookies(name=f"big{number}")
    tab.reload()
    expect(tab.locator("#who")).to_have_text("crowded")
