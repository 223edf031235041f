"""A mail that is to go out, as a row of the outbox. Pure.

It is written in the transaction of the audit event that it belongs to, so neither is there without the other, and a
mail is sent at least once. A row holds no link and no code: both are made from the account when the mail is sent, so a
database dump opens nothing (I15), and a mail that was overtaken meanwhile is not sent at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

MailKind = Literal["verify", "taken", "reset", "change", "changed", "changed_again", "login"]
"""`verify`: prove a new account's address. `taken`: somebody registered with an address that is verified. `reset`: a
new password. `change`: prove the address that is to replace another. `changed`: to the one that was replaced, which can
undo it. `changed_again`: to a later one within a week, which cannot. `login`: a link and a code to log in with."""

FIRST_RETRY_SECONDS: Final = 60
MAX_DOUBLINGS: Final = 6
"""A mail that cannot be sent is tried again after 1, 2, 4 … 64 minutes, until it is of no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMail:
    """One mail. Times are Unix seconds."""

    id: str
    """Random; part of the Message-ID, so that a mail that was sent twice is known to be one."""
    kind: MailKind
    account_id: str
    """Whose account it concerns."""
    email: str
    """Where it goes."""
    language: str
    """A tag of BCP 47, of which there are templates."""
    created_at: int
    due_at: int
    """When it is tried, or tried again."""
    expires_at: int
    """From then on it is of no use."""
    tries: int = 0


def retry_seconds(tries: int) -> int:
    """How long after a try the next one comes, if the first was lost or failed: the stores' SQL says the same.

    >>> [retry_seconds(tries) for tries in (0, 1, 2, 50)]
    [60, 120, 240, 3840]
    """
    return FIRST_RETRY_SECONDS << min(tries, MAX_DOUBLINGS)
