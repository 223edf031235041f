"""What a login by passkey withstands: other sites, other accounts, other browsers, replays, and bytes of any kind."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fido2 import cbor
from fido2.cose import CoseKey

from sealring.accounts.credential import Credential
from sealring.authentication.passkey import (
    MAX_ID_BYTES,
    PasskeyRefused,
    RegistrationResponse,
    read_response,
    verify_registration,
)
from sealring.store.protocol import Store
from tests.clocks import FrozenClock
from tests.passkey_scene import Scene, passkey_scene
from tests.serving import PASSWORD, bearer, problem
from tests.soft_authenticator import BE, BS, UP, UV, SoftAuthenticator, b64, new_key, unb64

pytestmark = pytest.mark.anyio
STORES = ["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
AT_ONCE = 20
Wrong = Callable[[SoftAuthenticator], None]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with passkey_scene(FrozenClock()) as scene:
        await scene.register()
        yield scene


def set_to(**fields: Any) -> Wrong:
    def change(device: SoftAuthenticator) -> None:
        for name, value in fields.items():
            setattr(device, name, value)

    return change


WRONG_LOGINS: dict[str, tuple[Wrong, str]] = {
    "another site": (set_to(origin="https://localhost.evil.example"), "passkey is of another site"),
    "another port": (set_to(origin="http://localhost:8001"), "passkey is of another site"),
    "another scheme": (set_to(origin="https://localhost:8000"), "passkey is of another site"),
    "with a slash": (set_to(origin="http://localhost:8000/"), "passkey is of another site"),
    "a frame in another site": (set_to(client_data={"crossOrigin": True}), "passkey is of another site"),
    "another domain": (set_to(rp_id="evil.example"), "passkey is of another site"),
    "a registration": (set_to(client_data={"type": "webauthn.create"}), "passkey response is unreadable"),
    "a payment": (set_to(client_data={"type": "payment.get"}), "passkey response is unreadable"),
    "nobody there": (set_to(flags=UV | BE | BS), "passkey user was not present"),
    "nobody verified": (set_to(flags=UP | BE | BS), "passkey user was not verified"),
    "synced, and it was not": (set_to(flags=UP | UV), "passkey of another kind"),
    "backed up and cannot be": (set_to(flags=UP | UV | BS), "passkey response is unreadable"),
    "a challenge of its own": (set_to(client_data={"challenge": b64(bytes(56))}), "passkey challenge is not good"),
    "no challenge": (set_to(client_data={"challenge": ""}), "passkey challenge is not good"),
    "no origin": (set_to(client_data={"origin": None}), "passkey response is unreadable"),
}


@pytest.mark.parametrize("name", WRONG_LOGINS)
async def test_passkey_one_thing_wrong_logs_nobody_in(scene: Scene, name: str) -> None:
    wrong, cause = WRONG_LOGINS[name]
    options = await scene.begin()
    wrong(scene.device)
    assert problem(await scene.log_in(scene.device.get(options))) == (401, "invalid_credentials")
    assert await scene.causes() == [cause]


async def test_passkey_another_key_under_the_same_id(scene: Scene) -> None:
    forged = replace(scene.device.passkeys[0], key=new_key())
    for credential in (
        scene.device.get(await scene.begin(), passkey=forged),
        tampered(scene.device.get(await scene.begin()), signature=b""),
        tampered(scene.device.get(await scene.begin()), signature=bytes(70)),
    ):
        assert problem(await scene.log_in(credential)) == (401, "invalid_credentials")
    assert await scene.causes() == ["passkey signature is wrong"] * 3


def tampered(credential: dict[str, Any], **parts: bytes | None) -> dict[str, Any]:
    changed = {name: None if part is None else b64(part) for name, part in parts.items()}
    return {**credential, "response": {**credential["response"], **changed}}


async def test_passkey_a_challenge_counts_once(scene: Scene) -> None:
    credential = scene.device.get(await scene.begin())
    assert (await scene.log_in(credential)).status_code == 200
    assert problem(await scene.log_in(credential)) == (401, "invalid_credentials")
    assert await scene.causes() == ["passkey challenge was used"]


@pytest.mark.parametrize("store", STORES, indirect=True)
async def test_passkey_of_many_that_answer_one_challenge_at_once_one_logs_in(store: Store) -> None:
    async with passkey_scene(FrozenClock(time.time()), store) as scene:
        await scene.register()
        credential = scene.device.get(await scene.begin())
        sessions = len(await scene.auth.issuer.sessions.list(None))
        answers = await asyncio.gather(*(scene.log_in(credential) for _ in range(AT_ONCE)))
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * (AT_ONCE - 1)
        assert len(await scene.auth.issuer.sessions.list(None)) == sessions + 1
        assert await scene.causes() == ["passkey challenge was used"] * (AT_ONCE - 1)


async def test_passkey_a_challenge_of_one_browser_is_worth_nothing_in_another(scene: Scene) -> None:
    options = await scene.begin(delivery="cookie")
    credential = scene.device.get(options)
    other = Scene(scene.auth)
    await other.begin(delivery="cookie")  # it has a cookie of its own
    for delivery in ("cookie", "body"):
        assert problem(await other.log_in(credential, delivery=delivery)) == (401, "invalid_credentials")
    assert set(await scene.causes()) == {"passkey challenge is not good"}
    assert (await scene.log_in(credential, delivery="cookie")).status_code == 200


async def test_passkey_a_challenge_is_for_one_purpose(scene: Scene) -> None:
    for_registration = scene.device.get(await scene.options())
    assert problem(await scene.log_in(for_registration)) == (401, "invalid_credentials")
    answer = await scene.http.post("/auth/login", json={"username": "ann", "password": PASSWORD})
    pending = answer.json()["pending"]
    for_second = scene.device.get(await scene.begin(pending=pending))
    assert problem(await scene.log_in(for_second)) == (401, "invalid_credentials")
    for_login = scene.device.get(await scene.begin())
    assert problem(await scene.log_in(for_login, pending=pending)) == (401, "invalid_credentials")
    assert await scene.causes() == ["passkey challenge is not good"] * 3
    new = scene.device.create({**await scene.options(), "challenge": (await scene.begin())["challenge"]})
    refused = await scene.ask("POST", "/register/finish", {"credential": new})
    assert problem(refused) == (422, "invalid_field")


async def bob_of(scene: Scene) -> Scene:
    """Another user of the same service, with an authenticator and a browser of his own."""
    await scene.auth.issuer.accounts.create("bob", PASSWORD)
    bob = Scene(scene.auth)
    answer = await bob.http.post("/auth/login", json={"username": "bob", "password": PASSWORD})
    bob.headers, bob.refresh_token = bearer(answer.json()["access_token"]), answer.json()["refresh_token"]
    return bob


async def test_passkey_of_another_account_is_no_second_factor(scene: Scene) -> None:
    bob = await bob_of(scene)
    await bob.register()
    answer = await scene.http.post("/auth/login", json={"username": "ann", "password": PASSWORD})
    pending = answer.json()["pending"]
    credential = bob.device.get(await scene.begin(pending=pending))
    assert problem(await scene.log_in(credential, pending=pending)) == (401, "invalid_credentials")
    assert await scene.causes() == ["passkey is of another account"]


async def test_passkey_says_itself_whose_it_is(scene: Scene) -> None:
    bob = await bob_of(scene)
    await bob.register()
    for handle in (bob.device.passkeys[0].user, b"", None):
        credential = tampered(scene.device.get(await scene.begin()), userHandle=handle)
        assert problem(await scene.log_in(credential)) == (401, "invalid_credentials")
    assert await scene.causes() == ["passkey is of another account"] * 3


async def test_passkey_that_is_registered_becomes_nobody_elses(scene: Scene) -> None:
    """U3 of passkeys: who could register Ann's id with a key of theirs would log in as Ann, or keep her out."""
    bob = await bob_of(scene)
    anns = scene.device.passkeys[0]
    stolen = bob.device.create(await bob.options())
    data = cbor.decode(unb64(stolen["response"]["attestationObject"]))
    assert isinstance(data, dict)
    data["authData"] = data["authData"].replace(bob.device.passkeys[0].id, anns.id)
    stolen = {**tampered(stolen, attestationObject=cbor.encode(data)), "id": b64(anns.id)}
    refused = await bob.ask("POST", "/register/finish", {"credential": stolen})
    assert problem(refused) == (422, "invalid_field")
    assert refused.json()["errors"] == [{"field": "credential", "reason": "is registered already"}]
    assert (await scene.log_in(scene.device.get(await scene.begin()))).json()["user"]["username"] == "ann"


