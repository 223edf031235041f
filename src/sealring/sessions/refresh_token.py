"""The refresh token: which session, which generation, minted when, minted from what, and a MAC.

The token is not stored; the session's row holds enough to recognize its own (design D5). The text
is a fixed prefix, which secret scanners can look for, and base64url of fixed-width fields, so that
no two texts mean the same token and no length field can be forged. The MAC is full HMAC-SHA256 (RFC 2104)
over a label of this use and the fields, and is checked before any field is used: a token made without
the key never reaches the store, and every refusal is the same error (R9, R10).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sealring.errors import InvalidRefreshToken
from sealring.jwt.base64url import decode, encode
from sealring.sessions.mac import MAC_BYTES, MacKeys, read_bytes

PREFIX: Final = "sealring_rt1_"
"""Begins every refresh token: kind and version of the layout."""

_ID_BYTES: Final = 16
_NUMBER_BYTES: Final = 6
_BODY_BYTES: Final = _ID_BYTES + 3 * _NUMBER_BYTES
# 66 bytes are 88 characters with no bit left over, so that text and bytes correspond one to one
_LENGTH: Final = len(PREFIX) + (_BODY_BYTES + MAC_BYTES) // 3 * 4


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The content of a refresh token. Two tokens are the same exactly when they are equal."""

    session_id: str
    """`sid`: 16 bytes as 22 characters of base64url."""
    generation: int
    """g: 0 for the token issued at login; every other has its parent's plus one."""
    minted_ms: int
    """When it was minted, by the minting node's clock; compared for equality only, never ordered."""
    parent_minted_ms: int | None
    """Mint time of the token that it was minted from; none for generation 0."""


class RefreshTokenCodec:
    """Turns refresh tokens into text and back, under one or more keys.

    Args:
        keys: the first one signs, each of them verifies (R13): at least one, each of 32 bytes or more.

    >>> codec = RefreshTokenCodec([b"a key of at least 32 bytes, please"])
    >>> first = RefreshToken("c2VhbHJpbmctc2Vzc2lvbg", 0, 1_700_000_000_000, None)
    >>> text = codec.encode(first)
    >>> text[:13], len(text), codec.decode(text) == first
    ('sealring_rt1_', 101, True)
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = MacKeys(keys, label="refresh token 1")

    def encode(self, token: RefreshToken) -> str:
        """Return the text of the token, under the first key.

        Raises:
            ValueError: a field does not fit, or only one of generation 0 and no parent is so.
        """
        if (token.generation == 0) != (token.parent_minted_ms is None):
            raise ValueError("generation 0, and no other, has no parent")
        session = decode(token.session_id)
        if len(session) != _ID_BYTES:
            raise ValueError(f"session_id must be {_ID_BYTES} bytes in base64url")
        try:
            body = session + b"".join(
                number.to_bytes(_NUMBER_BYTES, "big")
                for number in (token.generation, token.minted_ms, token.parent_minted_ms or 0)
            )
        except OverflowError as error:
            raise ValueError("generation and times must be within 0 and 2**48 - 1") from error
        return PREFIX + encode(body + self._keys.sign(body))

    def decode(self, text: object) -> RefreshToken:
        """Return the token that `text` is.

        Raises:
            InvalidRefreshToken: it is not the text of a token signed with one of the keys.
        """
        data = read_bytes(text, prefix=PREFIX, max_length=_LENGTH)
        if data is None:
            raise InvalidRefreshToken("not a refresh token")
        body, mac = data[:_BODY_BYTES], data[_BODY_BYTES:]
        if not self._keys.verify(body, mac):
            raise InvalidRefreshToken("not a refresh token")
        generation, minted_ms, parent_minted_ms = (
            int.from_bytes(body[at : at + _NUMBER_BYTES], "big") for at in range(_ID_BYTES, _BODY_BYTES, _NUMBER_BYTES)
        )
        return RefreshToken(
            session_id=encode(body[:_ID_BYTES]),
            generation=generation,
            minted_ms=minted_ms,
            parent_minted_ms=parent_minted_ms if generation else None,
        )

    def newest_of(self, session_id: str, texts: Iterable[str]) -> str | None:
        """Return the text of the newest token of that session among `texts`; None when none is a token of it.

        A browser may send several cookies with our name: planted by a sibling host, or left from an earlier path of
        the auth routes (attacks N3, N5). Within one session, the highest generation was issued last.
        """
        best: tuple[tuple[int, int], str] | None = None
        for text in texts:
            try:
                token = self.decode(text)
            except InvalidRefreshToken:
                continue
            age = token.generation, token.minted_ms
            if token.session_id == session_id and (best is None or age > best[0]):
                best = age, text
        return None if best is None else best[1]
