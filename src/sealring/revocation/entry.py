"""One revocation, as the store numbers it and the feed carries it.

Three kinds (design D6). *session*: this sid is revoked. *subject*: tokens of this subject with
an `epoch` below the number are revoked. *key*: this kid is revoked. No time decides what is revoked;
`expires_at` only says when the last token that the entry can affect has expired, so that the
entry may be deleted.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta, Struct

EntryKind = Literal["session", "subject", "key"]


Count = Annotated[int, Meta(ge=0)]


class Entry(Struct, array_like=True, frozen=True, gc=False):
    """One revocation. Its members, in this order, are also its form in the feed: `sealring.revocation.wire`.

    `gc=False`: a million that are loaded must not have the garbage collector look through the whole application, which
    stops every request meanwhile.
    """

    number: Count
    """Place in the feed: gapless, and number order is commit order."""
    id: str
    """Random, so that a number used twice by a restored store is detected."""
    kind: EntryKind
    target: str
    """The sid, the subject or the kid."""
    epoch: Count
    """For a subject: tokens below this epoch are revoked. Otherwise 0."""
    expires_at: Count
    """Unix seconds after which no live token can be affected."""


def entry_digest(id: str) -> int:
    """64 bits of an entry's random id, as a signed integer that every SQL dialect can XOR."""
    return int.from_bytes(sha256(id.encode()).digest()[:8], "big", signed=True)
