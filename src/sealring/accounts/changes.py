"""The changes that can be made to an account, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from sealring.accounts.account import AccountStatus
from sealring.accounts.credential import Credential


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChange:
    """Replace the hash if it is still `old_hash` (compare-and-swap); `ends_sessions` is false only for a rehash."""

    old_hash: str | None = field(repr=False)
    new_hash: str = field(repr=False)
    ends_sessions: bool = True
    keep_session: str | None = None
    """This session goes on, renewed: its access tokens become outdated, its refresh tokens are revoked."""


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
    """Replace the email address, which is reserved for the account; None removes it.

    A login in flight that rests on mail to the old one proves again; sessions go on (the epoch rises).
    """

    email: str | None
    canonical_email: str | None


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
