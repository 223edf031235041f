"""One mail as a value, ready to be sent. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from sealring.audit.queued_mail import MailKind


@dataclass(frozen=True, slots=True, kw_only=True)
class MailMessage:
    """One mail. It may go out twice, when a node was killed in between: then with the same `id`.

    >>> message = MailMessage(id="m1", kind="reset", to="ada@example.com", language="en", subject="Hello", text="Hi",
    ...     html="<p>Hi</p>", link="https://auth.example.com/auth/pages/reset#token=…", code="12345678")
    >>> message.kind, message.to
    ('reset', 'ada@example.com')

    Its `repr`, which may come into a log, has none of what opens an account.

    >>> "12345678" in repr(message), "Hi" in repr(message), "token" in repr(message)
    (False, False, False)
    """

    id: str
    """The same for a mail that is sent twice."""
    kind: MailKind
    """What it is for."""
    to: str
    """One address."""
    language: str
    """A tag of BCP 47: of the templates that were used."""
    subject: str = field(repr=False)
    """One line; it may hold the code."""
    text: str = field(repr=False)
    """The whole mail as plain text, several lines; it may hold the link and the code."""
    html: str = field(repr=False)
    """The same as an HTML document, for the part `text/html`; what users wrote is escaped in it."""
    link: str = field(default="", repr=False)
    """What stands in it to be opened, where there is one: for mail services with templates of their own."""
    code: str = field(default="", repr=False)
    """What stands in it to be typed, where there is one."""
