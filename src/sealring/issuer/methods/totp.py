"""Login by the code of an authenticator app, as the second factor. A code counts once, on every node (RFC 6238 §5.2).

Where two factors are required, an account that has none enrolls its app in the course of the login: else nobody could
ever log in.
"""

# ruff: noqa: D102
# what each method promises stands once, in the protocol

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from sealring.accounts.account import Account
from sealring.accounts.changes import CredentialAdded
from sealring.accounts.credential import Credential
from sealring.audit.event import Event
from sealring.authentication.method import TOTP
from sealring.authentication.proof import Proof
from sealring.authentication.sealed import Sealed
from sealring.authentication.totp import accepted_step
from sealring.errors import InvalidField
from sealring.issuer.commit import CommittingStore
from sealring.issuer.hashing import HashingSlot
from sealring.issuer.methods import Failed, LoginMethod, Proved
from sealring.issuer.totp_enrollment import TotpEnrollment, credential_id


class TotpMethod(LoginMethod):
    """Proves a code: `code` of the response, and `enrollment` where the app is enrolled by it.

    Args:
        store: where the seeds are.
        sealed: decrypts them.
        enrollment: enrolls an app in the course of a login.
        enrolls: whether that may be: two factors are required of everybody.
    """

    row = TOTP

    def __init__(self, store: CommittingStore, sealed: Sealed, enrollment: TotpEnrollment, *, enrolls: bool) -> None:
        self._store = store
        self._sealed = sealed
        self._enrollment = enrollment
        self._enrolls = enrolls

    def claimed_name(self, response: Mapping[str, str]) -> str:  # noqa: ARG002 - no login begins with it
        return ""

    async def is_enrolled(self, account: Account) -> bool:
        return bool(await self._store.find_credentials(id=credential_id(account.id)))

    async def begin(self, account: Account | None, *, browser: str, now: int) -> Mapping[str, str]:  # noqa: ARG002
        if account is None or not self._enrolls or await self.is_enrolled(account):
            return {}
        return asdict(self._enrollment.start(account, bound_to=browser))

    async def prove(
        self,
        account: Account | None,
        response: Mapping[str, str],
        *,
        slot: HashingSlot | None,  # noqa: ARG002 - no hash
        browser: str,
        now: int,
    ) -> Proved | Failed:
        if account is None:
            return Failed("unknown account")
        if "enrollment" in response:
            return await self._enroll(account, response, browser=browser, now=now)
        own = await self._store.find_credentials(id=credential_id(account.id))
        return await self._use(account, own[0], response["code"], now) if own else Failed("no second factor")

    async def _use(self, account: Account, credential: Credential, code: str, now: int) -> Proved | Failed:
        seed = self._sealed.decrypt(credential.encrypted, context=credential.id)
        if seed is None:
            return Failed("seed cannot be decrypted")
        step = accepted_step(seed, code, now=now, after=credential.counter)
        if step is None:
            return Failed("wrong code")
        # of any number that bring one code, on any number of nodes, one swaps
        used = replace(credential, counter=step, last_used_at=now)
        if not await self._store.advance_credential(credential, used):
            return Failed("code was used")
        return Proved(account, self._proof(account, credential.id, now))

    async def _enroll(
        self, account: Account, response: Mapping[str, str], *, browser: str, now: int
    ) -> Proved | Failed:
        """Enroll the app, if the account has no other and nothing has changed since its password was proved."""
        if not self._enrolls or await self.is_enrolled(account):
            return Failed("method may not be used now")
        try:
            credential = self._enrollment.complete(account, response["enrollment"], response["code"], bound_to=browser)
        except InvalidField as refused:
            return Failed("wrong code" if refused.field == "code" else "enrollment is not good")
        event = Event(
            kind="credential_added",
            at_ms=now * 1000,
            subject=account.id,
            cause="at login",
            detail={"method": self.row.name, "credential": credential.id},
        )
        change = CredentialAdded(credential=credential, epoch=account.epoch)
        if not await self._store.change_account(account.id, change, event, now=now):
            return Failed("account changed during the login")
        enrolled = replace(account, epoch=account.epoch + 1)
        return Proved(enrolled, self._proof(account, credential.id, now), epoch=enrolled.epoch)

    def _proof(self, account: Account, id: str, now: int) -> Proof:
        return Proof(method=self.row.name, account_id=account.id, at=now, credential_id=id, amr=tuple(self.row.amr))
