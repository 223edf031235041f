"""Base64 as PHC strings have it: the standard alphabet, no padding, and one text for the same bytes."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64


def write_base64(raw: bytes) -> str:
    """Bytes as text, without padding.

    >>> write_base64(b"salt")
    'c2FsdA'
    """
    return b2a_base64(raw, newline=False).rstrip(b"=").decode()


def read_base64(text: str) -> bytes:
    """Text as bytes. The caller checks that the bytes print back to the same text: bits may be left over.

    Raises:
        ValueError: it is not base64.
    """
    return a2b_base64(text + "=" * (-len(text) % 4))
