"""The session cookie: which session a browser holds, in a cookie that no other host can set.

A browser refuses `__Host-` cookies that come from another host (RFC 6265bis §4.1.3.2); a sibling host
can plant every other cookie of ours with `Domain=`, even twice (attacks N3, C7). So the refresh cookie counts only
if it belongs to the session that this cookie names. It holds the session id and a MAC over it (RFC 2104) under a key of
its own, and it stays the same for the life of the session, so tabs that refresh at once cannot disagree about it.
It gives no access: it selects a refresh token, and it can end its session.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sealring.jwt.base64url import encode
from sealring.sessions.mac import MacKeys, read_bytes

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
        self._keys = MacKeys(keys, label="session cookie 1")

    def encode(self, session_id: str) -> str:
        """Return the text for that session."""
        return f"{session_id}.{encode(self._keys.sign(session_id.encode()))}"

    def decode(self, text: str) -> str | None:
        """Return the session id, or None for any text that was not signed with one of the keys."""
        shape = _SHAPE.fullmatch(text)
        if shape is None:
            return None
        session_id, mac = shape[1], read_bytes(shape[2], max_length=len(shape[2]))
        return session_id if mac is not None and self._keys.verify(session_id.encode(), mac) else None
