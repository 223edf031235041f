"""The table of events is complete: every kind has a row, and every event that the issuer writes is as its row says."""

from __future__ import annotations

import json
import logging
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import pytest

from sealring import MailMessage, MailRefused, Sealring
from sealring.audit.event import EVENTS, Event, EventKind, Severity, faults_of
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.decision import RefusedCause
from sealring.authentication.pending import PendingLoginCause
from sealring.authentication.recovery_codes import RecoveryCodes
from sealring.errors import (
    ClientRefused,
    DeviceProofRequired,
    InvalidMailLink,
    RefreshReused,
    SessionEnded,
    Throttled,
    WrongCredentials,
)
from sealring.issuer.email_addresses import LinkProof
from sealring.issuer.methods import Proved
from sealring.issuer.methods.recovery_code import RecoveryCodeMethod
from sealring.issuer.methods.recovery_code import credential_id as recovery_id
from sealring.rate_limits.rate import RateLimit
from sealring.sessions.session import END_CAUSES, EndCause
from sealring.testing.devices import registration
from tests.clocks import START, FrozenClock
from tests.serving import PASSWORD, SECRET, cheap_sealring
from tests.soft_authenticator import ORIGIN, SoftAuthenticator
from tests.stored_code import StoredCode, stored_code

HERE = "192.0.2.1"
SOURCE = Path(__file__).parents[2] / "src" / "sealring"


async def accounts(auth: Sealring, clock: FrozenClock) -> None:
    users = auth.issuer.accounts
    ada = await users.create("ada", PASSWORD)
    await auth.issuer.credentials.add(stored_code(ada.id, "a"), epoch=0, client=ClientInfo(HERE))
    await auth.issuer.credentials.remove(ada.id, "a", epoch=1, client=ClientInfo(HERE))
    codes = RecoveryCodes([b"k" * 32])
    kept = codes.keep(["aaaa"], account_id=ada.id)
    row = stored_code(ada.id, recovery_id(ada.id), method="recovery-code", public=kept)
    await auth.issuer.credentials.add(row, epoch=2, client=ClientInfo(HERE))
    way = RecoveryCodeMethod(auth.issuer.store, codes)
    assert isinstance(await way.prove(ada, {"code": "aaaa"}, slot=None, browser="", now=START), Proved)
    await users.set_scopes(ada.id, ("orders:read",))
    await users.set_email(ada.id, "ada@example.com")
    await users.set_password(ada.id, PASSWORD + "!")
    await users.disable(ada.id)
    with suppress(WrongCredentials):
        await auth.log_in("ada", PASSWORD + "!", address=HERE)
    await users.enable(ada.id)
    await users.delete(ada.id)
    invited = cheap_sealring(auth.store, clock, registration="invited", issuer=ORIGIN)
    invitation = await invited.accounts.invite()
    await invited.issuer.accounts.register("eve", PASSWORD, None, ClientInfo(HERE), invitation=invitation)
    bob = await auth.register("bob", PASSWORD, address=HERE)
    await auth.issuer.change_password(
        bob.account.id, PASSWORD, PASSWORD + "?", keep_session=bob.issued.session.id, client=ClientInfo(HERE)
    )
    await auth.log_in("bob", PASSWORD + "?", address=HERE)
    for _ in range(3):
        with suppress(WrongCredentials, Throttled):
            await auth.log_in("bob", "wrong horse wrong battery", address=HERE)
    await users.delete_own(bob.account.id, ClientInfo(HERE))


async def refuse_mail(_: MailMessage) -> None:
    raise MailRefused


async def mails(auth: Sealring) -> None:
    client, email = ClientInfo(HERE), auth.issuer.email
    dora = await auth.issuer.accounts.create("dora", PASSWORD, email="dora@example.com")
    await email.forgot("dora@example.com", client)
    await auth.parts.mail.deliver()
    now = auth.clock.now_ms() // 1000
    link = email.links.link("change", dora, "new@example.com", now=now)
    for _ in range(2):
        with suppress(InvalidMailLink):
            await email.confirm(LinkProof(link), client)
    await auth.register("flo", PASSWORD, email="flo@example.com", address=HERE)
    flo = await auth.issuer.accounts.find("flo")
    await email.confirm(LinkProof(email.links.link("verify", flo, "flo@example.com", now=now)), client)


