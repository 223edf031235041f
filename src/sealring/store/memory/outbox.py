"""The part of the store in memory that holds mails to be sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sealring.audit.event import Event
from sealring.audit.queued_mail import QueuedMail, retry_seconds


class MemoryOutbox:
    """Mails by their ids."""

    def __init__(self) -> None:
        self._mails: dict[str, QueuedMail] = {}

    def put(self, events: Iterable[Event]) -> None:
        """Keep the mails of these audit lines."""
        self._mails |= {mail.id: mail for event in events for mail in event.mails}

    def claim(self, now: int, limit: int) -> list[QueuedMail]:
        """Take those that are due."""
        due = sorted((mail for mail in self._mails.values() if mail.due_at <= now), key=lambda mail: mail.due_at)
        claimed = [replace(mail, due_at=now + retry_seconds(mail.tries), tries=mail.tries + 1) for mail in due[:limit]]
        self._mails |= {mail.id: mail for mail in claimed}
        return claimed

    def finish(self, id: str) -> bool:
        """Forget one."""
        return self._mails.pop(id, None) is not None

    def purge(self, now: int) -> None:
        """Forget those that are of no use any more."""
        self._mails = {mail.id: mail for mail in self._mails.values() if now < mail.expires_at}

    def clear(self) -> None:
        """Forget all."""
        self._mails = {}
