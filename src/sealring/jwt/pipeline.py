"""One verification, in order: size, shape, header, algorithm, key, signature, `typ`, payload, claims, dates.

So errors of the signature come before errors of the claims, and nothing of an unsigned payload is ever
parsed. A set of keys and a policy compile into one closure that looks no option up. It
remembers the headers that it met by their exact text, of which an issuer writes a handful, and only
those of tokens whose signature was good, so that nobody else can fill its memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, overload

from sealring.errors import Malformed, WrongType
from sealring.jwt.claims import refuse_dates
from sealring.jwt.compact import MAX_TOKEN_CHARS, read_claims, read_header, split
from sealring.jwt.key_set import KeySet
from sealring.jwt.keys import Key
from sealring.jwt.policy import Policy
from sealring.jwt.selection import Resolver, find_keys, other_key
from sealring.jwt.values import Token, deep_copy

T = TypeVar("T")

VerifyToken: TypeAlias = Callable[[str, float], T]
Record: TypeAlias = Callable[[float, float, Token, bool, Key], T]
"""Makes of a verification what is to be remembered: since when and until when it holds, the token, whether its
dictionaries are flat, and the key that let it in."""

_KnownHeader: TypeAlias = (
    "tuple[dict[str, Any], bool, tuple[Key, ...]]"  # a header, whether it is flat, the keys to try
)

_HEADERS_KEPT = 256


@overload
def compile_verification(keys: KeySet | Resolver, policy: Policy) -> VerifyToken[Token]: ...
@overload
def compile_verification(keys: KeySet | Resolver, policy: Policy, record: Record[T]) -> VerifyToken[T]: ...
def compile_verification(
    keys: KeySet | Resolver, policy: Policy, record: Record[Any] | None = None
) -> VerifyToken[Any]:
    """Return the function that verifies a token under `keys` and `policy` at a time; it raises a `TokenError`.

    It returns the Token, or what `record` makes of it.
    """
    headers: dict[str, _KnownHeader] = {}
    keeps_headers = isinstance(keys, KeySet)  # a resolver is asked every time
    check_claims = policy.check_claims

    def verify_token(token: str, now: float) -> Any:
        if type(token) is not str or len(token) > MAX_TOKEN_CHARS or not token.isascii():
            split(token)
        signing_input, _, signature = token.rpartition(".")
        header_text, _, payload_text = signing_input.partition(".")
        is_known = header_text in headers
        met = headers[header_text] if is_known else _read_new_header(token, keys, policy)
        header, flat_header, candidates = met
        data = signing_input.encode()
        key = candidates[0]
        check = key.check  # called as `key.check(…)` it would be looked for among the methods first
        if not check(data, signature):
            key = other_key(candidates, data, token, signature)
        if not is_known:
            _check_header(header, policy)
            if keeps_headers and len(headers) < _HEADERS_KEPT:
                headers[header_text] = met
        claims, flat = read_claims(payload_text)
        since, until = check_claims(claims)
        if not since <= now < until:
            raise refuse_dates(claims, policy.rules, now)
        value = Token(claims, {**header} if flat_header else deep_copy(header))
        return value if record is None else record(since, until, value, flat and flat_header, key)

    return verify_token


def _read_new_header(token: str, keys: KeySet | Resolver, policy: Policy) -> _KnownHeader:
    header, flat = read_header(split(token)[0])
    return header, flat, find_keys(header, keys, policy.algorithms)


def _check_header(header: dict[str, Any], policy: Policy) -> None:
    """ClaimsCheck the header of a token whose signature is good."""
    if not policy.allows_type(header.get("typ", "")):
        raise WrongType("header 'typ' is not the kind of token wanted")
    if "zip" in header or "cty" in header:
        raise Malformed("a header with 'zip' or 'cty' has no claims for a payload")