async def clients(auth: Sealring) -> None:
    made = await auth.clients.register("report")
    registered, address = auth.issuer.clients, ClientInfo(HERE)
    issued = await registered.issue(made.client.id, made.secret, scopes=None, client=address)
    await registered.revoke_token(auth.verify(issued.access_token.text), client=address)
    with suppress(ClientRefused):
        await registered.authenticate(made.client.id, "wrong", client=address)
    await auth.clients.set_scopes(made.client.id, ["orders:read"])
    await auth.clients.remove(made.client.id)


async def sessions(auth: Sealring, clock: FrozenClock) -> None:
    first = await auth.start_session(subject="42", address=HERE)
    used = [first.refresh_token]
    for _ in range(3):
        clock.pass_seconds(60)
        used.append((await auth.refresh_session(used[-1], address=HERE)).refresh_token)
    with suppress(RefreshReused):
        await auth.refresh_session(used[0], address=HERE)
    await auth.refresh_claims("42")
    second = await auth.start_session(subject="42", address=HERE)
    await auth.issuer.log_out(second.session.id, client=ClientInfo(HERE))
    third = await auth.start_session(subject="42", address=HERE)
    await auth.issuer.reauthentication.put(
        third.session.id, amr=("pwd",), acr="sfa", auth_time=1, guard=None, client=ClientInfo(HERE)
    )
    await auth.issuer.end_sessions("42", keep=third.session.id, client=ClientInfo(HERE))
    clock.pass_seconds(auth.settings.session_idle)
    with suppress(SessionEnded):
        await auth.refresh_session(third.refresh_token, address=HERE)


async def devices(auth: Sealring) -> None:
    request = {"type": "http", "method": "POST", "path": "/login", "headers": [], "client": (HERE, 1)}
    issued = await auth.start_session(subject="42", request=request, delivery="cookie")
    await auth.issuer.sessions.bind(issued.refresh_token, registration(auth, issued), client=ClientInfo(HERE))
    with suppress(DeviceProofRequired):
        await auth.refresh_session(issued.refresh_token, address=HERE)
    with suppress(DeviceProofRequired):
        proof = registration(auth, issued)  # of another key
        await auth.issuer.refresh(issued.refresh_token, client=ClientInfo(HERE), proof=proof)


async def passkeys(auth: Sealring) -> None:
    device, own = SoftAuthenticator(counts=True), auth.issuer.passkeys
    assert own is not None
    owner = await auth.issuer.accounts.create("pia", PASSWORD)
    client = ClientInfo(HERE)
    made = device.create(await own.begin_registration(owner.id, "sid", conditional=False))
    passkey = await own.finish_registration(owner.id, "sid", made, label="", client=client)
    await auth.issuer.credentials.add(passkey, epoch=0, client=client)
    device.passkeys[0].counter = 7
    for _ in range(2):
        begun = await auth.begin_login("passkey", {}, address=HERE)
        used = json.dumps(device.get(json.loads(begun.challenge["options"])))
        await auth.log_in_by("passkey", {"credential": used}, address=HERE)
        device.passkeys[0].counter = 1


async def keys(auth: Sealring) -> None:
    await auth.issuer.keys.rotate()
    await auth.issuer.revoke_key(auth.issuer.keys.signing().kid or "")
    await auth.issuer.reset_after_restore()


def sealring_of(clock: FrozenClock, **settings: Any) -> Sealring:
    given: dict[str, Any] = {"passkeys": "on", "issuer": ORIGIN, "device_binding": "prefer"} | settings
    return cheap_sealring(
        clock=clock, account_rate=RateLimit(2, 300), more_methods=[StoredCode], mail=refuse_mail, **given
    )


