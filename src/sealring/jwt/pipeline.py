"""One verification, in order: size, shape, header, algorithm, key, signature, `typ`, payload, claims, dates.

Errors of the signature come before errors of the claims, and an unsigned payload is never parsed. Keys and a policy
compile into one closure that looks up no option. The closure remembers headers by their exact text, because an issuer
writes a handful of them. It remembers only headers of tokens with a good signature, so that nobody else can fill its
memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, overload

from sealring.errors import Malformed, WrongType
from sealring.jwt.claims import refuse_dates
from sealring.jwt.compact import read_claims, read_header, split, without_paddings
from sealring.jwt.key_set import KeySet
from sealring.jwt.key_types import Checker
from sealring.jwt.keys import Key
from sealring.jwt.policy import Policy
from sealring.jwt.selection import Resolver, find_keys, other_key
from sealring.jwt.values import Token, deep_copy

T = TypeVar("T")

VerifyToken: TypeAlias = Callable[[str, float], T]
Record: TypeAlias = Callable[[float, float, Token, bool, Key], T]
"""Makes what is remembered of a verification, from the start and the end of its validity, the token, whether its
dictionaries are flat, and the key that fitted."""

_Header: TypeAlias = "tuple[dict[str, Any], bool, tuple[Key, ...], Checker]"
"""A header, whether it is flat, the keys to try, and the checker of the first of them."""

_MAX_HEADERS = 256


@overload
def compile_verification(keys: KeySet | Resolver, policy: Policy) -> VerifyToken[Token]: ...
@overload
def compile_verification(keys: KeySet | Resolver, policy: Policy, record: Record[T]) -> VerifyToken[T]: ...
def compile_verification(
    keys: KeySet | Resolver, policy: Policy, record: Record[Any] | None = None
) -> VerifyToken[Any]:
    """Return the function that verifies a token with `keys` and `policy` at a given time.

    The function returns the Token, or what `record` makes of it. It raises a `TokenError`.
    """
    headers: dict[str, _Header] = {}
    keeps_headers = isinstance(keys, KeySet)  # a resolver is asked every time
    check_claims, rules = policy.check_claims, policy.rules
    max_chars, padded = policy.max_chars, policy.padded_base64url

    def verify_token(token: str, now: float) -> Any:
        if type(token) is not str or len(token) > max_chars or not token.isascii():
            split(token, max_chars)
        signing_input, _, signature = token.rpartition(".")
        header_text, _, payload_text = signing_input.partition(".")
        if padded:  # signed with its padding, read without
            header_text, payload_text, signature = without_paddings(header_text, payload_text, signature)
        known = headers.get(header_text)
        header, flat_header, candidates, check = known or _read_new_header(token, keys, policy)
        data = signing_input.encode()
        key = candidates[0] if check(data, signature) else other_key(candidates, data, token, signature)
        if known is None:
            _check_header(header, policy)
            if keeps_headers and len(headers) < _MAX_HEADERS:
                headers[header_text] = header, flat_header, candidates, check
        claims, flat = read_claims(payload_text)
        since, until = check_claims(claims)
        if not since <= now < until:
            raise refuse_dates(claims, rules, now)
        value = Token(claims, header.copy() if flat_header else deep_copy(header))
        return value if record is None else record(since, until, value, flat and flat_header, key)

    return verify_token


def _read_new_header(token: str, keys: KeySet | Resolver, policy: Policy) -> _Header:
    header, flat = read_header(split(token, policy.max_chars, padded_base64url=policy.padded_base64url)[0])
    candidates = find_keys(header, keys, policy.algorithms)
    return header, flat, candidates, candidates[0].check


def _check_header(header: dict[str, Any], policy: Policy) -> None:
    """Check what remains of a header once the signature is known to be good."""
    if not policy.allows_type(header.get("typ", "")):
        raise WrongType("header 'typ' is not the required type of token")
    if "zip" in header or "cty" in header:
        raise Malformed("the payload is not claims: the header has 'zip' or 'cty'")
