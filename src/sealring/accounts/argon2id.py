"""One Argon2id hash (RFC 9106): its cost as a named profile, its text as a bounded value.

A stored hash is text from a database: it is read strictly, as the PHC string that its parts print back
to, and its costs are checked before they may be spent (U15). No threads, no queue: those are `sealring.issuer.hashing`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from argon2 import extract_parameters
from argon2.low_level import Type, hash_secret, hash_secret_raw

from sealring.accounts.phc import read_base64, write_base64

SALT_BYTES = 16
"""RFC 9106 §3.1; NIST asks for 4."""
HASH_BYTES = 32
MIN_MEMORY_KIB = 8
MIB = 1024
"""In KiB, the unit of every Argon2 memory cost."""

MAX_STORED_MEMORY_KIB = 100 * MIB
"""Of a stored hash: what Django writes, so that imports work; RFC 9106's second recommended profile and argon2-cffi's
default have 64 MiB."""
MAX_STORED_WORK_KIB = 256 * MIB
"""Memory times passes of a stored hash: about a quarter of a second."""
MAX_STORED_PARALLELISM = 8

STORED_SALT_BYTES = range(8, 65)
STORED_HASH_BYTES = range(16, 65)


@dataclass(frozen=True, slots=True)
class Argon2Profile:
    """The cost of one hash: KiB of memory, passes over it, parallelism (RFC 9106 §3.1)."""

    memory_kib: int
    passes: int
    parallelism: int = 1

    def __post_init__(self) -> None:
        if self.parallelism < 1 or self.passes < 1 or self.memory_kib < MIN_MEMORY_KIB * self.parallelism:
            raise ValueError(
                "argon2 needs 1 pass, parallelism 1 and 8 KiB times the parallelism at least (RFC 9106 §3.1)"
            )
        if not self.bounded:
            raise ValueError("these costs are above what a stored hash may have")

    @property
    def bounded(self) -> bool:
        """Whether a stored hash may cost that much."""
        return (
            self.memory_kib <= MAX_STORED_MEMORY_KIB
            and self.memory_kib * self.passes <= MAX_STORED_WORK_KIB
            and self.parallelism <= MAX_STORED_PARALLELISM
        )


OWASP_2024 = Argon2Profile(memory_kib=19 * MIB, passes=2)
"""OWASP Password Storage Cheat Sheet, first choice; ASVS 5.0 appendix C. Measured: 20 ms of one core."""


@dataclass(frozen=True, slots=True)
class StoredHash:
    """A PHC string, taken apart and found bounded."""

    profile: Argon2Profile
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)


def read_phc(text: str) -> StoredHash | None:
    """Take a stored hash apart; None for all that we would not have written or could not afford to check.

    The library reads numbers and parts in any form and order, so the text must be what its parts print back to: no two
    texts mean one hash, and only Argon2id of version 19 passes.
    """
    try:
        costs = extract_parameters(text)
        profile = Argon2Profile(costs.memory_cost, costs.time_cost, costs.parallelism)
        salt, digest = map(read_base64, text.split("$")[-2:])
    except ValueError:
        return None
    costs_text = f"m={profile.memory_kib},t={profile.passes},p={profile.parallelism}"
    if text != f"$argon2id$v=19${costs_text}${write_base64(salt)}${write_base64(digest)}":
        return None
    if len(salt) not in STORED_SALT_BYTES or len(digest) not in STORED_HASH_BYTES:
        return None
    return StoredHash(profile, salt, digest)


def write_phc(password: str, profile: Argon2Profile, salt: bytes) -> str:
    """The PHC string of a password."""
    return hash_secret(
        password.encode(),
        salt,
        time_cost=profile.passes,
        memory_cost=profile.memory_kib,
        parallelism=profile.parallelism,
        hash_len=HASH_BYTES,
        type=Type.ID,
    ).decode()


def argon2id(password: str, profile: Argon2Profile, salt: bytes, length: int) -> bytes:
    """The bare hash."""
    return hash_secret_raw(
        password.encode(),
        salt,
        time_cost=profile.passes,
        memory_cost=profile.memory_kib,
        parallelism=profile.parallelism,
        hash_len=length,
        type=Type.ID,
    )


def missing_cost(stored: Argon2Profile, current: Argon2Profile) -> Argon2Profile | None:
    """Extra work that makes verifying a cheaper stored hash as slow as a current one; None when there is none.

    Without it the accounts that nobody used since the cost was raised would answer sooner than names that do not exist.
    Work is memory times passes, so the two are equal within some per cent; the grid of answers hides the rest.
    A hash *costlier* than the current one stands out until its next login: making everybody pay for it would be the
    worse attack.
    """
    missing_kib = current.memory_kib * current.passes - stored.memory_kib * stored.passes
    memory_kib = missing_kib // current.passes
    return Argon2Profile(memory_kib, current.passes) if memory_kib >= MIN_MEMORY_KIB else None
