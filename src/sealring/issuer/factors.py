"""The second factors of an account: an authenticator app and recovery codes are enrolled, replaced, removed and reset.

Each change raises the account's epoch (`Credentials`), so access tokens of before are outdated, and the caller's
session gets one at once that is not. What a thief of a session must not do is asked by the routes: a recent proof for
each change, and both factors where the account has two already.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from sealring.accounts.account import Account
from sealring.accounts.credential import Credential
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.decision import MFA_AMR, second_methods
from sealring.authentication.method import METHODS, RECOVERY_CODE, TOTP
from sealring.authentication.recovery_codes import CODE_BYTES, COUNT, RecoveryCodes, code_of, left
from sealring.errors import InvalidField, NoSuchAccount, NotFound, UnknownMethod
from sealring.issuer.commit import CommittingStore
from sealring.issuer.credentials import Credentials
from sealring.issuer.methods.recovery_code import credential_id as recovery_id
from sealring.issuer.reauthentication import Reauthenticated, Reauthentication
from sealring.issuer.totp_enrollment import StartedEnrollment, TotpEnrollment
from sealring.issuer.totp_enrollment import credential_id as totp_id
from sealring.sessions.session import Session
from sealring.store.records import LoginGuard


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who changes the own factors, by which access token."""

    subject: str
    session_id: str
    epoch: int
    client: ClientInfo
    max_access_chars: int | None = None
    """What the delivery can carry of the next access token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledFactors:
    """What an account has beside its password."""

    methods: tuple[str, ...]
    """The methods that can be its second step, in the order in which they are offered."""
    recovery_codes_left: int | None
    """None: it has none, and never had since the last reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCodes:
    """Recovery codes, shown once."""

    codes: tuple[str, ...]
    again: Reauthenticated


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """The second factors of this issuer's accounts.

    Args:
        store: where they are.
        credentials: makes each change.
        enrollment: of authenticator apps.
        codes: keeps recovery codes.
        reauthentication: gives the caller's session the next access token.
        clock: Unix milliseconds.
    """

    store: CommittingStore
    credentials: Credentials
    enrollment: TotpEnrollment
    codes: RecoveryCodes
    reauthentication: Reauthentication
    clock: Callable[[], int]

    async def enrolled(self, subject: str) -> EnrolledFactors:
        """What an account has.

        Raises:
            NoSuchAccount: the subject is no account of ours.
        """
        account = await self._account(subject)
        authenticator = self.credentials.authenticator
        names = await authenticator.enrolled(account)
        usable = () if authenticator.policy.mfa == "off" else second_methods(authenticator.policy, (), names)
        kept = await self.store.find_credentials(id=recovery_id(subject))
        return EnrolledFactors(
            methods=tuple(method.name for method in usable),
            recovery_codes_left=left(kept[0].public, kept[0].counter) if kept else None,
        )

    async def start_totp(self, caller: Caller) -> StartedEnrollment:
        """Make a seed for the caller's app; nothing is stored.

        Raises:
            UnknownMethod: second factors are off.
            InvalidField: the account has an app already.
            NoSuchAccount: the subject is no account of ours.
        """
        self._check_on()
        account = await self._account(caller.subject)
        if await self.store.find_credentials(id=totp_id(account.id)):
            raise InvalidField("totp", "the account has an authenticator app: remove it first")
        return self.enrollment.start(account, bound_to=caller.session_id)

    async def confirm_totp(self, caller: Caller, *, enrollment: str, code: str, label: str = "") -> Reauthenticated:
        """Enroll the app that has shown a code. The session that did so has shown two factors, if it began by password.

        Raises:
            InvalidField: `enrollment`, `code` or `label` is not good.
            UnknownMethod, NoSuchAccount: see `start_totp`.
            Revoked, SessionEnded, TokenTooLong: the session is over, or its next token cannot be carried.
        """
        self._check_on()
        account = await self._account(caller.subject)
        credential = self.enrollment.complete(account, enrollment, code, bound_to=caller.session_id)
        session = await self._session(caller)
        amr, acr = _stronger(session)
        await self.reauthentication.sessions.draft_proved(
            session.id, amr=amr, acr=acr, auth_time=session.auth_time, max_access_chars=caller.max_access_chars
        )
        await self.credentials.add(_labeled(credential, label), epoch=caller.epoch, client=caller.client)
        if acr != session.acr:
            again = await self.reauthentication.put(
                session.id,
                amr=amr,
                acr=acr,
                auth_time=session.auth_time,
                guard=LoginGuard(epoch=caller.epoch + 1),
                client=caller.client,
                max_access_chars=caller.max_access_chars,
            )
            if again is not None:
                return again
        return await self.reauthentication.renewed(session.id, max_access_chars=caller.max_access_chars)

    async def remove_totp(self, caller: Caller) -> Reauthenticated:
        """Remove the caller's app; recovery codes go with the last factor that they stand in for.

        Raises:
            NotFound: there is none.
            LastCredential: two factors are required, and the account has no other.
            Revoked, SessionEnded, TokenTooLong: as `confirm_totp`.
        """
        await self.credentials.remove(caller.subject, totp_id(caller.subject), epoch=caller.epoch, client=caller.client)
        if not (await self.enrolled(caller.subject)).methods:
            await self._remove_codes(caller, epoch=caller.epoch + 1)
        return await self.reauthentication.renewed(caller.session_id, max_access_chars=caller.max_access_chars)

    async def make_recovery_codes(self, caller: Caller) -> NewCodes:
        """Make recovery codes; those of before are worthless.

        Raises:
            UnknownMethod: second factors are off.
            NotFound: the account has no second factor that they could stand in for.
            NoSuchAccount: the subject is no account of ours.
            Revoked, SessionEnded, TokenTooLong: as `confirm_totp`.
        """
        self._check_on()
        if not (await self.enrolled(caller.subject)).methods:
            raise NotFound("no second factor to stand in for")
        epoch = caller.epoch + await self._remove_codes(caller, epoch=caller.epoch)
        codes = tuple(code_of(secrets.token_bytes(CODE_BYTES)) for _ in range(COUNT))
        credential = Credential(
            id=recovery_id(caller.subject),
            account_id=caller.subject,
            method=RECOVERY_CODE.name,
            public=self.codes.keep(codes, account_id=caller.subject),
            created_at=self.clock() // 1000,
        )
        await self.credentials.add(credential, epoch=epoch, client=caller.client)
        again = await self.reauthentication.renewed(caller.session_id, max_access_chars=caller.max_access_chars)
        return NewCodes(codes=codes, again=again)

    async def reset(self, account_id: str) -> list[str]:
        """Remove all second factors of an account whose owner has lost them, by the operator's word.

        A passkey that may begin a login goes too, unless nothing else would be left to log in with.

        Returns:
            The methods whose credentials were removed.

        Raises:
            NoSuchAccount: there is none.
            Overloaded: the account changes faster than it can be changed.
        """
        account = await self._account(account_id)
        removed = []
        for credential in await self.store.find_credentials(account_id=account_id):
            row = self.credentials.authenticator.policy.find(credential.method)
            if row is not None and row.second and not (row.first and account.password_hash is None):
                await self.credentials.remove_by_operator(account_id, credential.id)
                removed.append(credential.method)
        return removed

    async def _remove_codes(self, caller: Caller, *, epoch: int) -> int:
        """Remove the recovery codes, if there are any; by how much that raised the epoch."""
        if not await self.store.find_credentials(id=recovery_id(caller.subject)):
            return 0
        await self.credentials.remove(caller.subject, recovery_id(caller.subject), epoch=epoch, client=caller.client)
        return 1

    async def _session(self, caller: Caller) -> Session:
        session, *_ = await self.reauthentication.sessions.draft_kept(caller.session_id, max_access_chars=None)
        return session

    async def _account(self, subject: str) -> Account:
        account = await self.store.find_account(id=subject)
        if account is None:
            raise NoSuchAccount("no account has this id")
        return account

    def _check_on(self) -> None:
        if self.credentials.authenticator.policy.mfa == "off":
            raise UnknownMethod("second factors are off: SEALRING_MFA")


def _stronger(session: Session) -> tuple[tuple[str, ...], str]:
    """What the session has shown with the code: two factors, where its login showed one of another kind.

    `auth_time` stays that of the login, the older of both.
    """
    shown = (method for method in METHODS if method.first and method.amr <= set(session.amr))
    if session.acr != "sfa" or not any(method.factors - TOTP.factors for method in shown):
        return session.amr, session.acr
    return tuple(dict.fromkeys((*session.amr, *TOTP.amr, MFA_AMR))), "mfa"


def _labeled(credential: Credential, label: str) -> Credential:
    return replace(credential, label=label)
