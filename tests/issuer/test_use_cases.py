"""I2 for every use case that there is: what it revokes is in force on its own node before it returns (F1, F2, F3).

The rows are held against the methods of the code, those of the public object included: a new public method without a
row fails, and so does a method of the store that writes and that no row comes to. What is checked is asked of the store
itself: each entry that its feed has gained must be refused by the node, which never polls, and each line that its audit
log has gained must have been published, just as it stands there. A row that says `Reads` is called too, and must leave
feed and log as they were.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import pyotp
import pytest
from starlette.requests import Request

from sealring import MailMessage, MailRefused, Sealring, WrongCredentials, issuer
from sealring.accounts.account import Account
from sealring.accounts.changes import EmailChange
from sealring.accounts.imported import ImportedUser
from sealring.audit.event import Event
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.mail_link import MailPurpose
from sealring.authentication.method import OIDC as OIDC_METHOD
from sealring.authentication.passkey_challenge import PasskeyChallenges
from sealring.authentication.relying_party import RelyingParty
from sealring.authentication.sign_in import Link
from sealring.errors import InvalidPendingLogin, SealringError
from sealring.issuer.access_ttl import AccessTtl
from sealring.issuer.account_commands import AccountCommands
from sealring.issuer.accounts import Accounts
from sealring.issuer.authenticator import Authenticator
from sealring.issuer.client_commands import ClientCommands
from sealring.issuer.clients import Clients, RegisteredClient
from sealring.issuer.credentials import Credentials
from sealring.issuer.email_addresses import EmailAddresses, LinkProof
from sealring.issuer.factors import Caller, Factors
from sealring.issuer.identities import Identities
from sealring.issuer.issuer import Issuer
from sealring.issuer.keys import SigningKeys
from sealring.issuer.log_in import LoggedIn, LogIn
from sealring.issuer.mail_delivery import MailDelivery
from sealring.issuer.maintenance import Maintenance
from sealring.issuer.methods import LoginMethod
from sealring.issuer.methods.oidc import OidcMethod, ProviderAnswer
from sealring.issuer.new_sessions import NewSessions, PreparedSession
from sealring.issuer.passkeys import Passkeys
from sealring.issuer.reauthentication import Reauthentication
from sealring.issuer.session_tokens import Issued
from sealring.issuer.sessions import Sessions
from sealring.issuer.sign_ins import SignIns
from sealring.mail.mailer import FunctionMailer
from sealring.providers import OIDC
from sealring.providers.client import ProviderClient
from sealring.providers.identity import Identity
from sealring.revocation.entry import Entry
from sealring.store.memory import MemoryStore
from sealring.store.protocol import Store
from sealring.store.records import Committed
from sealring.testing import principal as a_principal
from sealring.testing.devices import registration
from sealring.verifier.node_state import NodeState
from tests.clocks import FrozenClock
from tests.providers.fake_provider import CLIENT_ID, CLIENT_SECRET, FakeProvider, serving
from tests.serving import OTHER_PASSWORD, PASSWORD, SECRET, cheap_sealring
from tests.stored_code import StoredCode, stored_code

pytestmark = pytest.mark.anyio

HERE = ClientInfo("192.0.2.7", "browser")


@dataclass
class Scene:
    """A node that has logged in two users and never polls, and what its listener was given."""

    auth: Sealring
    ann: LoggedIn
    bob: LoggedIn
    own: Issued
    dan: str
    """The id of an account with a credential."""
    robot: RegisteredClient
    published: list[Event] = field(default_factory=list)


UseCase = Callable[[Scene], Awaitable[object]]


@dataclass(frozen=True)
class Reads:
    """A method that leaves no revocation and no audit line."""

    use_case: UseCase


async def prepare_registered(scene: Scene) -> PreparedSession:
    prepared = await scene.auth.issuer.logins.prepare_registered(scene.ann.account, client=HERE, max_access_chars=None)
    assert isinstance(prepared, PreparedSession)
    return prepared


async def prepare_for_a_stranger(scene: Scene) -> PreparedSession:
    return await scene.auth.issuer.new_sessions.prepare("42", client_id="c", client=HERE)


async def start_registered(scene: Scene, *, replaces: str) -> object:
    account = scene.ann.account
    prepared = await prepare_registered(scene)
    return await scene.auth.issuer.logins.start_prepared(account, prepared, account.epoch, replaces=replaces)


async def start_for_a_stranger(scene: Scene, *, replaces: str) -> object:
    prepared = await prepare_for_a_stranger(scene)
    return await scene.auth.issuer.new_sessions.start_prepared(prepared, replaces=replaces)


NEW_SECRET = "5d41e3b7c90f2a68" * 4
ROTATION_SECONDS = 31 * 86_400


async def reuse(scene: Scene) -> None:
    """Refresh twice, let the retry window pass, and use the first token again."""
    text = scene.own.refresh_token
    for _ in range(2):
        text = (await scene.auth.issuer.sessions.refresh(text, client=HERE)).refresh_token
    clock = scene.auth.clock
    assert isinstance(clock, FrozenClock)
    clock.pass_seconds(60)
    with pytest.raises(SealringError):
        await scene.auth.refresh_session(scene.own.refresh_token)


def later(work: Callable[[Scene], Awaitable[object]]) -> UseCase:
    """After the time at which a signing key is replaced: the ring lacks a standby."""

    async def pass_and_work(scene: Scene) -> None:
        clock = scene.auth.clock
        assert isinstance(clock, FrozenClock)
        clock.pass_seconds(ROTATION_SECONDS)
        await work(scene)

    return pass_and_work


async def reopen(scene: Scene) -> None:
    await scene.auth.close()
    await scene.auth.open()


async def live(scene: Scene) -> None:
    await scene.auth.close()
    async with scene.auth.lifespan():
        pass


async def reencrypt(scene: Scene) -> None:
    """By a node that has a new secret before the one that encrypted the keys."""
    clock = scene.auth.clock
    assert isinstance(clock, FrozenClock)
    auth = cheap_sealring(scene.auth.store, clock, secret=f"{NEW_SECRET},{SECRET}", on_event=scene.published.append)
    assert await auth.issuer.keys.reencrypt() == len(auth.issuer.keys.listing()) > 0


async def answer_problem(scene: Scene) -> None:
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": []})
    await scene.auth.problem_response(request, WrongCredentials())


async def token_of_robot(scene: Scene) -> str:
    robot = scene.robot
    issued = await scene.auth.issuer.clients.issue(robot.client.id, robot.secret, scopes=None, client=HERE)
    return issued.access_token.text


async def revoke_token_of_robot(scene: Scene) -> None:
    client_id = scene.robot.client.id
    await token_of_robot(scene)
    principal = a_principal(client_id, client_id=client_id, session_id="A" * 22)
    await scene.auth.issuer.clients.revoke_token(principal, client=HERE)


def caller(scene: Scene) -> Caller:
    """Ann, by her first access token."""
    ann = scene.ann
    return Caller(subject=ann.account.id, session_id=ann.issued.session.id, epoch=0, client=HERE)


async def confirm_totp(scene: Scene) -> None:
    factors = scene.auth.issuer.factors
    started = await factors.start_totp(caller(scene))
    code = pyotp.parse_uri(started.uri)
    assert isinstance(code, pyotp.TOTP)
    now = scene.auth.clock.now_ms() // 1000
    await factors.confirm_totp(caller(scene), enrollment=started.enrollment, code=code.at(now))


async def make_codes(scene: Scene) -> None:
    await confirm_totp(scene)
    await scene.auth.issuer.factors.make_recovery_codes(replace(caller(scene), epoch=1))


async def remove_totp(scene: Scene) -> None:
    await make_codes(scene)
    await scene.auth.issuer.factors.remove_totp(replace(caller(scene), epoch=2))


async def reset_factors(scene: Scene) -> None:
    await confirm_totp(scene)
    assert await scene.auth.issuer.factors.reset(scene.ann.account.id) == ["totp"]


async def record_refusal(scene: Scene) -> None:
    async def refused() -> None:
        async with scene.auth.issuer.logins.recorded(password_of(scene), HERE):
            raise InvalidPendingLogin("pending login was used", scene.ann.account.id)

    await fails(refused())


async def reauthenticate(scene: Scene) -> object:
    issued = scene.ann.issued
    return await scene.auth.issuer.reauthentication.step(
        issued.session.id,
        "password",
        {"password": PASSWORD},
        subject=scene.ann.account.id,
        pending=None,
        client=HERE,
    )


def password_of(scene: Scene) -> LoginMethod:
    return scene.auth.issuer.logins.authenticator.find("password")


MAIL = "dan@example.com"
NEW_MAIL = "new@example.com"


async def link(scene: Scene, purpose: MailPurpose, email: str = MAIL) -> str:
    """The token of a mail's link to dan."""
    dan = await scene.auth.issuer.accounts.get(scene.dan)
    return scene.auth.issuer.email.links.link(purpose, dan, email, now=scene.auth.clock.now_ms() // 1000)


async def unverified(scene: Scene) -> None:
    """Dan's address was typed, and verified by nobody."""
    change = EmailChange(email=MAIL, canonical_email=MAIL, revokes="nothing")
    event = Event(kind="email_changed", at_ms=0, subject=scene.dan, cause="by operator")
    await scene.auth.store.change_account(scene.dan, change, event, now=0)


async def start_verification(scene: Scene) -> None:
    await unverified(scene)
    scene.published += (await scene.auth.store.read_events())[-1:]
    await scene.auth.issuer.email.start_verification(scene.dan, HERE)


async def require_verified(scene: Scene) -> None:
    await unverified(scene)
    scene.published += (await scene.auth.store.read_events())[-1:]
    await fails(scene.auth.issuer.email.require_verified(await scene.auth.issuer.accounts.get(scene.dan), HERE))


async def confirm_by(scene: Scene, work: Callable[[str], Awaitable[object]]) -> None:
    await work(await link(scene, "change", NEW_MAIL))


async def undo(scene: Scene) -> None:
    await confirm_by(scene, lambda token: scene.auth.issuer.email.confirm(LinkProof(token), HERE))
    await scene.auth.issuer.email.undo(await link(scene, "undo"), HERE)


async def reset_by(scene: Scene, work: Callable[[str], Awaitable[object]]) -> None:
    await work(await link(scene, "reset"))


async def refused_mail(scene: Scene) -> None:
    """A mail that can never be sent."""

    async def send(_: MailMessage) -> None:
        raise MailRefused

    await scene.auth.issuer.email.forgot(MAIL, HERE)
    mail = scene.auth.parts.mail
    await MailDelivery(
        scene.auth.parts.committing, mail.composer, FunctionMailer(send), clock=scene.auth.clock.now_ms
    ).deliver()


async def fails(work: Awaitable[object]) -> None:
    with pytest.raises(SealringError):
        await work


def passkeys(scene: Scene) -> Passkeys:
    issuer = scene.auth.issuer
    challenges = PasskeyChallenges([b"k" * 32])
    party = RelyingParty.of("http://localhost:8000")
    return Passkeys(store=issuer.store, challenges=challenges, party=party, clock=issuer.clock)


def identities(scene: Scene) -> Identities:
    issuer = scene.auth.issuer
    return Identities(store=issuer.store, clock=issuer.clock)


async def find_accounts(scene: Scene) -> None:
    """Of an identity that has dan's verified address, of one that nobody knows, and of the first one again."""
    known = Identity(provider="acme", issuer="https://op.example", subject="1", email=MAIL, email_verified=True)
    unknown = replace(known, subject="2", email=NEW_MAIL)
    found = [await identities(scene).account_of(one) for one in (known, unknown, known)]
    linked, made, again = [one.id for one in found if isinstance(one, Account)]
    assert linked == again == scene.dan != made


@asynccontextmanager
async def at_provider(scene: Scene) -> AsyncIterator[tuple[SignIns, FakeProvider]]:
    """What the node does with a provider, and the provider."""
    issuer = scene.auth.issuer
    async with serving(FakeProvider()) as op:
        op.clock = lambda: issuer.clock() // 1000
        acme = ProviderClient(OIDC(op.issuer, CLIENT_ID, CLIENT_SECRET, name="acme"), issuer.clock)
        answers = replace(issuer.sign_ins.answers, clients={"acme": acme})
        before = issuer.credentials.authenticator
        authenticator = replace(
            before,
            policy=replace(before.policy, methods=(*before.policy.methods, OIDC_METHOD)),
            methods=(*before.methods, OidcMethod(answers, identities(scene), issuer.sessions)),
        )
        credentials = replace(issuer.credentials, authenticator=authenticator)
        yield replace(issuer.sign_ins, answers=answers, credentials=credentials), op


async def begin_at_provider(scene: Scene) -> None:
    async with at_provider(scene) as (sign_ins, op):
        url = await sign_ins.begin("acme", next_path="/", redirect_uri="http://localhost:8000/callback", browser="")
        assert op.authorize(url)


async def log_out_at_provider(scene: Scene) -> None:
    async with at_provider(scene) as (sign_ins, op):
        url = await sign_ins.logout_url("acme", back_to="http://localhost:8000/")
        assert url.startswith(f"{op.issuer}/end?")


async def link_ann(scene: Scene, sign_ins: SignIns, op: FakeProvider) -> str:
    """Link the provider's user to ann, who has the epoch 1 then; the id of the identity."""
    ann = scene.ann
    asked = Link(ann.account.id, ann.issued.session.id, 0)
    callback = "http://localhost:8000/callback"
    _, given = op.callback(
        await sign_ins.begin("acme", next_path="/", redirect_uri=callback, browser="jar", link=asked)
    )
    await sign_ins.link(ProviderAnswer(provider="acme", **given), client=replace(HERE, browser="jar"))
    (own,) = await sign_ins.identities_of(ann.account.id)
    return own.id


async def link_identity(scene: Scene) -> None:
    async with at_provider(scene) as (sign_ins, op):
        await link_ann(scene, sign_ins, op)


async def start_by(scene: Scene, identity: str) -> None:
    """A session of ann's that begins by an identity."""
    sessions = scene.auth.issuer.new_sessions
    prepared = await sessions.prepare(scene.ann.account.id, client_id="c", client=HERE, identity=identity)
    await sessions.start_prepared(prepared)


async def unlink(scene: Scene, *, by_operator: bool) -> None:
    async with at_provider(scene) as (sign_ins, op):
        ann, identity = scene.ann, await link_ann(scene, sign_ins, op)
        await start_by(scene, identity)
        if by_operator:
            await sign_ins.unlink_by_operator(ann.account.id, identity)
        else:
            kept = ann.issued.session.id
            await sign_ins.unlink(ann.account.id, identity, epoch=1, keep_session=kept, client=HERE)


async def end_at_provider(scene: Scene) -> None:
    async with at_provider(scene) as (sign_ins, op):
        await start_by(scene, Identity(provider="acme", issuer=op.issuer, subject=op.user["sub"]).credential_id)
        assert await sign_ins.end_at_provider("acme", op.logout_token(sid=None)) == 1


async def bind(scene: Scene) -> None:
    """A session that a browser has just begun."""
    sessions = replace(scene.auth.issuer.new_sessions, device_binding="prefer")
    begun = await sessions.start("43", client_id="c", client=HERE, max_access_chars=4096)
    proof = registration(scene.auth, begun)
    bound = await scene.auth.issuer.sessions.bind(begun.refresh_token, proof, client=HERE)
    assert (begun.session.is_bound, bound.session.is_bound) == (False, True)


# what it does, the kinds of entries that it must leave, the kinds of events
ROWS: dict[Callable[..., Any], Reads | tuple[UseCase, list[str], list[str]]] = {
    Issuer.register: (
        lambda s: s.auth.issuer.register("cyd", PASSWORD, email=None, client=HERE, replaces=s.ann.issued.session.id),
        ["session"],
        ["account_created", "session_ended", "session_started"],
    ),
    Issuer.log_in: (
        lambda s: s.auth.issuer.log_in("bob", PASSWORD, client=HERE, replaces=s.ann.issued.session.id),
        ["session"],
        ["login", "session_ended", "session_started"],
    ),
    Issuer.refresh: (reuse, ["session"], ["refresh_reused"]),
    Issuer.log_out: (
        lambda s: s.auth.issuer.log_out(s.ann.issued.session.id, client=HERE),
        ["session"],
        ["session_ended"],
    ),
    Issuer.end_session: (
        lambda s: s.auth.issuer.end_session(s.ann.issued.session.id, subject=s.ann.account.id, client=HERE),
        ["session"],
        ["session_ended"],
    ),
    Issuer.end_sessions: (
        lambda s: s.auth.issuer.end_sessions(s.ann.account.id, keep=None, client=HERE),
        ["subject"],
        ["subject_revoked"],
    ),
    Issuer.change_password: (
        lambda s: s.auth.issuer.change_password(
            s.ann.account.id, PASSWORD, OTHER_PASSWORD, keep_session=s.ann.issued.session.id, client=HERE
        ),
        ["subject"],
        ["password_changed", "throttled"],
    ),
    Issuer.revoke_key: (
        lambda s: s.auth.issuer.revoke_key(s.auth.issuer.keys.listing()[0]["kid"]),
        ["key"],
        ["key_revoked", "key_published"],
    ),
    Issuer.reset_after_restore: (
        lambda s: s.auth.issuer.reset_after_restore(),
        ["key", "key"],
        ["store_restored", "key_published", "key_published"],
    ),
    Accounts.register: (
        lambda s: s.auth.issuer.accounts.register("cyd", PASSWORD, None, HERE),
        [],
        ["account_created"],
    ),
    LogIn.step: (
        lambda s: s.auth.issuer.logins.step(
            None,
            "password",
            {"username": "ann", "password": PASSWORD},
            client=HERE,
            replaces=s.ann.issued.session.id,
        ),
        ["session"],
        ["login", "session_ended", "session_started"],
    ),
    LogIn.start_prepared: (
        lambda s: start_registered(s, replaces=s.bob.issued.session.id),
        ["session"],
        ["session_ended", "session_started"],
    ),
    NewSessions.start_prepared: (
        lambda s: start_for_a_stranger(s, replaces=s.bob.issued.session.id),
        ["session"],
        ["session_ended", "session_started"],
    ),
    LogIn.prepare_registered: Reads(prepare_registered),
    NewSessions.prepare: Reads(prepare_for_a_stranger),
    Accounts.invite: (lambda s: s.auth.issuer.accounts.invite(seconds=60), [], ["invitation_created"]),
    AccountCommands.invite: (lambda s: s.auth.accounts.invite(), [], ["invitation_created"]),
    Issuer.log_in_by: (
        lambda s: s.auth.issuer.log_in_by(
            "password",
            {"username": "bob", "password": PASSWORD},
            pending=None,
            client=HERE,
            replaces=s.ann.issued.session.id,
        ),
        ["session"],
        ["login", "session_ended", "session_started"],
    ),
    LogIn.recorded: (record_refusal, [], ["login_failed"]),
    LogIn.spend: Reads(lambda s: s.auth.issuer.logins.spend(None)),
    Reauthentication.step: (reauthenticate, [], ["login", "reauthenticated"]),
    Reauthentication.begin: Reads(
        lambda s: s.auth.issuer.reauthentication.begin(
            s.ann.issued.session.id, "password", subject=s.ann.account.id, pending=None, client=HERE
        )
    ),
    Reauthentication.put: (
        lambda s: s.auth.issuer.reauthentication.put(
            s.own.session.id, amr=("pwd",), acr="", auth_time=1, guard=None, client=HERE
        ),
        [],
        ["reauthenticated"],
    ),
    Sessions.draft_proved: Reads(
        lambda s: s.auth.issuer.sessions.draft_proved(
            s.own.session.id, amr=(), acr="", auth_time=1, max_access_chars=None
        )
    ),
    Sealring.reauthenticate_session: (
        lambda s: s.auth.reauthenticate_session(s.own.session.id, acr="mfa"),
        [],
        ["reauthenticated"],
    ),
    LogIn.begin: (
        lambda s: fails(s.auth.issuer.logins.begin(None, "stored-code", {}, client=HERE)),
        [],
        ["login_failed"],
    ),
    Authenticator.begin: (
        lambda s: fails(s.auth.issuer.logins.authenticator.begin(None, StoredCode(s.auth.issuer.store), {}, HERE)),
        [],
        ["login_failed"],
    ),
    Authenticator.enrolled: Reads(lambda s: s.auth.issuer.logins.authenticator.enrolled(s.ann.account)),
    Passkeys.list: Reads(lambda s: passkeys(s).list(s.dan)),
    Passkeys.find: Reads(lambda s: fails(passkeys(s).find(s.dan, "a"))),
    Passkeys.rename: Reads(lambda s: fails(passkeys(s).rename(s.dan, "a", "my phone"))),
    Passkeys.begin_registration: Reads(lambda s: passkeys(s).begin_registration(s.dan, "sid", conditional=False)),
    Passkeys.finish_registration: Reads(
        lambda s: fails(passkeys(s).finish_registration(s.dan, "sid", {}, label="", client=HERE))
    ),
    Factors.enrolled: Reads(lambda s: s.auth.issuer.factors.enrolled(s.ann.account.id)),
    Factors.start_totp: Reads(lambda s: s.auth.issuer.factors.start_totp(caller(s))),
    Factors.confirm_totp: (confirm_totp, ["subject"], ["credential_added", "reauthenticated"]),
    Factors.make_recovery_codes: (make_codes, ["subject", "subject"], ["credential_added", "credential_added"]),
    Factors.remove_totp: (
        remove_totp,
        ["subject", "subject", "subject", "subject"],
        ["credential_removed", "credential_removed"],
    ),
    Factors.reset: (reset_factors, ["subject", "subject"], ["credential_removed"]),
    Reauthentication.renewed: Reads(
        lambda s: s.auth.issuer.reauthentication.renewed(s.own.session.id, max_access_chars=None)
    ),
    Sessions.draft_kept: Reads(lambda s: s.auth.issuer.sessions.draft_kept(s.own.session.id, max_access_chars=None)),
    Identities.account_of: (find_accounts, ["subject"], ["credential_added", "account_created"]),
    Identities.is_enrolled: Reads(lambda s: identities(s).is_enrolled(s.ann.account)),
    SignIns.begin: Reads(begin_at_provider),
    SignIns.logout_url: Reads(log_out_at_provider),
    SignIns.identities_of: Reads(lambda s: s.auth.issuer.sign_ins.identities_of(s.ann.account.id)),
    SignIns.link: (link_identity, ["subject"], ["credential_added"]),
    SignIns.unlink: (
        lambda s: unlink(s, by_operator=False),
        ["subject", "subject", "session"],
        ["credential_added", "session_started", "credential_removed", "session_ended"],
    ),
    SignIns.unlink_by_operator: (
        lambda s: unlink(s, by_operator=True),
        ["subject", "subject", "session"],
        ["credential_added", "session_started", "credential_removed", "session_ended"],
    ),
    SignIns.end_at_provider: (end_at_provider, ["session"], ["session_started", "session_ended"]),
    Credentials.list: Reads(lambda s: s.auth.issuer.credentials.list(s.dan)),
    Credentials.add: (
        lambda s: s.auth.issuer.credentials.add(stored_code(s.dan, "b"), epoch=1, client=HERE),
        ["subject"],
        ["credential_added"],
    ),
    Credentials.remove: (
        lambda s: s.auth.issuer.credentials.remove(s.dan, "a", epoch=1, client=HERE),
        ["subject"],
        ["credential_removed"],
    ),
    Credentials.remove_by_operator: (
        lambda s: s.auth.issuer.credentials.remove_by_operator(s.dan, "a"),
        ["subject"],
        ["credential_removed"],
    ),
    Authenticator.prove: (
        lambda s: fails(
            s.auth.issuer.logins.authenticator.prove(
                None,
                s.auth.issuer.logins.authenticator.find("password"),
                {"username": "ann", "password": OTHER_PASSWORD},
                HERE,
            )
        ),
        [],
        ["login_failed"],
    ),
    Authenticator.may_use: Reads(
        lambda s: s.auth.issuer.logins.authenticator.may_use(
            s.auth.issuer.logins.authenticator.find("password"), s.ann.account, ()
        )
    ),
    Authenticator.decide: Reads(lambda s: s.auth.issuer.logins.authenticator.decide(s.ann.account, ())),
    Accounts.change_password: (
        lambda s: s.auth.issuer.accounts.change_password(
            s.ann.account.id, PASSWORD, OTHER_PASSWORD, keep_session=None, client=HERE
        ),
        ["subject"],
        ["password_changed", "throttled"],
    ),
    Accounts.create: (lambda s: s.auth.issuer.accounts.create("cyd", PASSWORD), [], ["account_created"]),
    Accounts.import_account: (
        lambda s: s.auth.issuer.accounts.import_account(ImportedUser(username="cyd", id="7")),
        [],
        ["account_created"],
    ),
    Accounts.set_password: (
        lambda s: s.auth.issuer.accounts.set_password(s.ann.account.id, OTHER_PASSWORD),
        ["subject"],
        ["password_changed", "throttled"],
    ),
    Accounts.set_scopes: (
        lambda s: s.auth.issuer.accounts.set_scopes(s.ann.account.id, ("admin",)),
        ["subject"],
        ["scopes_changed"],
    ),
    Accounts.disable: (
        lambda s: s.auth.issuer.accounts.disable(s.ann.account.id),
        ["subject"],
        ["account_disabled"],
    ),
    Accounts.enable: (
        lambda s: s.auth.issuer.accounts.enable(s.ann.account.id),
        [],
        ["account_enabled", "throttled"],
    ),
    Accounts.delete: (lambda s: s.auth.issuer.accounts.delete(s.ann.account.id), ["subject"], ["account_deleted"]),
    Accounts.delete_own: (
        lambda s: s.auth.issuer.accounts.delete_own(s.ann.account.id, HERE),
        ["subject"],
        ["account_deleted"],
    ),
    Accounts.find: Reads(lambda s: s.auth.issuer.accounts.find("ann")),
    Accounts.get: Reads(lambda s: s.auth.issuer.accounts.get(s.ann.account.id)),
    Accounts.set_email: (
        lambda s: s.auth.issuer.accounts.set_email(s.ann.account.id, "ann@example.org"),
        ["subject"],
        ["email_changed"],
    ),
    Accounts.verify_email: (
        lambda s: s.auth.issuer.accounts.verify_email(s.dan),
        [],
        ["email_verified"],
    ),
    AccountCommands.verify_email: (lambda s: s.auth.accounts.verify_email(s.dan), [], ["email_verified"]),
    EmailAddresses.start_verification: (start_verification, [], ["email_changed", "mail_requested"]),
    EmailAddresses.require_verified: (require_verified, [], ["email_changed", "mail_requested"]),
    EmailAddresses.first_mail: Reads(lambda s: s.auth.issuer.email.first_mail(s.ann.account, HERE)),
    EmailAddresses.confirm: (
        lambda s: confirm_by(s, lambda token: s.auth.issuer.email.confirm(LinkProof(token), HERE)),
        ["subject"],
        ["email_changed", "throttled", "throttled"],
    ),
    EmailAddresses.request_change: (
        lambda s: s.auth.issuer.email.request_change(s.dan, NEW_MAIL, epoch=1, client=HERE),
        [],
        ["mail_requested"],
    ),
    EmailAddresses.undo: (undo, ["subject", "subject"], ["email_changed"] * 2),
    EmailAddresses.forgot: (lambda s: s.auth.issuer.email.forgot(MAIL, HERE), [], ["mail_requested"]),
    EmailAddresses.reset_password: (
        lambda s: reset_by(s, lambda token: s.auth.issuer.email.reset_password(LinkProof(token), OTHER_PASSWORD, HERE)),
        ["subject"],
        ["password_changed"],
    ),
    MailDelivery.deliver: (refused_mail, [], ["mail_requested", "mail_failed"]),
    MailDelivery.stop: Reads(lambda s: s.auth.parts.mail.stop()),
    Sealring.forgot_password: (
        lambda s: s.auth.forgot_password(MAIL, address="192.0.2.7"),
        [],
        ["mail_requested"],
    ),
    Sealring.verify_email: (
        lambda s: confirm_by(s, lambda token: s.auth.verify_email(token, address="192.0.2.7")),
        ["subject"],
        ["email_changed"],
    ),
    Sealring.reset_password: (
        lambda s: reset_by(s, lambda token: s.auth.reset_password(token, OTHER_PASSWORD, address="192.0.2.7")),
        ["subject"],
        ["password_changed"],
    ),
    Accounts.list: Reads(lambda s: s.auth.issuer.accounts.list()),
    Accounts.close: Reads(lambda s: s.auth.issuer.accounts.close()),
    NewSessions.start: (
        lambda s: s.auth.issuer.new_sessions.start(
            s.bob.account.id, client_id="c", client=HERE, replaces=s.ann.issued.session.id
        ),
        ["session"],
        ["session_ended", "session_started"],
    ),
    Sessions.refresh: (reuse, ["session"], ["refresh_reused"]),
    Sessions.bind: (bind, [], ["session_started", "device_bound"]),
    Sessions.check_fits: Reads(lambda s: s.auth.issuer.sessions.check_fits(s.own.session.id)),
    Sessions.reissue: Reads(lambda s: s.auth.issuer.sessions.reissue(s.own.session.id)),
    Sessions.end: (
        lambda s: s.auth.issuer.sessions.end(s.own.session.id, cause="logout"),
        ["session"],
        ["session_ended"],
    ),
    Sessions.end_subject: (lambda s: s.auth.issuer.sessions.end_subject("42"), ["subject"], ["subject_revoked"]),
    Sessions.refresh_claims: (lambda s: s.auth.issuer.sessions.refresh_claims("42"), ["subject"], ["claims_refreshed"]),
    Sessions.read: Reads(lambda s: s.auth.issuer.sessions.read(s.own.session.id)),
    Sessions.list: Reads(lambda s: s.auth.issuer.sessions.list(None)),
    Clients.register: (lambda s: s.auth.issuer.clients.register("r2"), [], ["client_registered"]),
    Clients.list: Reads(lambda s: s.auth.issuer.clients.list()),
    Clients.replace_secret: (
        lambda s: s.auth.issuer.clients.replace_secret(s.robot.client.id),
        ["subject"],
        ["client_changed"],
    ),
    Clients.set_scopes: (
        lambda s: s.auth.issuer.clients.set_scopes(s.robot.client.id, ["a"]),
        ["subject"],
        ["client_changed"],
    ),
    Clients.remove: (lambda s: s.auth.issuer.clients.remove(s.robot.client.id), ["subject"], ["client_removed"]),
    Clients.authenticate: (
        lambda s: fails(s.auth.issuer.clients.authenticate(s.robot.client.id, "wrong", client=HERE)),
        [],
        ["client_refused"],
    ),
    Clients.issue: Reads(token_of_robot),
    Clients.count_inactive: Reads(lambda s: s.auth.issuer.clients.count_inactive(s.robot.client)),
    Clients.revoke_token: (revoke_token_of_robot, ["session"], ["token_revoked"]),
    ClientCommands.register: (lambda s: s.auth.clients.register("r2"), [], ["client_registered"]),
    ClientCommands.list: Reads(lambda s: s.auth.clients.list()),
    ClientCommands.set_scopes: (
        lambda s: s.auth.clients.set_scopes(s.robot.client.id, ["a"]),
        ["subject"],
        ["client_changed"],
    ),
    ClientCommands.replace_secret: (
        lambda s: s.auth.clients.replace_secret(s.robot.client.id),
        ["subject"],
        ["client_changed"],
    ),
    ClientCommands.remove: (lambda s: s.auth.clients.remove(s.robot.client.id), ["subject"], ["client_removed"]),
    SigningKeys.read: Reads(lambda s: s.auth.issuer.keys.read()),
    SigningKeys.read_verifying: Reads(lambda s: s.auth.issuer.keys.read_verifying()),
    SigningKeys.load: (later(lambda s: s.auth.issuer.keys.load()), [], ["key_published"]),
    SigningKeys.start: (later(lambda s: s.auth.issuer.keys.start()), [], ["key_published"]),
    SigningKeys.rotate: (lambda s: s.auth.issuer.keys.rotate(), [], ["key_published"]),
    SigningKeys.revoke: (
        lambda s: s.auth.issuer.keys.revoke(s.auth.issuer.keys.listing()[0]["kid"]),
        ["key"],
        ["key_revoked", "key_published"],
    ),
    SigningKeys.reencrypt: (reencrypt, [], ["keys_reencrypted"]),
    AccessTtl.declare: Reads(lambda s: s.auth.parts.access_ttl.declare()),
    Maintenance.run_maintenance: (
        later(lambda s: s.auth.parts.maintenance.run_maintenance()),
        [],
        ["key_published"],
    ),
    Maintenance.stop: Reads(lambda s: s.auth.parts.maintenance.stop()),
    AccountCommands.find: Reads(lambda s: s.auth.accounts.find("ann")),
    AccountCommands.get: Reads(lambda s: s.auth.accounts.get(s.ann.account.id)),
    AccountCommands.set_email: (
        lambda s: s.auth.accounts.set_email(s.ann.account.id, "ann@example.org"),
        ["subject"],
        ["email_changed"],
    ),
    AccountCommands.list: Reads(lambda s: s.auth.accounts.list()),
    AccountCommands.create: (lambda s: s.auth.accounts.create("cyd", PASSWORD), [], ["account_created"]),
    AccountCommands.import_account: (lambda s: s.auth.accounts.import_account("cyd", None), [], ["account_created"]),
    AccountCommands.disable: (
        lambda s: s.auth.accounts.disable(s.ann.account.id),
        ["subject"],
        ["account_disabled"],
    ),
    AccountCommands.enable: (
        lambda s: s.auth.accounts.enable(s.ann.account.id),
        [],
        ["account_enabled", "throttled"],
    ),
    AccountCommands.delete: (lambda s: s.auth.accounts.delete(s.ann.account.id), ["subject"], ["account_deleted"]),
    AccountCommands.set_scopes: (
        lambda s: s.auth.accounts.set_scopes(s.ann.account.id, ["admin"]),
        ["subject"],
        ["scopes_changed"],
    ),
    AccountCommands.set_password: (
        lambda s: s.auth.accounts.set_password(s.ann.account.id, OTHER_PASSWORD),
        ["subject"],
        ["password_changed", "throttled"],
    ),
    Sealring.open: (later(reopen), [], ["key_published"]),
    Sealring.list_sessions: Reads(lambda s: s.auth.list_sessions(s.ann.account.id)),
    Sealring.close: Reads(lambda s: s.auth.close()),
    Sealring.lifespan: (later(live), [], ["key_published"]),
    Sealring.register: (
        lambda s: s.auth.register("cyd", PASSWORD, address="192.0.2.7"),
        [],
        ["account_created", "session_started"],
    ),
    Sealring.log_in: (
        lambda s: s.auth.log_in("ann", PASSWORD, address="192.0.2.7"),
        [],
        ["login", "session_started"],
    ),
    Sealring.log_in_by: (
        lambda s: s.auth.log_in_by("password", {"username": "ann", "password": PASSWORD}, address="192.0.2.7"),
        [],
        ["login", "session_started"],
    ),
    Sealring.begin_login: (
        lambda s: fails(s.auth.begin_login("stored-code", address="192.0.2.7")),
        [],
        ["login_failed"],
    ),
    Sealring.problem_response: Reads(answer_problem),
    Sealring.refresh_session: (reuse, ["session"], ["refresh_reused"]),
    Sealring.start_session: (lambda s: s.auth.start_session("43"), [], ["session_started"]),
    Sealring.revoke_session: (
        lambda s: s.auth.revoke_session(s.own.session.id),
        ["session"],
        ["session_ended"],
    ),
    Sealring.revoke_subject: (lambda s: s.auth.revoke_subject("42"), ["subject"], ["subject_revoked"]),
    Sealring.refresh_claims: (lambda s: s.auth.refresh_claims("42"), ["subject"], ["claims_refreshed"]),
}

WRITING = {method.__qualname__: row for method, row in ROWS.items() if not isinstance(row, Reads)}
READING = {method.__qualname__: row.use_case for method, row in ROWS.items() if isinstance(row, Reads)}
USE_CASES = (
    Issuer,
    LogIn,
    Authenticator,
    Accounts,
    Credentials,
    Identities,
    SignIns,
    Passkeys,
    Factors,
    Reauthentication,
    Clients,
    EmailAddresses,
    MailDelivery,
    NewSessions,
    Sessions,
    SigningKeys,
    AccessTtl,
    Maintenance,
)
PUBLIC = (Sealring, AccountCommands, ClientCommands)


@pytest.fixture
async def scene(clock: FrozenClock, store: Store) -> AsyncIterator[Scene]:
    published: list[Event] = []
    auth = cheap_sealring(store, clock, on_event=published.append, more_methods=[StoredCode])
    await auth.open(follow=False)  # nothing but the commit step puts a revocation in force
    made = await scene_of(auth, published)
    published.clear()
    yield made
    await auth.close()


async def scene_of(auth: Sealring, published: list[Event]) -> Scene:
    await auth.parts.access_ttl.declare()
    await auth.issuer.keys.start()
    ann = await auth.issuer.register("ann", PASSWORD, email=None, client=HERE, replaces=None)
    bob = await auth.issuer.register("bob", PASSWORD, email=None, client=HERE, replaces=None)
    own = await auth.issuer.new_sessions.start("42", client_id="c", client=HERE)
    dan = (await auth.issuer.accounts.create("dan", PASSWORD, email=MAIL)).id
    await auth.issuer.credentials.add(stored_code(dan, "a"), epoch=0, client=HERE)
    robot = await auth.issuer.clients.register("robot")
    return Scene(auth, ann, bob, own, dan, robot, published)


def in_force(node: NodeState, entry: Entry) -> bool:
    """Whether the node refuses every token that this entry concerns."""
    match entry.kind:
        case "session":
            return node.revocations.cause(entry.target, "", 0, "") == "session"
        case "subject":
            return node.revocations.cause("", entry.target, entry.epoch - 1, "") == "subject"
        case "key":
            return node.revocations.cause("", "", 0, entry.target) == "key"


@pytest.mark.parametrize("name", WRITING)
async def test_i2_a_use_case_is_in_force_and_published_on_its_own_node_when_it_returns(scene: Scene, name: str) -> None:
    use_case, entries, events = WRITING[name]
    store = scene.auth.store
    head = (await store.load_feed(None)).head
    last = max(event.number for event in await store.read_events())
    await use_case(scene)
    await store.open()  # for those that close it
    gained = (await store.load_feed(head)).entries
    assert [entry.kind for entry in gained] == entries
    for entry in gained:
        assert in_force(scene.auth.node, entry), entry
    written = await store.read_events(after=last)
    assert sorted(event.kind for event in written if event.kind in events) == sorted(events)
    assert scene.published == written


@pytest.mark.parametrize("name", READING)
async def test_a_method_that_reads_leaves_no_revocation_and_no_audit_line(scene: Scene, name: str) -> None:
    store = scene.auth.store
    before = (await store.load_feed(None)).entries, await store.read_events()
    await READING[name](scene)
    await store.open()
    assert ((await store.load_feed(None)).entries, await store.read_events()) == before
    assert scene.published == []


async def test_f1_the_event_of_a_replaced_session_names_its_own_user(scene: Scene) -> None:
    ended = scene.ann.issued.session.id
    await scene.auth.issuer.log_in("bob", PASSWORD, client=HERE, replaces=ended)
    (event,) = (event for event in scene.published if event.kind == "session_ended")
    assert (event.session, event.subject, event.cause) == (ended, scene.ann.account.id, "replaced")


def test_every_use_case_has_a_row() -> None:
    for whole in (*USE_CASES, *PUBLIC):
        members = inspect.getmembers_static(whole)
        methods = [method for name, method in members if not name.startswith("_") and is_awaited(method)]
        assert methods, whole
        for method in methods:
            assert method in ROWS, f"{method.__qualname__} needs a row: is it in force when it returns?"


def is_awaited(method: object) -> bool:
    """Whether it is `async`, as a coroutine or as a context."""
    return inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(inspect.unwrap(method))  # type: ignore[arg-type]  # None of the attributes is in the way


def test_every_class_that_writes_is_among_the_use_cases() -> None:
    """A new one cannot stay out of the table: what writes takes a `CommittingStore`."""
    folder = Path(issuer.__file__).parent
    found = {
        node.name
        for file in folder.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and "CommittingStore" in ast.unparse(node)
    }
    steps = {"LoginAttempts"}  # of a login and a registration, never on its own
    assert found - steps - {"CommittingStore"} <= {kind.__name__ for kind in USE_CASES}
    assert steps < found


def test_every_part_of_the_issuer_is_among_the_use_cases() -> None:
    """Also one that writes by another part alone, and so takes no `CommittingStore`."""
    plain = {"CommittingStore", "DeviceCookies", "RateLimit", "Callable[[], int]", "str"}
    parts = {str(part.type).removesuffix(" | None") for part in fields(Issuer)}
    assert parts - plain <= {kind.__name__ for kind in USE_CASES}
    assert plain < parts


async def test_every_writing_method_of_the_store_is_reached_by_a_row(clock: FrozenClock) -> None:
    reached: set[str] = set()
    by_rows: set[str] = set()
    writes = {
        name
        for name, method in inspect.getmembers(Store, inspect.isfunction)
        if getattr(get_type_hints(method).get("return"), "__origin__", None) is Committed
    }

    class Watched(MemoryStore):
        def __getattribute__(self, name: str) -> Any:
            reached.add(name)
            return super().__getattribute__(name)

    for row in WRITING.values():
        auth = cheap_sealring(Watched(clock.now_ms), clock, more_methods=[StoredCode])
        await auth.open(follow=False)
        made = await scene_of(auth, [])
        reached.clear()
        await row[0](made)
        by_rows |= reached
        await auth.close()
    assert writes <= by_rows
    assert len(writes) == 12
