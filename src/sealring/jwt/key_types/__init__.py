"""Key types (RFC 7518 §6, RFC 8037): one module each, with everything that depends on the kind of key.

A new key type is one module here, with a subclass of `Algorithm`, and one row in `sealring.jwt.algorithms` for each
of its algorithms. No other module looks at the kind of a key: keys, key sets, JWK, PEM and selection only call what
is declared here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from sealring.errors import KeyRefused

Signer: TypeAlias = Callable[[bytes], bytes]
"""From the signing input to the signature."""
Checker: TypeAlias = Callable[[bytes, str], bool]
"""From the signing input and the signature as base64url text to whether they fit. Never raises."""

Private = TypeVar("Private")
Public = TypeVar("Public")


class Algorithm(ABC, Generic[Private, Public]):
    """One row of the table of algorithms. `Private` signs and `Public` checks; for a secret they are the same.

    Attributes:
        name: `alg` in headers and JWKs.
        is_symmetric: whether one secret signs and checks, so that no public form exists.
        implied: whether a JWK of this kind without `alg` can only mean this algorithm.
    """

    __slots__ = ()

    name: str
    is_symmetric: ClassVar[bool] = False
    implied: ClassVar[bool] = True

    @property
    @abstractmethod
    def kind(self) -> dict[str, str]:
        """The members by which a JWK of this kind is known: `kty`, and `crv` where the key type has curves."""

    @property
    def old_name_of(self) -> str | None:
        """The current name of this algorithm, when `name` is a retired one."""
        return None

    @abstractmethod
    def require_fit(self, material: object) -> None:
        """Raise `KeyRefused` unless `material` is a key that this algorithm may use (RFC 8725 §3.5)."""

    @abstractmethod
    def generate(self, bits: int) -> Private:
        """Make a private key or a secret. `bits` is the size of an RSA modulus; other key types ignore it."""

    @abstractmethod
    def public_half(self, material: Private | Public) -> Public:
        """Return what checks: the public key of a private one, a public key or a secret itself."""

    @abstractmethod
    def signature_bytes(self, public: Public) -> int:
        """Return the length of every signature of this key."""

    @abstractmethod
    def signer(self, private: Private) -> Signer:
        """Return the closure that signs."""

    def signature_from_der(self, public: Public, der: bytes) -> bytes:  # noqa: ARG002  # elliptic curves need both
        """Return the JWS signature in a DER one; raises `KeyRefused` for key types without such a form."""
        raise KeyRefused(f"signatures of {self.name} have no DER form: leave der out")

    @abstractmethod
    def checker(self, public: Public) -> Checker:
        """Return the closure that checks."""

    @abstractmethod
    def read_jwk(self, jwk: Mapping[str, Any]) -> Private | Public:
        """Return the key in a JWK of this kind: private when the private members are there.

        Raises `KeyRefused`, or the library's `ValueError` for numbers that are no key.
        """

    @abstractmethod
    def public_members(self, public: Public) -> dict[str, str]:
        """Return the members of the public JWK, the ones that RFC 7638 §3.2 hashes. For a secret: the secret."""

    @abstractmethod
    def private_members(self, private: Private) -> dict[str, str]:
        """Return the members that a private JWK has besides the public ones."""
