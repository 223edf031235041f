"""The session cookie: which session a browser holds, in a cookie that no other host can set.

A browser refuses `__Host-` cookies that come from another host (RFC 6265bis §4.1.3.2); a sibling host
can plant every other cookie of ours with `Domain=`, even twice (attacks N3, C7). So the refresh cookie counts only
if it belongs to the session that this cookie names. It holds the session id and a MAC over it (RFC 2104) under a key of
its own, and it stays the same for the life of the session, so tabs that refresh at once cannot disagree about it.
It gives no access: it selects a refresh token, and it can end its session.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from typing import Final

from sealring.jwt.base64url import encode

_LABEL: Final = b"sealring session cookie 1\x00"
_KEY_BYTES: Final = 32
_SHAPE: Final = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})", re.ASCII)


class SessionCookieCodec:
    """Turns session ids into the text of the session cookie and back, under one or more keys.

    Args:
        keys: the first one signs, each of them verifies: at least one, each of 32 bytes or more.

    >>> codec = SessionCookieCodec([b"a key of at least 32 bytes, please"])
    >>> text = codec.encode("c2VhbHJpbmctc2Vzc2lvbg")
    >>> len(text), codec.decode(text), codec.decode(text[:-1] + "A")
    (66, 'c2VhbHJpbmctc2Vzc2lvbg', None)
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) < _KEY_BYTES for key in keys):
            raise ValueError(f"keys must be one or more byte strings of at least {_KEY_BYTES} bytes")
        self._keys = tuple(keys)

    def encode(self, session_id: str) -> str:
        """Return the text for that session."""
        return f"{session_id}.{_mac(self._keys[0], session_id)}"

    def decode(self, text: str) -> str | None:
        """Return the session id, or None for any text that was not signed with one of the keys."""
        shape = _SHAPE.fullmatch(text)
        if shape is None:
            return None
        session_id, mac = shape[1], shape[2]
        genuine = False
        for key in self._keys:
            # every key is tried, so that the time does not reveal which one fits
            genuine |= hmac.compare_digest(_mac(key, session_id), mac)
        return session_id if genuine else None


def _mac(key: bytes, session_id: str) -> str:
    return encode(hmac.digest(key, _LABEL + session_id.encode(), "sha256"))
