"""The half that writes, put together: what a login, a refresh, a logout *does*.

Each method is one use case over accounts, sessions and keys; HTTP, the command line and an
application's own code call the same ones. What they revoke is in force on this node before they
return (I2): the store that they write to applies it (`sealring.issuer.commit`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sealring.accounts.account import Account
from sealring.audit.event import Event
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.method import PASSWORD
from sealring.errors import (
    DeviceProofRequired,
    EmailUnverified,
    InvalidRefreshToken,
    NotFound,
    RefreshRefused,
    RefreshSuperseded,
    SecondFactorRequired,
    Throttled,
)
from sealring.issuer.accounts import Accounts
from sealring.issuer.clients import Clients
from sealring.issuer.commit import CommittingStore
from sealring.issuer.credentials import Credentials
from sealring.issuer.email_addresses import EmailAddresses
from sealring.issuer.factors import Factors
from sealring.issuer.keys import SigningKeys
from sealring.issuer.log_in import LoggedIn, LogIn, Pending
from sealring.issuer.new_sessions import NewSessions, PreparedSession
from sealring.issuer.reauthentication import Reauthentication
from sealring.issuer.session_tokens import Issued
from sealring.issuer.sessions import Sessions
from sealring.issuer.sign_ins import SignIns
from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.buckets import address_bucket
from sealring.rate_limits.device_cookie import DeviceCookies
from sealring.rate_limits.rate import RateLimit
from sealring.sessions.device_proof import DeviceProof

if TYPE_CHECKING:  # fido2 is an extra
    from sealring.issuer.passkeys import Passkeys

ENDS_PER_SUBJECT = RateLimit(10, 60)
"""How often a subject may end all of its sessions. A person does it once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Accounts, sessions and keys, as use cases."""

    store: CommittingStore
    accounts: Accounts
    email: EmailAddresses
    sessions: Sessions
    new_sessions: NewSessions
    logins: LogIn
    reauthentication: Reauthentication
    credentials: Credentials
    passkeys: Passkeys | None
    """None where accounts have none."""
    sign_ins: SignIns
    factors: Factors
    clients: Clients
    keys: SigningKeys
    device_cookies: DeviceCookies
    address_rate: RateLimit
    clock: Callable[[], int]
    """Unix milliseconds."""
    client_id: str
    """`client_id` of sessions that begin at our own routes."""

    async def register(
        self,
        username: str,
        password: str,
        *,
        email: str | None,
        client: ClientInfo,
        replaces: str | None,
        invitation: str | None = None,
        max_access_chars: int | None = None,
    ) -> LoggedIn:
        """Make an account and log it in; `max_access_chars` is what the delivery can carry of an access token.

        Raises:
            InvalidField, NameTaken, Throttled, Overloaded: see `Accounts.register`.
            SecondFactorRequired: the account is there, and enrolls a second factor next: two are required of all.
            RegistrationClosed, InvitationRequired: see there.
            EmailUnverified: the account is made, and logs in once its email address is verified.
            NotGranted, GrantUnavailable, TokenTooLong: its session could not start: nothing was written.
        """
        prepared: list[PreparedSession | Pending] = []

        async def prepare(account: Account) -> None:
            prepared.append(
                await self.logins.prepare_registered(account, client=client, max_access_chars=max_access_chars)
            )

        account = await self.accounts.register(
            username,
            password,
            email,
            client,
            invitation=invitation,
            before_written=prepare,
            first_mail=self.email.first_mail,
        )
        first = prepared[0]
        if self.logins.check_email is not None:  # it has just been sent a mail
            raise EmailUnverified
        if isinstance(first, Pending):
            raise SecondFactorRequired(first.text, first.methods)
        started = await self.logins.start_prepared(account, first, account.epoch, replaces=replaces)
        return started or await self.log_in(
            username, password, client=client, replaces=replaces, max_access_chars=max_access_chars
        )

    async def log_in(
        self,
        username: str,
        password: str,
        *,
        client: ClientInfo,
        replaces: str | None,
        max_access_chars: int | None = None,
    ) -> LoggedIn:
        """Check a password and start a session; the one that the same browser held before ends (C1).

        Raises:
            WrongCredentials, Throttled, Overloaded: see `LogIn.step`.
            SecondFactorRequired: the password is right, and one more step is needed.
            TokenTooLong: no session has begun.
        """
        response = {"username": username, "password": password}
        return await self.log_in_by(
            PASSWORD.name, response, pending=None, client=client, replaces=replaces, max_access_chars=max_access_chars
        )

    async def log_in_by(
        self,
        method: str,
        response: Mapping[str, str],
        *,
        pending: str | None,
        client: ClientInfo,
        replaces: str | None,
        max_access_chars: int | None = None,
    ) -> LoggedIn:
        """Take one step of a login by any method; the last one starts a session. See `LogIn.step`.

        Raises:
            SecondFactorRequired: what was presented is right, and one more step is needed.
        """
        step = await self.logins.step(
            pending, method, response, client=client, replaces=replaces, max_access_chars=max_access_chars
        )
        if isinstance(step, Pending):
            raise SecondFactorRequired(step.text, step.methods)
        return step

    async def refresh(
        self,
        text: str,
        *,
        client: ClientInfo,
        counted: bool = True,
        max_access_chars: int | None = None,
        scopes: Iterable[str] | None = None,
        proof: DeviceProof | None = None,
    ) -> Issued:
        """Trade a refresh token; see `Sessions.refresh`.

        A token of ours that is dead counts against its address. One whose MAC is not ours does not:
        it never reaches the store (R9), and guessing at 256 bits needs no rate limit. A caller who knows no address
        counts none: else all of its clients would share one count. Nor does a proof whose challenge is too old: the
        browser signs a fresh one next.
        """
        try:
            return await self.sessions.refresh(
                text, client=client, max_access_chars=max_access_chars, scopes=scopes, proof=proof
            )
        except (InvalidRefreshToken, RefreshSuperseded):
            raise
        except RefreshRefused as refused:
            unproved = refused if isinstance(refused, DeviceProofRequired) else None
            if unproved is not None and unproved.is_stale:
                raise
            if counted:
                bucket = address_bucket(client.address, self.address_rate, purpose="refresh")
                wait = await self.store.count_attempt([bucket], now=self.clock() // 1000)
                if wait:
                    raise Throttled(wait) from None
            if unproved is not None:
                await self._record_unproved(text, unproved, client, has_proof=proof is not None)
            raise

    async def _record_unproved(
        self, text: str, refused: DeviceProofRequired, client: ClientInfo, *, has_proof: bool
    ) -> None:
        """Somebody may hold a copy of a bound session's cookies: after the count, so that nobody fills the log."""
        event = Event(
            kind="device_refused",
            at_ms=self.clock(),
            subject=refused.subject,
            session=self.sessions.tokens.session_of(text),
            address=client.address,
            cause="wrong proof" if has_proof else "no proof",
        )
        await self.store.settle_attempt("", event)

    async def log_out(self, session_id: str, *, client: ClientInfo) -> None:
        """End the session everywhere; one that is over already is no error."""
        await self.sessions.end(session_id, cause="logout", address=client.address)

    async def end_session(self, session_id: str, *, subject: str, client: ClientInfo) -> None:
        """End one of the subject's own sessions.

        Raises:
            NotFound: this subject has no live session with this id; another subject may have one.
        """
        if not await self.sessions.end(session_id, cause="ended_by_user", subject=subject, address=client.address):
            raise NotFound("no such session")

    async def end_sessions(self, subject: str, *, keep: str | None, client: ClientInfo) -> None:
        """End all of the subject's own sessions, or all but one.

        Counted: with one kept, a single access token could otherwise write revocations as fast as the disk takes them,
        and every node holds each for the life of an access token (D2).

        Raises:
            Throttled: too often.
        """
        bucket = Bucket(key=f"end sessions of {subject}", rate=ENDS_PER_SUBJECT)
        if wait := await self.store.count_attempt([bucket], now=self.clock() // 1000):
            raise Throttled(wait)
        await self.sessions.end_subject(subject, cause="ended_by_user", keep=keep, address=client.address)

    async def change_password(
        self,
        account_id: str,
        current: str,
        new: str,
        *,
        keep_session: str,
        client: ClientInfo,
        max_access_chars: int | None = None,
    ) -> Issued:
        """Replace the password; every other session ends (I7).

        Returns:
            New tokens of the kept session: those of before are dead, in whose hands they may be.

        Raises:
            WrongPassword, InvalidField, Throttled, Overloaded: see `Accounts.change_password`.
            SessionEnded: the password was changed, and the kept session is over.
            TokenTooLong: the delivery cannot carry the new access token; the password was not changed (N12).
        """
        # before anything is written; the change raises the epoch, which may have a digit more then
        await self.sessions.check_fits(keep_session, max_access_chars=max_access_chars)
        await self.accounts.change_password(account_id, current, new, keep_session=keep_session, client=client)
        return await self.sessions.reissue(keep_session)

    async def revoke_key(self, kid: str) -> None:
        """Kill a compromised signing key (K2).

        Raises:
            NotFound: no live key has this kid.
        """
        await self.keys.revoke(kid)

    async def reset_after_restore(self) -> None:
        """After a restore from a backup (P7), all that was issued before is dead on every node: see `Store`.

        The new key signs at once, so a node that has not polled since refuses its first tokens for a poll's length.
        """
        now_ms = self.clock()
        event = Event(kind="store_restored", at_ms=now_ms)
        await self.store.reset_after_restore(event, now=now_ms // 1000)
        await self.keys.load()
