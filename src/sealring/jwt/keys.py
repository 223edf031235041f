"""Keys: each has one algorithm for good (RFC 8725 §3.1, §3.5).

Only the class methods make a `Key`. It fits its algorithm and never changes. A public key cannot become a secret:
`from_secret` and JWKs of type `oct` refuse keys of another kind. Neither `repr` nor an error shows key material.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from inspect import iscoroutinefunction
from typing import Any

from sealring.errors import KeyRefused
from sealring.jwt.algorithms import Row, algorithm, implied_algorithm
from sealring.jwt.external_signer import checked_signer
from sealring.jwt.headers import write_header
from sealring.jwt.jwk import thumbprint
from sealring.jwt.key_types import Checker, Signer

_RSA_BITS = 2048  # NIST SP 800-57: enough to 2030; every check costs less than with 3072
_MAX_HEADERS = 16  # a key signs few types of tokens


class Key:
    """One key for one algorithm, private or public. Frozen; equal when it is the same key in the same role.

    Only `generate` and the methods that begin with `from_` make one.

    Attributes:
        alg: the algorithm's name, as in a header.
        kid: the name that was given, or the RFC 7638 thumbprint.
        named: whether the name was given (or made by `generate`), so that a token must have the same `kid`.
        is_private: whether the key can sign: it is private, or has a signer of the caller's own (`from_signer`).
        is_symmetric: whether the key is a secret, which signs and checks and has no public half.
        thumbprint: RFC 7638, SHA-256.
        signature_bytes: the length of every signature of this key.
        sign: the function from bytes to their signature; None for a public key.
        header: the function from a `typ` to the header, as base64url text, of the tokens that the key signs.
        check: the function from bytes and a signature as base64url text to whether they fit.

    >>> key = Key.generate("ES256")
    >>> key.is_private, key.public().is_private, key.public().kid == key.kid
    (True, False, True)
    """

    __slots__ = (
        "_material",
        "_row",
        "alg",
        "check",
        "header",
        "is_private",
        "is_symmetric",
        "kid",
        "named",
        "sign",
        "signature_bytes",
        "thumbprint",
    )

    alg: str
    kid: str
    named: bool
    is_private: bool
    is_symmetric: bool
    thumbprint: str
    signature_bytes: int
    sign: Signer | None
    check: Checker
    header: Callable[[str | None], str]
    _row: Row
    _material: Any

    def __init__(
        self, row: Row, material: Any, kid: str | None, *, named: bool | None = None, sign: Signer | None = None
    ) -> None:
        """Use `generate`, `from_secret`, `from_pem`, `from_der`, `from_jwk`, `from_cryptography` or `from_signer`."""
        if kid is not None:
            _require_text("kid", kid)
        row.require_fit(material)
        put = object.__setattr__
        public = row.public_half(material)
        put(self, "_row", row)
        put(self, "_material", material)
        put(self, "alg", row.name)
        put(self, "thumbprint", thumbprint(row.public_members(public)))
        put(self, "kid", self.thumbprint if kid is None else kid)
        put(self, "named", kid is not None if named is None else named)
        put(self, "signature_bytes", row.signature_bytes(public))
        put(self, "check", row.checker(public))
        put(self, "header", lru_cache(_MAX_HEADERS)(partial(write_header, row.name, self.kid)))
        put(self, "is_symmetric", row.is_symmetric)
        has_private_half = row.is_symmetric or material is not public
        put(self, "is_private", has_private_half or sign is not None)
        put(self, "sign", row.signer(material) if has_private_half else sign)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a key does not change")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a key does not change")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Key):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        return f"<Key {self.alg} {'private' if self.is_private else 'public'} kid={self.kid!r}>"

    def __reduce__(self) -> Any:
        raise TypeError("a key cannot be pickled: use to_jwk or to_pem")

    def _identity(self) -> tuple[str, str, str, bool]:
        return (self.alg, self.kid, self.thumbprint, self.is_private)

    @classmethod
    def generate(cls, alg: str, *, kid: str | None = None, bits: int = _RSA_BITS) -> Key:
        """Make a new private key (or secret) for `alg` from the system's random source.

        Args:
            alg: `ES256`, `Ed25519`, `RS256`, `HS256` … .
            kid: the key's name; the thumbprint when left out.
            bits: size of an RSA modulus; other key types have a fixed size.

        Raises:
            ValueError: an unknown algorithm.
            KeyRefused: a size that the algorithm does not allow.

        >>> Key.generate("ES256").alg
        'ES256'
        """
        row = algorithm(alg)
        return cls(row, row.generate(bits), kid, named=True)

    @classmethod
    def from_secret(cls, secret: bytes | str, alg: str, *, kid: str | None = None) -> Key:
        """Make an HMAC key from bytes, or from the UTF-8 of text.

        Args:
            secret: at least as many bytes as the hash has (RFC 7518 §3.2): 32 for HS256, 48 for HS384, 64 for HS512.
            alg: `HS256`, `HS384` or `HS512`.
            kid: the key's name; without one, the key has no name of its own.

        Raises:
            KeyRefused: the secret is too short, or is a key of another kind (RFC 8725 §3.5): PEM, DER, SSH, JWK, a
                certificate, in base64 or hexadecimal as well.

        >>> Key.from_secret(bytes(range(32)), "HS256").is_private
        True
        """
        return cls(algorithm(alg), _octets("a secret", secret), kid)

    @classmethod
    def from_pem(
        cls, pem: bytes | str, alg: str, *, password: bytes | str | None = None, kid: str | None = None
    ) -> Key:
        """Read a private or public key from PEM (PKCS #8, PKCS #1, SEC 1, SubjectPublicKeyInfo, a certificate's key).

        Args:
            pem: the text.
            alg: the algorithm that the key is for.
            password: of an encrypted private key.
            kid: the key's name; without one, the key has no name of its own.

        Raises:
            KeyRefused: the text is no such key; the password is wrong, missing or needless; the key is not one for
                `alg`.

        >>> pem = Key.generate("ES256").to_pem(private=True, password="correct horse")
        >>> Key.from_pem(pem, "ES256", password="correct horse").is_private
        True
        """
        from sealring.jwt.pem import read_pem  # noqa: PLC0415  # 12 ms of imports that a service with a JWKS never needs

        return cls(algorithm(alg), read_pem(_octets("PEM", pem), _password(password)), kid)

    @classmethod
    def from_der(cls, der: bytes, alg: str, *, password: bytes | str | None = None, kid: str | None = None) -> Key:
        """Read a private or public key from DER: the forms of `from_pem`.

        Args:
            der: the bytes.
            alg: the algorithm that the key is for.
            password: of an encrypted private key.
            kid: the key's name; without one, the key has no name of its own.

        Raises:
            KeyRefused: as `from_pem`.

        >>> from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
        >>> from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
        >>> public = generate_private_key(SECP256R1()).public_key()
        >>> Key.from_der(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "ES256").is_private
        False
        """
        from sealring.jwt.pem import read_der  # noqa: PLC0415  # as in from_pem

        return cls(algorithm(alg), read_der(_octets("DER", der), _password(password)), kid)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any], alg: str | None = None, *, kid: str | None = None) -> Key:
        """Read a JWK (RFC 7517). It is private when it has private members.

        Args:
            jwk: the members.
            alg: must equal the JWK's `alg`, when it has one. A curve implies its algorithm; a JWK of an RSA key or a
                secret without `alg` needs this argument.
            kid: must equal the JWK's `kid`, when it has one.

        Raises:
            KeyRefused: the JWK is no usable key; its `use` is another than `sig`, or its `key_ops` have neither
                `verify` nor `sign` (RFC 7517 §4.2, §4.3).

        >>> jwk = Key.generate("ES256", kid="a").to_jwk()
        >>> Key.from_jwk(jwk).kid
        'a'
        """
        _require_mapping(jwk)
        _require_signing_use(jwk)
        name = _agreed(jwk, "alg", alg)
        row = implied_algorithm(jwk) if name is None else algorithm(name)
        return cls(row, _read(row, jwk), _agreed(jwk, "kid", kid))

    @classmethod
    def from_cryptography(cls, key: object, alg: str, *, kid: str | None = None) -> Key:
        """Take a key object of the `cryptography` package: an RSA, elliptic curve or Ed25519 key, private or public.

        Args:
            key: the object.
            alg: the algorithm that the key is for.
            kid: the key's name; without one, the key has no name of its own.

        Raises:
            KeyRefused: the object is no key for `alg`. For a secret there is `from_secret`.

        >>> from cryptography.hazmat.primitives.asymmetric import ec
        >>> Key.from_cryptography(ec.generate_private_key(ec.SECP256R1()), "ES256").is_private
        True
        """
        row = algorithm(alg)
        if row.is_symmetric:
            raise KeyRefused(f"{row.name} has secrets, which are no key objects: use from_secret")
        return cls(row, key, kid)

    @classmethod
    def from_signer(cls, sign: Signer, public: Key, *, der: bool = False) -> Key:
        """Make a key whose private half stays elsewhere: in an HSM, or behind the API of a key service (KMS).

        Args:
            sign: a plain function from the bytes to sign to their signature. It hashes and pads as `public.alg` says,
                and may wait for a network: in an event loop call `asyncio.to_thread(jwt.sign, …)`.
            public: its public key, whose `alg` and `kid` the tokens get.
            der: whether `sign` returns DER, as key services do for elliptic curves, in place of the r and s of
                RFC 7518 §3.4.

        Each signature is checked with the public key; `jwt.sign` raises `KeyRefused` when it does not fit.

        Raises:
            TypeError: the function is async.
            ValueError: the key is private, or a secret.

        >>> private = Key.generate("ES256", kid="in-the-hsm")
        >>> key = Key.from_signer(private.sign, private.public())
        >>> key.is_private, key.kid
        (True, 'in-the-hsm')
        """
        if not isinstance(public, Key):
            raise TypeError("public must be a Key")
        if public.is_private:
            raise ValueError("public must be a public key: use its public()")
        _require_plain_function(sign)
        row, material = public._row, public._material
        checked = checked_signer(sign, public.check, partial(row.signature_from_der, material) if der else None)
        return cls(row, material, public.kid, named=public.named, sign=checked)

    def public(self) -> Key:
        """Return the public key, of the same name.

        Raises:
            ValueError: it is a secret, which has none.

        >>> key = Key.generate("Ed25519")
        >>> key.public().is_private, key.public().kid == key.kid
        (False, True)
        """
        if self.is_symmetric:
            raise ValueError("a secret has no public half")
        return Key(self._row, self._row.public_half(self._material), self.kid, named=self.named)

    def to_jwk(self, *, private: bool = False) -> dict[str, str]:
        """Return a JWK (RFC 7517) with `kid`, `alg` and `use`; the private members only with `private=True`.

        Args:
            private: whether to write the private members, or the secret.

        Raises:
            ValueError: it is a secret, without `private=True`; or a public key, with it.

        >>> sorted(Key.generate("ES256").to_jwk())
        ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']
        >>> Key.generate("HS256").to_jwk()
        Traceback (most recent call last):
        ValueError: a secret has no public form: ask with private=True
        """
        if self.is_symmetric and not private:
            raise ValueError("a secret has no public form: ask with private=True")
        public = self._row.public_half(self._material)
        if private and not self.is_symmetric and self._material is public:
            raise ValueError("a public key has no private members, nor has a signer")
        members = self._row.public_members(public)
        if private:
            members |= self._row.private_members(self._material)
        return members | {"kid": self.kid, "alg": self.alg, "use": "sig"}

    def to_pem(self, *, private: bool = False, password: bytes | str | None = None) -> bytes:
        """Return PEM: SubjectPublicKeyInfo, or with `private=True` PKCS #8, encrypted when a password is given.

        Args:
            private: whether to write the private key.
            password: to encrypt it with; None: it is not encrypted.

        Raises:
            ValueError: it is a secret; or a public key, with `private=True`.

        >>> key = Key.generate("Ed25519")
        >>> key.to_pem().splitlines()[0]
        b'-----BEGIN PUBLIC KEY-----'
        >>> kept = key.to_pem(private=True, password="correct horse")
        >>> Key.from_pem(kept, "Ed25519", password="correct horse") == key
        True
        """
        from sealring.jwt.pem import write_private_pem, write_public_pem  # noqa: PLC0415  # as in from_pem

        if self.is_symmetric:
            raise ValueError("a secret has no PEM form")
        if private:
            if self._material is self._row.public_half(self._material):
                raise ValueError("a public key has no private PEM form, nor has a signer")
            return write_private_pem(self._material, _password(password))
        if password is not None:
            raise ValueError("a public key is not encrypted")
        return write_public_pem(self._row.public_half(self._material))


def _read(row: Row, jwk: Mapping[str, Any]) -> object:
    for member, value in row.kind.items():
        if jwk.get(member) != value:
            raise KeyRefused(f"{member} must be {value} for {row.name}")
    try:
        return row.read_jwk(jwk)
    except KeyRefused:
        raise
    except ValueError:  # the library's words may quote numbers of the key
        raise KeyRefused("the JWK is no valid key") from None


def _octets(what: str, data: object) -> bytes:
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes):
        return data
    raise TypeError(f"{what} must be bytes or text")


def _password(password: bytes | str | None) -> bytes | None:
    return None if password is None else _octets("a password", password)


def _require_mapping(jwk: object) -> None:
    if not isinstance(jwk, Mapping):
        raise TypeError("a JWK must be a mapping")


def _require_plain_function(sign: object) -> None:
    if not callable(sign) or iscoroutinefunction(sign):
        raise TypeError("sign must be a plain function from the bytes to sign to their signature")


def _require_text(what: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{what} must be text, not empty")


def _agreed(jwk: Mapping[str, Any], member: str, argument: str | None) -> str | None:
    own = jwk.get(member)
    if own is None:
        return argument
    if not isinstance(own, str) or (argument is not None and argument != own):
        raise KeyRefused(f"the JWK's {member!r} is not the one given")
    return own


def _require_signing_use(jwk: Mapping[str, Any]) -> None:
    if jwk.get("use") not in (None, "sig"):  # null is as good as absent: issuers write it
        raise KeyRefused("the JWK's use is not sig")
    operations = ["verify"] if jwk.get("key_ops") is None else jwk["key_ops"]
    if not isinstance(operations, list) or not {"verify", "sign"} & {op for op in operations if isinstance(op, str)}:
        raise KeyRefused("the JWK's key_ops allow no signatures")
