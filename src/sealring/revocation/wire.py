"""The revocation feed as it travels to other services: signed pages and snapshots, and segments named by their hash.

A *page* holds every entry after a number; a *snapshot* holds all live ones, most of them in *segments*. Both are a
compact JWS (RFC 7515 §3.1) of a `typ` of their own (RFC 8725 §3.11): no access token is one of them, and none of them
an access token (J11). Each is signed, so what passes it on need not be trusted: a cache, a proxy, a relay. A segment is
not signed: the snapshot names it by its SHA-256. docs/reference/feed.md describes the form for other languages.

A page may begin earlier than a reader asked. It is a statement of its own: these are all entries from there to its
head, at its time. So one page serves readers at different places, and one that was asked for by somebody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from sealring import jwt
from sealring.errors import Malformed, TooLarge, WrongIssuer, WrongType
from sealring.jwt.base64url import encode
from sealring.jwt.compact import read_header, read_payload
from sealring.jwt.policy import media_type
from sealring.jwt.selection import find_keys, other_key
from sealring.revocation.entry import Count, Entry

TYPE: Final = "feed+jwt"
VERSION: Final = 1
"""Rises when a reader of the earlier form would miss a revocation: a new kind of entry is such a change."""

MAX_BYTES: Final = 4 << 20
"""Of one document or segment: some three times the largest that is written, with subjects of 255 characters."""
MAX_PAGE_ENTRIES: Final = 1_000
"""Who is farther behind loads a snapshot."""
SEGMENT_NUMBERS: Final = 1_000
"""A segment holds what is left of so many consecutive numbers: some two milliseconds to read."""


class _SegmentRow(Struct, array_like=True, frozen=True, gc=False):
    first: Count
    last: Count
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]


class _Payload(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Members that are not listed are ignored, so that more may be said later."""

    ver: int
    iss: str
    incarnation: str
    after: Count | None = None
    head: Count
    digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
    keys: str
    time_ms: Count
    read_ms: Count
    access_ttl: Count
    entries: tuple[Entry, ...]
    segments: tuple[_SegmentRow, ...] | None = None


_write = msgspec.json.Encoder().encode
_read_payload = msgspec.json.Decoder(_Payload).decode
_read_entries = msgspec.json.Decoder(tuple[Entry, ...]).decode


@dataclass(frozen=True, slots=True)
class Segment:
    """Where entries of a snapshot are, and what they must be."""

    first: int
    """Lowest number that it may hold."""
    last: int
    """Highest number that it may hold."""
    name: str
    """SHA-256 of its bytes, base64url."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedDocument:
    """What one signed document says."""

    issuer: str
    incarnation: str
    """As in `FeedPage`."""
    after: int | None
    """`entries` are all from here to `head`; None for a snapshot."""
    head: int
    """The highest number used so far."""
    digest: int
    """As in `FeedPage`."""
    keys: str
    """SHA-256 of the JWK Set document, base64url: which keys verify now, wherever they are fetched from."""
    time_ms: int
    """Every revocation that was acknowledged before this moment is in here, on the store's clock."""
    read_ms: int
    """By this moment the store had been read, on its clock: no revocation that began after it is in here. So of two
    documents that disagree, one is known to be the later if its `time_ms` is after the `read_ms` of the other."""
    longest_access_ttl: int
    """As in `FeedPage`."""
    entries: tuple[Entry, ...]
    """In number order."""
    segments: tuple[Segment, ...] = ()
    """The rest of a snapshot."""


def fingerprint(document: bytes) -> str:
    """SHA-256, base64url: the name of a segment, and of a JWK Set.

    >>> fingerprint(b"[]")
    'T1PNoYwrqgwDVLtfmj7L5e0Sq02OEbqHPC8RFhICuUU'
    """
    return encode(sha256(document).digest())


def write_segment(entries: Sequence[Entry]) -> bytes:
    """The bytes of a segment: a JSON array of entries."""
    return _write(entries)


