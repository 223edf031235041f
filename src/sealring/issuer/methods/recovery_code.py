"""Login by a recovery code, in the place of a second factor that was lost. Each counts once, on whatever node."""

# ruff: noqa: D102
# what each method promises stands once, in the protocol

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sealring.accounts.account import Account
from sealring.audit.event import Event
from sealring.authentication.method import RECOVERY_CODE
from sealring.authentication.proof import Proof
from sealring.authentication.recovery_codes import RecoveryCodes, left
from sealring.issuer.commit import CommittingStore
from sealring.issuer.hashing import HashingSlot
from sealring.issuer.methods import Failed, LoginMethod, Proved


class RecoveryCodeMethod(LoginMethod):
    """Proves a recovery code: `code` of the response.

    Args:
        store: where what is kept of them is.
        codes: finds one again.
    """

    row = RECOVERY_CODE

    def __init__(self, store: CommittingStore, codes: RecoveryCodes) -> None:
        self._store = store
        self._codes = codes

    def claimed_name(self, response: Mapping[str, str]) -> str:  # noqa: ARG002 - no login begins with it
        return ""

    async def is_enrolled(self, account: Account) -> bool:
        return bool(await self._store.find_credentials(id=credential_id(account.id)))

    async def begin(self, account: Account | None, *, browser: str, now: int) -> Mapping[str, str]:  # noqa: ARG002
        return {}

    async def prove(
        self,
        account: Account | None,
        response: Mapping[str, str],
        *,
        slot: HashingSlot | None,  # noqa: ARG002 - no hash: a code has 80 random bits
        browser: str,  # noqa: ARG002 - on paper, it is the same in every browser
        now: int,
    ) -> Proved | Failed:
        if account is None:
            return Failed("unknown account")
        for kept in await self._store.find_credentials(id=credential_id(account.id)):
            place = self._codes.find(kept.public, response["code"], account_id=account.id, used=kept.counter)
            if place is None:
                return Failed("wrong code")
            used = replace(kept, counter=kept.counter | 1 << place, last_used_at=now)
            if not await self._store.advance_credential(kept, used):
                return Failed("code was used")
            detail = {"left": left(used.public, used.counter)}
            event = Event(kind="recovery_code_used", at_ms=now * 1000, subject=account.id, detail=detail)
            await self._store.settle_attempt("", event)
            proof = Proof(
                method=self.row.name, account_id=account.id, at=now, credential_id=kept.id, amr=tuple(self.row.amr)
            )
            return Proved(account, proof)
        return Failed("no second factor")


def credential_id(account_id: str) -> str:
    """The id of an account's recovery codes."""
    return f"recovery-code_{account_id}"
