"""The changes that can be made to an account, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sealring.accounts.account import AccountStatus
from sealring.accounts.credential import Credential

EmailConsequence = Literal["nothing", "tokens", "sessions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChange:
    """Replace the hash if it is still `old_hash` (compare-and-swap); `ends_sessions` is false only for a rehash."""

    old_hash: str | None = field(repr=False)
    new_hash: str = field(repr=False)
    ends_sessions: bool = True
    keep_session: str | None = None
    """This session goes on, renewed: its access tokens become outdated, its refresh tokens are revoked."""
    epoch: int | None = None
    """Unless None, the account's epoch must still be this: what a mail to an earlier address allows, another change
    has overtaken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """Disable (ends every session) or enable."""

    status: AccountStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopesChange:
    """Replace the scopes: access tokens become outdated, sessions go on."""

    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChange:
    """Replace the email address, or say that it is verified; None removes it.

    It is reserved for the account where `verified_at` says so. A login in flight that rests on mail to the old one
    proves again; sessions go on (the epoch rises).
    """

    email: str | None
    canonical_email: str | None
    verified_at: int | None = None
    """When it was proved, in Unix seconds; None: nobody vouches for it."""
    changed_at: int | None = None
    """See `Account.email_changed_at`."""
    epoch: int | None = None
    """Unless None, the account's epoch must still be this."""
    revokes: EmailConsequence = "tokens"
    """`tokens`: access tokens become outdated. `sessions`: every session ends, where the address was taken back.
    `nothing`: the address is as it was, and was verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Remove the account; every session ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialAdded:
    """One more credential, if the account's epoch still is `epoch`: nothing has revoked the permission to add it.

    A login in flight that did not need it proves again; sessions go on (the epoch rises).
    """

    credential: Credential
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRemoved:
    """One credential less, if the account's epoch still is `epoch`.

    So of two removals at once, each of which leaves the other's as the last way to log in, one is made. A login in
    flight that rests on it fails; sessions go on (the epoch rises).
    """

    credential_id: str
    epoch: int


AccountChange = (
    PasswordChange | StatusChange | ScopesChange | EmailChange | Deletion | CredentialAdded | CredentialRemoved
)
