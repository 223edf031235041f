"""The npm package in Chromium, built by Vite: the application of docs/reference/client-js.md, and its promises.

The build is served by `vite preview`, whose proxy makes the auth service part of the page's origin.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import PASSWORD, START_WITHIN_SECONDS, Visitor
from tests.npm import application, installed, run, snippets
from tests.ports import free_port
from tests.programs import required_program
from tests.serving import bearer

pytestmark = pytest.mark.xdist_group("npm")

Visit = Callable[..., Visitor]
Preview = Callable[..., str]

MAIN = """
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App.jsx";
import "./plain.js";
createRoot(document.querySelector("#root")).render(<StrictMode><App /></StrictMode>);
"""
PROBE = 'import * as client from "@sealring/client"; Object.assign(window, { client });'
CONFIG = """
import own from "./vite.config.js";
export default { ...own, build: { rollupOptions: { input: ["index.html", "probe.html"] } } };
"""
HTML = (
    '<!doctype html><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="/src/{}"></script>'
)
SEEN_WITHIN_MS = 8_000
"""Twice the watch, and what a busy machine needs."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = application(tmp_path_factory.mktemp("bundled") / "app")
    files = {
        **snippets(),
        "src/main.jsx": MAIN,
        "src/probe.js": PROBE,
        "test.config.js": CONFIG,
        "index.html": HTML.format("main.jsx"),
        "probe.html": HTML.format("probe.js"),
    }
    for path, text in files.items():
        folder.joinpath(path).parent.mkdir(exist_ok=True)
        folder.joinpath(path).write_text(text)
    vite = installed() / "vite" / "bin" / "vite.js"
    run("node", str(vite), "build", "--config", "test.config.js", "--logLevel", "warn", folder=folder)
    return folder


@pytest.fixture(scope="session")
def preview(built: Path) -> Iterator[Preview]:
    """Serves the build in front of a backend, one server for each, and returns its address."""
    running: dict[str, tuple[str, subprocess.Popen[bytes]]] = {}

    def start(backend: str) -> str:
        if backend not in running:
            port = free_port()
            node, vite = required_program("node"), installed() / "vite" / "bin" / "vite.js"
            where = ["--host", "127.0.0.1", "--port", str(port), "--strictPort"]
            process = subprocess.Popen(
                [str(node), str(vite), "preview", "--config", "test.config.js", *where],
                cwd=built,
                env={"PATH": str(node.parent), "BACKEND": backend},
                stdout=subprocess.DEVNULL,
            )
            url = f"http://127.0.0.1:{port}"
            running[backend] = (url, process)
            _wait(url, process)
        return running[backend][0]

    yield start
    for _, process in running.values():
        process.terminate()
    for _, process in running.values():
        process.wait(timeout=15)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while True:
        try:
            if httpx2.get(url).status_code == 200:
                return
        except httpx2.TransportError:
            assert process.poll() is None, "vite preview has ended"
            assert time.monotonic() < deadline, "vite preview does not answer"
            time.sleep(0.05)


@pytest.fixture
def page(site: str, preview: Preview) -> str:
    return preview(site)


