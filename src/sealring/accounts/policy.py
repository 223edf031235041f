"""Checks on a new account: its name, its email address, its password.

Values only; nothing here hashes, counts or stores. Pure: the id and the time of a new account are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sealring.accounts.account import Account
from sealring.accounts.names import check_email, check_name
from sealring.accounts.passwords import FLOOR, check_password
from sealring.errors import InvalidField, InvitationRequired, RegistrationClosed
from sealring.rate_limits.rate import RateLimit

# as settings have them, whose defaults they are
FAILURES_PER_ACCOUNT = "10/5m"
FAILURES_PER_ADDRESS = "60/1m"
REGISTRATIONS_PER_ADDRESS = "60/1h"
"""Each registration is a permanent row (D2). An office or school behind one address registers a few dozen a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPolicy:
    """Rules for accounts: passwords and rate limits.

    Args:
        password_min_length: code points; NIST SP 800-63B-4: 15 for a password alone, 8 with a second factor.
        account_rate: failures per account.
        address_rate: failures per address.
        registration_rate: registrations per address, those refused for a taken name included.
        service_words: words that a password must not consist of, among them the service's own name.
        new_account_scopes: scopes of a newly registered account.
        registration: who may register.
        verify_email: whether new accounts are asked to verify their email address, or must.
        answer_grid_ms: see `LoginAttempts`.

    Raises:
        ValueError: a number out of bounds.
    """

    password_min_length: int = 15
    account_rate: RateLimit = field(default_factory=lambda: RateLimit.parse(FAILURES_PER_ACCOUNT))
    address_rate: RateLimit = field(default_factory=lambda: RateLimit.parse(FAILURES_PER_ADDRESS))
    registration_rate: RateLimit = field(default_factory=lambda: RateLimit.parse(REGISTRATIONS_PER_ADDRESS))
    service_words: tuple[str, ...] = ("sealring",)
    new_account_scopes: tuple[str, ...] = ()
    registration: Literal["open", "invited", "closed"] = "open"
    verify_email: Literal["off", "optional", "required"] = "off"
    answer_grid_ms: int = 50

    def __post_init__(self) -> None:
        if self.password_min_length < FLOOR:
            raise ValueError(f"password_min_length must be {FLOOR} at least (NIST SP 800-63B-4 §3.1.1.2)")
        if self.answer_grid_ms < 1:
            raise ValueError("answer_grid_ms must be 1 at least")

    def check_registration(self, invitation: str | None) -> str | None:
        """Return the invitation that a registration must use up; None where none is needed.

        Raises:
            RegistrationClosed: nobody may register.
            InvitationRequired: none was given.
        """
        if self.registration == "closed":
            raise RegistrationClosed
        if self.registration == "open":
            return None
        if not invitation:
            raise InvitationRequired
        return invitation

    def check_email_given(self, email: str | None) -> None:
        """Let an account be made without an email address, unless it could then never log in.

        Raises:
            InvalidField: `email`.
        """
        if self.verify_email == "required" and not email:
            raise InvalidField("email", "field required")

    def check_inviting(self) -> None:
        """Let an operator invite where an invitation lets somebody in, now or once the setting says `invited`.

        Raises:
            RegistrationClosed: it would let nobody in.
        """
        if self.registration == "closed":
            raise RegistrationClosed(
                "registration is closed: an invitation would let nobody in",
                hint="set SEALRING_REGISTRATION=invited",
            )

    def check_password(self, password: str, account: Account | None) -> str:
        """Return the normal form of a new password for that account.

        Raises:
            InvalidField: `password`.
        """
        words = self.service_words
        if account is not None:
            words += (account.canonical_name, account.email or "")
        return check_password(password, min_length=self.password_min_length, context=words)


def draft_account(username: str, email: str | None, *, account_id: str, scopes: tuple[str, ...], now: int) -> Account:
    """Return a new account without a password; its email address is not verified, so it is not reserved.

    Raises:
        InvalidField: `username` or `email`.
    """
    name, canonical = check_name(username)
    address, canonical_email = (None, None) if email is None else check_email(email)
    return Account(
        id=account_id,
        name=name,
        canonical_name=canonical,
        email=address,
        canonical_email=canonical_email,
        password_hash=None,
        scopes=scopes,
        created_at=now,
    )
