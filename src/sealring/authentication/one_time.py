"""Something that counts once: a link in a mail, a code, a challenge, the id of a pending login, as a value. Pure.

The store keeps a digest, so a database dump holds nothing that could be presented (I15).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from sealring.jwt.base64url import encode

INVITATION = "invitation"
"""Purpose of what lets one person register."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTime:
    """One row. It is worth nothing from `expires_at` on (Unix seconds)."""

    digest: str = field(repr=False)
    """`digest_of` what is presented; at most one row has it."""
    purpose: str
    """What it is good for; taken for anything else it is not there."""
    subject: str
    data: str = field(default="", repr=False)
    """What belongs to it, in a form of the purpose's own."""
    expires_at: int


def digest_of(purpose: str, presented: str) -> str:
    """The digest of something presented for one purpose: SHA-256, so what is presented must be long or few of its kind.

    >>> digest_of("mailed code", "account 42, 123456") == digest_of("mail link", "account 42, 123456")
    False
    """
    text = f"sealring one-time {purpose}\0{presented}"
    return encode(sha256(text.encode(errors="surrogatepass")).digest())
