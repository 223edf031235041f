"""Sessions that Chromium binds to its device over TLS (DBSC, design D22, attacks B1, B4), with keys in software.

Two browsers: the owner's, and a thief's with every cookie of it. Nothing waits for a cookie to end: where a test needs
that, it deletes the access cookie, which is the same to the browser.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.conftest import LAUNCH_ARGUMENTS, PASSWORD, Visitor, desk, door
from tests.browser.tls_front import APP, PARENT, make_certificate, tls_front
from tests.programs import required_program

if TYPE_CHECKING:
    from playwright._impl._api_structures import SetCookieParam

Visit = Callable[..., Visitor]
ACCESS, REFRESH = "__Host-sealring_access", "__Secure-sealring_refresh"
FEATURES = "DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting"
BINDS_WITHIN_SECONDS = 30


@pytest.fixture(scope="session")
def backend(serve: Callable[..., str]) -> str:
    return serve(SEALRING_ISSUER=APP, SEALRING_DEVICE_BINDING="prefer")


@pytest.fixture(scope="module")
def chromium(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium that binds sessions without a TPM, finds the host on loopback, and takes our certificate."""
    executable = required_program("chromium")
    certificate, fingerprint = make_certificate(tmp_path_factory.mktemp("tls"))
    with tls_front(certificate, backend) as port, sync_playwright() as playwright:
        arguments = [
            f"--host-resolver-rules=MAP *.{PARENT} 127.0.0.1:{port}, MAP {PARENT} 127.0.0.1:{port}",
            f"--ignore-certificate-errors-spki-list={fingerprint}",
            f"--enable-features={FEATURES}",
        ]
        browser = playwright.chromium.launch(executable_path=executable, args=LAUNCH_ARGUMENTS + arguments)
        yield browser
        browser.close()


def ask(page: Page, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
    """Ask from the page: the status, and the JSON of the answer if it has any."""
    status, answer = page.evaluate(
        """async ([method, path, body]) => {
            const headers = body === null ? {} : {"Content-Type": "application/json"};
            const answer = await fetch(path, {method, headers, body, cache: "no-store"});
            return [answer.status, await answer.json().catch(() => null)];
        }""",
        [method, path, body],
    )
    return status, answer


def is_bound(page: Page) -> bool:
    status, answer = ask(page, "GET", "/auth/sessions")
    return status == 200 and next(one["bound"] for one in answer["sessions"] if one["current"])


def sign_up_bound(visit: Visit, name: str) -> tuple[Visitor, Page]:
    """The browser registers its key by itself, a moment after the login."""
    visitor = visit(APP)
    page = visitor.sign_up(name)
    deadline = time.monotonic() + BINDS_WITHIN_SECONDS
    while not is_bound(page):
        assert time.monotonic() < deadline, "the browser did not bind its session"
        page.wait_for_timeout(50)
    return visitor, page


def jar(context: BrowserContext) -> dict[str, str]:
    return {cookie["name"]: cookie["value"] for cookie in context.cookies(f"{APP}/auth/refresh")}


def refreshed(visitor: Visitor, page: Page) -> None:
    """Without its access cookie the browser proves its key before the next request goes out."""
    before = jar(visitor.context)
    visitor.context.clear_cookies(name=ACCESS)
    status, answer = ask(page, "GET", "/auth/me")
    assert (status, answer["claims"]["device_bound"]) == (200, True)
    after = jar(visitor.context)
    assert after[ACCESS] != before[ACCESS]
    assert after[REFRESH] != before[REFRESH]


def test_b1_copied_cookies_are_worth_nothing_once_the_access_cookie_is_gone(visit: Visit) -> None:
    owner, page = sign_up_bound(visit, "bound-olga")
    refreshed(owner, page)
    thief = visit(APP)
    thief.context.add_cookies(cast("list[SetCookieParam]", owner.context.cookies()))
    stolen = thief.open()
    assert ask(stolen, "GET", "/auth/me")[0] == 200  # for minutes
    thief.context.clear_cookies(name=ACCESS)
    assert ask(stolen, "GET", "/auth/me")[0] == 401
    status, answer = ask(stolen, "POST", "/auth/refresh")
    assert (status, answer["code"]) == (401, "device_proof_required")
    refreshed(owner, page)


@pytest.mark.slow
def test_the_page_goes_on_with_a_bound_session_and_ends_it(visit: Visit) -> None:
    owner, page = sign_up_bound(visit, "bound-paul")
    owner.context.clear_cookies(name=ACCESS)
    page.reload()
    desk(page).wait_for()
    status, answer = ask(page, "POST", "/auth/refresh")  # the client's own refresh: what the browser has already
    assert (status, "access_token" in answer) == (200, False)
    page.get_by_role("button", name="Sign out", exact=True).click()
    door(page).wait_for()
    assert ask(page, "GET", "/auth/me")[0] == 401
    assert ask(page, "POST", "/auth/refresh")[0] == 401


@pytest.mark.slow
def test_a_second_login_is_bound_too_and_the_earlier_binding_does_not_hurt(visit: Visit) -> None:
    owner, page = sign_up_bound(visit, "bound-quinn")
    body = f'{{"username": "bound-quinn", "password": "{PASSWORD}", "delivery": "cookie"}}'
    assert ask(page, "POST", "/auth/login", body)[0] == 200
    deadline = time.monotonic() + BINDS_WITHIN_SECONDS
    while not is_bound(page):
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)
    for _ in range(3):
        refreshed(owner, page)


@pytest.mark.slow
def test_b4_claims_that_changed_log_nobody_out(visit: Visit) -> None:
    """The access cookie is there and outdated, which the browser does not see: the page's refresh has it deleted."""
    _, page = sign_up_bound(visit, "bound-rosa")
    assert ask(page, "DELETE", "/auth/sessions?keep=current")[0] == 204
    assert ask(page, "GET", "/auth/me")[0] == 401
    page.reload()
    desk(page).wait_for()
    assert is_bound(page)
