"""SMTP, judged by aiosmtpd: TLS, logins, what is tried again and what is not."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import replace

import pytest

from sealring import MailMessage, MailRefused, SmtpMailer
from sealring.mail.smtp import write
from tests.certificates import Authority
from tests.mail.mail_server import Mailboxes, mail_server

pytestmark = pytest.mark.anyio

SENDER = "Müllers Shop <no-reply@example.com>"
MESSAGE = MailMessage(
    id="m1",
    kind="reset",
    to="ada@example.com",
    language="de",
    subject="Ein neues Passwort für Sie",
    text="Guten Tag\nöffnen Sie https://auth.example.com/auth/pages/reset#token=" + "x" * 300 + "\n",
    html="<p>Grüße</p>",
)
USER = "shop%40example.com:s%2Fp%40ce"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


async def test_a_mail_arrives_as_it_was_written() -> None:
    boxes = Mailboxes()
    with mail_server(boxes) as port:
        await SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER).send(MESSAGE)
    (mail,) = boxes.received
    assert boxes.recipients == ["ada@example.com"]
    assert (mail["From"], mail["To"], mail["Subject"]) == (SENDER, MESSAGE.to, MESSAGE.subject)
    assert (mail["Message-ID"], mail["Content-Language"]) == ("<m1@example.com>", "de")
    assert mail["Auto-Submitted"] == "auto-generated"
    bodies = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
    assert bodies["text/plain"].replace("\r\n", "\n") == MESSAGE.text, "a long link is not torn"
    assert bodies["text/html"].strip() == MESSAGE.html


async def test_starttls_protects_the_login(authority: Authority) -> None:
    boxes = Mailboxes()
    with mail_server(boxes, starttls=authority.serves("127.0.0.1")) as port:
        await SmtpMailer(f"smtp://{USER}@127.0.0.1:{port}", SENDER, authority.is_trusted()).send(MESSAGE)
        assert (boxes.encrypted, len(boxes.logins)) == ([True], 1)
        boxes.logins.clear()
        with pytest.raises(ssl.SSLCertVerificationError):
            await SmtpMailer(f"smtp://{USER}@127.0.0.1:{port}", SENDER).send(MESSAGE)
        assert boxes.logins == [], "a server that nobody knows is told no password"
        with pytest.raises(smtplib.SMTPAuthenticationError):
            await SmtpMailer(f"smtp://shop:x@127.0.0.1:{port}", SENDER, authority.is_trusted()).send(MESSAGE)
    assert len(boxes.received) == 1


async def test_tls_from_the_start(authority: Authority) -> None:
    boxes = Mailboxes()
    with mail_server(boxes, tls=authority.serves("127.0.0.1")) as port:
        await SmtpMailer(f"smtps://127.0.0.1:{port}", SENDER, authority.is_trusted()).send(MESSAGE)
        with pytest.raises(ssl.SSLCertVerificationError):
            await SmtpMailer(f"smtps://127.0.0.1:{port}", SENDER).send(MESSAGE)
    assert len(boxes.received) == 1


async def test_a_server_elsewhere_without_starttls_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealring.mail.smtp.is_loopback", lambda _: False)  # no server elsewhere can be asked here
    boxes = Mailboxes()
    with mail_server(boxes) as port, pytest.raises(smtplib.SMTPNotSupportedError, match="STARTTLS"):
        await SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER).send(MESSAGE)
    assert boxes.received == []


@pytest.mark.parametrize(
    ("to_recipient", "to_data", "for_good"),
    [
        ("550 no such mailbox", "250 OK", True),
        ("450 come back later", "250 OK", False),
        ("250 OK", "554 spam", True),
        ("250 OK", "451 greylisted", False),
    ],
)
async def test_what_is_refused_for_good_is_told_from_what_is_tried_again(
    to_recipient: str, to_data: str, *, for_good: bool
) -> None:
    boxes = Mailboxes(to_recipient=to_recipient, to_data=to_data)
    with mail_server(boxes) as port, pytest.raises((MailRefused, smtplib.SMTPException)) as refused:
        await SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER).send(MESSAGE)
    assert isinstance(refused.value, MailRefused) is for_good


@pytest.mark.parametrize("field", ["subject", "to"])
def test_d6_a_line_break_adds_no_field_to_a_mail(field: str) -> None:
    for end in ("\r\n", "\n", "\r"):
        text = f"ada@example.com{end}Bcc: all@example.com"
        poisoned = replace(MESSAGE, subject=text) if field == "subject" else replace(MESSAGE, to=text)
        with pytest.raises(MailRefused):
            write(poisoned, SENDER)


@pytest.mark.parametrize(
    "url",
    ["", "smtp://", "http://mail.example.com", "smtp://host/path", "smtp://host?x", "smtp://host:99999", "host:25"],
)
def test_a_url_that_names_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be smtp"):
        SmtpMailer(url, SENDER)


@pytest.mark.parametrize(
    "sender", ["", "nobody", "a@x.example, b@x.example", "a@x.example\nBcc: b@x.example", "a@host"]
)
def test_a_sender_that_is_no_address_is_refused(sender: str) -> None:
    with pytest.raises(ValueError, match="must be one address"):
        SmtpMailer("smtp://mail.example.com", sender)


def test_a_context_that_verifies_nothing_is_refused() -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ValueError, match="must verify"):
        SmtpMailer("smtps://mail.example.com", SENDER, context)
