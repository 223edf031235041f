"""A second way to log in, for tests alone: one row, one file. Nothing in src/ knows of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace

from sealring import Sealring
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
    claims=(),
    fields=("code",),
    phishing_resistant=False,
    costs_hash=False,
    single_use=True,
    rate=RateLimit(5, 300),
)


MAILED_LOGIN = replace(MAILED_CODE, name="mailed-login", first=True, second=False, claims=("username",))
"""The same as a first step: a login without a password."""


class MailedCode(LoginMethod):
    """Sends six digits; `sent` is the mailbox."""

    def __init__(self, store: CommittingStore, row: Method = MAILED_CODE) -> None:
        self.row = row
        self._store = store
        self.sent: list[str] = []

    def claimed_name(self, response: Mapping[str, str]) -> str:
        return response["username"]

    async def is_enrolled(self, account: Account) -> bool:
        return account.email is not None

    async def begin(self, account: Account | None, *, browser: str, now: int) -> Mapping[str, str]:
        if account is not None:
            code = f"{secrets.randbelow(10**6):06}"
            digest = self._digest(account, code, browser)
            await self._store.put_once(
                OneTime(digest=digest, purpose=self.row.name, subject=account.id, expires_at=now + 300)
            )
            self.sent.append(code)
        return {"sent_to": "your mailbox"}

    async def prove(
        self, account: Account | None, response: Mapping[str, str], *, slot: HashingSlot | None, browser: str, now: int
    ) -> Proved | Failed:
        assert slot is None
        if account is None:
            return Failed("unknown account")
        digest = self._digest(account, response["code"], browser)
        if await self._store.take_once(digest, purpose=self.row.name, now=now) is None:
            return Failed("wrong code")
        return Proved(account, Proof(method=self.row.name, account_id=account.id, at=now, amr=("otp",)))

    def _digest(self, account: Account, code: str, browser: str) -> str:
        return digest_of(self.row.name, f"{account.id} {code} {browser}")


def mailed_login(store: CommittingStore) -> MailedCode:
    """The method as a first step."""
    return MailedCode(store, MAILED_LOGIN)


def mailbox(auth: Sealring, name: str = MAILED_CODE.name) -> MailedCode:
    """The method of a `Sealring` that was made with it."""
    method = auth.issuer.logins.authenticator.find(name)
    assert isinstance(method, MailedCode)
    return method
