"""Key sets (RFC 7517 §5): which of several keys may check a token.

The `kid` of a token selects the keys of that name, and `alg` must be theirs. Keys without a name of their own (a JWK
without `kid`, a PEM file) are tried for every token of their algorithm. A named key is never tried for a token that
names another key, or none: so a retired key stays retired.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from sealring.errors import KeyRefused
from sealring.jwt.algorithms import implied_algorithm
from sealring.jwt.keys import Key


class KeySet:
    """An immutable set of keys, from which the `kid` of a token selects.

    Args:
        keys: the keys, public or private.

    Raises `TypeError` when a member is no Key.

    >>> ring = KeySet([Key.generate("ES256", kid="a"), Key.generate("Ed25519", kid="b")])
    >>> ring.algorithms == {"ES256", "Ed25519"}, len(ring)
    (True, 2)
    """

    __slots__ = ("_by_name", "_keys", "_unnamed", "algorithms")

    algorithms: frozenset[str]

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = tuple(keys)
        if not all(isinstance(key, Key) for key in self._keys):
            raise TypeError("a KeySet holds Keys")
        self.algorithms = frozenset(key.alg for key in self._keys)
        self._by_name: dict[str, tuple[Key, ...]] = {}
        for key in self._keys:
            self._by_name[key.kid] = (*self._by_name.get(key.kid, ()), key)
        self._unnamed = tuple(key for key in self._keys if not key.named)

    @classmethod
    def from_jwks(cls, jwks: Mapping[str, Any]) -> KeySet:
        """Read a JWK Set. Members that are no usable signature keys are skipped (RFC 7517 §5).

        A member without `alg` gets the first algorithm of its kind of key: RS256 for RSA. Raises `KeyRefused` when
        no member is left.
        """
        keys = []
        for member in _members(jwks):
            with suppress(ValueError, TypeError):  # one unusable key must not make the others unusable
                keys.append(_read_member(member))
        if not keys:
            raise KeyRefused("the JWK Set has no usable key")
        return cls(keys)

    def to_jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public JWK Set (RFC 7517 §5); secrets are left out."""
        return {"keys": [key.to_jwk() for key in self._keys if not key.is_symmetric]}

    def get(self, kid: str) -> Key | None:
        """Return the (first) key of that name."""
        found = self._by_name.get(kid)
        return found[0] if found else None

    def candidates(self, kid: str | None, algs: frozenset[str]) -> tuple[Key, ...]:
        """Return the keys to try for a token of that `kid`, bound to one of `algs`."""
        named = self._by_name.get(kid, ()) if kid is not None else ()
        return tuple(key for key in named or self._unnamed if key.alg in algs)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"KeySet({list(self._keys)!r})"


def _members(jwks: object) -> list[Any]:
    members = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(members, list):
        raise KeyRefused("a JWK Set is an object with a list 'keys'")
    return members


def _read_member(member: Any) -> Key:
    if isinstance(member, Mapping) and member.get("alg") is None:
        return Key.from_jwk(member, implied_algorithm(member, in_set=True).name)
    return Key.from_jwk(member)


class SingleKey(KeySet):
    """The only key that a caller gave: it also checks a token that names no key."""

    __slots__ = ()

    def __init__(self, key: Key) -> None:
        super().__init__([key])

    def candidates(self, kid: str | None, algs: frozenset[str]) -> tuple[Key, ...]:
        """Return the key unless the token names another, or its algorithm is not allowed."""
        (key,) = self._keys
        fits = key.alg in algs and (kid is None or not key.named or key.kid == kid)
        return (key,) if fits else ()


class ResolvedKey(KeySet):
    """The key that a resolver returned for this very header, whatever its name."""

    __slots__ = ()

    def __init__(self, key: Key) -> None:
        super().__init__([key])

    def candidates(self, kid: str | None, algs: frozenset[str]) -> tuple[Key, ...]:  # noqa: ARG002  # the resolver saw the name
        """Return the key if its algorithm is allowed."""
        return tuple(key for key in self._keys if key.alg in algs)
