"""One-shot functions: verify one token, verify a signature over any bytes, read a token without verifying it.

`verify` is a `Verifier` for one token, for scripts and for keys that change with every call. A service builds its
`Verifier` once.
"""

from __future__ import annotations

from collections.abc import Collection
from time import time
from typing import Unpack

from sealring.jwt.claims import checked_flag
from sealring.jwt.compact import MAX_TOKEN_CHARS, checked_max_chars, read_claims, read_header, read_payload, split
from sealring.jwt.dates import Moment, seconds_of
from sealring.jwt.pipeline import compile_verification
from sealring.jwt.policy import PolicyOptions, compile_policy
from sealring.jwt.selection import Keys, allowed_algorithms, as_keys, find_keys, signature_error
from sealring.jwt.values import Peeked, Signed, Token


def verify(token: str, key_or_keys: Keys, *, now: Moment | None = None, **options: Unpack[PolicyOptions]) -> Token:
    """Return the verified Token (RFC 7519 §7.2, RFC 8725).

    Args:
        token: the compact text.
        key_or_keys: a Key, a KeySet, or a function from the header to a Key, a KeySet or None.
        now: seconds since 1970, or a datetime with a time zone; the clock when left out.
        options: the policy, see `PolicyOptions`. `exp` is required unless `require=()`, and a token with `aud` is
            refused unless `audience` names one of its values.

    Raises:
        TokenError: why the token is refused.
        TypeError, ValueError: a wrong option.

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("HS256")
    >>> token = jwt.sign({"sub": "42"}, key, expires_in=60, now=1_700_000_000)
    >>> jwt.verify(token, key, now=1_700_000_059).claims["sub"]
    '42'
    """
    verify_token = compile_verification(as_keys(key_or_keys), compile_policy(options, "verify", "now"))
    return verify_token(token, time() if now is None else seconds_of("now", now))


def verify_signature(
    token: str,
    key_or_keys: Keys,
    *,
    algorithms: Collection[str] | None = None,
    padded_base64url: bool = False,
    max_chars: int = MAX_TOKEN_CHARS,
) -> Signed:
    """Return header and payload of a compact JWS over any bytes (RFC 7515 §5.2).

    Claims, dates and `typ` are not checked.

    Args:
        token: the compact text.
        key_or_keys: a Key, a KeySet, or a function from the header to one of them or None.
        algorithms: names that are allowed; without it, those of the keys.
        padded_base64url: accept padding, see `PolicyOptions`.
        max_chars: how long the text may be, 65536 at most.

    >>> from sealring import jwt
    >>> key = jwt.Key.generate("ES256")
    >>> jwt.verify_signature(jwt.sign({}, key, issued_at=False), key).payload
    b'{}'
    """
    header_text, payload, signature, signing_input = split(
        token, checked_max_chars(max_chars), padded_base64url=checked_flag("padded_base64url", padded_base64url)
    )
    header, _ = read_header(header_text)
    keys = find_keys(header, as_keys(key_or_keys), allowed_algorithms(algorithms))
    if not any(key.check(signing_input.encode(), signature) for key in keys):
        raise signature_error(token, signature)
    return Signed(header, read_payload(payload))


def peek(token: str, *, padded_base64url: bool = False, max_chars: int = MAX_TOKEN_CHARS) -> Peeked:
    """Return the content of a token, NOT VERIFIED, for logs and tools.

    Args:
        token: the compact text.

    Args:
        token: the compact text.
        padded_base64url: accept padding, see `PolicyOptions`.
        max_chars: how long the text may be, 65536 at most.

    Raises:
        TooLarge, Malformed, CriticalHeader: it cannot be read.
        UnsupportedAlgorithm: the header has no `alg`.

    >>> from sealring import jwt
    >>> jwt.peek(jwt.sign({"sub": "42"}, jwt.Key.generate("HS256"))).claims["sub"]
    '42'
    """
    header, payload, _, _ = split(
        token, checked_max_chars(max_chars), padded_base64url=checked_flag("padded_base64url", padded_base64url)
    )
    return Peeked(read_header(header)[0], read_claims(payload)[0])
