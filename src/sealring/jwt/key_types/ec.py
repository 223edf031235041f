"""Elliptic curve keys for ECDSA (RFC 7518 §3.4, §6.2).

A JWS signature is r and s at the curve's full length; OpenSSL reads and writes the two as DER (RFC 3279 §2.2.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from sealring.errors import KeyRefused
from sealring.jwt.base64url import NotCanonical, decode, encode
from sealring.jwt.jwk import bytes_member
from sealring.jwt.key_types import Algorithm, Checker, Signer
from sealring.jwt.key_types.digests import HASHLIB

_LONG_FORM = 0x80  # DER writes a length from here on with a byte more


@dataclass(frozen=True, slots=True)
class Ecdsa(Algorithm[ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey]):
    """ECDSA on one curve with one hash."""

    name: str
    crv: str
    curve: ec.EllipticCurve
    digest: hashes.HashAlgorithm

    @property
    def size(self) -> int:
        """The length of a coordinate, of r and of s, in bytes."""
        return (self.curve.key_size + 7) // 8

    @property
    def kind(self) -> dict[str, str]:
        """The members by which a JWK is known."""
        return {"kty": "EC", "crv": self.crv}

    def require_fit(self, material: object) -> None:
        """Raise `KeyRefused` for anything but a key on the curve (RFC 7518 §3.4)."""
        if not isinstance(material, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
            raise KeyRefused(f"{self.name} needs an elliptic curve key")
        if material.curve.name != self.curve.name:
            raise KeyRefused(f"{self.name} needs a key on the curve {self.crv}")

    def generate(self, bits: int) -> ec.EllipticCurvePrivateKey:  # noqa: ARG002  # the curve has its own
        """Make a key on the curve."""
        return ec.generate_private_key(self.curve)

    def public_half(
        self, material: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey
    ) -> ec.EllipticCurvePublicKey:
        """Return the public key."""
        return material.public_key() if isinstance(material, ec.EllipticCurvePrivateKey) else material

    def signature_bytes(self, public: ec.EllipticCurvePublicKey) -> int:  # noqa: ARG002  # the curve says it
        """Return the length of r and s together (RFC 7518 §3.4)."""
        return 2 * self.size

    def signer(self, private: ec.EllipticCurvePrivateKey) -> Signer:
        """Return the closure that signs."""
        sign_der, half = private.sign, self.size
        hashed, scheme = HASHLIB[self.digest.name], ec.ECDSA(Prehashed(self.digest))

        def sign(data: bytes) -> bytes:
            der = sign_der(hashed(data).digest(), scheme)  # the library wrote it: no DER from outside is read here
            at = 2 if der[1] < _LONG_FORM else 3
            middle = at + 2 + der[at + 1]
            r, s = der[at + 2 : middle][-half:], der[middle + 2 :][-half:]
            return r.rjust(half, b"\0") + s.rjust(half, b"\0")

        return sign

    def signature_from_der(self, public: ec.EllipticCurvePublicKey, der: bytes) -> bytes:  # noqa: ARG002  # the curve is known
        """Return r and s at full length (RFC 7518 §3.4)."""
        try:
            r, s = decode_dss_signature(der)
            return r.to_bytes(self.size, "big") + s.to_bytes(self.size, "big")
        except (ValueError, OverflowError):
            raise KeyRefused("the signer's signature is no DER of two numbers on the curve") from None

    def checker(self, public: ec.EllipticCurvePublicKey) -> Checker:
        """Return the closure that checks."""
        verify, half = public.verify, self.size
        hashed, scheme = HASHLIB[self.digest.name], ec.ECDSA(Prehashed(self.digest))

        def check(signing_input: bytes, signature: str) -> bool:
            try:
                pair = decode(signature)
                if len(pair) != 2 * half:
                    return False
                verify(der_signature(pair[:half], pair[half:]), hashed(signing_input).digest(), scheme)
            except (InvalidSignature, NotCanonical):
                return False
            return True

        return check

    def read_jwk(self, jwk: Mapping[str, Any]) -> ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey:
        """Return the key in `x`, `y` and, when private, `d`, each at full length (RFC 7518 §6.2)."""
        public = ec.EllipticCurvePublicNumbers(self._number(jwk, "x"), self._number(jwk, "y"), self.curve)
        if "d" not in jwk:
            return public.public_key()
        return ec.EllipticCurvePrivateNumbers(self._number(jwk, "d"), public).private_key()

    def public_members(self, public: ec.EllipticCurvePublicKey) -> dict[str, str]:
        """Return `crv`, `x` and `y`."""
        numbers = public.public_numbers()
        return self.kind | {"x": self._text(numbers.x), "y": self._text(numbers.y)}

    def private_members(self, private: ec.EllipticCurvePrivateKey) -> dict[str, str]:
        """Return `d`."""
        return {"d": self._text(private.private_numbers().private_value)}

    def _number(self, jwk: Mapping[str, Any], name: str) -> int:
        data = bytes_member(jwk, name)
        if len(data) != self.size:  # RFC 7518 §6.2.1.2, §6.2.2.1
            raise KeyRefused(f"the JWK's {name!r} must be {self.size} bytes long")
        return int.from_bytes(data, "big")

    def _text(self, number: int) -> str:
        return encode(number.to_bytes(self.size, "big"))


def der_signature(r: bytes, s: bytes) -> bytes:
    """Return DER `SEQUENCE { INTEGER r, INTEGER s }`; the library's own writer takes twice the time."""
    r, s = r.lstrip(b"\0") or b"\0", s.lstrip(b"\0") or b"\0"
    if r[0] & 0x80:
        r = b"\0" + r
    if s[0] & 0x80:
        s = b"\0" + s
    body = b"\x02%c%b\x02%c%b" % (len(r), r, len(s), s)
    return (b"\x30%c" if len(body) < _LONG_FORM else b"\x30\x81%c") % len(body) + body
