"""A user who comes from another system, and the account that is made of one. Pure.

The id may be the old one, so that rows and tokens that name it still do. It is taken like any subject: once, forever
(J17). An email address is reserved only where the other system had it verified: an address that its user merely typed
must not keep its true owner out, nor receive a password reset (U3).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sealring.accounts.account import Account
from sealring.accounts.hash_notations import read_hash
from sealring.accounts.policy import draft_account
from sealring.errors import InvalidField
from sealring.sessions.grant import check_subject, scope_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedUser:
    """One user as the other system had it; nothing is checked yet."""

    username: str
    password_hash: str | None = field(default=None, repr=False)
    """In a notation of `hash_notations`; None for an account that cannot log in by password yet."""
    id: str | None = None
    email: str | None = None
    email_verified: bool = False
    scopes: tuple[str, ...] = ()
    disabled: bool = False


def draft_imported(user: ImportedUser, *, fresh_id: str, now: int) -> Account:
    """The account to make of an imported user; `fresh_id` is for one without an id.

    Raises:
        InvalidField: names the member that cannot be accepted.
    """
    account = draft_account(
        user.username,
        user.email,
        account_id=fresh_id if user.id is None else user.id,
        scopes=_scopes(user.scopes),
        now=now,
    )
    try:
        check_subject(account.id)
    except ValueError as error:
        raise InvalidField("id", str(error).replace("subject ", "", 1)) from None
    return replace(
        account,
        password_hash=None if user.password_hash is None else read_hash(user.password_hash),
        email_verified_at=now if account.email is not None and user.email_verified else None,
        status="disabled" if user.disabled else "active",
    )


def _scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return scope_tokens(scopes)
    except ValueError as error:
        raise InvalidField("scopes", str(error)) from None
