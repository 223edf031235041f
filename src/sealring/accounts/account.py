"""A user account, as a value. Times are Unix seconds. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

AccountStatus = Literal["active", "disabled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One user account. `id` is the `sub` of its tokens: 16 random bytes, base64url, never used again.

    >>> Account(id="42", name="Ada", canonical_name="ada", password_hash=None, created_at=1767225600).status
    'active'
    """

    id: str
    """`sub` of its tokens: 22 characters; of an imported account, the id that it had."""
    name: str
    """As the user typed it (NFC)."""
    canonical_name: str
    """NFKC and casefold: this form is unique."""
    email: str | None = None
    """As it was typed; None where none was given."""
    canonical_email: str | None = None
    """The form by which addresses are compared. Several accounts may have typed one; one may have it verified."""
    email_verified_at: int | None = None
    """When somebody proved to read mail there, or the operator vouched for it (Unix seconds): only then the address is
    reserved for this account. None while nobody has."""
    email_changed_at: int | None = None
    """When its owner last changed the address, while mail to the one before may undo that; see `sealring.accounts`."""
    password_hash: str | None = field(repr=False)
    """A PHC string; None for an account without a password."""
    scopes: tuple[str, ...] = ()
    """What its sessions may do: scope tokens of RFC 6749 §3.3."""
    status: AccountStatus = "active"
    """A disabled account logs in nowhere."""
    created_at: int
    """Unix seconds."""
    epoch: int = 0
    """Tokens of a lower epoch are outdated: it rises when all sessions end, and when scopes change."""

    @property
    def email_verified(self) -> bool:
        """Whether the address is known to be theirs.

        >>> Account(id="42", name="Ada", canonical_name="ada", password_hash=None, created_at=0).email_verified
        False
        """
        return self.email_verified_at is not None
