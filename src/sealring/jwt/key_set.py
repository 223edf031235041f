"""Key sets (RFC 7517 §5): which of several keys may check a token.

The `kid` of a token selects the keys of that name, and `alg` must be theirs. Keys without a name of their own (a JWK
without `kid`, a PEM file) are tried for every token of their algorithm. A named key is never tried for a token that
names another key, or none: so a retired key stays retired.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from sealring.errors import KeyRefused
from sealring.jwt.algorithms import algorithm, possible_algorithms
from sealring.jwt.keys import Key


class KeySet:
    """An immutable set of keys, from which the `kid` of a token selects.

    Args:
        keys: the keys, public or private.

    Raises:
        TypeError: a member is no Key.

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
    def from_jwks(
        cls, jwks: Mapping[str, Any], *, algorithms: Collection[str] | None = None, kid_optional: bool = False
    ) -> KeySet:
        """Read a JWK Set. Members that are no usable signature keys are skipped (RFC 7517 §5).

        Args:
            jwks: an object with a list `keys`.
            algorithms: what the keys may be used for. A member without `alg` becomes a key for each of these that
                fits it, and members of other algorithms are skipped. Without it, a member without `alg` gets the
                first algorithm of its kind, RS256 for RSA, and an Ed25519 key both of its names.
            kid_optional: whether a token without `kid` is checked with the only key of its algorithm (OpenID Connect
                Core §10.1). With several such keys it is refused.

        Raises:
            KeyRefused: no member is left.
            ValueError: an unknown algorithm.

        >>> jwks = KeySet([Key.generate("ES256", kid="a")]).to_jwks()
        >>> KeySet.from_jwks(jwks).get("a").alg
        'ES256'

        >>> published = {"keys": [Key.generate("ES256", kid="a").to_jwk(), {"kty": "of tomorrow"}]}
        >>> [key.kid for key in KeySet.from_jwks(published)]
        ['a']
        """
        allowed = known_algorithms(algorithms)
        keys: list[Key] = []
        for member in _members(jwks):
            with suppress(ValueError, TypeError):  # one unusable key must not make the others unusable
                keys += _read_member(member, allowed)
        if not keys:
            raise KeyRefused("the JWK Set has no usable key")
        return NamelessTokens(keys) if kid_optional else cls(keys)

    def to_jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public JWK Set (RFC 7517 §5); secrets are left out.

        >>> ring = KeySet([Key.generate("ES256", kid="a"), Key.generate("HS256", kid="secret")])
        >>> [jwk["kid"] for jwk in ring.to_jwks()["keys"]]
        ['a']
        """
        return {"keys": [key.to_jwk() for key in self._keys if not key.is_symmetric]}

    def get(self, kid: str) -> Key | None:
        """Return the (first) key of that name; None for an unknown name.

        Args:
            kid: as in the header of a token.

        >>> ring = KeySet([Key.generate("ES256", kid="a")])
        >>> ring.get("a").alg, ring.get("b")
        ('ES256', None)
        """
        found = self._by_name.get(kid)
        return found[0] if found else None

    def candidates(self, kid: str | None, algs: frozenset[str]) -> tuple[Key, ...]:
        """Return the keys to try for a token of that `kid`, bound to one of `algs`.

        Args:
            kid: of the header; None where it has none.
            algs: names of algorithms that are allowed.

        >>> ring = KeySet([Key.generate("ES256", kid="a"), Key.generate("Ed25519", kid="b")])
        >>> [key.kid for key in ring.candidates("b", frozenset({"ES256", "Ed25519"}))]
        ['b']
        >>> ring.candidates(None, ring.algorithms)
        ()
        """
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


def _read_member(member: Any, allowed: frozenset[str] | None) -> list[Key]:
    if isinstance(member, Mapping) and member.get("alg") is None:
        return [Key.from_jwk(member, name) for name in possible_algorithms(member, allowed)]
    key = Key.from_jwk(member)
    return [key] if allowed is None or key.alg in allowed else []


def known_algorithms(names: Collection[str] | None) -> frozenset[str] | None:
    """Return the names, each of which must be one; raises `TypeError` or `ValueError`."""
    if names is None:
        return None
    if isinstance(names, str):
        raise TypeError("algorithms must be a list of names")
    return frozenset(algorithm(name).name for name in names)


class NamelessTokens(KeySet):
    """A set whose only key of an algorithm also checks tokens that name no key (OpenID Connect Core §10.1)."""

    __slots__ = ()

    def candidates(self, kid: str | None, algs: frozenset[str]) -> tuple[Key, ...]:
        """Return the keys to try; without a kid, the only one that fits."""
        if kid is None:
            fitting = tuple(key for key in self if key.alg in algs)
            if len(fitting) == 1:
                return fitting
        return super().candidates(kid, algs)


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