async def all_that_happens(auth: Sealring, clock: FrozenClock) -> list[Event]:
    await auth.open()
    await accounts(auth, clock)
    await mails(auth)
    await clients(auth)
    await passkeys(auth)
    await keys(auth)
    await sessions(auth, clock)
    await auth.close()
    newer = sealring_of(clock, store=auth.store, secret=f"{secrets.token_hex(64)},{SECRET}")
    await newer.open()
    await devices(newer)
    assert await newer.issuer.keys.reencrypt()
    await newer.close()
    return await auth.store.read_events(limit=10_000)


def test_every_kind_has_a_row_and_every_row_a_kind() -> None:
    assert list(EVENTS) == list(get_args(EventKind))
    for row in EVENTS.values():
        assert row.fields <= {"subject", "session", "address"}
        assert row.severity in get_args(Severity)


@pytest.mark.anyio
async def test_every_event_is_as_its_row_says_and_no_row_says_too_much() -> None:
    clock = FrozenClock()
    auth = sealring_of(clock)
    events = await all_that_happens(auth, clock)
    assert {event.kind: faults for event in events if (faults := faults_of(event))} == {}
    assert {event.kind for event in events} == set(EVENTS), "a new kind belongs into all_that_happens"
    for kind in EVENTS:
        several = [event for event in events if event.kind == kind]
        assert EVENTS[kind].fields == {
            name for name in ("subject", "session", "address") if any(getattr(event, name) for event in several)
        }, kind
        assert set(EVENTS[kind].detail) == {name for event in several for name in event.detail}, kind
        assert bool(EVENTS[kind].causes) == any(event.cause for event in several), kind


@pytest.mark.anyio
async def test_an_operator_sees_by_the_level_where_to_look(caplog: pytest.LogCaptureFixture) -> None:
    clock = FrozenClock()
    with caplog.at_level(logging.INFO, "sealring.audit"):
        await all_that_happens(sealring_of(clock), clock)
    levels = {
        record.getMessage(): record.levelname.lower() for record in caplog.records if record.name.endswith("audit")
    }
    assert levels == {kind: EVENTS[kind].severity for kind in EVENTS if kind in levels}
    assert {"session_started", "refresh_reused", "key_revoked"} <= levels.keys()
    assert levels["refresh_reused"] == "warning"


@pytest.mark.parametrize(
    ("event", "faults"),
    [
        (Event(kind="login", at_ms=0, subject="42", address=HERE, detail={"methods": "password"}), []),
        (Event(kind="login", at_ms=0, session="s", cause="luck"), ["session", "cause luck"]),
        (Event(kind="key_revoked", at_ms=0, detail={"kid": "a", "name": "b"}), ["detail name"]),
        (Event(kind="nonsense", at_ms=0), ["kind nonsense"]),  # type: ignore[arg-type]
    ],
)
def test_what_a_row_does_not_name_is_a_fault(event: Event, faults: list[str]) -> None:
    assert faults_of(event) == faults


def test_every_cause_of_a_row_is_written_somewhere() -> None:
    files = [file for file in SOURCE.rglob("*.py") if file.parent.name != "audit"]
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    for row in EVENTS.values():
        for cause in row.causes:
            assert f'"{cause}"' in source, cause
    decided = {*get_args(RefusedCause), *get_args(PendingLoginCause)}
    assert decided <= set(EVENTS["login_failed"].causes)


def test_every_end_of_a_session_is_explained_and_in_the_audit_log() -> None:
    assert list(END_CAUSES) == list(get_args(EndCause))
    by_one_event = set(EVENTS["session_ended"].causes) | set(EVENTS["subject_revoked"].causes)
    assert set(END_CAUSES) - by_one_event == {"reuse", "store_restored"}, "which are events of their own"
    assert {"refresh_reused", "store_restored"} <= EVENTS.keys()
