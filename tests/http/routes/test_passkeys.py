"""Passkeys over HTTP: register, log in without a name, name, remove, and as a second factor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sealring import ConfigurationError, jwt
from sealring.authentication.decision import PROOF_SECONDS
from sealring.authentication.passkey import ALGORITHMS
from tests.clocks import START, FrozenClock
from tests.passkey_scene import LOGIN, Counting, Scene, passkey_scene
from tests.serving import PASSWORD, cheap_sealring, problem
from tests.soft_authenticator import ORIGIN

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings() -> dict[str, Any]:
    return {}


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
async def scene(settings: dict[str, Any], clock: FrozenClock) -> AsyncIterator[Scene]:
    async with passkey_scene(clock, **settings) as scene:
        yield scene


async def test_a_passkey_is_registered_and_logs_in_without_a_name(scene: Scene) -> None:
    made = await scene.register(label="my phone")
    assert made == {
        "id": made["id"], "label": "my phone", "synced": True, "created_at": START, "last_used_at": None
    }  # fmt: skip
    await scene.pass_seconds(60)
    options = await scene.begin()
    assert (options["rpId"], options["userVerification"], options["allowCredentials"]) == ("localhost", "required", [])
    answer = await scene.log_in(scene.device.get(options))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["user"]["username"] == "ann"
    claims = jwt.peek(body["access_token"]).claims
    assert (claims["amr"], claims["acr"], claims["auth_time"]) == (["pop", "mfa"], "phr", START + 60)
    (listed,) = (await scene.ask("GET", "")).json()["passkeys"]
    assert listed == {**made, "last_used_at": START + 60}
    assert [event.detail["methods"] for event in await scene.events("login")] == ["password", "passkey"]
    assert [event.detail["method"] for event in await scene.events("credential_added")] == ["passkey"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_each_algorithm_that_is_offered_logs_in(scene: Scene, algorithm: int) -> None:
    scene.device.algorithm = algorithm
    options = await scene.options()
    assert [one["alg"] for one in options["pubKeyCredParams"]] == list(ALGORITHMS)
    await scene.register()
    assert (await scene.log_in(scene.device.get(await scene.begin()))).status_code == 200


async def test_a_login_costs_three_round_trips(scene: Scene) -> None:
    await scene.register()
    store = scene.auth.store
    assert isinstance(store, Counting)
    store.calls.clear()
    options = await scene.begin()
    assert store.calls == {}, "a page may begin each time that it is opened"
    assert (await scene.log_in(scene.device.get(options))).status_code == 200
    assert store.calls == {"count_attempt": 1, "find_credential_owner": 1, "start_session": 1}


async def test_options_for_a_new_passkey(scene: Scene) -> None:
    made = await scene.register()
    options = await scene.options()
    assert options["rp"] == {"id": "localhost", "name": "localhost"}
    assert (options["user"]["name"], options["user"]["displayName"]) == ("ann", "ann")
    assert options["excludeCredentials"] == [
        {"type": "public-key", "id": made["id"], "transports": ["hybrid", "internal"]}
    ]
    chosen = options["authenticatorSelection"]
    assert chosen == {"residentKey": "required", "requireResidentKey": True, "userVerification": "required"}
    assert options["attestation"] == "none"
    listed = (await scene.ask("GET", "")).json()
    assert (listed["rp_id"], listed["user_id"]) == ("localhost", options["user"]["id"])
    again = await scene.options(conditional=True)
    assert again["user"] == options["user"], "an authenticator keeps one passkey for each user handle"
    assert again["authenticatorSelection"]["userVerification"] == "preferred"
    account = await scene.auth.issuer.accounts.find("ann")
    for name in (account.id, account.name):
        assert name.encode() not in scene.device.passkeys[0].user, "nothing of its owner (§14.6.1)"


async def test_the_browser_may_make_one_without_a_touch_only_where_it_was_asked_so(scene: Scene) -> None:
    scene.device.flags = 0
    silent = scene.device.create(await scene.options())
    answer = await scene.ask("POST", "/register/finish", {"credential": silent})
    assert problem(answer) == (422, "invalid_field")
    assert answer.json()["errors"] == [{"field": "credential", "reason": "passkey user was not present"}]
    conditional = scene.device.create(await scene.options(conditional=True))
    assert (await scene.ask("POST", "/register/finish", {"credential": conditional})).status_code == 201


async def test_a_passkey_has_a_name(scene: Scene) -> None:
    made = await scene.register()
    assert made["label"] == "unknown device"
    renamed = await scene.ask("PATCH", f"/{made['id']}", {"label": "key on my ring"})
    assert renamed.status_code == 200
    assert renamed.json() == {**made, "label": "key on my ring"}
    assert (await scene.ask("GET", "")).json()["passkeys"] == [renamed.json()]
    for label in ("", "x" * 101):
        assert problem(await scene.ask("PATCH", f"/{made['id']}", {"label": label})) == (422, "invalid_field")
    assert problem(await scene.ask("PATCH", "/unknown", {"label": "x"})) == (404, "not_found")
    assert (await scene.log_in(scene.device.get(await scene.begin()))).status_code == 200


async def test_a_removed_passkey_logs_nobody_in(scene: Scene) -> None:
    made = await scene.register()
    assert (await scene.ask("DELETE", f"/{made['id']}")).status_code == 204
    await scene.refresh()
    assert (await scene.ask("GET", "")).json()["passkeys"] == []
    assert problem(await scene.log_in(scene.device.get(await scene.begin()))) == (401, "invalid_credentials")
    assert await scene.causes() == ["passkey is unknown"]
    assert problem(await scene.ask("DELETE", f"/{made['id']}")) == (404, "not_found")


async def test_to_add_or_remove_one_takes_a_recent_proof(scene: Scene) -> None:
    made = await scene.register()
    credential = scene.device.create(await scene.options())
    await scene.pass_seconds(601)
    await scene.refresh()
    assert (await scene.ask("GET", "")).status_code == 200
    for method, path, body in (
        ("POST", "/register/start", None),
        ("POST", "/register/finish", {"credential": credential}),
        ("DELETE", f"/{made['id']}", None),
    ):
        answer = await scene.ask(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (401, "insufficient_user_authentication")
        assert 'max_age="600"' in answer.headers["www-authenticate"]


async def test_after_a_password_a_touch_is_enough_and_alone_it_is_not(scene: Scene) -> None:
    await scene.register()
    answer = await scene.http.post("/auth/login", json={"username": "ann", "password": PASSWORD})
    assert problem(answer) == (401, "second_factor_required")
    assert answer.json()["methods"] == ["passkey"]
    pending = answer.json()["pending"]
    options = await scene.begin(pending=pending)
    assert options["userVerification"] == "preferred"
    assert [one["id"] for one in options["allowCredentials"]] == [
        one["id"] for one in (await scene.ask("GET", "")).json()["passkeys"]
    ]
    scene.device.flags &= ~0x04
    credential = scene.device.get(options)
    credential["response"]["userHandle"] = None  # as security keys do that keep no passkey
    done = await scene.log_in(credential, pending=pending)
    assert done.status_code == 200, done.text
    claims = jwt.peek(done.json()["access_token"]).claims
    assert (claims["amr"], claims["acr"]) == (["pwd", "pop", "mfa"], "phr")
    assert problem(await scene.log_in(scene.device.get(await scene.begin()))) == (401, "invalid_credentials")
    assert await scene.causes() == ["passkey user was not verified"]


async def test_a_counter_that_does_not_rise_is_an_event_and_no_lock_out(scene: Scene) -> None:
    scene.device.counts = True
    await scene.register()
    for _ in range(3):
        assert (await scene.log_in(scene.device.get(await scene.begin()))).status_code == 200
    assert await scene.events("passkey_counter_back") == []
    scene.device.passkeys[0].counter = 1  # as in a copy that was made before
    assert (await scene.log_in(scene.device.get(await scene.begin()))).status_code == 200
    (event,) = await scene.events("passkey_counter_back")
    made = (await scene.ask("GET", "")).json()["passkeys"][0]["id"]
    assert event.detail == {"credential": made, "counter": 2, "known": 3}
    (row,) = await scene.auth.store.find_credentials(id=made)
    assert row.counter == 3, "the highest that it ever said"


@pytest.mark.parametrize("settings", [{"passkeys": "off"}])
async def test_without_passkeys_there_are_none(scene: Scene) -> None:
    assert problem(await scene.http.post(f"{LOGIN}/begin", json={})) == (404, "unknown_method")
    for method, path, body in (
        ("GET", "", None),
        ("POST", "/register/start", {}),
        ("POST", "/register/finish", {"credential": {}}),
        ("PATCH", "/x", {"label": "x"}),
        ("DELETE", "/x", None),
    ):
        assert problem(await scene.ask(method, path, body)) == (404, "unknown_method")


async def test_a_challenge_ends_after_five_minutes(scene: Scene) -> None:
    await scene.register()
    credential = scene.device.get(await scene.begin())
    await scene.pass_seconds(PROOF_SECONDS)
    assert problem(await scene.log_in(credential)) == (401, "invalid_credentials")
    assert await scene.causes() == ["passkey challenge is not good"]


@pytest.mark.parametrize("settings", [{"passkey_page": "https://auth.example.com/account"}])
async def test_password_managers_find_the_page(scene: Scene) -> None:
    answer = await scene.http.get("/.well-known/passkey-endpoints")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    page = "https://auth.example.com/account"
    assert answer.json() == {"enroll": page, "manage": page}


async def test_without_another_they_find_ours(scene: Scene) -> None:
    page = "http://localhost:8000/auth/pages/account"
    assert (await scene.http.get("/.well-known/passkey-endpoints")).json() == {"enroll": page, "manage": page}


@pytest.mark.parametrize("settings", [{"pages": "off"}, {"passkeys": "off"}])
async def test_they_find_nothing_where_there_is_none(scene: Scene) -> None:
    assert (await scene.http.get("/.well-known/passkey-endpoints")).status_code == 404


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"issuer": "http://127.0.0.1:8000"}, "must be the host of the issuer or a domain above it"),
        ({"issuer": "https://192.0.2.7"}, "must be the host of the issuer or a domain above it"),
        ({"issuer": "http://auth.example.com"}, "must be the host of the issuer or a domain above it"),
        ({"issuer": "https://auth.example.com", "passkey_rp_id": "com"}, "must be the host of the issuer"),
        ({"issuer": "https://auth.example.com", "passkey_rp_id": "example.org"}, "must be the host of the issuer"),
        ({"issuer": "https://auth.example.com", "passkey_rp_id": "th.example.com"}, "must be the host of the issuer"),
        ({"issuer": "https://auth.example.com", "passkey_rp_id": "Example.com"}, "must be a domain in lower case"),
    ],
)
def test_a_domain_that_no_browser_takes_is_refused_at_the_start(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        cheap_sealring(passkeys="on", **given)


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys  # noqa: PLC0415 - of this test alone

    for name in [name for name in sys.modules if name.partition(".")[0] == "fido2" or "passkey" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fido2", None)
    with pytest.raises(ConfigurationError) as caught:
        cheap_sealring(passkeys="on", issuer=ORIGIN)
    assert caught.value.hint == "install sealring[passkeys]"
