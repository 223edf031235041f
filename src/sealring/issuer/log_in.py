"""A login, step by step, by any of the methods (design D21).

Each step proves one thing (`Authenticator`). A complete login starts a session, if the account's epoch
is still the one that was proved against; an incomplete one goes back to the client as a pending login.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from sealring.accounts.account import Account
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.decision import (
    PROOF_SECONDS,
    Complete,
    NeedsFactor,
)
from sealring.authentication.method import OIDC, PASSWORD
from sealring.authentication.one_time import OneTime, digest_of
from sealring.authentication.pending import PendingLogin, PendingLoginCodec, digest_of_browser
from sealring.authentication.proof import Proof
from sealring.errors import EmailUnverified, InvalidPendingLogin, WrongCredentials
from sealring.issuer.authenticator import USED, Authenticator, Judged
from sealring.issuer.commit import CommittingStore
from sealring.issuer.methods import LoginMethod
from sealring.issuer.new_sessions import NewSessions, PreparedSession
from sealring.issuer.session_tokens import Issued
from sealring.rate_limits.device_cookie import DEVICE_ID_BYTES, DeviceCookies
from sealring.store.records import CredentialUse, LoginGuard

CheckEmail = Callable[[Account, ClientInfo], Awaitable[None]]
"""Raises `EmailUnverified`."""
LOGIN_TRIES = 2
"""How often one thing is proved when the account's epoch moves before the session starts: other scopes, or an end of
all sessions, are no reason to refuse a right password. A change that voids it is found by the second proof (U13)."""
PENDING_ID_BYTES = 16
SPENT = "completed login"
"""The purpose under which the id of a pending login is kept once it has led to a session."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """An account, the tokens of the session that has just begun, and the value of the device cookie.

    >>> new = await auth.register("ada", "analytical engine 1843", address="192.0.2.7")
    >>> new.account.name, new.issued.expires_in
    ('ada', 1800)
    """

    account: Account
    """Whose session it is, without the password hash."""
    issued: Issued
    """The tokens, and the session."""
    device: str = field(repr=False)
    """For the next `log_in` of this client as `device=`: strangers who guess cannot lock it out."""


@dataclass(frozen=True, slots=True)
class Pending:
    """One more factor is needed."""

    text: str = field(repr=False)
    """To be brought back with the next step."""
    methods: tuple[str, ...]
    """The methods by which that step can be taken."""


@dataclass(frozen=True, slots=True)
class BegunLogin:
    """A login method that has begun.

    >>> begun = await auth.begin_login("password", {"username": "ada"}, address="192.0.2.7")
    >>> begun.challenge, begun.cookie
    ({}, None)
    """

    challenge: Mapping[str, str]
    """What the client needs for the step: the same for known and unknown accounts."""
    cookie: tuple[bytes, bytes] | None = field(default=None, repr=False)
    """A header field for the answer: it binds the login to the browser that is to get cookies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """All logins of this issuer.

    Args:
        store: where what counts once is kept.
        authenticator: proves each step.
        new_sessions: starts their sessions.
        pending: turns pending logins into text.
        device_cookies: make a browser known.
        clock: Unix milliseconds.
        client_id: of the sessions that start here.
    """

    store: CommittingStore
    authenticator: Authenticator
    new_sessions: NewSessions
    pending: PendingLoginCodec
    device_cookies: DeviceCookies
    clock: Callable[[], int]
    client_id: str
    check_email: CheckEmail | None = None
    """Asked of each account whose login is complete; refuses one whose email address must be verified first."""

    async def step(
        self,
        pending: str | None,
        method: str,
        response: Mapping[str, str],
        *,
        client: ClientInfo,
        replaces: str | None,
        max_access_chars: int | None = None,
    ) -> LoggedIn | Pending:
        """Take one step: the first of a login, or the next of one that is pending.

        Args:
            pending: the text that the step before gave; None for a first step.
            method: the name of the method that proves.
            response: what the client presents to it.
            client: where the request came from.
            replaces: sid that the same browser held before; it ends when the session starts (C1).
            max_access_chars: what the delivery can carry of an access token (N12).

        Raises:
            UnknownMethod: there is no such method.
            InvalidField: `response` is not what the method reads.
            WrongCredentials: not proved, or not by a method that may be used now.
            InvalidPendingLogin: `pending` is not ours, too old, used, or of another browser.
            Throttled, Overloaded: try again later.
            EmailUnverified: the account's email address must be verified first.
            NotGranted, TokenTooLong: see `NewSessions.start`.
        """
        way = self.authenticator.find(method)
        async with self.recorded(way, client):
            return await self._step(pending, way, response, client, replaces, max_access_chars)

    async def _step(  # noqa: PLR0917 - the arguments of `step`
        self,
        pending: str | None,
        way: LoginMethod,
        response: Mapping[str, str],
        client: ClientInfo,
        replaces: str | None,
        max_access_chars: int | None,
    ) -> LoggedIn | Pending:
        earlier = self.read_pending(pending, client)
        tries = 1 if way.row.single_use or earlier is not None else LOGIN_TRIES
        while True:
            judged = await self.authenticator.prove(earlier, way, response, client, starts_session=True)
            tries -= 1
            if isinstance(judged.outcome, NeedsFactor):
                return self.suspend(judged, earlier, judged.outcome, client)
            await self._check_email(judged.account, way, client)
            await self.spend(earlier)
            epoch = judged.account.epoch if earlier is None else earlier.epoch
            epoch = epoch if judged.epoch is None else judged.epoch
            # one step: proved just now, as the session starts
            auth_time = None if earlier is None else judged.outcome.auth_time
            prepared = await self._prepare(
                judged.account,
                judged.outcome,
                client=client,
                max_access_chars=max_access_chars,
                auth_time=auth_time,
                proofs=judged.proofs,
            )
            started = await self.start_prepared(judged.account, prepared, epoch, replaces=replaces, use=judged.use)
            if started is not None:
                for proof in judged.proofs:
                    await self.authenticator.find(proof.method).began(proof, started.issued.session)
                return started
            if tries == 0:
                break
        if earlier is not None:
            raise InvalidPendingLogin("account changed since the login began", earlier.account_id)
        cause = "account changed during the login"
        if judged.use is not None and not await self.store.put_once(judged.use.spent):
            cause = USED
        attempts = self.authenticator.accounts.attempts
        await attempts.fail(client, subject=judged.account.id, cause=cause, method=way.row.name)
        raise WrongCredentials

    async def begin(
        self, pending: str | None, method: str, response: Mapping[str, str], *, client: ClientInfo
    ) -> Mapping[str, str]:
        """Begin a step by that method: what the client needs for it. Known and unknown accounts get the same.

        Args:
            pending: as in `step`.
            method: the name of the method.
            response: at a first step, what says whose account it is, as the method's row says.
            client: where the request came from.

        Raises:
            UnknownMethod, InvalidField, InvalidPendingLogin, Throttled: as in `step`.
            WrongCredentials: the method may not be used now.
        """
        way = self.authenticator.find(method)
        async with self.recorded(way, client):
            return await self.authenticator.begin(self.read_pending(pending, client), way, response, client)

    async def prepare_registered(
        self, account: Account, *, client: ClientInfo, max_access_chars: int | None
    ) -> PreparedSession | Pending:
        """Prepare the first session of an account that is not written yet: what refuses it leaves no account behind.

        Returns:
            What is pending where two factors are required of everybody: the account enrolls the second one next.

        Raises:
            WrongCredentials: no method could be enrolled.
            NotGranted, GrantUnavailable, TokenTooLong: see `NewSessions.start`.
        """
        proof = Proof(method=PASSWORD.name, account_id=account.id, at=self._now(), amr=tuple(PASSWORD.amr))
        outcome = await self.authenticator.decide(account, (proof,))
        if isinstance(outcome, NeedsFactor):
            return self.suspend(Judged(account, (proof,), outcome), None, outcome, client)
        if not isinstance(outcome, Complete):
            raise WrongCredentials
        return await self._prepare(account, outcome, client=client, max_access_chars=max_access_chars)

    async def _prepare(
        self,
        account: Account,
        complete: Complete,
        *,
        client: ClientInfo,
        max_access_chars: int | None,
        auth_time: int | None = None,
        proofs: tuple[Proof, ...] = (),
    ) -> PreparedSession:
        provided = next((proof for proof in proofs if proof.method == OIDC.name), None)
        return await self.new_sessions.prepare(
            account.id,
            account=account,
            client_id=self.client_id,
            client=client,
            proved=True,
            max_access_chars=max_access_chars,
            amr=complete.amr,
            acr=complete.acr,
            auth_time=auth_time if provided is None else provided.authenticated_at or auth_time,
            identity="" if provided is None else provided.credential_id,
            provider_session="" if provided is None else provided.provider_session,
        )

    async def start_prepared(
        self,
        account: Account,
        prepared: PreparedSession,
        epoch: int,
        *,
        replaces: str | None,
        use: CredentialUse | None = None,
    ) -> LoggedIn | None:
        """Start the session of a complete login; None when the account's epoch has moved since (U13).

        Or when what was proved has counted already.
        """
        guard = LoginGuard(epoch=epoch, use=use)
        try:
            issued = await self.new_sessions.start_prepared(prepared, guard=guard, replaces=replaces)
        except WrongCredentials:
            return None
        device = self.device_cookies.issue(account.canonical_name, secrets.token_bytes(DEVICE_ID_BYTES))
        # a route may return this value, or log it: the hash has done its work
        return LoggedIn(replace(account, password_hash=None), issued, device)

    # steps

    def _now(self) -> int:
        return self.clock() // 1000

    @asynccontextmanager
    async def recorded(self, way: LoginMethod, client: ClientInfo) -> AsyncIterator[None]:
        """Record the refusal of a genuine pending login, counted for its address; any other text reaches no store."""
        attempts = self.authenticator.accounts.attempts
        try:
            yield
        except InvalidPendingLogin as refused:
            if refused.subject:
                await attempts.fail(client, subject=refused.subject, cause=refused.cause, method=way.row.name)
            raise

    def read_pending(self, pending: str | None, client: ClientInfo) -> PendingLogin | None:
        """The pending login that the client brings; None at a first step.

        Raises:
            InvalidPendingLogin, Throttled: see `step`.
        """
        self.authenticator.accounts.attempts.refuse_full(client)
        return None if pending is None else self.pending.decode(pending, now=self._now(), browser=client.browser)

    def suspend(self, judged: Judged, earlier: PendingLogin | None, needs: NeedsFactor, client: ClientInfo) -> Pending:
        """What the client brings with its next proof."""
        now = self._now()
        pending = PendingLogin(
            id=secrets.token_urlsafe(PENDING_ID_BYTES) if earlier is None else earlier.id,
            account_id=judged.account.id,
            epoch=judged.account.epoch if earlier is None else earlier.epoch,
            proofs=judged.proofs,
            expires_at=now + PROOF_SECONDS if earlier is None else earlier.expires_at,
            browser=digest_of_browser(client.browser),
        )
        return Pending(self.pending.encode(pending), needs.methods)

    async def _check_email(self, account: Account, way: LoginMethod, client: ClientInfo) -> None:
        if self.check_email is None:
            return
        try:
            await self.check_email(account, client)
        except EmailUnverified:
            attempts = self.authenticator.accounts.attempts
            cause = "email address is not verified"
            await attempts.record(client, subject=account.id, cause=cause, method=way.row.name)
            raise

    async def spend(self, earlier: PendingLogin | None) -> None:
        """Use up a pending login: of two that complete it at once, one does."""
        if earlier is None:
            return
        spent = OneTime(
            digest=digest_of(SPENT, earlier.id),
            purpose=SPENT,
            subject=earlier.account_id,
            expires_at=earlier.expires_at,
        )
        if not await self.store.put_once(spent):
            raise InvalidPendingLogin("pending login was used", earlier.account_id)
