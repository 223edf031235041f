"""A user account, as a value. Times are Unix seconds. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

AccountStatus = Literal["active", "disabled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One user account. `id` is the `sub` of its tokens: 16 random bytes, base64url, never used again."""

    id: str
    name: str
    """As the user typed it (NFC)."""
    canonical_name: str
    """NFKC and casefold: this form is unique."""
    email: str | None = None
    canonical_email: str | None = None
    password_hash: str | None = field(repr=False)
    """A PHC string; None for an account without a password."""
    scopes: tuple[str, ...] = ()
    status: AccountStatus = "active"
    created_at: int
    epoch: int = 0
