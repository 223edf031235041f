"""Signers of the caller's own: a key service (KMS), an HSM, an agent, which keep the private key.

Whatever comes back is checked with the public key before it stands in a token: a wrong key, another padding or hash, a
text in place of bytes would otherwise be found by the first verifier, in another process.
"""

from __future__ import annotations

from collections.abc import Callable

from sealring.errors import KeyRefused
from sealring.jwt.base64url import encode
from sealring.jwt.key_types import Checker, Signer


def checked_signer(sign: Signer, check: Checker, from_der: Callable[[bytes], bytes] | None) -> Signer:
    """Return a function that signs with `sign`, reads DER where `from_der` is given, and checks the signature."""

    def sign_and_check(data: bytes) -> bytes:
        answer: object = sign(data)
        if not isinstance(answer, bytes):
            raise TypeError("a signer must return the signature as bytes")
        signature = answer if from_der is None else from_der(answer)
        if not check(data, encode(signature)):
            raise KeyRefused("the signer's signature does not fit the public key and its algorithm")
        return signature

    return sign_and_check
