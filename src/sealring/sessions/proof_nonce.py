"""Nonces for DPoP proofs (RFC 9449 §8): a MAC of the minute. Pure, and nothing is stored.

A proof with a nonce of ours was signed after that minute began, whatever its own clock says: many clocks of clients
are wrong, and a proof that was signed beforehand with a key in somebody's hands for a moment is refused (§11.2). Every
node with the same key makes and knows the same nonces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sealring.jwt.base64url import encode, encoded_chars
from sealring.sessions.mac import MAC_BYTES, MacKeys, read_bytes

MINUTE: Final = 60
OLD_MINUTES: Final = 2
"""How many minutes before this one still count: a client may use its nonce for two to three minutes."""
EARLY_MINUTES: Final = 1
"""Another node's clock may be ahead of ours."""
LIFE_SECONDS: Final = (OLD_MINUTES + 1 + EARLY_MINUTES) * MINUTE
"""From the first moment at which any node takes a nonce to the last."""

_MINUTE_BYTES = 5
_LENGTH = encoded_chars(_MINUTE_BYTES + MAC_BYTES)


class ProofNonces:
    """Makes and checks nonces.

    Args:
        keys: the first one makes nonces, each of them checks: at least one, each of 32 bytes or more.

    >>> nonces = ProofNonces([b"a key of at least 32 bytes, please"])
    >>> nonce = nonces.at(1_700_000_000)
    >>> nonces.is_recent(nonce, 1_700_000_100), nonces.is_recent(nonce, 1_700_001_000), nonces.is_recent("x", 0)
    (True, False, False)
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = MacKeys(keys, label="dpop nonce 1")

    def at(self, now: int) -> str:
        """The nonce of this minute; `now` in Unix seconds."""
        minute = (now // MINUTE).to_bytes(_MINUTE_BYTES, "big")
        return encode(minute + self._keys.sign(minute))

    def is_recent(self, text: str, now: int) -> bool:
        """Whether `text` is a nonce of ours, and of these minutes; false for every other text."""
        read = read_bytes(text, max_length=_LENGTH)
        if read is None:
            return False
        minute, mac = read[:_MINUTE_BYTES], read[_MINUTE_BYTES:]
        if not self._keys.verify(minute, mac):
            return False
        age = now // MINUTE - int.from_bytes(minute, "big")
        return -EARLY_MINUTES <= age <= OLD_MINUTES