async def test_passkey_routes_reach_the_callers_own_alone(scene: Scene) -> None:
    bob = await bob_of(scene)
    (anns,) = (await scene.ask("GET", "")).json()["passkeys"]
    assert problem(await bob.ask("PATCH", f"/{anns['id']}", {"label": "mine"})) == (404, "not_found")
    assert problem(await bob.ask("DELETE", f"/{anns['id']}")) == (404, "not_found")
    assert (await bob.ask("GET", "")).json()["passkeys"] == []
    account = await scene.auth.issuer.accounts.find("bob")
    other = Credential(id="seed", account_id=account.id, method="passkey-of-another-kind", created_at=0)
    scene.auth.store._credentials["seed"] = other  # type: ignore[attr-defined]
    assert problem(await bob.ask("DELETE", "/seed")) == (404, "not_found"), "each kind has its own rules"


async def test_passkey_a_registration_is_of_one_session_and_counts_once(scene: Scene) -> None:
    options = await scene.options()
    credential = scene.device.create(options)
    here = scene.headers
    bob = await bob_of(scene)
    refused = await bob.ask("POST", "/register/finish", {"credential": credential})
    assert problem(refused) == (422, "invalid_field"), "login CSRF: Ann's session must not get a passkey of a thief's"
    answer = await scene.log_in(scene.device.get(await scene.begin(), passkey=scene.device.passkeys[0]))
    scene.headers = bearer(answer.json()["access_token"])
    refused = await scene.ask("POST", "/register/finish", {"credential": credential})
    assert problem(refused) == (422, "invalid_field"), "another session of the same account"
    scene.headers = here
    assert (await scene.ask("POST", "/register/finish", {"credential": credential})).status_code == 201
    await scene.refresh()
    again = await scene.ask("POST", "/register/finish", {"credential": credential})
    assert again.json()["errors"] == [{"field": "credential", "reason": "passkey challenge was used"}]


