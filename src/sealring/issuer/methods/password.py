"""Login by password: Argon2id, the same number of hashes for every outcome, and a rehash when the profile has moved."""

# ruff: noqa: D102
# what each method promises stands once, in the protocol

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sealring.accounts.account import Account
from sealring.accounts.changes import PasswordChange
from sealring.accounts.passwords import normalise_password
from sealring.audit.event import Event
from sealring.authentication.method import PASSWORD
from sealring.authentication.proof import Proof
from sealring.issuer.commit import CommittingStore
from sealring.issuer.hashing import HashingSlot, PasswordHasher
from sealring.issuer.methods import Failed, LoginMethod, Proved


class PasswordMethod(LoginMethod):
    """Proves a password: `username` and `password` of the response.

    Args:
        store: where the accounts are, for a rehash.
        hasher: verifies.
        clock: Unix milliseconds.
    """

    row = PASSWORD

    def __init__(self, store: CommittingStore, hasher: PasswordHasher, *, clock: Callable[[], int]) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock

    def claimed_name(self, response: Mapping[str, str]) -> str:
        return response["username"]

    async def is_enrolled(self, account: Account) -> bool:
        return account.password_hash is not None

    async def begin(
        self,
        account: Account | None,  # noqa: ARG002 - nothing is needed
        *,
        browser: str,  # noqa: ARG002 - no challenge to bind
        now: int,  # noqa: ARG002
    ) -> Mapping[str, str]:
        return {}

    async def prove(
        self,
        account: Account | None,
        response: Mapping[str, str],
        *,
        slot: HashingSlot | None,
        browser: str,  # noqa: ARG002 - a password is the same in every browser
        now: int,
    ) -> Proved | Failed:
        if slot is None:
            raise RuntimeError("a password needs a place for hashing")
        form = normalise_password(response["password"])
        proved = await slot.verify(None if account is None else account.password_hash, form)
        if account is not None and form is not None and proved and account.status == "active":
            current = await self._rehash(slot, account, form)
            if current is not None:
                proof = Proof(method=self.row.name, account_id=current.id, at=now, amr=tuple(self.row.amr))
                return Proved(current, proof)
        return Failed(_cause(account, form, proved=proved))

    async def _rehash(self, slot: HashingSlot, account: Account, form: str) -> Account | None:
        """Bring a proved hash to the current profile, if it still is the account's (U14).

        Returns:
            The account with the hash that stands and was proved; None when the password was changed meanwhile.
        """
        stored = account.password_hash
        if stored is None or not self._hasher.needs_rehash(stored):
            return account
        new_hash = await slot.hash(form)
        change = PasswordChange(old_hash=stored, new_hash=new_hash, ends_sessions=False)
        now_ms = self._clock()
        event = Event(kind="password_changed", at_ms=now_ms, subject=account.id, cause="rehashed at login")
        if await self._store.change_account(account.id, change, event, now=now_ms // 1000):
            return replace(account, password_hash=new_hash)
        # lost to another login's rehash, which is no reason to refuse this one, or to a change, which is
        again = await self._store.find_account(id=account.id)
        if again is None or again.status != "active" or not await slot.verify(again.password_hash, form):
            return None
        return again


def _cause(account: Account | None, form: str | None, *, proved: bool) -> str:
    """The true cause of a failure, for the audit log alone; never the name typed, which may be a password."""
    if account is None:
        return "unknown name"
    if account.status != "active":
        return "account is disabled"
    if account.password_hash is None:
        return "account has no password"
    if form is None:
        return "impossible password"
    return "password changed meanwhile" if proved else "wrong password"
