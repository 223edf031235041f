"""Sends mail by SMTP (RFC 5321), with the standard library in a thread.

`smtp://` demands STARTTLS unless the server is on loopback, `smtps://` begins with TLS; certificates are verified
(RFC 8314). Only to a server on loopback does a password go in the clear, where that has no STARTTLS. What a server
refuses for good (5xx of the recipient or the data) is not tried again; everything else is.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

from sealring.mail.mailer import MailRefused
from sealring.mail.message import MailMessage
from sealring.mail.server import PORTS, check_sender, check_smtp_url
from sealring.rate_limits.networks import is_loopback

TIMEOUT_SECONDS = 15
"""Of each answer of the server."""
PERMANENT = 500
"""Replies from this on are failures for good (RFC 5321 §4.2.1)."""


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """A mailer that speaks SMTP to one server.

    Args:
        url: `smtp://user:password@host:587` (STARTTLS) or `smtps://user:password@host:465` (TLS from the start).
        sender: the address in From, with or without a name: `Shop <no-reply@example.com>`.
        context: another TLS context than the system's, such as one that trusts a certificate authority of your own.

    Raises:
        ValueError: the URL or the sender cannot be read.

    >>> SmtpMailer("smtps://user:secret@mail.example.com", "Shop <no-reply@example.com>").server
    ('smtps', 'mail.example.com', 465)
    """

    url: str = field(repr=False)
    sender: str
    context: ssl.SSLContext | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_smtp_url(self.url)
        check_sender(self.sender)
        if self.context is not None and self.context.verify_mode is not ssl.CERT_REQUIRED:
            raise ValueError("context must verify certificates")

    @property
    def server(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        parts = urlsplit(self.url)
        return parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme]

    async def send(self, message: MailMessage) -> None:
        """Hand it over to the server.

        Args:
            message: the mail.

        Raises:
            MailRefused: the server will never take it, or it cannot be written.
            OSError, smtplib.SMTPException: it does not take it now.

        >>> from sealring import MailMessage
        >>> message = MailMessage(
        ...     id="m1", kind="reset", to="a@x.example", language="en", subject="Hi", text="", html=""
        ... )
        >>> await SmtpMailer("smtp://127.0.0.1:9", "no-reply@example.com").send(message)
        Traceback (most recent call last):
        ConnectionRefusedError: [Errno 111] Connection refused
        """
        await asyncio.to_thread(self._send, message)

    def _send(self, message: MailMessage) -> None:
        written = write(message, self.sender)
        with self._connect() as connection:
            try:
                connection.send_message(written)
            except smtplib.SMTPRecipientsRefused as refused:
                code, _ = next(iter(refused.recipients.values()))
                if code >= PERMANENT:
                    raise MailRefused(f"recipient refused with {code}") from None
                raise
            except smtplib.SMTPDataError as refused:
                if refused.smtp_code >= PERMANENT:
                    raise MailRefused(f"mail refused with {refused.smtp_code}") from None
                raise
            except smtplib.SMTPNotSupportedError:  # an address that needs SMTPUTF8 (RFC 6531)
                raise MailRefused("the server cannot write to this address") from None

    def _connect(self) -> smtplib.SMTP:
        scheme, host, port = self.server
        context = ssl.create_default_context() if self.context is None else self.context
        connection: smtplib.SMTP
        if scheme == "smtps":
            connection = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            connection = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        try:
            connection.ehlo()
            if scheme == "smtp" and (connection.has_extn("starttls") or not is_loopback(host)):
                connection.starttls(context=context)
                connection.ehlo()
            parts = urlsplit(self.url)
            if parts.username:
                connection.login(unquote(parts.username), unquote(parts.password or ""))
        except BaseException:
            connection.close()
            raise
        return connection


def write(message: MailMessage, sender: str) -> EmailMessage:
    """The mail as RFC 5322 has it. A line break in a field is refused by the library, and so never sent (D6).

    Raises:
        MailRefused: it cannot be written.
    """
    mail = EmailMessage(policy=SMTP_POLICY)
    try:
        mail["From"] = sender
        local_part, _, domain = message.to.rpartition("@")
        mail["To"] = Address(username=local_part, domain=domain)
        mail["Subject"] = message.subject
        mail["Date"] = formatdate(usegmt=True)
        mail["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2].rstrip('> ')}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation answers
        mail["X-Auto-Response-Suppress"] = "All"
        mail.set_content(message.text)
        mail.add_alternative(message.html, subtype="html")
        mail["Content-Language"] = message.language  # last: what is set before moves into the first part
    except (ValueError, UnicodeError) as error:
        raise MailRefused("the mail cannot be written") from error
    return mail
