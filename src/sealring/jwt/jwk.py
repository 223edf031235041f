"""Members of JSON Web Keys (RFC 7517, RFC 7518 §6): strict reading, and the thumbprint.

Text is canonical base64url, and integers are written without leading zeros. Which members a key has is decided by its
key type; what cannot be read is `KeyRefused`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from sealring.errors import KeyRefused
from sealring.jwt.base64url import NotCanonical, decode, encode


def bytes_member(jwk: Mapping[str, Any], name: str) -> bytes:
    """Return the bytes of a member; raises `KeyRefused`."""
    text = jwk.get(name)
    if not isinstance(text, str):
        raise KeyRefused(f"the JWK needs {name!r} as base64url text")
    try:
        return decode(text)
    except NotCanonical:
        raise KeyRefused(f"the JWK's {name!r} is not base64url") from None


def uint_member(jwk: Mapping[str, Any], name: str) -> int:
    """Return the number in a member (Base64urlUInt, RFC 7518 §2); raises `KeyRefused`."""
    return int.from_bytes(bytes_member(jwk, name), "big")


def uint(number: int) -> str:
    """Return a number as Base64urlUInt."""
    return encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def thumbprint(public_members: Mapping[str, str]) -> str:
    """Return the RFC 7638 thumbprint (SHA-256) as base64url."""
    return encode(sha256(json.dumps(public_members, separators=(",", ":"), sort_keys=True).encode()).digest())
