"""An SMTP server in a thread, by aiosmtpd: what real servers answer, and when."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.ports import free_port


@dataclass
class Mailboxes:
    """What the server took, and what it answers to each recipient and to each mail."""

    received: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    to_recipient: str = "250 OK"
    to_data: str = "250 OK"

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.to_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.to_data.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            self.received.append(message_from_bytes(content, policy=SMTP_POLICY))
            self.recipients += envelope.rcpt_tos
            self.encrypted.append(session.ssl is not None)
        return self.to_data

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(mechanism)
        known = (data.login, data.password) == (b"shop@example.com", b"s/p@ce")
        return AuthResult(success=known, handled=False)


@contextmanager
def mail_server(
    boxes: Mailboxes, *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """The port of a server that demands a login where it speaks TLS."""
    protected = starttls is not None
    controller = Controller(
        boxes,
        hostname="127.0.0.1",
        port=free_port(),
        ssl_context=tls,
        tls_context=starttls,
        require_starttls=protected,
        auth_required=protected,
        auth_require_tls=protected,
        authenticator=boxes.authenticate,
        server_hostname="mail.test",
    )
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