def account(site: str, name: str) -> None:
    answer = httpx2.post(f"{site}/auth/register", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 201


def end_elsewhere(site: str, name: str) -> None:
    """Another machine of the user ends all sessions."""
    tokens = httpx2.post(f"{site}/auth/login", json={"username": name, "password": PASSWORD}).json()
    answer = httpx2.delete(f"{site}/auth/sessions", headers=bearer(tokens["access_token"]))
    assert answer.status_code == 204


def sign_in(tab: Page, name: str, password: str = PASSWORD) -> None:
    tab.get_by_label("Username").fill(name)
    tab.get_by_label("Password").fill(password)
    tab.get_by_role("button", name="Sign in").click()


def probe(visitor: Visitor, name: str, *, delivery: str = "body") -> Page:
    """A tab with one client, signed in."""
    tab = visitor.open("/probe.html")
    tab.wait_for_function("window.client")
    tab.evaluate(
        """async ([delivery, username, password]) => {
          window.auth = new client.Client({ base: "/auth", delivery });
          await auth.login({ username, password });
        }""",
        [delivery, name, PASSWORD],
    )
    return tab


def requests_to(tab: Page | BrowserContext, route: str) -> list[str]:
    seen: list[str] = []
    tab.on("request", lambda request: seen.append(request.method) if request.url.endswith(route) else None)
    return seen


def status(tab: Page, url: str = "/api/userOrders") -> Any:
    return tab.evaluate("(url) => auth.fetch(url).then((answer) => answer.status)", url)


ERROR_OF = """async (call) => {
  const run = Object.getPrototypeOf(async function () {}).constructor;
  try { await run(call)(); return ["none", ""]; } catch (error) { return [error.name, error.message]; }
}"""


# the application of the page


def test_the_application_of_the_page_signs_in_shows_and_signs_out(site: str, page: str, visit: Visit) -> None:
    account(site, "bundled")
    visitor = visit(page)
    tab = visitor.open()
    sign_in(tab, "bundled", "not the password")
    expect(tab.get_by_role("alert")).to_have_text("username or password is wrong")
    sign_in(tab, "bundled")
    expect(tab.get_by_role("heading")).to_have_text("bundled")
    expect(tab.get_by_role("listitem").first).to_be_visible()
    expect(tab).to_have_title("bundled")
    tab.reload()
    expect(tab.get_by_role("heading")).to_have_text("bundled")
    tab.get_by_role("button", name="Sign out").click()
    expect(tab.get_by_label("Username")).to_be_visible()
    assert tab.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


@pytest.mark.parametrize("first", ["auth.watch()", "auth.fetch('/nothing')", "auth.refresh()"])
def test_whatever_is_called_first_the_first_listener_learns_who_is_signed_in(
    site: str, page: str, visit: Visit, first: str
) -> None:
    account(site, name := f"first-{first[5:10]}")
    visitor = visit(page)
    probe(visitor, name, delivery="cookie")
    tab = visitor.open("/probe.html")
    tab.wait_for_function("window.client")
    tab.evaluate(f"() => {{ window.auth = new client.Client({{ base: '/auth' }}); void {first}; }}")
    tab.evaluate("auth.onChange(() => {})")
    tab.wait_for_function("auth.state.status === 'signed-in'")


def test_a_session_that_is_ended_elsewhere_is_seen_within_seconds(site: str, page: str, visit: Visit) -> None:
    account(site, "endedfar")
    visitor = visit(page)
    tab = visitor.open()
    sign_in(tab, "endedfar")
    expect(tab.get_by_role("heading")).to_have_text("endedfar")
    end_elsewhere(site, "endedfar")
    expect(tab.get_by_label("Username")).to_be_visible(timeout=SEEN_WITHIN_MS)
    expect(tab).to_have_title("Signed out")


def test_a_logout_in_one_tab_is_a_logout_in_the_other(site: str, page: str, visit: Visit) -> None:
    account(site, "twobundled")
    visitor = visit(page)
    one = visitor.open()
    sign_in(one, "twobundled")
    expect(one.get_by_role("heading")).to_have_text("twobundled")
    two = visitor.open()
    expect(two.get_by_role("heading")).to_have_text("twobundled")
    two.route("**/auth/live", lambda route: route.abort())  # it is told, it does not ask
    one.get_by_role("button", name="Sign out").click()
    expect(two.get_by_label("Username")).to_be_visible()


def test_two_watchers_ask_one_question_at_a_time(site: str, page: str, visit: Visit) -> None:
    """React's strict mode mounts twice, the hook and `plain.js` watch both."""
    account(site, "watched")
    tab = visit(page).open()
    sign_in(tab, "watched")
    expect(tab.get_by_role("heading")).to_have_text("watched")
    asked = requests_to(tab, "/auth/live")
    tab.wait_for_timeout(6500)
    assert 1 <= len(asked) <= 3


# tokens in memory


def test_tokens_in_the_body_are_held_in_memory_alone(site: str, page: str, visit: Visit) -> None:
    account(site, "memory")
    visitor = visit(page)
    tab = probe(visitor, "memory")
    assert status(tab) == 200
    assert visitor.context.cookies() == []
    assert tab.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert tab.evaluate("indexedDB.databases()") == []
    assert "eyJ" not in tab.evaluate("JSON.stringify([auth, auth.state])")
    tab.reload()
    tab.wait_for_function("window.client")
    assert (
        tab.evaluate(
            """() => new Promise((known) => new client.Client({ base: "/auth", delivery: "body" })
             .onChange(({ status }) => status === "unknown" || known(status)))"""
        )
        == "signed-out"
    )


def test_the_access_token_goes_to_no_other_origin(site: str, page: str, visit: Visit) -> None:
    account(site, "elsewhere")
    tab = probe(visit(page), "elsewhere")
    sent: list[dict[str, str]] = []

    def answer(route: Route) -> None:
        sent.append(route.request.headers)
        route.fulfill(status=401, headers={"Access-Control-Allow-Origin": "*"})

    tab.route("https://other.example/**", answer)
    assert status(tab, "https://other.example/api") == 401
    assert [headers.keys() & {"authorization", "x-csrf-token"} for headers in sent] == [set()]
    tab.evaluate(
        """async ([username, password]) => {
          window.auth = new client.Client({ base: "/auth", delivery: "body", origins: ["https://other.example"] });
          await auth.login({ username, password });
        }""",
        ["elsewhere", PASSWORD],
    )
    sent.clear()
    status(tab, "https://other.example/api")
    assert sent[0]["authorization"].startswith("Bearer eyJ")


def test_refused_requests_share_one_refresh_and_a_lost_answer_signs_nobody_out(
    site: str, page: str, visit: Visit
) -> None:
    account(site, "lostbody")
    tab = probe(visit(page), "lostbody")
    asked = requests_to(tab, "/auth/refresh")

    def lose(route: Route) -> None:
        route.fetch()  # the server has acted
        route.abort("connectionreset")

    tab.route("**/auth/refresh", lose)
    assert tab.evaluate(ERROR_OF, "await auth.refresh()")[0] == "TypeError"
    assert tab.evaluate("[auth.state.status, auth.state.trouble.kind]") == ["signed-in", "offline"]
    tab.unroute_all()
    asked.clear()
    assert tab.evaluate("Promise.all([auth.refresh(), auth.refresh(), auth.refresh()])") == ["renewed"] * 3
    assert asked == ["POST"]
    assert status(tab) == 200


def test_a_503_waits_as_long_as_it_says_and_signs_nobody_out(site: str, page: str, visit: Visit) -> None:
    account(site, "waiting")
    tab = probe(visit(page), "waiting", delivery="cookie")
    asked = requests_to(tab, "/auth/refresh")
    tab.route("**/auth/refresh", lambda route: route.fulfill(status=503, headers={"Retry-After": "60"}))
    for _ in range(3):
        assert tab.evaluate("auth.refresh().then((outcome) => outcome.status)") == 503
    assert asked == ["POST"], "nobody asks again before the minute is over"
    assert tab.evaluate("[auth.state.status, auth.state.trouble.kind]") == ["signed-in", "unavailable"]
    assert tab.evaluate("auth.state.trouble.retryAt - Date.now()") > 50_000


def test_a_superseded_refresh_asks_again(site: str, page: str, visit: Visit) -> None:
    account(site, "superseded")
    tab = probe(visit(page), "superseded")
    answers = [409, 409]

    def supersede(route: Route) -> None:
        if answers:
            route.fulfill(status=answers.pop(), json={"code": "refresh_superseded"})
        else:
            route.continue_()

    tab.route("**/auth/me", lambda route: route.fulfill(status=401, json={"code": "invalid_token"}))
    tab.route("**/auth/refresh", supersede)
    assert tab.evaluate("auth.refresh().catch(String)") in {"renewed", "signed-out"}
    tab.unroute_all()
    assert answers == []
    assert tab.evaluate("auth.state.status") == "signed-in"
    assert status(tab) == 200


@pytest.mark.parametrize("delivery", ["body", "cookie"])
def test_a_new_password_keeps_this_session_and_its_newest_tokens(
    site: str, page: str, visit: Visit, delivery: str
) -> None:
    name = f"changed{delivery}"
    account(site, name)
    visitor = visit(page)
    tab = probe(visitor, name, delivery=delivery)
    change = "await auth.changePassword({ current: %r, new: 'nine green herons wait' })"
    assert tab.evaluate(ERROR_OF, change % "wrong")[0] == "Problem"
    assert tab.evaluate(ERROR_OF, change % PASSWORD) == ["none", ""]
    assert tab.evaluate("auth.refresh()") == "renewed"
    assert status(tab) == 200
    assert tab.evaluate("auth.logout().then(() => auth.state.status)") == "signed-out"
    assert status(tab) == 401
    # Chromium says that a request without cookies clears none
    visitor.complaints = [said for said in visitor.complaints if "Clear-Site-Data" not in said]


# a password goes to no place that nobody named


def test_a_base_that_is_not_the_auth_service_is_named(page: str, visit: Visit) -> None:
    """Vite answers any path with the page, as most hosts of single-page applications do."""
    tab = visit(page).open("/probe.html")
    tab.wait_for_function("window.client")
    call = "await new client.Client({ base: '/other' }).check()"
    name, message = tab.evaluate(ERROR_OF, call)
    assert name == "WrongBase"
    assert "/other/me was not answered by the auth service" in message


def test_a_password_follows_no_redirect(page: str, visit: Visit) -> None:
    tab = visit(page).open("/probe.html")
    tab.wait_for_function("window.client")
    moved = {"Location": "/stolen/login"}
    tab.route("**/auth/login", lambda route: route.fulfill(status=307, headers=moved))
    stolen = requests_to(tab, "/stolen/login")
    call = "await new client.Client({ base: '/auth' }).login({ username: 'ada', password: 'not for you' })"
    assert tab.evaluate(ERROR_OF, call)[0] == "TypeError"
    assert stolen == []


def test_a_base_element_in_the_page_moves_nothing(page: str, visit: Visit) -> None:
    tab = visit(page).open("/probe.html")
    tab.wait_for_function("window.client")
    stolen = requests_to(tab, "evil.example/auth/login")
    tab.evaluate(
        "document.head.append(Object.assign(document.createElement('base'), { href: 'http://evil.example/' }))"
    )
    call = "await new client.Client({ base: '/auth' }).login({ username: 'ada', password: 'not for you' })"
    assert tab.evaluate(ERROR_OF, call)[0] == "Problem"
    assert stolen == []


@pytest.mark.parametrize("path", ["assets/index-4f3a.js", "assets/client.js"])
def test_a_copy_of_the_served_script_posts_no_password(site: str, page: str, visit: Visit, path: str) -> None:
    """Under another name it has no base, and under its own name nothing of ours answers where it lies."""
    tab = visit(page).open("/probe.html")
    script = httpx2.get(f"{site}/auth/client.js").text
    tab.route(f"**/{path}", lambda route: route.fulfill(body=script, content_type="text/javascript"))
    posted = requests_to(tab, "/login")
    call = f"const copy = await import('/{path}'); await copy.login({{ username: 'ada', password: 'not for you' }})"
    assert tab.evaluate(ERROR_OF, call)[0] == "WrongBase"
    assert posted == []


# from another origin


@pytest.fixture
def away(site: str, preview: Preview, serve: Callable[..., str]) -> str:
    """An auth service that lists the origins of the build."""
    page = preview(site)
    return serve(SEALRING_ALLOWED_ORIGINS=f"{page},{localhost(page)}")


def localhost(url: str) -> str:
    """The same server by another name: another site to whom is on an address of 127.0.0.1."""
    return url.replace("127.0.0.1", "localhost")


def client_of(tab: Page, base: str, delivery: str) -> None:
    tab.wait_for_function("window.client")
    tab.evaluate(
        "([base, delivery]) => void (window.auth = new client.Client({ base, delivery }))", [f"{base}/auth", delivery]
    )


def login_call(name: str) -> str:
    return f"await auth.login({{ username: '{name}', password: '{PASSWORD}' }})"


STATUS = """() => new Promise((known) => auth.onChange(({ status, trouble }) => {
  if (status !== "unknown" || trouble !== null) known(trouble?.kind ?? status);
}))"""


def test_a_page_of_the_same_site_keeps_its_session_in_cookies(page: str, away: str, visit: Visit) -> None:
    account(away, "samesite")
    visitor = visit(page)
    tab = visitor.open("/probe.html")
    client_of(tab, away, "cookie")
    assert tab.evaluate(ERROR_OF, login_call("samesite")) == ["none", ""]
    assert status(tab, f"{away}/auth/sessions") == 200
    two = visitor.open("/probe.html")
    client_of(two, away, "cookie")
    assert two.evaluate(STATUS) == "signed-in"
    assert two.evaluate("auth.refresh()") == "renewed"
    assert tab.evaluate(ERROR_OF, "await auth.logout()") == ["none", ""]
    two.wait_for_function("auth.state.status === 'signed-out'")
    tab.reload()
    client_of(tab, away, "cookie")
    assert tab.evaluate(STATUS) == "signed-out"


def test_a_page_of_another_site_holds_tokens_and_sees_its_session_end(page: str, away: str, visit: Visit) -> None:
    account(away, "othersite")
    visitor = visit(localhost(page))
    tab = visitor.open("/probe.html")
    client_of(tab, away, "body")
    assert tab.evaluate(ERROR_OF, login_call("othersite")) == ["none", ""]
    assert status(tab, f"{away}/auth/sessions") == 200
    assert tab.evaluate("auth.refresh()") == "renewed"
    assert visitor.context.cookies() == []
    tab.evaluate("void auth.watch(0.5)")
    end_elsewhere(away, "othersite")
    tab.wait_for_function("auth.state.status === 'signed-out'", timeout=SEEN_WITHIN_MS)


def test_cookies_from_another_site_are_refused_in_words(page: str, away: str, visit: Visit) -> None:
    account(away, "thirdparty")
    visitor = visit(localhost(page))
    tab = visitor.open("/probe.html")
    client_of(tab, away, "cookie")
    call = f"try {{ {login_call('thirdparty')} }} catch (error) {{ throw new Error(error.code) }}"
    assert tab.evaluate(ERROR_OF, call) == ["Error", "cross_site_cookies"]
    assert visitor.context.cookies() == []


def test_a_browser_that_blocks_the_cookies_is_told_so_at_the_login(page: str, away: str, visit: Visit) -> None:
    account(away, "blocked")
    tab = visit(page).open("/probe.html")
    client_of(tab, away, "cookie")

    fields = {"username": "blocked", "password": PASSWORD, "delivery": "cookie"}
    answer = httpx2.post(f"{away}/auth/login", json=fields, headers={"Origin": page})
    assert answer.status_code == 200
    kept = {name: value for name, value in answer.headers.items() if name != "set-cookie"}

    def block(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(status=200, headers=kept, body=answer.content)
        else:
            route.continue_()

    tab.route("**/auth/login", block)
    assert tab.evaluate(ERROR_OF, login_call("blocked"))[0] == "CookiesBlocked"
    assert tab.evaluate("auth.state.status") == "signed-out"


def test_an_origin_that_is_not_listed_gets_no_answer_and_signs_nobody_in(site: str, page: str, visit: Visit) -> None:
    account(site, "unlisted")
    visitor = visit(page)
    tab = visitor.open("/probe.html")
    client_of(tab, site, "body")
    assert tab.evaluate(ERROR_OF, login_call("unlisted"))[0] == "TypeError"
    assert tab.evaluate("auth.state.status") == "unknown"
    visitor.complaints = [said for said in visitor.complaints if "blocked by CORS policy" not in said]


def test_the_served_script_keeps_to_the_origin_that_it_came_from(page: str, away: str, visit: Visit) -> None:
    account(away, "imported")
    tab = visit(page).open("/probe.html")
    posted: list[str] = []
    tab.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    tab.evaluate(f"import('{away}/auth/client.js').then((auth) => void (window.auth = auth))")
    tab.wait_for_function("window.auth")
    assert tab.evaluate(ERROR_OF, login_call("imported")) == ["none", ""]
    assert posted == [f"{away}/auth/login"]


# a login in steps


def test_a_login_by_a_method_and_what_a_second_factor_asks_for(site: str, page: str, visit: Visit) -> None:
    """The password is the only method of this version: the refusal for want of a second factor is written here."""
    account(site, "stepwise")
    tab = visit(page).open("/probe.html")
    client_of(tab, page, "cookie")
    call = f"await auth.loginBy('password', {{ username: 'stepwise', password: '{PASSWORD}' }})"
    assert tab.evaluate(ERROR_OF, call) == ["none", ""]
    assert tab.evaluate("auth.state.user.username") == "stepwise"
    unknown = "try { await auth.beginLogin('pigeon') } catch (error) { throw new Error(error.code) }"
    assert tab.evaluate(ERROR_OF, unknown) == ["Error", "unknown_method"]
    asked = {"code": "second_factor_required", "pending": "sealed", "methods": ["totp"]}
    sent: list[Any] = []
    tab.route("**/auth/login", lambda route: route.fulfill(status=401, json=asked))

    def step(route: Route) -> None:
        sent.append(route.request.post_data_json)
        route.fulfill(status=401, json={"code": "invalid_credentials"})

    tab.route("**/auth/login/totp", step)
    steps = f"""
      try {{ {login_call("stepwise")} }} catch ({{ methods, pending }}) {{
        await auth.loginBy(methods[0], {{ code: "123456" }}, pending);
      }}"""
    assert tab.evaluate(ERROR_OF, steps)[0] == "Problem"
    assert sent == [{"response": {"code": "123456"}, "pending": "sealed", "delivery": "cookie"}]
