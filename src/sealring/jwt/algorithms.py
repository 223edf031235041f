"""The table of algorithms: one row for each `alg` (RFC 7518 §3, RFC 9864).

A key picks its row, and a token's header only has to agree (RFC 8725 §3.1). An algorithm without a row does not exist
here: `none`, `ES256K`, `RSA1_5` and all the rest. `EdDSA`, the name that RFC 9864 retires for `Ed25519`, is a row of
its own, so that a key answers to it only when it was made for it. What the rows know is in `sealring.jwt.key_types`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec

from sealring.errors import KeyRefused
from sealring.jwt.key_types import Algorithm
from sealring.jwt.key_types.digests import SHA256, SHA384, SHA512
from sealring.jwt.key_types.ec import Ecdsa
from sealring.jwt.key_types.oct import Hmac
from sealring.jwt.key_types.okp import Ed25519
from sealring.jwt.key_types.rsa import Rsa

Row: TypeAlias = Algorithm[Any, Any]  # rows of several key types stand together: each checks its own keys

ALGORITHMS: dict[str, Row] = {
    row.name: row
    for row in (
        Hmac("HS256", SHA256),
        Hmac("HS384", SHA384),
        Hmac("HS512", SHA512),
        Rsa("RS256", SHA256),
        Rsa("RS384", SHA384),
        Rsa("RS512", SHA512),
        Rsa("PS256", SHA256, pss=True),
        Rsa("PS384", SHA384, pss=True),
        Rsa("PS512", SHA512, pss=True),
        Ecdsa("ES256", "P-256", ec.SECP256R1(), SHA256),
        Ecdsa("ES384", "P-384", ec.SECP384R1(), SHA384),
        Ecdsa("ES512", "P-521", ec.SECP521R1(), SHA512),
        Ed25519("Ed25519"),
        Ed25519("EdDSA", old_name_of="Ed25519"),
    )
}


def algorithm(name: object) -> Row:
    """Return the row of that name; raises `ValueError`, which lists the names, when there is none."""
    row = ALGORITHMS.get(name) if isinstance(name, str) else None
    if row is None:
        raise ValueError(f"alg must be one of {', '.join(ALGORITHMS)}")
    return row


def implied_algorithm(jwk: Mapping[str, Any]) -> Row:
    """Return the row that a JWK without `alg` means, which its kind of key implies; raises `KeyRefused` for none."""
    for row in ALGORITHMS.values():
        if row.kind.items() <= jwk.items() and row.implied:
            return row
    raise KeyRefused("the JWK has no alg, and its kty and crv imply none: give one")


def possible_algorithms(jwk: Mapping[str, Any], allowed: Collection[str] | None) -> list[str]:
    """Return what a public key without `alg` in a published set may be used for, since many issuers leave it out.

    That is each of `allowed` that fits; without `allowed`, the first row of its kind (RS256 for RSA) under its own
    name and its retired one. A published secret is none.
    """
    rows = [row for row in ALGORITHMS.values() if not row.is_symmetric and row.kind.items() <= jwk.items()]
    if allowed is not None:
        return [row.name for row in rows if row.name in allowed]
    return [row.name for row in rows if rows[0].name in (row.name, row.old_name_of)]
