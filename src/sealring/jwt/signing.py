"""Signing: claims and options in, a compact token out (RFC 7519 §7.1).

Writes only what `verify` would accept: registered claims of their types, finite numbers, a size that is
read. Nothing that the caller passes can change the algorithm: `alg` comes from the key, and
extensions that change what a signature covers (`crit`, `b64`) cannot be set.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, isfinite
from typing import Any

from msgspec.json import Encoder

from sealring.errors import BadClaim
from sealring.jwt.base64url import encode
from sealring.jwt.claims import Duration, require_claim_types
from sealring.jwt.clock import time
from sealring.jwt.compact import MAX_TOKEN_CHARS
from sealring.jwt.durations import parse_duration
from sealring.jwt.keys import Key

_write = Encoder().encode
_PLAIN = frozenset({str, int, bool, type(None)})
_NAME = frozenset({str})
_REGISTERED = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
_HEADERS_KEPT = 16  # per key; one per typ, and a key signs few types


def sign(  # noqa: PLR0913  # the options of jsonwebtoken
    claims: Mapping[str, Any],
    key: Key,
    *,
    expires_in: Duration | None = None,
    not_before: Duration | None = None,
    audience: str | list[str] | None = None,
    issuer: str | None = None,
    subject: str | None = None,
    token_id: str | None = None,
    typ: str | None = "JWT",
    header: Mapping[str, Any] | None = None,
    issued_at: bool = True,
    now: float | None = None,
) -> str:
    """Return a signed compact token with `claims`, which stay as they are.

    Args:
        claims: a JSON object. `exp`, `nbf` and `iat` are seconds since 1970.
        key: a private key or a secret; its `alg` and `kid` go into the header.
        expires_in: whole seconds or text such as `"30m"`, from `iat` (the claim, else now) to `exp`.
        not_before: the same, to `nbf`.
        audience: `aud`, a string or a list of strings.
        issuer: `iss`.
        subject: `sub`.
        token_id: `jti`.
        typ: the header's `typ`; None leaves it out.
        header: more header fields; never `alg`, `crit` or `b64`.
        issued_at: whether to add `iat` when the claims have none.
        now: seconds since 1970; the clock when left out.

    Raises `TypeError` or `ValueError` for anything that `verify` would not accept, for an option whose
    claim is there already, and for a key that cannot sign.

    >>> token = sign({"sub": "42"}, Key.generate("ES256"), expires_in="30m")
    >>> token.count(".")
    2
    """
    if not isinstance(key, Key):
        raise TypeError("sign needs a Key: Key.from_secret, Key.from_pem, Key.from_jwk")
    signer = key.sign
    if signer is None:
        raise ValueError("a public key cannot sign")
    if not isinstance(claims, Mapping):
        raise TypeError("claims must be a mapping")
    body = dict(claims)
    if now is None:
        now = time()
    for name, value in (("aud", audience), ("iss", issuer), ("sub", subject), ("jti", token_id)):
        if value is not None:
            _add(body, name, value)
    if issued_at and "iat" not in body:
        body["iat"] = int(now)
    if expires_in is not None or not_before is not None:
        start = body.get("iat", int(now))
        if expires_in is not None:
            _add(body, "exp", _moment(start, "expires_in", expires_in))
        if not_before is not None:
            _add(body, "nbf", _moment(start, "not_before", not_before))
    _require_writable(body)
    signing_input = f"{_header_text(key, typ, header)}.{encode(_write(body))}"
    token = f"{signing_input}.{encode(signer(signing_input.encode()))}"
    if len(token) > MAX_TOKEN_CHARS:
        raise ValueError(f"the token would have more than {MAX_TOKEN_CHARS} characters")
    return token


def _add(body: dict[str, Any], name: str, value: Any) -> None:
    if name in body:
        raise ValueError(f"claim {name!r} is given twice: in the claims and as an option")
    body[name] = value


def _moment(start: Any, option: str, duration: Duration) -> int | float:
    seconds = parse_duration(duration)
    if not isinstance(duration, str) and not isinstance(seconds, int):
        raise ValueError(f"{option} must be a whole number of seconds, or text")
    if type(start) not in (int, float):
        raise TypeError("claim 'iat' must be a number")
    return floor(start + seconds)


def _require_writable(body: dict[str, Any]) -> None:
    if not _NAME.issuperset(map(type, body)):
        raise TypeError("claim names must be strings")
    if not _PLAIN.issuperset(map(type, body.values())):
        for name, value in body.items():
            _require_json(name, value)
    try:
        require_claim_types(body)
    except BadClaim as error:  # a refusal is for tokens; here it is the caller's mistake
        raise TypeError(str(error)) from None


def _require_json(where: str, value: Any) -> None:
    """Refuse what msgspec would write as something else: NaN as null, a date as text, 1 as a name."""
    if type(value) in _PLAIN:
        return
    if type(value) is float:
        if not isfinite(value):
            raise ValueError(f"claim {where!r} holds a number that is not finite")
    elif isinstance(value, list | tuple):
        for item in value:
            _require_json(where, item)
    elif isinstance(value, dict):
        if not _NAME.issuperset(map(type, value)):
            raise TypeError(f"claim {where!r} holds a name that is no string")
        for item in value.values():
            _require_json(where, item)
    elif not isinstance(value, str | int | float):
        raise TypeError(f"claim {where!r} holds a value that is not JSON")


def _header_text(key: Key, typ: str | None, header: Mapping[str, Any] | None) -> str:
    if header is None:
        text = key.header_texts.get(typ)
        if text is not None:
            return text
    if typ is not None and not isinstance(typ, str):
        raise TypeError("typ must be text")
    fields: dict[str, Any] = {"alg": key.alg, "kid": key.kid, "typ": typ}
    if typ is None:
        del fields["typ"]
    if header is not None:
        for name in ("alg", "crit", "b64"):
            if name in header:
                raise ValueError(f"header {name!r} cannot be set")
        fields |= header
        if not all(isinstance(fields.get(name, ""), str) for name in ("kid", "typ")):
            raise TypeError("header 'kid' and 'typ' must be text")
        _require_json("header", fields)
    text = encode(_write(fields))
    if header is None and len(key.header_texts) < _HEADERS_KEPT:
        key.header_texts[typ] = text
    return text
