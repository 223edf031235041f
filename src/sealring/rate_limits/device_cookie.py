"""The device cookie: a browser that has logged in to an account before keeps rate limits of its own there (U11, N6).

The cookie holds a random id and a MAC over it and the account's canonical name. It is worth ten guesses in a bucket
that nobody else can fill, and nothing more, so it needs no expiry. Owners and device buckets are under the same keys:
the store's rows name nobody (people type passwords into the username field), and no client can make up a bucket.
Pure: keys and randomness are passed in.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest

DEVICE_ID_BYTES = 16
_FORM = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{22})", re.ASCII)


class DeviceCookies:
    """Issues and checks device cookies, and names the buckets of accounts and devices.

    Args:
        keys: 32-byte keys; the first writes, all read.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or not all(keys):
            raise ValueError("device cookies need a key")
        self._keys = tuple(keys)

    def issue(self, canonical_name: str, device_id: bytes) -> str:
        """The cookie's value for a browser that has just logged in.

        Args:
            canonical_name: of the account.
            device_id: 16 random bytes.
        """
        if len(device_id) != DEVICE_ID_BYTES:
            raise ValueError(f"a device id must be {DEVICE_ID_BYTES} bytes")
        device = _text(device_id)
        return f"{device}.{_digest(self._keys[0], b'device cookie', device, canonical_name)}"

    def bucket(self, text: str | None, canonical_name: str) -> str | None:
        """The key of the device's own bucket at that account; None when the text is not a cookie for it."""
        form = _FORM.fullmatch(text) if text is not None else None
        if form is None:
            return None
        device, mac = form[1], form[2]
        for key in self._keys:
            if compare_digest(_digest(key, b"device cookie", device, canonical_name), mac):
                return f"device {_digest(self._keys[0], b'device bucket', device, canonical_name)}"
        return None

    def owner(self, canonical_name: str) -> str:
        """The owner of all buckets of a name, whether or not an account has it."""
        return f"name {_digest(self._keys[0], b'name owner', canonical_name)}"


def _digest(key: bytes, purpose: bytes, *parts: str) -> str:
    """Keyed BLAKE2b (RFC 7693), 128 bits: guessing one gains ten guesses of a password."""
    digest = blake2b(digest_size=16, key=key, person=purpose)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return _text(digest.digest())


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
