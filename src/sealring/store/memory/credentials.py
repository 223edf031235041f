"""The part of the store in memory that holds credentials and what counts once."""

# ruff: noqa: D102
# what each method promises stands once, in the protocol

from __future__ import annotations

from dataclasses import replace

from sealring.accounts.changes import CredentialAdded, CredentialRemoved
from sealring.accounts.credential import Credential
from sealring.authentication.one_time import OneTime


class MemoryCredentials:
    """Both tables, without a lock: no method awaits anything in between."""

    def __init__(self) -> None:
        self._credentials: dict[str, Credential] = {}
        self._one_time: dict[str, OneTime] = {}

    async def find_credentials(self, *, account_id: str | None = None, id: str | None = None) -> list[Credential]:
        found = (own for own in self._credentials.values() if own.account_id == account_id or own.id == id)
        return sorted(found, key=lambda own: (own.created_at, own.id))

    async def advance_credential(self, before: Credential, after: Credential) -> bool:
        return self._advance(before, after)

    def _advance(self, before: Credential, after: Credential) -> bool:
        row = self._credentials.get(before.id)
        if row is None or (row.counter, row.label, row.last_used_at) != (
            before.counter,
            before.label,
            before.last_used_at,
        ):
            return False
        self._credentials[before.id] = replace(
            row, counter=after.counter, label=after.label, last_used_at=after.last_used_at
        )
        return True

    async def put_once(self, one_time: OneTime) -> bool:
        if one_time.digest in self._one_time:
            return False
        self._one_time[one_time.digest] = one_time
        return True

    async def take_once(self, digest: str, *, purpose: str, now: int) -> OneTime | None:
        found = self._one_time.get(digest)
        if found is None or found.purpose != purpose or now >= found.expires_at:
            return None
        return self._one_time.pop(digest)

    def _forget_credentials(self, account_id: str) -> None:
        self._credentials = {own.id: own for own in self._credentials.values() if own.account_id != account_id}

    def _change_credential(self, account_id: str, change: CredentialAdded | CredentialRemoved) -> bool:
        if isinstance(change, CredentialRemoved):
            removed = self._credentials.get(change.credential_id)
            if removed is None or removed.account_id != account_id:
                return False
            del self._credentials[removed.id]
            return True
        if change.credential.account_id != account_id or change.credential.id in self._credentials:
            return False
        self._credentials[change.credential.id] = change.credential
        return True

    def _purge_one_time(self, now: int) -> None:
        self._one_time = {digest: own for digest, own in self._one_time.items() if now < own.expires_at}
