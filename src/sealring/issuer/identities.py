"""From the word of an identity provider to an account of ours: found, linked, or made.

An identity is a credential of the account, whose id is a digest of issuer and subject, so it is one account's at most.
What becomes of one that nobody has is decided by `sealring.authentication.identity`, after the application was asked.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from inspect import isawaitable
from typing import Literal, TypeAlias

import msgspec

from sealring.accounts.account import Account
from sealring.accounts.changes import CredentialAdded
from sealring.accounts.credential import Credential
from sealring.accounts.names import check_email
from sealring.accounts.policy import draft_account
from sealring.audit.event import Event
from sealring.authentication.identity import Holder, decide_identity, username_candidates
from sealring.authentication.method import OIDC
from sealring.errors import InvalidField, LinkRequired, NameTaken, RegistrationClosed
from sealring.issuer.commit import CommittingStore
from sealring.issuer.credentials import MAX_LABEL
from sealring.issuer.methods import Failed
from sealring.providers.identity import Identity

OnIdentity: TypeAlias = Callable[[Identity], "Awaitable[Account | None] | Account | None"]
"""Asked about an identity that no account has; the account that it belongs to, or None for the usual rules."""

ACCOUNT_ID_BYTES = 16
NAME_TRIES = 5
"""Random names, when all that the provider offers are taken."""
NO_ACCOUNT = Failed("unknown account")


class IdentityRecord(msgspec.Struct, frozen=True):
    """What an account keeps of an identity, for its owner and its operator."""

    provider: str
    issuer: str
    subject: str


def credential_of(identity: Identity, account_id: str, *, now: int) -> Credential:
    """The credential that links an identity to an account."""
    record = IdentityRecord(identity.provider, identity.issuer, identity.subject)
    return Credential(
        id=identity.credential_id,
        account_id=account_id,
        method=OIDC.name,
        public=msgspec.json.encode(record),
        label=_label(identity),
        created_at=now,
        last_used_at=now,
    )


def record_of(credential: Credential) -> IdentityRecord:
    """What a credential of this method says."""
    return msgspec.json.decode(credential.public, type=IdentityRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """The identities of this issuer's accounts.

    Args:
        store: where they live.
        clock: Unix milliseconds.
        registration: who may register.
        new_account_scopes: scopes of an account that is made here.
        on_identity: the application's own rule.
    """

    store: CommittingStore
    clock: Callable[[], int]
    registration: Literal["open", "invited", "closed"] = "open"
    new_account_scopes: tuple[str, ...] = ()
    on_identity: OnIdentity | None = None

    async def account_of(self, identity: Identity, *, new_account: bool = False) -> Account | Failed:
        """The account of an identity that passed every check; linked or made now, where it is nobody's yet.

        `new_account` says that an account that only claims the same address is another's.
        """
        for _ in range(2):  # another tab may be making the same account
            linked = await self.store.find_credentials(id=identity.credential_id)
            if linked:
                return await self._used(linked[0], identity)
            found = await self._first_time(identity, new_account=new_account)
            if found is not None:
                return found
        return Failed("account changed during the login")

    async def is_enrolled(self, account: Account) -> bool:
        """Whether the account has an identity."""
        own = await self.store.find_credentials(account_id=account.id)
        return any(credential.method == OIDC.name for credential in own)

    async def _used(self, credential: Credential, identity: Identity) -> Account | Failed:
        account = await self.store.find_account(id=credential.account_id)
        if account is None or account.status != "active":
            return NO_ACCOUNT if account is None else Failed("account is disabled")
        used = replace(credential, label=_label(identity), last_used_at=self.clock() // 1000)
        await self.store.advance_credential(credential, used)  # lost to another tab's, which says the same
        return account

    async def _first_time(self, identity: Identity, *, new_account: bool) -> Account | Failed | None:
        """None: somebody else has just linked it; look again."""
        asked = await self._asked(identity)
        if asked is not None:
            return await self._link(asked, identity, cause="by application")
        holder = await self._holder(identity)
        state: Holder = "nobody" if holder is None else "verified" if holder.email_verified else "unverified"
        if state == "unverified" and new_account:
            state = "nobody"
        match decide_identity(state, may_register=self.registration == "open"):
            case "new account":
                return await self._register(identity)
            case "link" if holder is not None:
                return await self._link(holder, identity, cause="by verified address")
            case "nobody":
                return Failed("identity belongs to no account", RegistrationClosed())
            case _:
                return Failed("identity must be linked first", LinkRequired())

    async def _asked(self, identity: Identity) -> Account | None:
        if self.on_identity is None:
            return None
        answer = self.on_identity(identity)
        found: object = await answer if isawaitable(answer) else answer
        if found is not None and not isinstance(found, Account):
            raise TypeError(f"on_identity must return an Account or None, not {type(found).__name__}")
        return found

    async def _holder(self, identity: Identity) -> Account | None:
        """The account that has the address, which the provider has verified: the one that has verified it, or any."""
        if identity.email is None or not identity.email_verified:
            return None
        try:
            canonical = check_email(identity.email)[1]
        except InvalidField:
            return None
        found = await self.store.find_accounts_by_email(canonical, limit=1)
        return found[0] if found else None

    async def _link(self, account: Account, identity: Identity, *, cause: str) -> Account | Failed | None:
        """Link an identity to an account as it was read; None where its epoch has moved, or the identity is taken."""
        if account.status != "active":
            return Failed("account is disabled")
        credential = credential_of(identity, account.id, now=self.clock() // 1000)
        event = Event(
            kind="credential_added",
            at_ms=self.clock(),
            subject=account.id,
            cause=cause,
            detail={"method": OIDC.name, "credential": credential.id},
        )
        change = CredentialAdded(credential=credential, epoch=account.epoch)
        if not await self.store.change_account(account.id, change, event, now=self.clock() // 1000):
            return None
        return await self.store.find_account(id=account.id)

    async def _register(self, identity: Identity) -> Account | Failed | None:
        now_ms = self.clock()
        account_id = secrets.token_urlsafe(ACCOUNT_ID_BYTES)
        names = (identity.username, identity.email or "", identity.name)
        suffixes = tuple(f"-{secrets.randbelow(10**6):06}" for _ in range(NAME_TRIES))
        event = Event(
            kind="account_created", at_ms=now_ms, subject=account_id, cause="registered by an identity provider"
        )
        credential = credential_of(identity, account_id, now=now_ms // 1000)
        for name in username_candidates(names, suffixes):
            account = self._with_address(
                draft_account(name, None, account_id=account_id, scopes=self.new_account_scopes, now=now_ms // 1000),
                identity,
            )
            try:
                await self.store.create_account(account, event, credential=credential)
            except NameTaken:
                continue
            except InvalidField:  # the address or the identity, taken meanwhile
                return None
            return account
        return Failed("account changed during the login")

    def _with_address(self, account: Account, identity: Identity) -> Account:
        """With the provider's address: reserved where it has verified it, else for show alone, as at a registration."""
        if identity.email is None:
            return account
        try:
            shown, canonical = check_email(identity.email)
        except InvalidField:
            return account
        verified_at = account.created_at if identity.email_verified else None
        return replace(account, email=shown, canonical_email=canonical, email_verified_at=verified_at)


def _label(identity: Identity) -> str:
    return (identity.email or identity.username or identity.name or identity.provider)[:MAX_LABEL]
