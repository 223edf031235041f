"""Passkeys in Chromium, by its virtual authenticator and our own browser client: what a page of an application does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page

from tests.browser.conftest import PASSWORD
from tests.ports import free_port
from tests.serving import fresh_name, start

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
    "defaultBackupEligibility": True,
    "defaultBackupState": True,
}


@pytest.fixture(scope="module")
def passkey_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo, by a host name: browsers make no passkeys for IP addresses."""
    port = free_port()
    url = f"http://localhost:{port}"
    served = start(
        tmp_path_factory.mktemp("passkeys"),
        port=port,
        SEALRING_ISSUER=url,
        SEALRING_PASSKEYS="on",
        SEALRING_THROTTLE_ADDRESS="10000/1m",
        SEALRING_THROTTLE_REGISTRATION="10000/1m",
    )
    yield url
    served.kill()


class Desk:
    """A browser with an authenticator, on a page that has loaded the browser client."""

    def __init__(self, browser: Browser, site: str) -> None:
        self.context = browser.new_context()
        self.context.set_default_timeout(10_000)
        self.tab: Page = self.context.new_page()
        self.cdp: CDPSession = self.context.new_cdp_session(self.tab)
        self.cdp.send("WebAuthn.enable", {"enableUI": False})
        added = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        self.authenticator: str = added["authenticatorId"]
        self.page = f"{site}/blank"
        page = '<!doctype html><input autocomplete="username webauthn" autofocus>'
        self.context.route(self.page, lambda route: route.fulfill(body=page, content_type="text/html"))
        self.reload()

    def reload(self) -> None:
        self.tab.goto(self.page)
        self.tab.evaluate("async () => { window.auth = await import('/auth/client.js') }")

    def run(self, script: str, argument: Any = None) -> Any:
        """The value of a script in which `auth` is the client, or the name and message of what it threw."""
        wrapped = """async (it) => {
          const patience = new Promise((_, reject) => setTimeout(() => reject(new Error("it never ended")), 20_000));
          const asked = Promise.race([(async () => (%s)(it))(), patience]);
          return asked.catch((error) => `${error.name}: ${error.message}`);
        }"""
        return self.tab.evaluate(wrapped % script, argument)

    def sign_up(self) -> str:
        name = fresh_name()
        fields = {"username": name, "password": PASSWORD}
        assert self.run("(fields) => auth.register(fields).then(({username}) => username)", fields) == name
        return name

    def kept(self) -> list[Any]:
        """What the authenticator has."""
        found = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.authenticator})
        return list(found["credentials"])

    def answer(self, *, touches: bool) -> None:
        self.cdp.send(
            "WebAuthn.setAutomaticPresenceSimulation",
            {"authenticatorId": self.authenticator, "enabled": touches},
        )


@pytest.fixture
def desk(chromium: Browser, passkey_site: str) -> Iterator[Desk]:
    desk = Desk(chromium, passkey_site)
    yield desk
    desk.context.close()


def test_a_passkey_is_made_logs_in_without_a_name_and_goes(desk: Desk) -> None:
    name = desk.sign_up()
    made = desk.run("() => auth.passkeys.register({ label: 'my laptop' })")
    assert (made["label"], made["synced"]) == ("my laptop", True), made
    assert desk.run("() => auth.passkeys.register()").startswith("InvalidStateError"), "this device has one"
    assert [one["id"] for one in desk.run("() => auth.passkeys.list()")] == [made["id"]]
    assert desk.run("({id}) => auth.passkeys.rename(id, 'old laptop').then(({label}) => label)", made) == "old laptop"
    desk.run("() => auth.logout()")
    desk.reload()
    assert desk.run("() => auth.passkeys.login().then(({username}) => username)") == name
    assert [one["signCount"] for one in desk.kept()] == [2]
    desk.run("({id}) => auth.passkeys.remove(id)", made)
    assert desk.kept() == [], "the browser was told"
    assert desk.run("() => auth.passkeys.login()").startswith("NotAllowedError")


@pytest.mark.slow
def test_a_field_offers_passkeys_before_and_after_a_dialog(desk: Desk) -> None:
    name = desk.sign_up()
    desk.run("() => auth.passkeys.register()")
    desk.run("() => auth.logout()")
    desk.reload()
    desk.answer(touches=False)
    desk.run("() => { window.offered = auth.passkeys.autofill().then(({username}) => username) }")
    desk.answer(touches=True)  # counts for the offer that is made after the dialog
    cancelled = """() => {
      const own = navigator.credentials.get.bind(navigator.credentials);
      const cancel = () => Promise.reject(new DOMException("cancelled", "NotAllowedError"));
      navigator.credentials.get = (options) => (options.mediation === "conditional" ? own(options) : cancel());
      return auth.passkeys.login();
    }"""
    assert desk.run(cancelled) == "NotAllowedError: cancelled"
    assert desk.run("() => window.offered") == name


@pytest.mark.slow
def test_an_offer_is_withdrawn(desk: Desk) -> None:
    desk.answer(touches=False)
    script = "() => { const stop = new AbortController(); setTimeout(() => stop.abort(), 200);"
    assert desk.run(f"{script} return auth.passkeys.autofill({{ signal: stop.signal }}) }}") is None


@pytest.mark.slow
@pytest.mark.parametrize("lets", [True, False])
def test_a_login_by_password_leaves_a_passkey_behind(desk: Desk, *, lets: bool) -> None:
    """Chromium makes one only where its own password manager has filled the password in: the page stands in for it."""
    name = desk.sign_up()
    stand_in = """(lets) => {
      const own = navigator.credentials.create.bind(navigator.credentials);
      const refuse = () => Promise.reject(new DOMException("no saved password", "NotAllowedError"));
      navigator.credentials.create = ({ mediation, publicKey }) => {
        if (mediation !== "conditional") throw new TypeError("not asked without a question");
        return lets ? own({ publicKey }) : refuse();
      };
      PublicKeyCredential.getClientCapabilities = async () => ({ conditionalCreate: true });
      return auth.passkeys.upgrade().then((made) => made !== null);
    }"""
    assert desk.run(stand_in, lets) is lets
    assert len(desk.kept()) == lets
    if lets:
        desk.run("() => auth.logout()")
        assert desk.run("() => auth.passkeys.login().then(({username}) => username)") == name


@pytest.mark.slow
def test_a_password_and_then_a_passkey(desk: Desk) -> None:
    name = desk.sign_up()
    desk.run("() => auth.passkeys.register()")
    desk.run("() => auth.logout()")
    script = """async (fields) => {
      try { await auth.login(fields) } catch ({ pending, methods }) {
        return [methods, (await auth.passkeys.login({ pending })).username];
      }
    }"""
    assert desk.run(script, {"username": name, "password": PASSWORD}) == [["passkey"], name]
    claims = desk.run("() => auth.fetch('/auth/me').then((answer) => answer.json()).then(({claims}) => claims)")
    assert (claims["amr"], claims["acr"]) == (["pwd", "pop", "mfa"], "phr")


@pytest.mark.slow
def test_a_page_of_another_origin_cannot_ask(chromium: Browser, passkey_site: str) -> None:
    """The browser itself refuses: the domain is not the page's."""
    desk = Desk(chromium, passkey_site)
    other = passkey_site.replace("localhost", "127.0.0.1")
    desk.tab.goto(f"{other}/readyz")
    script = """() => navigator.credentials.get({ publicKey: { challenge: new Uint8Array(56), rpId: "localhost" } })"""
    assert desk.run(script).startswith("SecurityError")
    desk.context.close()
