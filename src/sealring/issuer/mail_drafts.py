"""Drafts of mails for the outbox: the row that goes into the transaction of an audit event, and nothing of its text."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sealring.audit.queued_mail import MailKind, QueuedMail
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.mail_link import CODE_SECONDS, LINK_SECONDS, MailPurpose
from sealring.mail.languages import choose_language

MAIL_ID_BYTES = 16

PURPOSES: Final[Mapping[MailKind, MailPurpose]] = MappingProxyType(
    {"verify": "verify", "reset": "reset", "change": "change", "changed": "undo"}
)
"""What the link of a mail of this kind is good for; the other kinds have none that proves anything."""
OTHER_SECONDS = 86_400
"""How long a mail that proves nothing is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailDrafts:
    """Drafts mails, where there is something to send them with.

    Args:
        languages: tags of which there are templates; none: no mail is set up, and none is drafted.
        default_language: of a client that asks for none of them.
        clock: Unix milliseconds.
    """

    languages: tuple[str, ...]
    default_language: str
    clock: Callable[[], int]

    @property
    def are_sent(self) -> bool:
        """Whether mail is set up."""
        return bool(self.languages)

    def draft(self, kind: MailKind, account_id: str, email: str | None, client: ClientInfo) -> tuple[QueuedMail, ...]:
        """One mail, for an event's `mails`; none where no mail is set up, or the account has no address."""
        if email is None or not self.are_sent:
            return ()
        now = self.clock() // 1000
        mail = QueuedMail(
            id=secrets.token_urlsafe(MAIL_ID_BYTES),
            kind=kind,
            account_id=account_id,
            email=email,
            language=choose_language(client.languages, self.languages, self.default_language),
            created_at=now,
            due_at=now,
            expires_at=now + _useful_seconds(kind),
        )
        return (mail,)


def _useful_seconds(kind: MailKind) -> int:
    if kind == "login":
        return CODE_SECONDS
    purpose = PURPOSES.get(kind)
    return OTHER_SECONDS if purpose is None else LINK_SECONDS[purpose]
