"""What comes out of a token. Verified and unverified are different types; all are frozen.

`Token` can only be had from a verification of signature and claims, `Signed` from a verification of
the signature alone, `Peeked` from no verification at all. The dictionaries belong to the caller who
received them: nobody else sees what one does to them. A `Token` is not watched by the cycle collector, which
halves the price of making one: it is frozen and holds JSON, in which there are no cycles.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Token(Struct, frozen=True, gc=False):
    """A verified token: signature, type, dates and the claims asked for are as they should be.

    Attributes:
        claims: the JSON object that was signed.
        header: the protected header.
    """

    claims: dict[str, Any]
    header: dict[str, Any]

    @property
    def kid(self) -> str | None:
        """The name of the key, when the header gives one."""
        return self.header.get("kid")


class Signed(Struct, frozen=True):
    """Bytes with a verified signature (a compact JWS, RFC 7515 §3.1); nothing is known of their meaning."""

    header: dict[str, Any]
    payload: bytes


class Peeked(Struct, frozen=True):
    """What a token says of itself. NOT VERIFIED: anybody can write this."""

    header: dict[str, Any]
    claims: dict[str, Any]


def deep_copy(value: Any) -> Any:
    """Return a copy of JSON that shares nothing that can change."""
    if type(value) is dict:
        return {name: deep_copy(item) for name, item in value.items()}
    if type(value) is list:
        return [deep_copy(item) for item in value]
    return value
