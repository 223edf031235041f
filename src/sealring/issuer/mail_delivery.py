"""Sends what is in the outbox: at least once, soon after it was written, again later where that failed.

A mail is claimed before it is sent, by a statement that makes it due again later: a node that is killed in between
loses none, and two nodes do not send one at the same time. Link and code are made now, of the account as it is now, so
a mail that was overtaken meanwhile is dropped. No request waits for a mail server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from sealring.accounts.account import Account
from sealring.audit.event import Event
from sealring.audit.queued_mail import MailKind, QueuedMail
from sealring.authentication.mail_link import CODE_SECONDS, LINK_SECONDS, MailLinks
from sealring.errors import SealringError
from sealring.forks import leave_to_parent
from sealring.issuer.commit import CommittingStore
from sealring.issuer.mail_drafts import PURPOSES
from sealring.mail.mailer import Mailer, MailRefused
from sealring.mail.message import MailMessage
from sealring.mail.templates import MailTemplates

log = logging.getLogger("sealring")

AT_ONCE = 8
"""Mails that one node sends at one time."""
LOOK_SECONDS = 30
"""How often a node looks for mails that others have left; its own are sent at once."""
SEND_SECONDS = 50
"""After which a mail counts as not sent. Before another node takes it to be lost: see `retry_seconds`."""
HOUR, MINUTE = 3600, 60

PAGES: Final[Mapping[MailKind, str]] = MappingProxyType(
    {"verify": "verify", "change": "verify", "reset": "reset", "changed": "email-undo", "login": "login"}
)
"""The page that a link leads to. Opening it consumes nothing: scanners of mail open each link first."""
FORGOT = "forgot"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailComposer:
    """Makes a mail of a row of the outbox.

    Args:
        links: make links and codes.
        templates: the texts.
        pages: the URL below which the pages are; made of settings, never of `Host` (C12).
        service: how mails name the service.
    """

    links: MailLinks
    templates: MailTemplates
    pages: str
    service: str

    def compose(self, mail: QueuedMail, account: Account, *, now: int) -> MailMessage | None:
        """The mail; None when it is of no use any more."""
        if now >= mail.expires_at or account.status != "active" or not _still_holds(mail, account):
            return None
        purpose = PURPOSES.get(mail.kind)
        link = code = ""
        if mail.kind == "taken":
            link = f"{self.pages}/{FORGOT}"
        elif mail.kind == "login":
            code = self.links.login_code(mail.id)
            link = f"{self.pages}/{PAGES['login']}#email={quote(mail.email, safe='')}&code={code}"
        elif purpose is not None:
            token = self.links.link(purpose, account, mail.email, now=now)
            link = f"{self.pages}/{PAGES[mail.kind]}#token={token}"
            if purpose != "undo":
                code = self.links.code(purpose, account, mail.email, now=now)
        values = {
            "service": self.service,
            "link": link,
            "code": code,
            "link_hours": str(LINK_SECONDS[purpose] // HOUR) if purpose is not None else "",
            "code_minutes": str(CODE_SECONDS // MINUTE),
            "new_email": account.email or "",
        }
        subject, text, html = self.templates.render(mail.kind, mail.language, values)
        return MailMessage(
            id=mail.id,
            kind=mail.kind,
            to=mail.email,
            language=mail.language,
            subject=subject,
            text=text,
            html=html,
            link=link,
            code=code,
        )


def _still_holds(mail: QueuedMail, account: Account) -> bool:
    """Whether the account still is as the mail says."""
    match mail.kind:
        case "verify":
            return account.email == mail.email and not account.email_verified
        case "taken" | "login":
            return account.email == mail.email and account.email_verified
        case "reset":
            return account.email == mail.email
        case "changed":
            return account.email_changed_at is not None and account.email != mail.email
        case "change" | "changed_again":
            return account.email != mail.email


class MailDelivery:
    """The background work that sends mail.

    Args:
        store: where the outbox is.
        composer: makes the mails.
        mailer: carries them; None: no mail is set up, and nothing is done.
        clock: Unix milliseconds.
    """

    def __init__(
        self, store: CommittingStore, composer: MailComposer, mailer: Mailer | None, *, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self.composer = composer
        self._mailer = mailer
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()

    def start(self) -> None:
        """Run in the running event loop, until `stop`."""
        if self._mailer is not None:
            self._sending = asyncio.Lock()
            self._task = asyncio.create_task(self._run(self._mailer), name="sealring mail")

    async def stop(self) -> None:
        """Stop, and wait until it has. What was not sent stays in the outbox."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def abandon(self) -> None:
        """Let go of a task whose event loop has ended."""
        self._task = None

    def forked(self) -> None:
        """In a child: the task is the parent's."""
        leave_to_parent(self._task)
        self._task = None

    async def _run(self, mailer: Mailer) -> None:
        news = asyncio.Event()
        self._store.mail_queued = news.set
        while True:
            try:
                await self._deliver(mailer)
            except SealringError as error:
                log.warning("mail was not looked for", extra={"sealring": {"cause": error.code}})
            # not `wait_for`: in Python 3.11 it swallows a cancellation that comes together with news, and `stop` waits
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await news.wait()
            news.clear()

    async def deliver(self) -> None:
        """Send all that is due now; what is being sent has been sent, too, when this returns.

        Raises:
            StoreUnavailable: the store cannot be reached now.
        """
        if self._mailer is not None:
            await self._deliver(self._mailer)

    async def _deliver(self, mailer: Mailer) -> None:
        async with self._sending:
            while claimed := await self._store.claim_mails(now=self._clock() // 1000, limit=AT_ONCE):
                await asyncio.gather(*(self._send(mailer, mail) for mail in claimed))

    async def _send(self, mailer: Mailer, mail: QueuedMail) -> None:
        account = await self._store.find_account(id=mail.account_id)
        now = self._clock() // 1000
        message = None if account is None else self.composer.compose(mail, account, now=now)
        if message is None:
            if await self._store.finish_mail(mail.id) and now >= mail.expires_at:
                await self._failed(mail, "could not be sent in time")
            return
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await mailer.send(message)
        except MailRefused:
            if await self._store.finish_mail(mail.id):
                await self._failed(mail, "refused for good")
        except Exception as error:  # noqa: BLE001 - whatever a mailer raises, the mail is tried again
            fields = {"kind": mail.kind, "tries": mail.tries, "cause": type(error).__name__}
            log.warning("a mail was not sent, and is tried again", extra={"sealring": fields})
        else:
            await self._store.finish_mail(mail.id)

    async def _failed(self, mail: QueuedMail, cause: str) -> None:
        event = Event(
            kind="mail_failed",
            at_ms=self._clock(),
            subject=mail.account_id,
            cause=cause,
            detail={"mail": mail.kind, "tries": mail.tries},
        )
        await self._store.settle_attempt("", event)