async def test_passkey_the_last_way_to_log_in_stays(scene: Scene) -> None:
    (anns,) = (await scene.ask("GET", "")).json()["passkeys"]
    account = await scene.auth.issuer.accounts.find("ann")
    accounts = scene.auth.store._accounts  # type: ignore[attr-defined]
    accounts[account.id] = replace(accounts[account.id], password_hash=None)
    assert problem(await scene.ask("DELETE", f"/{anns['id']}")) == (409, "last_credential")
    assert (await scene.log_in(scene.device.get(await scene.begin()))).status_code == 200


@pytest.mark.parametrize("change", ["disabled", "password", "removed"])
async def test_i7_passkey_what_changes_during_a_login_is_seen(scene: Scene, change: str) -> None:
    """The change comes after the passkey was read and before the session starts."""
    account = await scene.auth.issuer.accounts.find("ann")
    store, issuer = scene.auth.store, scene.auth.issuer
    (own,) = await store.find_credentials(account_id=account.id)
    find = store.find_credential_owner

    async def find_then_change(id: str) -> Any:
        found = await find(id)
        match change:
            case "disabled":
                await issuer.accounts.disable(account.id)
            case "password":
                await issuer.accounts.set_password(account.id, "another password of hers")
            case _:
                await issuer.credentials.remove_by_operator(account.id, own.id)
        return found

    store.find_credential_owner = find_then_change  # type: ignore[method-assign]
    assert problem(await scene.log_in(scene.device.get(await scene.begin()))) == (401, "invalid_credentials")
    assert await scene.causes() == ["account changed during the login"]


