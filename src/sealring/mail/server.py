"""What names a mail server and a sender, checked without loading what speaks to one."""

from __future__ import annotations

from urllib.parse import urlsplit

PORTS = {"smtp": 587, "smtps": 465}
"""By scheme: RFC 8314 §3.3 and §7.3."""


def check_smtp_url(url: str) -> None:
    """Refuse what names no SMTP server.

    Raises:
        ValueError: it does not.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in PORTS and bool(parts.hostname) and not parts.path.strip("/") and parts.port != 0
        good = good and not parts.query and not parts.fragment
    except ValueError:
        good = False
    if not good:
        raise ValueError("must be smtp://user:password@host:587 or smtps://user:password@host:465")


def check_sender(sender: str) -> None:
    """Refuse what cannot stand in From.

    Raises:
        ValueError: it cannot.
    """
    from email.policy import SMTP as SMTP_POLICY  # noqa: PLC0415 - settings are read at every start, senders seldom

    try:
        header = SMTP_POLICY.header_factory("From", sender)
        addresses = header.addresses
        good = len(addresses) == 1 and "." in addresses[0].domain and not header.defects and "\n" not in sender
    except (ValueError, IndexError):
        good = False
    if not good:
        raise ValueError("must be one address, as in Shop <no-reply@example.com>")
