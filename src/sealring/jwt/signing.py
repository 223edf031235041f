"""Signing: from claims and options to a compact token (RFC 7519 §7.1).

It writes nothing that `verify` would refuse as malformed: registered claims have their types, numbers are finite, and
the size is within the limit. No argument changes the algorithm: `alg` comes from the key, and members that change how
a signature or a payload is read (`crit`, `b64`, `zip`, `cty`) cannot be set.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import floor
from time import time
from typing import Any

from sealring.errors import BadClaim, TokenTooLong
from sealring.jwt.base64url import encode, encoded_chars
from sealring.jwt.claims import DATE_LIMIT, require_claim_types
from sealring.jwt.compact import MAX_TOKEN_CHARS
from sealring.jwt.dates import Moment, finite_seconds_of, whole_seconds_of
from sealring.jwt.durations import Duration, named_duration
from sealring.jwt.headers import write_header
from sealring.jwt.key_types import Signer
from sealring.jwt.keys import Key
from sealring.jwt.strict_json import require_json, write

_DATES = frozenset({"exp", "nbf", "iat"})
_LOWEST_DATE = -DATE_LIMIT


def sign(
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
    now: Moment | None = None,
) -> str:
    """Return a signed compact token with `claims`, which are not changed.

    Args:
        claims: a JSON object. `exp`, `nbf` and `iat` are seconds since 1970, or a datetime with a time zone, which
            is written as its second.
        key: a private key or a secret. The header gets its `alg` and `kid`.
        expires_in: whole seconds, text such as `"30m"` or a timedelta, from `iat` (the claim, else now) to `exp`.
            Without `exp` a token never expires, and `verify` refuses it unless called with `require=()`.
        not_before: the same, to `nbf`.
        audience: `aud`, a string or a list of strings.
        issuer: `iss`.
        subject: `sub`.
        token_id: `jti`.
        typ: the header's `typ`; None leaves it out.
        header: more header fields; never `alg`, `crit`, `b64`, `zip` or `cty`.
        issued_at: whether to add `iat` when the claims do not have it.
        now: seconds since 1970, or a datetime with a time zone; the clock when left out.

    Raises:
        TypeError, ValueError: claims that `verify` would refuse as malformed; an option whose claim is in `claims`
            already; a key that cannot sign.
        TokenTooLong: more than 8192 characters.
        KeyRefused: the signature of a signer of your own does not fit its public key.

    >>> token = sign({"sub": "42"}, Key.generate("ES256"), expires_in="30m")
    >>> token.count(".")
    2
    """
    signer = _signer(key)
    body = claims.copy() if type(claims) is dict else _body(claims)
    if isinstance(body.get("iat"), datetime):
        body["iat"] = whole_seconds_of("iat", body["iat"])
    if audience is not None:
        _add(body, "aud", audience)
    if issuer is not None:
        _add(body, "iss", issuer)
    if subject is not None:
        _add(body, "sub", subject)
    if token_id is not None:
        _add(body, "jti", token_id)
    if issued_at and "iat" not in body:
        body["iat"] = _second(now)
    if expires_in is not None:
        _add(body, "exp", _moment(body, now, "expires_in", expires_in))
    if not_before is not None:
        _add(body, "nbf", _moment(body, now, "not_before", not_before))
    _require_writable(body)
    head = key.header(typ) if header is None else write_header(key.alg, key.kid, typ, header)
    signing_input = f"{head}.{encode(write(body))}"
    token = f"{signing_input}.{encode(signer(signing_input.encode()))}"
    if len(token) > MAX_TOKEN_CHARS:
        raise TokenTooLong(MAX_TOKEN_CHARS)
    return token


def count_chars(claims: Mapping[str, Any], key: Key, *, typ: str | None = "JWT") -> int:
    """Return how many characters the token has that `sign` makes of these claims, `iat` among them, without signing.

    Raises what `sign` raises, but for a token that is too long.
    """
    _signer(key)
    body = _body(claims)
    _require_writable(body)
    return len(key.header(typ)) + encoded_chars(len(write(body))) + encoded_chars(key.signature_bytes) + 2  # two dots


def _signer(key: object) -> Signer:
    if not isinstance(key, Key):
        raise TypeError("sign needs a Key: Key.from_secret, Key.from_pem, Key.from_jwk")
    if key.sign is None:
        raise ValueError("a public key cannot sign")
    return key.sign


def _body(claims: object) -> dict[str, Any]:
    if not isinstance(claims, Mapping):
        raise TypeError("claims must be a mapping")
    return dict(claims)


def _add(body: dict[str, Any], name: str, value: Any) -> None:
    if name in body:
        raise ValueError(f"claim {name!r} is given twice: in the claims and as an option")
    body[name] = value


def _second(now: Moment | None) -> int:
    return int(time() if now is None else finite_seconds_of("now", now))


def _moment(body: dict[str, Any], now: Moment | None, option: str, duration: Duration) -> int:
    start = body["iat"] if "iat" in body else _second(now)
    _require_registered("iat", start)
    seconds = duration if type(duration) is int else named_duration(option, duration)
    if isinstance(duration, float) and seconds != duration // 1:
        raise ValueError(f"{option} must be a whole number of seconds, or text")
    moment: int = floor(start + seconds)
    return moment


def _require_writable(body: dict[str, Any]) -> None:
    """Raise unless `verify` would accept these claims. The usual types are checked here, all others one by one."""
    for name, value in body.items():
        if type(value) is str:
            if type(name) is str and name not in _DATES:
                continue
        elif type(value) is int and name in _DATES and _LOWEST_DATE < value < DATE_LIMIT:
            continue
        if type(name) is not str:
            raise TypeError("claim names must be strings")
        if name in _DATES and isinstance(value, datetime):
            body[name] = whole_seconds_of(name, value)
            continue
        if name not in _DATES:
            require_json(name, value)
        _require_registered(name, value)


def _require_registered(name: str, value: Any) -> None:
    try:
        require_claim_types({name: value})
    except BadClaim as error:  # a TokenError is for tokens; this is the caller's mistake
        raise TypeError(str(error)) from None