async def test_i11_passkey_a_disabled_account_looks_like_no_account(scene: Scene) -> None:
    account = await scene.auth.issuer.accounts.find("ann")
    await scene.auth.issuer.accounts.disable(account.id)
    known = await scene.log_in(scene.device.get(await scene.begin()))
    stranger = SoftAuthenticator()
    stranger.create({"user": {"id": b64(bytes(32))}, "challenge": "x"})
    unknown = await scene.log_in(stranger.get(await scene.begin()))
    assert problem(known) == problem(unknown) == (401, "invalid_credentials")
    assert known.content == unknown.content
    assert await scene.causes() == ["account is disabled", "passkey is unknown"]


async def test_passkey_logins_of_one_address_are_counted_and_shut_nobody_else_out() -> None:
    async with passkey_scene(FrozenClock(), throttle_address="5/1m") as scene:
        await scene.register()
        bad = tampered(scene.device.get(await scene.begin()), signature=b"no")
        answers = [(await scene.log_in(bad)).status_code for _ in range(9)]
        assert answers == [401] * 6 + [429] * 3
        transport = httpx2.ASGITransport(
            scene.http._transport.app,  # type: ignore[attr-defined]
            client=("192.0.2.9", 4711),
        )
        scene.http = httpx2.AsyncClient(transport=transport, base_url=scene.http.base_url)
        assert (await scene.log_in(scene.device.get(await scene.begin()))).status_code == 200


NO_KEYS: dict[str, Callable[[], Any]] = {
    "an algorithm that nobody offered": lambda: {1: 2, 3: -35, -1: 2, -2: bytes(48), -3: bytes(48)},
    "SHA-1": lambda: {1: 3, 3: -65535, -1: bytes(256), -2: b"\x01\x00\x01"},
    "a point that is on no curve": lambda: {1: 2, 3: -7, -1: 1, -2: bytes(32), -3: b"\x01" * 32},
    "another curve": lambda: {1: 2, 3: -7, -1: 2, -2: bytes(32), -3: bytes(32)},
    "no point": lambda: {1: 2, 3: -7, -1: 1},
    "a short Ed25519 key": lambda: {1: 1, 3: -8, -1: 6, -2: bytes(31)},
    "a short RSA key": lambda: CoseKey.for_alg(-257).from_cryptography_key(short_rsa().public_key()),
    "an endless RSA key": lambda: {1: 3, 3: -257, -1: b"\xff" * 2048, -2: b"\x01\x00\x01"},
    "text for numbers": lambda: {1: 3, 3: -257, -1: "x" * 256, -2: "y"},
    "a name for an algorithm": lambda: {1: 2, 3: "ES256", -1: 1, -2: bytes(32), -3: bytes(32)},
    "no algorithm": lambda: {1: 2},
}  # fmt: skip


def short_rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - what is refused


@pytest.mark.parametrize("name", NO_KEYS)
async def test_passkey_a_key_that_verifies_nothing_is_not_registered(scene: Scene, name: str) -> None:
    credential = SoftAuthenticator().create(await scene.options(), cose=NO_KEYS[name]())
    refused = await scene.ask("POST", "/register/finish", {"credential": credential})
    assert problem(refused) == (422, "invalid_field")
    assert len((await scene.ask("GET", "")).json()["passkeys"]) == 1


WRONG_REGISTRATIONS: dict[str, tuple[Wrong, str]] = {
    "another site": (set_to(origin="https://evil.example"), "passkey is of another site"),
    "another domain": (set_to(rp_id="evil.example"), "passkey is of another site"),
    "a frame in another site": (set_to(client_data={"crossOrigin": True}), "passkey is of another site"),
    "a login": (set_to(client_data={"type": "webauthn.get"}), "passkey response is unreadable"),
    "backed up and cannot be": (set_to(flags=UP | UV | BS), "passkey response is unreadable"),
    "a challenge of its own": (set_to(client_data={"challenge": b64(bytes(56))}), "passkey challenge is not good"),
}


