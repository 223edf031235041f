"""RSA keys for PKCS #1 v1.5 and PSS signatures (RFC 7518 §3.3, §3.5, §6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from sealring.errors import KeyRefused
from sealring.jwt.base64url import NotCanonical, decode
from sealring.jwt.jwk import uint, uint_member
from sealring.jwt.key_types import Algorithm, Checker, Signer
from sealring.jwt.key_types.digests import HASHLIB

_MIN_BITS = 2048  # RFC 7518 §3.3
_MAX_BITS = 16384  # a check grows with the square of this: a hostile JWKS must not choose it
_MAX_PUBLIC_EXPONENT_BITS = 64  # larger ones make a check cost as much as a signature
_PUBLIC_EXPONENT = 65537


@dataclass(frozen=True, slots=True)
class Rsa(Algorithm[rsa.RSAPrivateKey, rsa.RSAPublicKey]):
    """RSA with one hash, padded by PKCS #1 v1.5, or by PSS with a salt as long as the hash."""

    name: str
    digest: hashes.HashAlgorithm
    pss: bool = False

    implied: ClassVar[bool] = False

    @property
    def kind(self) -> dict[str, str]:
        """The members by which a JWK is known."""
        return {"kty": "RSA"}

    def require_fit(self, material: object) -> None:
        """Raise `KeyRefused` for anything but an RSA key of an acceptable size (RFC 7518 §3.3)."""
        if not isinstance(material, rsa.RSAPrivateKey | rsa.RSAPublicKey):
            raise KeyRefused(f"{self.name} needs an RSA key")
        if not _MIN_BITS <= material.key_size <= _MAX_BITS:
            raise KeyRefused(f"{self.name} needs an RSA key of {_MIN_BITS} to {_MAX_BITS} bits")

    def generate(self, bits: int) -> rsa.RSAPrivateKey:
        """Make a key whose modulus has `bits` bits."""
        return rsa.generate_private_key(_PUBLIC_EXPONENT, bits)

    def public_half(self, material: rsa.RSAPrivateKey | rsa.RSAPublicKey) -> rsa.RSAPublicKey:
        """Return the public key."""
        return material.public_key() if isinstance(material, rsa.RSAPrivateKey) else material

    def signature_bytes(self, public: rsa.RSAPublicKey) -> int:
        """Return the length of the modulus (RFC 8017 §8)."""
        return (public.key_size + 7) // 8

    def signer(self, private: rsa.RSAPrivateKey) -> Signer:
        """Return the closure that signs."""
        hashed, scheme, prehashed = HASHLIB[self.digest.name], self._padding(), Prehashed(self.digest)
        return lambda data: private.sign(hashed(data).digest(), scheme, prehashed)

    def checker(self, public: rsa.RSAPublicKey) -> Checker:
        """Return the closure that checks."""
        verify = public.verify
        hashed, scheme, prehashed = HASHLIB[self.digest.name], self._padding(), Prehashed(self.digest)

        def check(signing_input: bytes, signature: str) -> bool:
            try:
                verify(decode(signature), hashed(signing_input).digest(), scheme, prehashed)
            except (InvalidSignature, NotCanonical):
                return False
            return True

        return check

    def read_jwk(self, jwk: Mapping[str, Any]) -> rsa.RSAPrivateKey | rsa.RSAPublicKey:
        """Return the key in `n`, `e` and, when private, `d` and what may go with it (RFC 7518 §6.3)."""
        e = uint_member(jwk, "e")
        if e.bit_length() > _MAX_PUBLIC_EXPONENT_BITS:
            raise KeyRefused("the JWK's e is too large")
        public = rsa.RSAPublicNumbers(e, uint_member(jwk, "n"))
        if "oth" in jwk:
            raise KeyRefused("RSA keys of more than two primes are not supported")
        if "d" not in jwk:
            return public.public_key()
        d = uint_member(jwk, "d")
        if "p" in jwk:
            p, q = uint_member(jwk, "p"), uint_member(jwk, "q")
        else:
            p, q = rsa.rsa_recover_prime_factors(public.n, public.e, d)
        dp = uint_member(jwk, "dp") if "dp" in jwk else rsa.rsa_crt_dmp1(d, p)
        dq = uint_member(jwk, "dq") if "dq" in jwk else rsa.rsa_crt_dmq1(d, q)
        qi = uint_member(jwk, "qi") if "qi" in jwk else rsa.rsa_crt_iqmp(p, q)
        return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public).private_key()

    def public_members(self, public: rsa.RSAPublicKey) -> dict[str, str]:
        """Return `n` and `e`."""
        numbers = public.public_numbers()
        return self.kind | {"n": uint(numbers.n), "e": uint(numbers.e)}

    def private_members(self, private: rsa.RSAPrivateKey) -> dict[str, str]:
        """Return `d` and the numbers of the Chinese remainder theorem (RFC 7518 §6.3.2)."""
        n = private.private_numbers()
        numbers = {"d": n.d, "p": n.p, "q": n.q, "dp": n.dmp1, "dq": n.dmq1, "qi": n.iqmp}
        return {name: uint(number) for name, number in numbers.items()}

    def _padding(self) -> padding.AsymmetricPadding:
        if not self.pss:
            return padding.PKCS1v15()
        return padding.PSS(padding.MGF1(self.digest), self.digest.digest_size)  # RFC 7518 §3.5
