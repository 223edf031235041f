"""What must stay secret in the store or at the client, encrypted under keys of the root secret (I15). Pure.

AES-256-GCM; the context is authenticated with it, so the text of one place opens in no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES: Final = 12


class Sealed:
    """Encrypts and decrypts.

    Args:
        keys: the first encrypts, all decrypt.

    >>> sealed = Sealed([bytes(32)])
    >>> kept = sealed.encrypt(b"seed", context="totp 42", nonce=bytes(12))
    >>> sealed.decrypt(kept, context="totp 42"), sealed.decrypt(kept, context="totp 43")
    (b'seed', None)
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = [AESGCM(key) for key in keys]

    def encrypt(self, plaintext: bytes, *, context: str, nonce: bytes) -> bytes:
        """Encrypt under the first key; `nonce` is 12 random bytes, never used twice."""
        return nonce + self._ciphers[0].encrypt(nonce, plaintext, context.encode())

    def decrypt(self, encrypted: bytes, *, context: str) -> bytes | None:
        """Decrypt with whichever key fits; None when it is not of this context, or no key fits."""
        nonce, ciphertext = encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:]
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(nonce, ciphertext, context.encode())
            except (InvalidTag, ValueError):
                continue
        return None
