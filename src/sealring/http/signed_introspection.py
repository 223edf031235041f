"""Answers to introspection as signed JWTs (RFC 9701): a gateway can show later what the answer was. Pure.

Asked for by `Accept`. The type is of their own (§5), so no answer is taken for an access token, and it has neither
`sub` nor `exp` at its top (§8.1). A secret signs none: the client that asked could not verify it, or could write it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sealring import jwt
from sealring.http.cookies import Headers
from sealring.jwt.base64url import encode

MEDIA_TYPE = b"application/token-introspection+jwt"
TYPE = "token-introspection+jwt"

_write = msgspec.json.Encoder().encode


def wants_signed(headers: Headers) -> bool:
    """Whether the client asks for a JWT by name (§4); a wildcard, which every client sends, asks for JSON.

    >>> wants_signed([(b"accept", b"application/json;q=0.5, Application/Token-Introspection+JWT")])
    True
    >>> wants_signed([(b"accept", b"application/token-introspection+jwt;q=0, */*")])
    False
    """
    ranges = [one.strip() for name, value in headers if name == b"accept" for one in value.lower().split(b",")]
    for one in ranges:
        media_type, *parameters = (part.strip() for part in one.split(b";"))
        if media_type == MEDIA_TYPE:
            return not any(part.partition(b"=")[0].strip() == b"q" and not _is_above_zero(part) for part in parameters)
    return False


def sign_introspection(members: Mapping[str, Any], *, key: jwt.Key, issuer: str, client_id: str, now: int) -> bytes:
    """The answer for one client, as a compact JWS (§5).

    It may be longer than a token: it holds the claims of one, and stands in a body.

    Raises:
        ValueError: the key is a secret, or public.
    """
    if key.is_symmetric or key.sign is None:
        raise ValueError("an introspection answer is signed by a private key")
    payload = _write({"iss": issuer, "aud": client_id, "iat": now, "token_introspection": members})
    signing_input = f"{key.header(TYPE)}.{encode(payload)}"
    return f"{signing_input}.{encode(key.sign(signing_input.encode()))}".encode()


def _is_above_zero(parameter: bytes) -> bool:
    """Whether a weight is more than 0 (RFC 9110 §12.4.2); what is no number is none."""
    try:
        return float(parameter.partition(b"=")[2]) > 0
    except ValueError:
        return False
