"""The table of algorithms: one row holds all that the code must know of one `alg` (RFC 7518 §3, RFC 9864).

A key picks its row, a token's header only has to agree (RFC 8725 §3.1). A row says which key
material fits, and turns fitting material into two closures: `signer` (bytes → signature) and
`checker` (signing input, signature as base64url text → bool). What is no row is no algorithm:
`none`, `ES256K`, `RSA1_5` and all the rest. `EdDSA`, the name that RFC 9864 retires for `Ed25519`,
is a row of its own, so that a key answers to it only when the key was made for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from typing import Literal, TypeAlias, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hmac import HMAC
from pybase64 import b64encode_as_string

from sealring.errors import KeyRefused
from sealring.jwt.base64url import NotCanonical, decode

Secret: TypeAlias = bytes
PrivateMaterial: TypeAlias = Secret | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicMaterial: TypeAlias = Secret | rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
Material: TypeAlias = PrivateMaterial | PublicMaterial
Signer: TypeAlias = Callable[[bytes], bytes]
Checker: TypeAlias = Callable[[bytes, str], bool]

_Given = TypeVar("_Given")

_RSA = (rsa.RSAPrivateKey, rsa.RSAPublicKey)
_EC = (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)
_OKP = (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey)
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "oct": ((bytes,), "a secret"),
    "RSA": (_RSA, "an RSA key"),
    "EC": (_EC, "an elliptic curve key"),
    "OKP": (_OKP, "an Ed25519 key"),
}
_RSA_BITS_LEAST = 2048  # RFC 7518 §3.3
_RSA_BITS_MOST = 16384  # a check grows with the square of this: a hostile JWKS must not choose it


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One row. `size` is the signature's length in bytes, where the algorithm fixes it."""

    name: str
    kty: Literal["oct", "RSA", "EC", "OKP"]
    digest: hashes.HashAlgorithm | None = None
    curve: type[ec.EllipticCurve] | None = None
    crv: str | None = None
    pss: bool = False
    size: int | None = None

    def require_fit(self, material: Material) -> None:
        """Raise `KeyRefused` unless `material` is a key that this algorithm may use (RFC 8725 §3.5)."""
        kinds, words = _KINDS[self.kty]
        if not isinstance(material, kinds):
            raise KeyRefused(f"{self.name} needs {words}")
        if isinstance(material, bytes) and len(material) < _some(self.size):  # RFC 7518 §3.2
            raise KeyRefused(f"{self.name} needs a secret of at least {self.size} bytes")
        if isinstance(material, _RSA) and not _RSA_BITS_LEAST <= material.key_size <= _RSA_BITS_MOST:
            raise KeyRefused(f"{self.name} needs an RSA key of {_RSA_BITS_LEAST} to {_RSA_BITS_MOST} bits")
        if isinstance(material, _EC) and not isinstance(material.curve, _some(self.curve)):
            raise KeyRefused(f"{self.name} needs a key on the curve {self.crv}")

    def signer(self, material: PrivateMaterial) -> Signer:
        """Return the closure that signs with fitting private material."""
        match material:
            case bytes():
                return _hmac_signer(material, _some(self.digest))
            case rsa.RSAPrivateKey():
                return _rsa_signer(material, self._padding(), _some(self.digest))
            case ec.EllipticCurvePrivateKey():
                return _ecdsa_signer(material, _some(self.digest), _some(self.size) // 2)
            case ed25519.Ed25519PrivateKey():
                return material.sign

    def checker(self, material: PublicMaterial) -> Checker:
        """Return the closure that checks with fitting public material, or the secret."""
        match material:
            case bytes():
                return _hmac_checker(material, _some(self.digest))
            case rsa.RSAPublicKey():
                return _rsa_checker(material, self._padding(), _some(self.digest))
            case ec.EllipticCurvePublicKey():
                return _ecdsa_checker(material, _some(self.digest), _some(self.size) // 2)
            case ed25519.Ed25519PublicKey():
                return _ed25519_checker(material)

    def _padding(self) -> padding.AsymmetricPadding:
        if not self.pss:
            return padding.PKCS1v15()
        digest = _some(self.digest)
        return padding.PSS(padding.MGF1(digest), digest.digest_size)  # RFC 7518 §3.5: salt as long as the hash


_SHA256, _SHA384, _SHA512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()
# RSA and ECDSA are handed the digest: hashlib makes it in half the time that the library takes to look its hash up
_HASHES = {_SHA256.name: hashlib.sha256, _SHA384.name: hashlib.sha384, _SHA512.name: hashlib.sha512}

ALGORITHMS: dict[str, Algorithm] = {
    row.name: row
    for row in (
        Algorithm("HS256", "oct", _SHA256, size=32),
        Algorithm("HS384", "oct", _SHA384, size=48),
        Algorithm("HS512", "oct", _SHA512, size=64),
        Algorithm("RS256", "RSA", _SHA256),
        Algorithm("RS384", "RSA", _SHA384),
        Algorithm("RS512", "RSA", _SHA512),
        Algorithm("PS256", "RSA", _SHA256, pss=True),
        Algorithm("PS384", "RSA", _SHA384, pss=True),
        Algorithm("PS512", "RSA", _SHA512, pss=True),
        Algorithm("ES256", "EC", _SHA256, ec.SECP256R1, "P-256", size=64),
        Algorithm("ES384", "EC", _SHA384, ec.SECP384R1, "P-384", size=96),
        Algorithm("ES512", "EC", _SHA512, ec.SECP521R1, "P-521", size=132),
        Algorithm("Ed25519", "OKP", crv="Ed25519", size=64),
        Algorithm("EdDSA", "OKP", crv="Ed25519", size=64),
    )
}


def algorithm(name: object) -> Algorithm:
    """Return the row named so; `ValueError` lists the names when there is none."""
    row = ALGORITHMS.get(name) if isinstance(name, str) else None
    if row is None:
        raise ValueError(f"alg must be one of {', '.join(ALGORITHMS)}")
    return row


def public_half(material: Material) -> PublicMaterial:
    """Return what checks: the public key of a private one; a secret is both."""
    if isinstance(material, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        return material.public_key()
    return material


def _hmac_signer(secret: bytes, digest: hashes.HashAlgorithm) -> Signer:
    keyed = HMAC(secret, digest)

    def sign(data: bytes) -> bytes:
        mac = keyed.copy()  # the key schedule is done once: a third of the price of a fresh HMAC
        mac.update(data)
        return mac.finalize()

    return sign


def _hmac_checker(secret: bytes, digest: hashes.HashAlgorithm) -> Checker:
    keyed = HMAC(secret, digest)
    padding_of_mac = "=" * (-digest.digest_size % 3)

    def check(signing_input: bytes, signature: str) -> bool:
        mac = keyed.copy()
        mac.update(signing_input)
        # as text, so that only the canonical spelling of the right bytes is equal
        return compare_digest(b64encode_as_string(mac.finalize(), b"-_"), signature + padding_of_mac)

    return check


def _rsa_signer(key: rsa.RSAPrivateKey, scheme: padding.AsymmetricPadding, digest: hashes.HashAlgorithm) -> Signer:
    hashed, prehashed = _HASHES[digest.name], Prehashed(digest)
    return lambda data: key.sign(hashed(data).digest(), scheme, prehashed)


def _rsa_checker(key: rsa.RSAPublicKey, scheme: padding.AsymmetricPadding, digest: hashes.HashAlgorithm) -> Checker:
    verify, hashed, prehashed = key.verify, _HASHES[digest.name], Prehashed(digest)

    def check(signing_input: bytes, signature: str) -> bool:
        try:
            verify(decode(signature), hashed(signing_input).digest(), scheme, prehashed)
        except (InvalidSignature, NotCanonical):
            return False
        return True

    return check


def _ed25519_checker(key: ed25519.Ed25519PublicKey) -> Checker:
    verify = key.verify

    def check(signing_input: bytes, signature: str) -> bool:
        try:
            verify(decode(signature), signing_input)
        except (InvalidSignature, NotCanonical):
            return False
        return True

    return check


def _ecdsa_signer(key: ec.EllipticCurvePrivateKey, digest: hashes.HashAlgorithm, half: int) -> Signer:
    sign_der, hashed, scheme = key.sign, _HASHES[digest.name], ec.ECDSA(Prehashed(digest))

    def sign(data: bytes) -> bytes:
        der = sign_der(hashed(data).digest(), scheme)  # the library's own, so no stranger's DER is read here
        at = 2 if der[1] < 0x80 else 3  # noqa: PLR2004  # DER's long form
        middle = at + 2 + der[at + 1]
        r, s = der[at + 2 : middle][-half:], der[middle + 2 :][-half:]
        return r.rjust(half, b"\0") + s.rjust(half, b"\0")  # RFC 7518 §3.4

    return sign


def _ecdsa_checker(key: ec.EllipticCurvePublicKey, digest: hashes.HashAlgorithm, half: int) -> Checker:
    verify, hashed, scheme, size = key.verify, _HASHES[digest.name], ec.ECDSA(Prehashed(digest)), 2 * half
    frames = _der_frames(half)

    def check(signing_input: bytes, signature: str) -> bool:
        try:
            pair = decode(signature)
            if len(pair) != size:
                return False
            r, s = pair[:half], pair[half:]
            if r[0] and s[0]:
                before, between = frames[r[0] >> 7][s[0] >> 7]
                der = before + r + between + s
            else:
                der = _der_pair(r, s)
            verify(der, hashed(signing_input).digest(), scheme)
        except (InvalidSignature, NotCanonical):
            return False
        return True

    return check


def _der_frames(half: int) -> list[list[tuple[bytes, bytes]]]:
    """Return what stands before r and between r and s in DER, by the highest bits of r and s, without leading zeros."""
    frames = []
    for high in (b"\x01", b"\x80"):
        row = []
        for other in (b"\x02", b"\x90"):
            r, s = high * half, other * half
            before, _, rest = _der_pair(r, s).partition(r)
            row.append((before, rest[:-half]))
        frames.append(row)
    return frames


def _der_pair(r: bytes, s: bytes) -> bytes:
    """Return DER `SEQUENCE { INTEGER r, INTEGER s }`, the form that OpenSSL checks (RFC 3279 §2.2.3)."""
    r, s = r.lstrip(b"\0") or b"\0", s.lstrip(b"\0") or b"\0"
    if r[0] & 0x80:
        r = b"\0" + r
    if s[0] & 0x80:
        s = b"\0" + s
    body = b"\x02%c%b\x02%c%b" % (len(r), r, len(s), s)
    return (b"\x30%c" if len(body) < 0x80 else b"\x30\x81%c") % len(body) + body  # noqa: PLR2004  # DER's long form


def _some(value: _Given | None) -> _Given:
    if value is None:  # a row without what its kty needs: the table itself is wrong
        raise AssertionError
    return value