def read_segment(data: bytes, segment: Segment) -> tuple[Entry, ...]:
    """The entries of a segment.

    Raises:
        TokenError: these bytes are not that segment.
    """
    if len(data) > MAX_BYTES:
        raise TooLarge(f"a segment of the feed has at most {MAX_BYTES} bytes")
    if fingerprint(data) != segment.name:
        raise Malformed("these bytes are not the segment that the snapshot names")
    try:
        entries = _read_entries(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Malformed("a segment of the feed is a JSON array of entries") from None
    return _in_order(entries, segment.first - 1, segment.last)


def sign_document(document: FeedDocument, key: jwt.Key) -> str:
    """The document as a compact JWS.

    Raises:
        ValueError: a secret signs no feed: who can verify it could write it; or a public key.
    """
    if key.is_symmetric or key.sign is None:
        raise ValueError("the feed is signed by a private key")
    payload = _Payload(
        ver=VERSION,
        iss=document.issuer,
        incarnation=document.incarnation,
        after=document.after,
        head=document.head,
        digest=f"{document.digest % (1 << 64):016x}",  # JSON numbers of other languages have 53 bits
        keys=document.keys,
        time_ms=document.time_ms,
        read_ms=document.read_ms,
        access_ttl=document.longest_access_ttl,
        entries=document.entries,
        segments=tuple(_SegmentRow(one.first, one.last, one.name) for one in document.segments)
        if document.after is None
        else None,
    )
    signing_input = f"{key.header(TYPE)}.{encode(_write(payload))}"
    return f"{signing_input}.{encode(key.sign(signing_input.encode()))}"


def read_document(text: str, keys: jwt.KeySet, *, issuer: str | None) -> FeedDocument:
    """What a document says, once its signature is known to be good.

    Args:
        text: the compact JWS.
        keys: of the issuer, public.
        issuer: what `iss` must be; None takes any, on the first contact.

    Raises:
        TokenError: why it is refused.
    """
    if len(text) > MAX_BYTES:
        raise TooLarge(f"a document of the feed has at most {MAX_BYTES} characters")
    if not text.isascii() or text.count(".") != 2:  # noqa: PLR2004  # header.payload.signature
        raise Malformed("a document of the feed is three base64url parts with two dots")
    signing_input, _, signature = text.rpartition(".")
    header_text, _, payload_text = signing_input.partition(".")
    header, _ = read_header(header_text)
    candidates = find_keys(header, keys, None)
    data = signing_input.encode()
    if not candidates[0].check(data, signature):
        other_key(candidates, data, text, signature)
    if media_type(header.get("typ", "")) != TYPE:
        raise WrongType("header 'typ' is not that of the feed")
    try:
        payload = _read_payload(read_payload(payload_text))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Malformed("not a document of the feed") from None
    if payload.ver != VERSION:
        raise Malformed(f"the feed has version {payload.ver}, and {VERSION} is read here")
    if issuer is not None and payload.iss != issuer:
        raise WrongIssuer(f"the feed is of the issuer {payload.iss!r}")
    return _document(payload)


def _document(payload: _Payload) -> FeedDocument:
    if (payload.after is None) != (payload.segments is not None):
        raise Malformed("a snapshot of the feed has segments, and a page has none")
    segments = tuple(Segment(one.first, one.last, one.name) for one in payload.segments or ())
    begin = payload.after
    if begin is None:
        begin = 0
        for segment in segments:
            if not begin < segment.first <= segment.last <= payload.head:
                raise Malformed("the segments of the feed are not in order")
            begin = segment.last
    entries = _in_order(payload.entries, begin, payload.head)
    if payload.after is not None and len(entries) != payload.head - payload.after:
        raise Malformed("a page of the feed lacks entries")
    return FeedDocument(
        issuer=payload.iss,
        incarnation=payload.incarnation,
        after=payload.after,
        head=payload.head,
        digest=int.from_bytes(bytes.fromhex(payload.digest), "big", signed=True),
        keys=payload.keys,
        time_ms=payload.time_ms,
        read_ms=payload.read_ms,
        longest_access_ttl=payload.access_ttl,
        entries=entries,
        segments=segments,
    )


def _in_order(entries: tuple[Entry, ...], after: int, last: int) -> tuple[Entry, ...]:
    """The same, once their numbers are known to rise, from after `after` to `last`."""
    for entry in entries:
        if not after < entry.number <= last:
            raise Malformed("the entries of the feed are not in order")
        after = entry.number
    return entries
