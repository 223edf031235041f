"""The CSRF token: proof that the request comes from a page that can read this session's own answers.

An HMAC of the session id (OWASP CSRF Prevention, "signed double-submit", bound to the session): no
storage, another session's token is worthless, and a new login has a new one because it has a new
sid (C1, C5). It is the last of three checks (Fetch-Metadata, Origin, this), and by itself it gives
access to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from sealring.jwt.base64url import encode, encoded_chars
from sealring.sessions.mac import MAC_BYTES, MacKeys, read_bytes

_LENGTH = encoded_chars(MAC_BYTES)


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
        self._keys = MacKeys(keys, label="csrf token 1")

    def token(self, session_id: str) -> str:
        """Return the CSRF token of that session."""
        return encode(self._keys.sign(session_id.encode()))

    def matches(self, text: object, session_id: str) -> bool:
        """Return whether `text` is that session's token; false for every other input, in constant time."""
        mac = read_bytes(text, max_length=_LENGTH)  # text that is not ASCII is none (C5)
        return mac is not None and self._keys.verify(session_id.encode(), mac)
