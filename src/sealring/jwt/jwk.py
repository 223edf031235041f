"""JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037 §2): members to key material and back.

Members are read strictly: canonical base64url, coordinates of the curve's full length, integers
without leading zeros when written, private parts that belong to the public ones. What cannot be
read is `KeyRefused`. Which algorithm may use the material is not decided here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sealring.errors import KeyRefused
from sealring.jwt.algorithms import Material, public_half
from sealring.jwt.base64url import NotCanonical, decode, encode

_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_CRV_OF = {curve.name: crv for crv, curve in _CURVES.items()}
_PUBLIC_EXPONENT_BITS = 64  # larger ones make a check cost as much as a signature
_THUMBPRINT_MEMBERS = ("crv", "e", "k", "kty", "n", "x", "y")  # RFC 7638 §3.2, RFC 8037 §2


def read_material(jwk: Mapping[str, Any]) -> Material:
    """Return the key material of a JWK: private when it has the private parts. Raises `KeyRefused`."""
    kty = jwk.get("kty")
    try:
        match kty:
            case "oct":
                return _bytes(jwk, "k")
            case "RSA":
                return _read_rsa(jwk)
            case "EC":
                return _read_ec(jwk)
            case "OKP":
                return _read_okp(jwk)
    except KeyRefused:
        raise
    except ValueError:  # the library's words may quote numbers of the key
        raise KeyRefused("the JWK is no valid key") from None
    raise KeyRefused("kty must be oct, RSA, EC or OKP")


def write_public(material: Material) -> dict[str, str]:
    """Return the public members of a key; for a secret, the secret."""
    match public_half(material):
        case bytes() as secret:
            return {"kty": "oct", "k": encode(secret)}
        case rsa.RSAPublicKey() as rsa_key:
            rsa_numbers = rsa_key.public_numbers()
            return {"kty": "RSA", "n": _uint(rsa_numbers.n), "e": _uint(rsa_numbers.e)}
        case ec.EllipticCurvePublicKey() as ec_key:
            ec_numbers, size = ec_key.public_numbers(), (ec_key.key_size + 7) // 8
            x, y = ec_numbers.x.to_bytes(size, "big"), ec_numbers.y.to_bytes(size, "big")
            return {"kty": "EC", "crv": _CRV_OF[ec_key.curve.name], "x": encode(x), "y": encode(y)}
        case ed25519.Ed25519PublicKey() as ed_key:
            return {"kty": "OKP", "crv": "Ed25519", "x": encode(ed_key.public_bytes_raw())}


def write_private(material: Material) -> dict[str, str]:
    """Return public and private members; raises `ValueError` when there is no private part."""
    members = write_public(material)
    match material:
        case bytes():
            return members
        case rsa.RSAPrivateKey():
            n = material.private_numbers()
            private = {"d": n.d, "p": n.p, "q": n.q, "dp": n.dmp1, "dq": n.dmq1, "qi": n.iqmp}
            return members | {name: _uint(number) for name, number in private.items()}
        case ec.EllipticCurvePrivateKey():
            size = (material.key_size + 7) // 8  # RFC 7518 §6.2.2.1
            return members | {"d": encode(material.private_numbers().private_value.to_bytes(size, "big"))}
        case ed25519.Ed25519PrivateKey():
            return members | {"d": encode(material.private_bytes_raw())}
    raise ValueError("a public key has no private members")


def thumbprint(material: Material) -> str:
    """Return the RFC 7638 thumbprint (SHA-256) as base64url."""
    members = write_public(material)
    needed = {name: members[name] for name in _THUMBPRINT_MEMBERS if name in members}
    return encode(sha256(json.dumps(needed, separators=(",", ":"), sort_keys=True).encode()).digest())


def _read_rsa(jwk: Mapping[str, Any]) -> Material:
    e = _int(jwk, "e")
    if e.bit_length() > _PUBLIC_EXPONENT_BITS:
        raise KeyRefused("the JWK's e is too large")
    public = rsa.RSAPublicNumbers(e, _int(jwk, "n"))
    if "oth" in jwk:
        raise KeyRefused("RSA keys of more than two primes are not supported")
    if "d" not in jwk:
        return public.public_key()
    d = _int(jwk, "d")
    if "p" in jwk:
        p, q = _int(jwk, "p"), _int(jwk, "q")
    else:
        p, q = rsa.rsa_recover_prime_factors(public.n, public.e, d)
    dp = _int(jwk, "dp") if "dp" in jwk else rsa.rsa_crt_dmp1(d, p)
    dq = _int(jwk, "dq") if "dq" in jwk else rsa.rsa_crt_dmq1(d, q)
    qi = _int(jwk, "qi") if "qi" in jwk else rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public).private_key()


def _read_ec(jwk: Mapping[str, Any]) -> Material:
    curve = _CURVES.get(jwk["crv"]) if isinstance(jwk.get("crv"), str) else None
    if curve is None:
        raise KeyRefused(f"crv must be one of {', '.join(_CURVES)}")
    size = (curve.key_size + 7) // 8
    public = ec.EllipticCurvePublicNumbers(_coordinate(jwk, "x", size), _coordinate(jwk, "y", size), curve)
    if "d" not in jwk:
        return public.public_key()
    return ec.EllipticCurvePrivateNumbers(_coordinate(jwk, "d", size), public).private_key()


def _read_okp(jwk: Mapping[str, Any]) -> Material:
    if jwk.get("crv") != "Ed25519":
        raise KeyRefused("crv must be Ed25519")
    x = _bytes(jwk, "x")
    if "d" not in jwk:
        return ed25519.Ed25519PublicKey.from_public_bytes(x)
    private = ed25519.Ed25519PrivateKey.from_private_bytes(_bytes(jwk, "d"))
    if private.public_key().public_bytes_raw() != x:
        raise KeyRefused("the JWK's x and d do not belong together")
    return private


def _bytes(jwk: Mapping[str, Any], name: str) -> bytes:
    text = jwk.get(name)
    if not isinstance(text, str):
        raise KeyRefused(f"the JWK needs {name!r} as base64url text")
    try:
        return decode(text)
    except NotCanonical:
        raise KeyRefused(f"the JWK's {name!r} is not base64url") from None


def _int(jwk: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(_bytes(jwk, name), "big")


def _coordinate(jwk: Mapping[str, Any], name: str, size: int) -> int:
    data = _bytes(jwk, name)
    if len(data) != size:  # RFC 7518 §6.2.1.2
        raise KeyRefused(f"the JWK's {name!r} must be {size} bytes long")
    return int.from_bytes(data, "big")


def _uint(number: int) -> str:
    return encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))
