"""The CSRF token: proof that the request comes from a page that can read this session's own answers.

An HMAC of the session id (OWASP CSRF Prevention, "signed double-submit", bound to the session): no
storage, another session's token is worthless, and a new login has a new one because it has a new
sid (C1, C5). It is the last of three checks (Fetch-Metadata, Origin, this), and by itself it gives
access to nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

from sealring.jwt.base64url import encode

_LABEL: Final = b"sealring csrf token 1\x00"
_KEY_BYTES: Final = 32


class CsrfTokens:
    """Makes and checks the CSRF tokens of sessions, under one or more keys.

    Args:
        keys: the first one makes tokens, each of them checks: at least one, each of 32 bytes or more.

    >>> tokens = CsrfTokens([b"a key of at least 32 bytes, please"])
    >>> text = tokens.token("c2VhbHJpbmctc2Vzc2lvbg")
    >>> len(text), tokens.matches(text, "c2VhbHJpbmctc2Vzc2lvbg"), tokens.matches(text, "another")
    (43, True, False)
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) < _KEY_BYTES for key in keys):
            raise ValueError(f"keys must be one or more byte strings of at least {_KEY_BYTES} bytes")
        self._keys = tuple(keys)

    def token(self, session_id: str) -> str:
        """Return the CSRF token of that session."""
        return _text(self._keys[0], session_id)

    def matches(self, text: object, session_id: str) -> bool:
        """Return whether `text` is that session's token; false for every other input, in constant time."""
        # compare_digest raises TypeError on a str that is not ASCII (C5)
        if not isinstance(text, str) or not text.isascii():
            return False
        same = False
        for key in self._keys:
            same |= hmac.compare_digest(_text(key, session_id), text)
        return same


def _text(key: bytes, session_id: str) -> str:
    return encode(hmac.digest(key, _LABEL + session_id.encode(), "sha256"))
