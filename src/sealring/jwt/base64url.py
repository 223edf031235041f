"""Canonical base64url without padding (RFC 7515 §2, RFC 4648 §5): one text for one byte string.

Decoding accepts exactly what encoding writes. Lenient decoders give a token many spellings
(padding, `+` and `/`, white space, stray bits in the last character), and with them a way around
whatever remembers tokens by their text (CVE-2026-35039 and its kin).
"""

from __future__ import annotations

from pybase64 import b64decode, b64encode_as_string

_ALPHABET = b"-_"
# by length modulo 4; a remainder of one character cannot be, and the text below makes decoding fail
_PADDING = ("", "*", "==", "=")


class NotCanonical(ValueError):
    """The text is not the base64url that encoding would write."""


def encode(data: bytes) -> str:
    """Return base64url text of `data`, without padding."""
    return b64encode_as_string(data, _ALPHABET).rstrip("=")


def decode(text: str) -> bytes:
    """Return the bytes of `text`; `NotCanonical` unless `encode` gives the same text back."""
    padding = _PADDING[len(text) & 3]
    padded = text + padding
    try:
        data = b64decode(padded, _ALPHABET, validate=True)
    except ValueError as error:
        raise NotCanonical("not base64url") from error
    # covers the other alphabet, which the decoder lets through, and stray bits at the end
    if b64encode_as_string(data, _ALPHABET) != padded:
        raise NotCanonical("not canonical base64url")
    return data
