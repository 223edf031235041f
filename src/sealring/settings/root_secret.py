"""The one secret, and a key of its own for each use of it (design D8).

The root secret never signs, encrypts or leaves: HKDF-SHA256 (RFC 5869) derives from it one 32-byte key
per use, so that what leaks from one use says nothing about another. Several secrets may be listed:
the first writes, all read, and dropping one from the list ends what it wrote. A secret that is short,
of too little variety, or printed in somebody's tutorial is refused with the reason (K7).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sealring.errors import ConfigurationError

Use = Literal[
    "refresh token",
    "pending login",
    "login at a provider",
    "session cookie",
    "csrf token",
    "signing keys at rest",
    "device cookie",
    "mail link",
    "device binding",
    "passkey challenge",
    "second factors at rest",
    "recovery code",
    "fingerprint",
    "dpop nonce",
]

HINT = "run `sealring secret` for a fresh one and put it into SEALRING_SECRET or .env"
MIN_BYTES = 32
MIN_HEX_DIGITS = 2 * MIN_BYTES
MIN_VARIETY = 10
"""Distinct characters: 64 random hex digits have fewer than this about once in 10^12 secrets, base64 never."""

WELL_KNOWN = re.compile(
    r"""09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7  # FastAPI's tutorial
      | a-string-secret-at-least-(256|384|512)-bits-long                  # jwt.io
      | your[-_ ](\d+[-_ ]bit[-_ ])?(jwt[-_ ])?secret
      | ^django-insecure-
      | change[-_ ]?(me|this)
      | super[-_ ]?secret
      | my[-_ ]?secret
      | (0123456789|abcdefghij|1234567890)
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Secrets that stand in tutorials and sample files."""


@dataclass(frozen=True, slots=True, repr=False)
class RootSecret:
    """One or more root secrets. Its repr shows none of them."""

    secrets: tuple[bytes, ...]

    @classmethod
    def parse(cls, text: str) -> RootSecret:
        """Read `SEALRING_SECRET`: one secret, or several separated by commas.

        Each is taken as it stands (its UTF-8 bytes feed HKDF), so it may be hex, base64 or any long text.

        Raises:
            ConfigurationError: none given, or one is invalid; says which and why, never what.
        """
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:
            raise ConfigurationError("SEALRING_SECRET is not set", HINT)
        for place, part in enumerate(parts, 1):
            if reason := weakness(part):
                which = f"secret {place} of {len(parts)} in SEALRING_SECRET" if len(parts) > 1 else "SEALRING_SECRET"
                raise ConfigurationError(f"{which} {reason}", HINT)
        if len(set(parts)) != len(parts):
            raise ConfigurationError("SEALRING_SECRET lists one secret twice", "drop the second")
        return cls(tuple(part.encode() for part in parts))

    def derive(self, use: Use) -> tuple[bytes, ...]:
        """The 32-byte keys for one use, in the order of the secrets: the first writes, all read."""
        info = b"sealring/1 " + use.encode()
        return tuple(HKDF(SHA256(), 32, salt=None, info=info).derive(secret) for secret in self.secrets)

    def __repr__(self) -> str:
        return f"RootSecret(<{len(self.secrets)}>)"


def weakness(secret: str) -> str | None:
    """Why this is not fit to be a root secret; None when it is."""
    if re.fullmatch(r"[0-9a-fA-F]+", secret) and len(secret) < MIN_HEX_DIGITS:
        return f"is too short: {len(secret)} hex digits, at least {MIN_HEX_DIGITS} are needed"
    if len(secret.encode()) < MIN_BYTES:
        return f"is too short: {len(secret.encode())} bytes, at least {MIN_BYTES} are needed"
    if WELL_KNOWN.search(secret):
        return "is well known: it stands in a tutorial or a sample file"
    if len(set(secret)) < MIN_VARIETY:
        return "has too few different characters to be random"
    return None