@pytest.mark.parametrize("name", WRONG_REGISTRATIONS)
async def test_passkey_one_thing_wrong_registers_nothing(scene: Scene, name: str) -> None:
    wrong, cause = WRONG_REGISTRATIONS[name]
    device = SoftAuthenticator()
    wrong(device)
    refused = await scene.ask("POST", "/register/finish", {"credential": device.create(await scene.options())})
    assert problem(refused) == (422, "invalid_field")
    assert refused.json()["errors"] == [{"field": "credential", "reason": cause}]


async def test_passkey_bytes_of_any_kind_are_a_refusal(scene: Scene) -> None:
    fresh = scene.device.create(await scene.options())
    used = scene.device.get(await scene.begin(), passkey=scene.device.passkeys[0])
    for data in broken(unb64(fresh["response"]["attestationObject"])):
        answer = await scene.ask("POST", "/register/finish", {"credential": tampered(fresh, attestationObject=data)})
        assert problem(answer) == (422, "invalid_field"), data
    for part in ("authenticatorData", "clientDataJSON", "signature", "userHandle"):
        true = unb64(used["response"][part])
        for data in (*broken(true), *flipped(true)):
            assert problem(await scene.log_in(tampered(used, **{part: data}))) == (401, "invalid_credentials"), data
    wrong = (
        "",
        "x",
        "[]",
        "{}",
        "null",
        "[" * 5000,
        json.dumps({**used, "id": 7}),
        json.dumps({**used, "id": "\0"}),
    )
    for text in wrong:
        assert problem(await scene.log_in(text)) == (401, "invalid_credentials"), text
    assert (await scene.log_in(used)).status_code == 200, "and the true one is good still"


async def test_passkey_a_registration_is_read_or_refused_whatever_bit_is_flipped(scene: Scene) -> None:
    """Nothing signs it, as no attestation is asked for: what is flipped may be as good."""
    fresh = scene.device.create(await scene.options())
    party = scene.auth.settings.relying_party
    assert party is not None
    read = Counter[bool]()
    for part in ("attestationObject", "clientDataJSON"):
        for data in flipped(unb64(fresh["response"][part])):
            try:
                verify_registration(read_response(tampered(fresh, **{part: data}), RegistrationResponse), party)
            except PasskeyRefused:
                read[False] += 1
            else:
                read[True] += 1
    assert read[False] > 50


def broken(true: bytes) -> list[bytes]:
    """Cut, lengthened, and CBOR that is deep, long or of a type that is never there."""
    cbors = [b"\x81" * 4000, b"\x9b" + b"\xff" * 8, b"\xc0\x00", b"\xa1" * 3000, bytes(9000)]
    return [b"", true[:-1], true[: len(true) // 2], true + b"\0", *cbors]


def flipped(true: bytes) -> list[bytes]:
    """One bit of each of 60 bytes or fewer."""
    chosen = random.Random(20260)  # noqa: S311 - a test, the same each time
    places = chosen.sample(range(len(true)), min(60, len(true)))
    return [true[:place] + bytes([true[place] ^ (1 << chosen.randrange(8))]) + true[place + 1 :] for place in places]


async def test_passkey_an_id_that_is_too_long_or_not_its_own(scene: Scene) -> None:
    for wrong in (b"", bytes(MAX_ID_BYTES + 1)):
        device = SoftAuthenticator()
        fresh = device.create(await scene.options())
        data = cbor.decode(unb64(fresh["response"]["attestationObject"]))
        assert isinstance(data, dict)
        made = device.passkeys[0].id
        head, _, rest = data["authData"].partition(len(made).to_bytes(2, "big") + made)
        data["authData"] = head + len(wrong).to_bytes(2, "big") + wrong + rest
        credential = {**tampered(fresh, attestationObject=cbor.encode(data)), "id": b64(wrong)}
        assert problem(await scene.ask("POST", "/register/finish", {"credential": credential})) == (
            422,
            "invalid_field",
        )
    fresh = SoftAuthenticator().create(await scene.options())
    refused = await scene.ask("POST", "/register/finish", {"credential": {**fresh, "id": b64(bytes(32))}})
    assert problem(refused) == (422, "invalid_field")
