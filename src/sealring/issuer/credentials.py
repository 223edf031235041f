"""Credentials of an account beside its password: what its owner and an operator may do to them.

Each change raises the account's epoch in its own transaction, so it is in force at once: a login in flight that rests
on what was there before proves again or fails (U13), and access tokens from before are outdated. Each change is made
only while the epoch is still the one that was looked at: of two removals at once, each of which leaves the other as
the last way to log in, one is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sealring.accounts.account import Account
from sealring.accounts.changes import CredentialAdded, CredentialRemoved
from sealring.accounts.credential import Credential
from sealring.audit.event import Event, EventKind
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.removal import may_lose
from sealring.errors import InvalidField, LastCredential, NoSuchAccount, NotFound, Overloaded, Revoked
from sealring.issuer.authenticator import Authenticator
from sealring.issuer.commit import CommittingStore

MAX_CREDENTIALS = 32
"""Of one account: a person has a few keys, and each is a permanent row (D2)."""
MAX_LABEL = 100
"""Characters of a label."""
OPERATOR = ClientInfo("")
LOST_SWAPS = 3
"""Tries of an operator's removal that another change of the account may overtake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The credentials of this issuer's accounts.

    Args:
        store: where they live.
        authenticator: knows which methods an account can use.
        clock: Unix milliseconds.
    """

    store: CommittingStore
    authenticator: Authenticator
    clock: Callable[[], int]

    async def list(self, account_id: str) -> list[Credential]:
        """An account's credentials, the oldest first, without what is secret: a route may return them."""
        return [replace(own, encrypted=b"") for own in await self.store.find_credentials(account_id=account_id)]

    async def add(self, credential: Credential, *, epoch: int, client: ClientInfo) -> None:
        """Add a credential that its owner has just proved to hold.

        Args:
            credential: of a method of this issuer.
            epoch: that of the access token by which the owner asks, so that nothing is added by a token that has been
                revoked since.
            client: where the request came from.

        Raises:
            InvalidField: `label` is too long, `credential` is registered already, or the account has too many.
            Revoked: the epoch has moved, or the account is gone or disabled.
            ValueError: no method of this issuer has that name.
        """
        if self.authenticator.policy.find(credential.method) is None:
            raise ValueError(f"credential.method must be a method of this issuer, not {credential.method!r}")
        if len(credential.label) > MAX_LABEL:
            raise InvalidField("label", f"must be at most {MAX_LABEL} characters")
        await self._current(credential.account_id, epoch)
        if len(await self.store.find_credentials(account_id=credential.account_id)) >= MAX_CREDENTIALS:
            raise InvalidField("credential", f"an account has at most {MAX_CREDENTIALS}")
        event = self._event("credential_added", credential, cause="by user", client=client)
        change = CredentialAdded(credential=credential, epoch=epoch)
        if not await self._change(credential.account_id, change, event):
            await self._current(credential.account_id, epoch)
            raise InvalidField("credential", "is registered already")

    async def remove(self, account_id: str, credential_id: str, *, epoch: int, client: ClientInfo) -> None:
        """Remove one of the caller's own credentials.

        Args:
            account_id: the caller.
            credential_id: which.
            epoch: that of the access token by which the caller asks.
            client: where the request came from.

        Raises:
            NotFound: this account has no such credential; another may have it.
            LastCredential: the account could not log in without it.
            Revoked: the epoch has moved, or the account is gone or disabled.
        """
        account = await self._current(account_id, epoch)
        own = await self.store.find_credentials(account_id=account_id)
        credential = _pick(own, credential_id)
        others = [other for other in own if other is not credential]
        if not may_lose(self.authenticator.policy, credential, others, await self.authenticator.enrolled(account)):
            raise LastCredential("the account could not log in without this credential")
        event = self._event("credential_removed", credential, cause="by user", client=client)
        change = CredentialRemoved(credential_id=credential_id, epoch=epoch)
        if not await self._change(account_id, change, event):
            raise Revoked("subject")

    async def remove_by_operator(self, account_id: str, credential_id: str) -> None:
        """Remove a credential that its owner has lost, the last one too: the operator answers for the account.

        Raises:
            NoSuchAccount: there is none.
            NotFound: the account has no such credential.
            Overloaded: the account changes faster than it can be changed.
        """
        for _ in range(LOST_SWAPS):
            account = await self.store.find_account(id=account_id)
            if account is None:
                raise NoSuchAccount("no account has this id")
            credential = _pick(await self.store.find_credentials(account_id=account_id), credential_id)
            event = self._event("credential_removed", credential, cause="by operator")
            change = CredentialRemoved(credential_id=credential_id, epoch=account.epoch)
            if await self._change(account_id, change, event):
                return
        raise Overloaded("the account changes faster than it can be changed")

    async def _current(self, account_id: str, epoch: int) -> Account:
        """The account, if it is as the caller's access token says.

        Raises:
            Revoked: it is not.
        """
        account = await self.store.find_account(id=account_id)
        if account is None or account.status != "active" or account.epoch != epoch:
            raise Revoked("subject")
        return account

    async def _change(self, account_id: str, change: CredentialAdded | CredentialRemoved, event: Event) -> bool:
        return await self.store.change_account(account_id, change, event, now=self.clock() // 1000)

    def _event(self, kind: EventKind, credential: Credential, *, cause: str, client: ClientInfo = OPERATOR) -> Event:
        detail = {"method": credential.method, "credential": credential.id}
        return Event(
            kind=kind,
            at_ms=self.clock(),
            subject=credential.account_id,
            address=client.address,
            cause=cause,
            detail=detail,
        )


def _pick(own: list[Credential], credential_id: str) -> Credential:
    for credential in own:
        if credential.id == credential_id:
            return credential
    raise NotFound("no such credential")
