"""The user of a session proves again who they are (RFC 9470): the same steps as a login, and the session goes on.

What a login asks of the account is asked here: all of its factors, each shown within the last minutes. So `acr` and
`auth_time` never say more than was proved together: a password that is typed again does not make a second factor of
last week recent. The answer is an access token alone. The refresh token stays as it is: no answer that is lost logs
anybody out (design D5), and a refresh token would have to be a dead one or a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from sealring.accounts.account import Account
from sealring.audit.event import Event
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.decision import NeedsFactor
from sealring.errors import InvalidPendingLogin, NoSuchAccount, SecondFactorRequired, SessionEnded
from sealring.issuer.access_tokens import AccessToken
from sealring.issuer.log_in import LogIn
from sealring.issuer.sessions import Sessions
from sealring.sessions.session import Session
from sealring.store.records import LoginGuard


@dataclass(frozen=True, slots=True, kw_only=True)
class Reauthenticated:
    """A session whose user has proved again who they are, and its access token that says so.

    >>> issued = await auth.start_session("42", amr=["pwd"], acr="sfa")
    >>> again = await auth.reauthenticate_session(issued.session.id, amr=["pwd", "otp", "mfa"], acr="mfa")
    >>> again.session.id == issued.session.id, auth.verify(again.access_token.text).acr
    (True, 'mfa')
    """

    access_token: AccessToken
    """`text` is the compact JWT (RFC 9068), `expires_at` its end in Unix seconds."""
    session: Session
    """The session as the store has it."""
    scopes: tuple[str, ...]
    """What the access token allows."""
    issued_at: int
    """Unix seconds."""
    delivery: Literal["body", "cookie"] = "body"
    """How it is to reach the client."""

    @property
    def expires_in(self) -> int:
        """Seconds that the access token lives from its issue on."""
        return self.access_token.expires_at - self.issued_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Reauthentication:
    """All of this issuer.

    Args:
        logins: takes the steps.
        sessions: go on.
        clock: Unix milliseconds.
    """

    logins: LogIn
    sessions: Sessions
    clock: Callable[[], int]

    async def step(
        self,
        session_id: str,
        method: str,
        response: Mapping[str, str],
        *,
        subject: str,
        pending: str | None,
        client: ClientInfo,
        max_access_chars: int | None = None,
    ) -> Reauthenticated:
        """Take one step: the first, or the next of one that is pending.

        Args:
            session_id: the caller's session.
            method: the name of the method that proves.
            response: what the client presents to it.
            subject: the caller.
            pending: the text that the step before gave; None for a first step.
            client: where the request came from.
            max_access_chars: what the delivery can carry of an access token (N12).

        Raises:
            SecondFactorRequired: what was presented is right, and one more step is needed.
            NoSuchAccount: the subject is no account of ours.
            UnknownMethod, InvalidField, WrongCredentials, InvalidPendingLogin, Throttled, Overloaded: see `LogIn.step`.
            SessionEnded, TokenTooLong: see `Sessions.check_fits`.
        """
        logins = self.logins
        way = logins.authenticator.find(method)
        client = _bound(client, session_id)
        async with logins.recorded(way, client):
            earlier = logins.read_pending(pending, client)
            account = await self._account(subject)
            judged = await logins.authenticator.prove(earlier, way, response, client, known=account)
            if isinstance(judged.outcome, NeedsFactor):
                suspended = logins.suspend(judged, earlier, judged.outcome, client)
                raise SecondFactorRequired(suspended.text, suspended.methods)
            await logins.spend(earlier)
            epoch = judged.account.epoch if earlier is None else earlier.epoch
            guard = LoginGuard(epoch=epoch if judged.epoch is None else judged.epoch)
            outcome = judged.outcome
            again = await self.put(
                session_id,
                amr=outcome.amr,
                acr=outcome.acr,
                auth_time=outcome.auth_time,
                guard=guard,
                client=client,
                max_access_chars=max_access_chars,
            )
            if again is None:
                raise InvalidPendingLogin("account changed since the login began", subject)
            return again

    async def begin(
        self,
        session_id: str,
        method: str,
        *,
        subject: str,
        pending: str | None,
        client: ClientInfo,
    ) -> Mapping[str, str]:
        """Begin a step by that method: what the client needs for it.

        Raises:
            NoSuchAccount: the subject is no account of ours.
            UnknownMethod, InvalidPendingLogin, Throttled, WrongCredentials: see `LogIn.begin`.
        """
        logins = self.logins
        way = logins.authenticator.find(method)
        client = _bound(client, session_id)
        async with logins.recorded(way, client):
            earlier = logins.read_pending(pending, client)
            account = await self._account(subject)
            return await logins.authenticator.begin(earlier, way, {}, client, known=account)

    async def put(
        self,
        session_id: str,
        *,
        amr: tuple[str, ...],
        acr: str,
        auth_time: int,
        guard: LoginGuard | None,
        client: ClientInfo,
        max_access_chars: int | None = None,
    ) -> Reauthenticated | None:
        """Write what was proved, and sign the access token that says so; what cannot be signed is not written.

        Returns:
            None when the guard does not hold.

        Raises:
            SessionEnded, TokenTooLong: see `Sessions.check_fits`.
        """
        session, draft, epoch, scopes = await self.sessions.draft_proved(
            session_id, amr=amr, acr=acr, auth_time=auth_time, max_access_chars=max_access_chars
        )
        event = Event(
            kind="reauthenticated",
            at_ms=self.clock(),
            subject=session.subject,
            session=session.id,
            address=client.address,
            detail={"acr": acr},
        )
        if not await self.sessions.store.reauthenticate_session(session, event, guard=guard):
            if guard is None or await self.sessions.read(session_id) is None:
                raise SessionEnded("the session is over")
            return None
        token = draft.sign(epoch if guard is None else guard.epoch)
        return Reauthenticated(access_token=token, session=session, scopes=scopes, issued_at=int(draft.claims["iat"]))

    async def renewed(self, session_id: str, *, max_access_chars: int | None) -> Reauthenticated:
        """An access token of the session as it is, after a change of the account that has outdated the last one.

        Raises:
            SessionEnded, TokenTooLong: see `Sessions.check_fits`.
        """
        session, draft, epoch, scopes = await self.sessions.draft_kept(session_id, max_access_chars=max_access_chars)
        issued_at = int(draft.claims["iat"])
        return Reauthenticated(access_token=draft.sign(epoch), session=session, scopes=scopes, issued_at=issued_at)

    async def _account(self, subject: str) -> Account:
        account = await self.logins.store.find_account(id=subject)
        if account is None:
            raise NoSuchAccount("no account has this id")
        return account


def _bound(client: ClientInfo, session_id: str) -> ClientInfo:
    """Bind what is pending, and what a method begins, to the session: it is worth nothing for a login, or in another.

    The caller shows the session by its access token, so no cookie of its own is needed.
    """
    return replace(client, browser=f"session {session_id}")
