"""A second way to log in, for tests alone: one row, one file. Nothing in src/ knows of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from sealring.accounts.account import Account
from sealring.authentication.method import Method
from sealring.authentication.one_time import OneTime, digest_of
from sealring.authentication.proof import Proof
from sealring.issuer.commit import CommittingStore
from sealring.issuer.hashing import HashingSlot
from sealring.issuer.methods import Failed, LoginMethod, Proved
from sealring.rate_limits.rate import RateLimit

MAILED_CODE = Method(
    name="mailed-code",
    amr=frozenset({"otp"}),
    factors=frozenset({"possession"}),
    first=False,
    second=True,
    phishing_resistant=False,
    costs_hash=False,
    single_use=True,
    rate=RateLimit(5, 300),
)


class MailedCode(LoginMethod):
    """Sends six digits; `sent` is the mailbox."""

    row = MAILED_CODE

    def __init__(self, store: CommittingStore) -> None:
        self._store = store
        self.sent: list[str] = []

    def claimed_name(self, response: Mapping[str, str]) -> str:
        return response["username"]

    async def is_enrolled(self, account: Account) -> bool:
        return account.email is not None

    async def begin(self, account: Account, *, now: int) -> Mapping[str, str]:
        code = f"{secrets.randbelow(10**6):06}"
        await self._store.put_once(
            OneTime(digest=_digest(account.id, code), purpose=self.row.name, subject=account.id, expires_at=now + 300)
        )
        self.sent.append(code)
        return {"sent_to": "your mailbox"}

    async def prove(
        self, account: Account | None, response: Mapping[str, str], *, slot: HashingSlot | None, now: int
    ) -> Proved | Failed:
        assert slot is None
        if account is None:
            return Failed("unknown account")
        digest = _digest(account.id, response["code"])
        if await self._store.take_once(digest, purpose=self.row.name, now=now) is None:
            return Failed("wrong code")
        return Proved(account, Proof(method=self.row.name, account_id=account.id, at=now, amr=("otp",)))


def _digest(account_id: str, code: str) -> str:
    return digest_of(MAILED_CODE.name, f"{account_id} {code}")
