"""Canonical base64url without padding (RFC 7515 §2, RFC 4648 §5): one text for one byte string.

Decoding accepts exactly what encoding writes. A lenient decoder gives a token many spellings (padding, `+` and `/`,
white space, stray bits in the last character), and each of them is a way around code that remembers tokens by their
text (CVE-2026-35039 and similar ones).
"""

from __future__ import annotations

from pybase64 import b64decode, b64encode_as_string

ALPHABET = b"-_"
_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
PADDING = ("", "", "==", "=")  # by length modulo 4; no byte string gives a remainder of one character
# The characters that may come last, also by length modulo 4: all, none, those whose four low bits are zero, and those
# whose two low bits are zero. "=" is never among them.
LAST = (_CHARACTERS, "", _CHARACTERS[::16], _CHARACTERS[::4])


class NotCanonical(ValueError):
    """The text is not the base64url that encoding would write."""


def encode(data: bytes) -> str:
    """Return base64url text of `data`, without padding."""
    return b64encode_as_string(data, ALPHABET).rstrip("=")


def encoded_chars(size: int) -> int:
    """Return how many characters `encode` makes of so many bytes."""
    return (4 * size + 2) // 3


def without_padding(text: str) -> str:
    """Return `text` without the padding of RFC 4648 §3.2, which completes it to groups of four; else `NotCanonical`."""
    bare = text.rstrip("=")
    if text != bare and text != bare + PADDING[len(bare) & 3]:
        raise NotCanonical("base64url with another padding than its length asks for")
    return bare


def decode(text: str) -> bytes:
    """Return the bytes of `text`; `NotCanonical` unless `encode` gives the same text back."""
    remainder = len(text) & 3
    # the decoder accepts the other alphabet, and stray bits at the end
    if (text and text[-1] not in LAST[remainder]) or "+" in text or "/" in text:
        raise NotCanonical("not canonical base64url")
    try:
        return b64decode(text + PADDING[remainder], ALPHABET, True)  # noqa: FBT003  # a keyword costs half as much again
    except ValueError:
        raise NotCanonical("not canonical base64url") from None
