"""A signing key at rest and the ring of all of them, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One signing key at rest. Its state follows from its times: published → signing → retired → gone (design D9)."""

    kid: str
    alg: str
    public_jwk: str | None
    """JSON of the public JWK; None for an HMAC key."""
    encrypted: bytes = field(repr=False)
    """The private JWK, encrypted under the root secret with the kid as associated data."""
    published_at: int
    signs_from: int
    verifies_until: int | None = None
    """Set when a successor is published; after this time the key is gone."""
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All signing keys that are not gone, at one version."""

    version: int
    keys: tuple[SigningKey, ...]
    longest_access_ttl: int = 0
    """As in `FeedPage`, from the same snapshot: a retired key verifies for that long after its last signature."""
