"""DPoP proofs (RFC 9449): what a client signs for one request, with the key that its tokens are bound to. Pure.

`sign_proof` is the client's side. `read_proof` gives a proof whose signature fits the key that it brings along: checks
2 to 7 of §4.3. The others need the request and are in `sealring.http.proofs`. A proof proves a key, and nobody's
identity: any stranger can sign one with a key of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sealring.errors import InvalidProof, KeyRefused, TokenError
from sealring.jwt.algorithms import ALGORITHMS
from sealring.jwt.base64url import encode
from sealring.jwt.compact import read_claims, read_header, split
from sealring.jwt.keys import Key
from sealring.jwt.signing import sign

PROOF_TYPE = "dpop+jwt"
"""The header's `typ` (§4.2): no other token of the same key is taken for a proof."""

PROOF_ALGORITHMS = tuple(row.name for row in ALGORITHMS.values() if not row.is_symmetric)
"""Signatures, and no MAC: the key is in the proof, for everybody to read (§11.6)."""

MAX_PROOF_CHARS = 3072
"""A stranger chooses the key, and an RSA key stands in a proof twice, as modulus and as signature: this leaves room for
6144 bits, and bounds the cost of a check."""

_PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")


@dataclass(frozen=True, slots=True, kw_only=True)
class DPoPProof:
    """A proof that is signed by the key in it. Nothing says yet that it is new, or of this request."""

    thumbprint: str
    """Of the key (RFC 7638): what `cnf.jkt` of a token names."""
    token_id: str
    """`jti`."""
    method: str
    """`htm`."""
    url: str
    """`htu`."""
    issued_at: float
    """`iat`, by the client's clock."""
    nonce: str | None
    access_token_hash: str | None = field(repr=False)
    """`ath`."""


def sign_proof(
    key: Key, *, method: str, url: str, token_id: str, now: int, nonce: str | None = None, access_token: str = ""
) -> str:
    """Return a proof for one request (§4.2).

    Args:
        key: private, of an algorithm with signatures.
        method: of the request.
        url: of the request, without query and fragment.
        token_id: never used before.
        now: Unix seconds.
        nonce: the newest that this server has sent.
        access_token: the token that goes along, if one does.
    """
    claims: dict[str, Any] = {"jti": token_id, "htm": method, "htu": url, "iat": now}
    if nonce is not None:
        claims["nonce"] = nonce
    if access_token:
        claims["ath"] = hash_of(access_token)
    jwk = {name: value for name, value in key.public().to_jwk().items() if name not in {"alg", "kid", "use"}}
    return sign(claims, key, typ=PROOF_TYPE, header={"jwk": jwk}, issued_at=False)


def hash_of(access_token: str) -> str:
    """`ath` of a token (§4.2)."""
    return encode(sha256(access_token.encode()).digest())


def read_proof(text: str) -> DPoPProof:
    """Return a proof whose signature fits the public key in its header (§4.3, checks 2 to 7).

    Raises:
        InvalidProof: why not, for the log.
    """
    try:
        header_text, payload, signature, signing_input = split(text, MAX_PROOF_CHARS)
        header, _ = read_header(header_text)
        key = _key(header)
        if not key.check(signing_input.encode(), signature):
            raise InvalidProof("the signature of the proof is not of its own key")
        claims, _ = read_claims(payload)
    except TokenError as error:
        raise InvalidProof(f"the proof is no JWT: {error}") from None
    return DPoPProof(
        thumbprint=key.thumbprint,
        token_id=_text(claims, "jti"),
        method=_text(claims, "htm"),
        url=_text(claims, "htu"),
        issued_at=_date(claims, "iat"),
        nonce=_text(claims, "nonce") if "nonce" in claims else None,
        access_token_hash=_text(claims, "ath") if "ath" in claims else None,
    )


def _key(header: dict[str, Any]) -> Key:
    if header.get("typ") != PROOF_TYPE:
        raise InvalidProof("the typ of the proof is not dpop+jwt")
    alg, jwk = header["alg"], header.get("jwk")
    if alg not in PROOF_ALGORITHMS:
        raise InvalidProof("the algorithm of the proof is no signature that is accepted here")
    if not isinstance(jwk, dict):
        raise InvalidProof("the proof has no jwk")
    if any(member in jwk for member in _PRIVATE_MEMBERS):
        raise InvalidProof("the jwk of the proof holds a private key")
    try:
        return Key.from_jwk(jwk, alg)
    except KeyRefused as error:
        raise InvalidProof(f"the jwk of the proof is refused: {error}") from None


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidProof(f"the proof needs {name!r} as text")
    return value


def _date(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidProof(f"the proof needs {name!r} as a number")
    return value
