"""Secrets for HMAC (RFC 7518 §3.2, §6.4): bytes that are at least as long as the hash and no key of another kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, ClassVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from pybase64 import b64encode_as_string

from sealring.errors import KeyRefused
from sealring.jwt.base64url import ALPHABET, encode
from sealring.jwt.jwk import bytes_member
from sealring.jwt.key_confusion import detect_asymmetric_key
from sealring.jwt.key_types import Algorithm, Checker, Signer


@dataclass(frozen=True, slots=True)
class Hmac(Algorithm[bytes, bytes]):
    """HMAC with one hash; the secret has at least as many bytes as the hash."""

    name: str
    digest: hashes.HashAlgorithm

    is_symmetric: ClassVar[bool] = True
    implied: ClassVar[bool] = False

    @property
    def kind(self) -> dict[str, str]:
        """The members by which a JWK is known."""
        return {"kty": "oct"}

    def require_fit(self, material: object) -> None:
        """Raise `KeyRefused` for anything but a secret of full length (RFC 7518 §3.2)."""
        if not isinstance(material, bytes):
            raise KeyRefused(f"{self.name} needs a secret")
        disguise = detect_asymmetric_key(material)
        if disguise is not None:
            raise KeyRefused(f"this is no secret but {disguise}")
        if len(material) < self.digest.digest_size:
            raise KeyRefused(f"{self.name} needs a secret of at least {self.digest.digest_size} bytes")

    def generate(self, bits: int) -> bytes:  # noqa: ARG002  # an RSA modulus has them
        """Return as many random bytes as the hash has."""
        from secrets import token_bytes  # noqa: PLC0415  # a millisecond that a verifying service never needs

        return token_bytes(self.digest.digest_size)

    def public_half(self, material: bytes) -> bytes:
        """Return the secret: it signs and checks."""
        return material

    def signature_bytes(self, public: bytes) -> int:  # noqa: ARG002  # the hash says it
        """Return the length of the hash."""
        return self.digest.digest_size

    def signer(self, private: bytes) -> Signer:
        """Return the closure that signs."""
        keyed = HMAC(private, self.digest)

        def sign(data: bytes) -> bytes:
            mac = keyed.copy()  # the key schedule is done once: a third of the price of a new HMAC
            mac.update(data)
            return mac.finalize()

        return sign

    def checker(self, public: bytes) -> Checker:
        """Return the closure that checks, in constant time."""
        keyed = HMAC(public, self.digest)
        padding = "=" * (-self.digest.digest_size % 3)

        def check(signing_input: bytes, signature: str) -> bool:
            mac = keyed.copy()
            mac.update(signing_input)
            # compared as text: only the canonical spelling of the right bytes is equal
            return compare_digest(b64encode_as_string(mac.finalize(), ALPHABET), signature + padding)

        return check

    def read_jwk(self, jwk: Mapping[str, Any]) -> bytes:
        """Return the secret in `k` (RFC 7518 §6.4.1)."""
        return bytes_member(jwk, "k")

    def public_members(self, public: bytes) -> dict[str, str]:
        """Return `k`, which RFC 7638 hashes. It is the secret itself: `Key.to_jwk` gives it out on request only."""
        return self.kind | {"k": encode(public)}

    def private_members(self, private: bytes) -> dict[str, str]:  # noqa: ARG002  # as it says
        """Return nothing more."""
        return {}
