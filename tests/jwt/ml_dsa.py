"""A key type that Sealring does not have: ML-DSA (FIPS 204, draft-ietf-cose-dilithium), as one file and one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from sealring.errors import KeyRefused
from sealring.jwt.base64url import NotCanonical, decode, encode
from sealring.jwt.jwk import bytes_member
from sealring.jwt.key_types import Algorithm, Checker, Signer


@dataclass(frozen=True, slots=True)
class MlDsa44(Algorithm[MLDSA44PrivateKey, MLDSA44PublicKey]):
    name: str

    @property
    def kind(self) -> dict[str, str]:
        return {"kty": "AKP"}

    def require_fit(self, material: object) -> None:
        if not isinstance(material, MLDSA44PrivateKey | MLDSA44PublicKey):
            raise KeyRefused(f"{self.name} needs an ML-DSA-44 key")

    def generate(self, bits: int) -> MLDSA44PrivateKey:  # noqa: ARG002
        return MLDSA44PrivateKey.generate()

    def public_half(self, material: MLDSA44PrivateKey | MLDSA44PublicKey) -> MLDSA44PublicKey:
        return material.public_key() if isinstance(material, MLDSA44PrivateKey) else material

    def signature_bytes(self, public: MLDSA44PublicKey) -> int:  # noqa: ARG002
        return 2420

    def signer(self, private: MLDSA44PrivateKey) -> Signer:
        return private.sign

    def checker(self, public: MLDSA44PublicKey) -> Checker:
        def check(signing_input: bytes, signature: str) -> bool:
            try:
                public.verify(decode(signature), signing_input)
            except (InvalidSignature, NotCanonical):
                return False
            return True

        return check

    def read_jwk(self, jwk: Mapping[str, Any]) -> MLDSA44PrivateKey | MLDSA44PublicKey:
        public = MLDSA44PublicKey.from_public_bytes(bytes_member(jwk, "pub"))
        return MLDSA44PrivateKey.from_seed_bytes(bytes_member(jwk, "priv")) if "priv" in jwk else public

    def public_members(self, public: MLDSA44PublicKey) -> dict[str, str]:
        return self.kind | {"alg": self.name, "pub": encode(public.public_bytes_raw())}

    def private_members(self, private: MLDSA44PrivateKey) -> dict[str, str]:
        return {"priv": encode(private.private_bytes_raw())}
