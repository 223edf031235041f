"""Octet key pairs for Ed25519 (RFC 8037, RFC 9864)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from sealring.errors import KeyRefused
from sealring.jwt.base64url import NotCanonical, decode, encode
from sealring.jwt.jwk import bytes_member
from sealring.jwt.key_types import Algorithm, Checker, Signer

_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Ed25519(Algorithm[ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey]):
    """Ed25519, under its own name or under a retired one."""

    name: str
    old_name_of: str | None = None

    @property
    def kind(self) -> dict[str, str]:
        """The members by which a JWK is known."""
        return {"kty": "OKP", "crv": "Ed25519"}

    def require_fit(self, material: object) -> None:
        """Raise `KeyRefused` for anything but an Ed25519 key."""
        if not isinstance(material, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
            raise KeyRefused(f"{self.name} needs an Ed25519 key")

    def generate(self, bits: int) -> ed25519.Ed25519PrivateKey:  # noqa: ARG002  # the curve has its own
        """Make a key."""
        return ed25519.Ed25519PrivateKey.generate()

    def public_half(self, material: ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey) -> ed25519.Ed25519PublicKey:
        """Return the public key."""
        return material.public_key() if isinstance(material, ed25519.Ed25519PrivateKey) else material

    def signature_bytes(self, public: ed25519.Ed25519PublicKey) -> int:  # noqa: ARG002  # the curve says it
        """Return the length of an Ed25519 signature (RFC 8032 §5.1.6)."""
        return _SIGNATURE_BYTES

    def signer(self, private: ed25519.Ed25519PrivateKey) -> Signer:
        """Return the closure that signs."""
        return private.sign

    def checker(self, public: ed25519.Ed25519PublicKey) -> Checker:
        """Return the closure that checks."""
        verify = public.verify

        def check(signing_input: bytes, signature: str) -> bool:
            try:
                verify(decode(signature), signing_input)
            except (InvalidSignature, NotCanonical):
                return False
            return True

        return check

    def read_jwk(self, jwk: Mapping[str, Any]) -> ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey:
        """Return the key in `x` and, when private, `d` (RFC 8037 §2)."""
        x = bytes_member(jwk, "x")
        if "d" not in jwk:
            return ed25519.Ed25519PublicKey.from_public_bytes(x)
        private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes_member(jwk, "d"))
        if private.public_key().public_bytes_raw() != x:
            raise KeyRefused("the JWK's x and d do not belong together")
        return private

    def public_members(self, public: ed25519.Ed25519PublicKey) -> dict[str, str]:
        """Return `crv` and `x`."""
        return self.kind | {"x": encode(public.public_bytes_raw())}

    def private_members(self, private: ed25519.Ed25519PrivateKey) -> dict[str, str]:
        """Return `d`."""
        return {"d": encode(private.private_bytes_raw())}
