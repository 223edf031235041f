"""Writes the headers of tokens: `alg` and `kid` of the key, `typ`, and members of the caller's own (RFC 7515 §4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sealring.jwt.base64url import encode
from sealring.jwt.strict_json import require_json, write

_FIXED = ("alg", "crit", "b64", "zip", "cty")


def write_header(alg: str, kid: str, typ: str | None, more: Mapping[str, Any] | None = None) -> str:
    """Return a header as base64url text.

    Raises `ValueError` for members that change how a signature or a payload is read, `TypeError` for what is no JSON.
    """
    fields: dict[str, Any] = {"alg": alg, "kid": kid}
    if typ is not None:
        fields["typ"] = typ
    if more is not None:
        if not isinstance(more, Mapping):
            raise TypeError("header must be a mapping")
        for name in _FIXED:
            if name in more:
                raise ValueError(f"header {name!r} cannot be set")
        fields |= more
    if type(fields["kid"]) is not str or type(fields.get("typ", "")) is not str:
        raise TypeError("header 'kid' and 'typ' must be text")
    require_json("header", fields, 0)
    return encode(write(fields))
