"""Password hashes that another system made: bcrypt, PBKDF2, scrypt. Each is verified by its own scheme.

An imported account keeps such a hash until its next login, which proves the password against it and replaces it by
Argon2id (`sealring.issuer.methods.password`). What is stored is a PHC string; the notations of other systems are read
at the import alone (`sealring.accounts.hash_notations`). As with Argon2id, the text must be what its parts print back
to, and costs are bounded before they may be spent (U15): half a second to a second of one core at most, and no more
memory than the largest Argon2id hash. No threads, no queue: those are `sealring.issuer.hashing`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import ClassVar, Literal
from unicodedata import normalize

from sealring.accounts.argon2id import MAX_STORED_MEMORY_KIB, STORED_HASH_BYTES, STORED_SALT_BYTES
from sealring.accounts.phc import read_base64, write_base64

MAX_BCRYPT_COST = 14
"""A second of one core; most systems use 10 to 12."""
MAX_PBKDF2_ITERATIONS = 2_000_000
"""More than Django 6.1 uses (1,500,000), and half a second of one core with SHA-256."""
MAX_SCRYPT_WORK = 2**20
"""N times r times p: a third of a second. Django uses 655,360."""
BCRYPT_BYTES = 72
"""bcrypt reads so many bytes of a password, and every system that used it did."""

_BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>[0-3][0-9])\$[./A-Za-z0-9]{53}")
_HASH_BYTES = {"sha1": 20, "sha256": 32, "sha512": 64}


class CostTooHighError(ValueError):
    """The hash costs more than a login may."""


@dataclass(frozen=True, slots=True)
class Bcrypt:
    """A hash of bcrypt; `prehash` is what was done to the password before."""

    crypt: str = field(repr=False)
    """`$2b$12$…`, as every system writes it."""
    prehash: Literal["", "django-bcrypt-sha256"] = ""
    memory_kib: ClassVar = 8

    def __post_init__(self) -> None:
        found = _BCRYPT.fullmatch(self.crypt)
        if found is None:
            raise ValueError("not a bcrypt hash")
        if int(found["cost"]) > MAX_BCRYPT_COST:
            raise CostTooHighError(f"bcrypt of cost {MAX_BCRYPT_COST} at most")

    @property
    def phc(self) -> str:
        """The text that is stored."""
        return f"${self.prehash}{self.crypt}" if self.prehash else self.crypt

    def matches(self, password: str) -> bool:
        """Whether this is the password.

        Raises:
            ModuleNotFoundError: the package bcrypt is not there.
        """
        import bcrypt  # noqa: PLC0415 - an extra: only who moved users in needs it

        raw = password.encode()
        if self.prehash:
            raw = hashlib.sha256(raw).hexdigest().encode()
        return bcrypt.checkpw(raw[:BCRYPT_BYTES], self.crypt.encode())


@dataclass(frozen=True, slots=True)
class Pbkdf2:
    """A hash of PBKDF2 with HMAC (RFC 8018 §5.2)."""

    algorithm: str
    iterations: int
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    memory_kib: ClassVar = 0

    def __post_init__(self) -> None:
        _check_sizes(self.salt, self.digest)
        if self.algorithm not in _HASH_BYTES or self.iterations < 1:
            raise ValueError("not a PBKDF2 hash")
        # a longer digest would cost the iterations again
        if self.iterations > MAX_PBKDF2_ITERATIONS or len(self.digest) > _HASH_BYTES[self.algorithm]:
            raise CostTooHighError(f"PBKDF2 of {MAX_PBKDF2_ITERATIONS:,} iterations at most")

    @property
    def phc(self) -> str:
        """The text that is stored."""
        salt, digest = write_base64(self.salt), write_base64(self.digest)
        return f"$pbkdf2-{self.algorithm}$i={self.iterations}${salt}${digest}"

    def matches(self, password: str) -> bool:
        """Whether this is the password."""
        raw = password.encode()
        return compare_digest(
            hashlib.pbkdf2_hmac(self.algorithm, raw, self.salt, self.iterations, len(self.digest)), self.digest
        )


@dataclass(frozen=True, slots=True)
class Scrypt:
    """A hash of scrypt (RFC 7914); N is `2**log_n`."""

    log_n: int
    r: int
    p: int
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    form: Literal["", "NFKC"] = ""
    """The Unicode form of the password that was hashed, where the other system normalized it."""

    def __post_init__(self) -> None:
        _check_sizes(self.salt, self.digest)
        if self.log_n < 1 or self.r < 1 or self.p < 1:
            raise ValueError("not a scrypt hash")
        if self.r * self.p << self.log_n > MAX_SCRYPT_WORK or self.memory_kib > MAX_STORED_MEMORY_KIB:
            raise CostTooHighError(f"scrypt of N * r * p = {MAX_SCRYPT_WORK:,} and 100 MiB at most")

    @property
    def memory_kib(self) -> int:
        """What one hash takes (RFC 7914 §2)."""
        return (self.r << self.log_n) // 8

    @property
    def phc(self) -> str:
        """The text that is stored."""
        name = "scrypt-nfkc" if self.form else "scrypt"
        salt, digest = write_base64(self.salt), write_base64(self.digest)
        return f"${name}$ln={self.log_n},r={self.r},p={self.p}${salt}${digest}"

    def matches(self, password: str) -> bool:
        """Whether this is the password."""
        raw = (normalize(self.form, password) if self.form else password).encode()
        n = 1 << self.log_n
        made = hashlib.scrypt(
            raw,
            salt=self.salt,
            n=n,
            r=self.r,
            p=self.p,
            maxmem=128 * self.r * (n + self.p + 2),
            dklen=len(self.digest),
        )
        return compare_digest(made, self.digest)


ForeignHash = Bcrypt | Pbkdf2 | Scrypt


def read_foreign(text: str) -> ForeignHash | None:
    """Take a stored hash of another scheme apart; None for all that we would not have written or cannot afford.

    >>> read_foreign("$scrypt$ln=14,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA").memory_kib
    16384
    """
    for form, read in _FORMS:
        if found := form.fullmatch(text):
            try:
                stored = read(found)
            except ValueError:
                return None
            return stored if stored.phc == text else None
    return None


def _check_sizes(salt: bytes, digest: bytes) -> None:
    if len(salt) not in STORED_SALT_BYTES or len(digest) not in STORED_HASH_BYTES:
        raise ValueError("a salt of 8 to 64 bytes and a hash of 16 to 64")


_END = r"\$(?P<salt>[A-Za-z0-9+/]{1,100})\$(?P<digest>[A-Za-z0-9+/]{1,100})"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], ForeignHash]], ...] = (
    (_BCRYPT, lambda found: Bcrypt(found[0])),
    (
        re.compile(r"\$django-bcrypt-sha256(?P<crypt>\$2.*)"),
        lambda found: Bcrypt(found["crypt"], "django-bcrypt-sha256"),
    ),
    (
        re.compile(r"\$pbkdf2-(?P<algorithm>[a-z0-9]{4,6})\$i=(?P<iterations>[0-9]{1,9})" + _END),
        lambda found: Pbkdf2(
            found["algorithm"], int(found["iterations"]), read_base64(found["salt"]), read_base64(found["digest"])
        ),
    ),
    (
        re.compile(r"\$scrypt(?P<nfkc>-nfkc)?\$ln=(?P<ln>[0-9]{1,2}),r=(?P<r>[0-9]{1,7}),p=(?P<p>[0-9]{1,7})" + _END),
        lambda found: Scrypt(
            int(found["ln"]),
            int(found["r"]),
            int(found["p"]),
            read_base64(found["salt"]),
            read_base64(found["digest"]),
            "NFKC" if found["nfkc"] else "",
        ),
    ),
)
