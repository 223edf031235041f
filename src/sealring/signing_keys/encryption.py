"""The encryption of signing keys at rest: a database dump without the root secret signs nothing (I15). Pure."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealring.errors import ConfigurationError

NONCE_BYTES = 12


class KeyEncryption:
    """Encrypts signing keys at rest: AES-256-GCM, random nonce, the kid as associated data.

    The associated data ties a encrypted key to its row: with write access to the database alone nobody
    can put one key's ciphertext under another's kid.
    """

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._ciphers = [AESGCM(key) for key in keys]

    def wrap(self, plaintext: bytes, *, kid: str, nonce: bytes) -> bytes:
        """Encrypt under the first key; `nonce` is 12 random bytes, never used twice."""
        return nonce + self._ciphers[0].encrypt(nonce, plaintext, kid.encode())

    def unwrap(self, encrypted: bytes, *, kid: str) -> tuple[bytes, bool]:
        """Decrypt with whichever key fits.

        Returns:
            The plaintext, and whether it was encrypted under the first key (else encrypt it again).

        Raises:
            ConfigurationError: no listed secret opens it.
        """
        nonce, ciphertext = encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:]
        for place, cipher in enumerate(self._ciphers):
            try:
                return cipher.decrypt(nonce, ciphertext, kid.encode()), place == 0
            except (InvalidTag, ValueError):
                continue
        raise ConfigurationError(
            f"signing key {kid} cannot be opened with the secrets in SEALRING_SECRET",
            "list the secret that it was encrypted under after the new one, separated by a comma",
        )
