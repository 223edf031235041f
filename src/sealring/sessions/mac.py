"""A MAC over a label of one use and a body: what every text has in common that a client keeps for us.

HMAC-SHA256 (RFC 2104) in full. The label keeps a MAC of one use from being valid for another, even if a key is shared
by mistake. The first key signs, each of them verifies (R13). Where the text has a prefix, secret scanners can look for
it. What the body means is the business of the codec of each use.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

from sealring.jwt.base64url import NotCanonical, decode

MAC_BYTES: Final = 32
KEY_BYTES: Final = 32


class MacKeys:
    """The keys of one use.

    Args:
        keys: the first one signs, each of them verifies: at least one, each of 32 bytes or more.
        label: the use and the version of its layout.

    >>> keys = MacKeys([b"a key of at least 32 bytes, please"], label="greeting 1")
    >>> mac = keys.sign(b"hello")
    >>> len(mac), keys.verify(b"hello", mac), keys.verify(b"hullo", mac)
    (32, True, False)
    """

    __slots__ = ("_keys", "_label")

    def __init__(self, keys: Sequence[bytes], *, label: str) -> None:
        if not keys or any(len(key) < KEY_BYTES for key in keys):
            raise ValueError(f"keys must be one or more byte strings of at least {KEY_BYTES} bytes")
        self._keys = tuple(keys)
        self._label = b"sealring " + label.encode() + b"\x00"

    def sign(self, body: bytes) -> bytes:
        """Return the MAC of the body under the first key."""
        return self._mac(self._keys[0], body)

    def verify(self, body: bytes, mac: bytes) -> bool:
        """Return whether `mac` is the body's under one of the keys, in constant time."""
        genuine = False
        for key in self._keys:
            # every key is tried, so that the time does not reveal which one fits
            genuine |= hmac.compare_digest(self._mac(key, body), mac)
        return genuine

    def _mac(self, key: bytes, body: bytes) -> bytes:
        return hmac.digest(key, self._label + body, "sha256")


def read_bytes(text: object, *, prefix: str = "", max_length: int) -> bytes | None:
    """Return the bytes of a text that is a prefix and canonical base64url; None for every other input.

    The form is not secret, so an early refusal reveals nothing, and a megabyte is not even decoded.

    Args:
        text: what the client brought.
        prefix: its kind.
        max_length: in characters, the prefix among them.
    """
    if not isinstance(text, str) or len(text) > max_length or not text.startswith(prefix):
        return None
    try:
        return decode(text[len(prefix) :])
    except NotCanonical:
        return None
