"""A login method whose credentials are rows, for tests alone: the code is the id of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sealring.accounts.account import Account
from sealring.accounts.credential import Credential
from sealring.authentication.method import Method
from sealring.authentication.proof import Proof
from sealring.issuer.commit import CommittingStore
from sealring.issuer.hashing import HashingSlot
from sealring.issuer.methods import Failed, LoginMethod, Proved
from tests.clocks import START

STORED_CODE = Method(
    name="stored-code",
    amr=frozenset({"otp"}),
    factors=frozenset({"possession"}),
    first=False,
    second=True,
    claims=(),
    fields=("code",),
    phishing_resistant=False,
    costs_hash=False,
    single_use=False,
    rate=None,
)


def stored_code(account_id: str, id: str, **fields: Any) -> Credential:
    values: dict[str, Any] = {"method": STORED_CODE.name, "encrypted": b"secret", "created_at": START} | fields
    return Credential(id=id, account_id=account_id, **values)


class StoredCode(LoginMethod):
    """Proves the id of a stored credential."""

    def __init__(self, store: CommittingStore, row: Method = STORED_CODE) -> None:
        self.row = row
        self._store = store

    def claimed_name(self, response: Mapping[str, str]) -> str:
        return response["username"]

    async def is_enrolled(self, account: Account) -> bool:
        return any(own.method == self.row.name for own in await self._store.find_credentials(account_id=account.id))

    async def begin(self, account: Account | None, *, browser: str, now: int) -> Mapping[str, str]:  # noqa: ARG002
        return {}

    async def prove(
        self,
        account: Account | None,
        response: Mapping[str, str],
        *,
        slot: HashingSlot | None,  # noqa: ARG002
        browser: str,  # noqa: ARG002
        now: int,
    ) -> Proved | Failed:
        own = [] if account is None else await self._store.find_credentials(account_id=account.id)
        if account is None or response["code"] not in {credential.id for credential in own}:
            return Failed("wrong code")
        return Proved(account, Proof(method=self.row.name, account_id=account.id, at=now, amr=("otp",)))
