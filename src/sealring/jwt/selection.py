"""Selects the keys that may check a token, by its header, and the one whose signature fits.

A key has one algorithm, and the header has to agree with it (RFC 8725 §3.1): a public key is never used for an HMAC,
and a key of one name never replaces a key of another. An unknown `kid` costs a dictionary look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeAlias

from sealring.errors import BadSignature, Malformed, TokenError, UnknownKey, UnsupportedAlgorithm
from sealring.jwt.algorithms import ALGORITHMS
from sealring.jwt.base64url import NotCanonical, decode
from sealring.jwt.key_set import KeySet, ResolvedKey, SingleKey
from sealring.jwt.keys import Key
from sealring.jwt.values import deep_copy

Resolver: TypeAlias = Callable[[dict[str, Any]], Key | KeySet | None]
Keys: TypeAlias = Key | KeySet | Resolver


def as_keys(keys: object) -> KeySet | Resolver:
    """Return the set or the resolver to select from; raises `TypeError` for anything else but a Key."""
    if isinstance(keys, Key):
        return SingleKey(keys)
    if isinstance(keys, KeySet):
        return keys
    if callable(keys) and not isinstance(keys, type):
        return keys
    raise TypeError("keys must be a Key, a KeySet, or a function from the header to a Key")


def allowed_algorithms(names: Collection[str] | None) -> frozenset[str] | None:
    """Return the algorithms that a caller allows; None for those of the keys."""
    if names is None:
        return None
    several = None if isinstance(names, str) or not isinstance(names, Iterable) else (*names,)
    if several is None or not all(isinstance(name, str) for name in several):
        raise TypeError("algorithms must be a list of names")
    allowed = frozenset(several) - {"none"}
    if not allowed.issubset(ALGORITHMS):
        raise ValueError(f"algorithms must be among {', '.join(ALGORITHMS)}")
    return allowed


def _require_allowed(header: dict[str, Any], allowed: frozenset[str] | None) -> None:
    """Raise `UnsupportedAlgorithm` unless `alg` is in the table and allowed here."""
    alg = header["alg"]
    if alg not in ALGORITHMS or (allowed is not None and alg not in allowed):
        raise UnsupportedAlgorithm("header 'alg' is not allowed here")


def find_keys(header: dict[str, Any], keys: KeySet | Resolver, allowed: frozenset[str] | None) -> tuple[Key, ...]:
    """Return the keys to try for a token with this header, at least one; raises a `TokenError` when there is none."""
    _require_allowed(header, allowed)
    alg, kid = header["alg"], header.get("kid")
    current = ALGORITHMS[alg].old_name_of
    # a retired name reaches the keys of the current one only where the caller allows that name
    algs = frozenset({alg} if current is None or allowed is None else {alg, current})
    ours = keys if isinstance(keys, KeySet) else _resolved(keys, header)
    found = ours.candidates(kid, algs)
    if found:
        return found
    if ours.algorithms.isdisjoint(algs) or (kid is not None and ours.get(kid) is not None):
        raise UnsupportedAlgorithm("header 'alg' is not the algorithm of the key")
    raise UnknownKey("no known key matches the header")


def other_key(keys: tuple[Key, ...], data: bytes, token: str, signature: str) -> Key:
    """Return the key after the first one that the signature fits; raises a `TokenError` when there is none."""
    for key in keys[1:]:
        if key.check(data, signature):
            return key
    raise signature_error(token, signature)


def signature_error(token: str, signature: str) -> TokenError:
    """Return the error for a signature that fits no key: `BadSignature`, or `Malformed` for other text."""
    if token.count(".") != 2:  # noqa: PLR2004  # header.payload.signature
        return Malformed("a token is three base64url parts with two dots")
    try:
        decode(signature)
    except NotCanonical as error:
        return Malformed(f"signature: {error}")
    return BadSignature("the signature is wrong")


def _resolved(resolve: Resolver, header: dict[str, Any]) -> KeySet:
    answer: object = resolve(deep_copy(header))
    if answer is None:
        raise UnknownKey("no known key matches the header")
    if isinstance(answer, Key):
        return ResolvedKey(answer)
    if isinstance(answer, KeySet):
        return answer
    raise TypeError("a key resolver must return a Key, a KeySet or None")
