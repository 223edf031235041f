"""The results of reading a token. Verified and unverified are different types; all are frozen.

`Token` comes only from a verification of signature and claims, `Signed` from a verification of the signature alone,
`Peeked` from no verification at all. The dictionaries belong to the caller who received them: nobody else sees a
change. The cycle collector does not track a `Token`, which halves the cost of making one: it is frozen and holds JSON,
in which there are no cycles.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Token(Struct, frozen=True, gc=False):
    """A verified token: its signature, type, dates and claims are as the policy asks (RFC 7519 §7.2).

    Attributes:
        claims: the JSON object that was signed.
        header: the protected header.

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("HS256", kid="k")
    >>> jwt.verify(jwt.sign({"sub": "42"}, key, expires_in="30m"), key).kid
    'k'
    """

    claims: dict[str, Any]
    header: dict[str, Any]

    @property
    def kid(self) -> str | None:
        """The name of the key, when the header has one."""
        return self.header.get("kid")


class Signed(Struct, frozen=True):
    """Bytes with a verified signature (a compact JWS, RFC 7515 §3.1); their meaning is not checked.

    Attributes:
        header: the protected header.
        payload: the bytes that were signed.

    >>> Signed({"alg": "ES256"}, b"any bytes").payload
    b'any bytes'
    """

    header: dict[str, Any]
    payload: bytes


class Peeked(Struct, frozen=True):
    """The content of a token, NOT VERIFIED: anybody can write this.

    Attributes:
        header: the header as it is.
        claims: the claims as they are.

    >>> Peeked({"alg": "none"}, {"sub": "admin"}).claims
    {'sub': 'admin'}
    """

    header: dict[str, Any]
    claims: dict[str, Any]


def deep_copy(value: Any) -> Any:
    """Return a copy of a JSON value that shares no dictionary and no list with it."""
    if type(value) is dict:
        return {name: deep_copy(item) for name, item in value.items()}
    if type(value) is list:
        return [deep_copy(item) for item in value]
    return value
