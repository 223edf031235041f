"""The life of a signing key, decided from values alone (design D9).

    published ──────▶ signing ──────▶ retired ──────▶ gone
    (in the JWKS,     (the newest     (still          (dropped from
     signs nothing)    that may)       verifies)       the ring)

Time moves a key, nothing else: `signs_from` and `verifies_until` are written when the key or its
successor is published, so every node reads the same state from the same row without a message. A
*standby* is published at all times: it has been in every verifier's set long before it signs (I12,
K1), and when the signing key is compromised the standby takes over at once without any verifier
meeting an unknown kid (K2).

Nodes may have different settings: always while a change is rolled out. So the functions that run again and again
(`next_key_start`, `set_expiry`) never undo what a node with other settings wants: a standby of another algorithm is as
good as your own, and an expiry only moves later. A server that *starts* makes its own algorithm the next one, once
(`adopt_algorithm`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

from sealring.signing_keys.key import SigningKey

KeyState = Literal["published", "signing", "retired", "gone", "revoked"]

KEY_STATES: Mapping[KeyState, str] = MappingProxyType(
    {
        "published": "in the JWKS, signs nothing yet: the standby",
        "signing": "signs; the newest that may",
        "retired": "signs no more, still verifies until its last token has expired",
        "gone": "verifies no more; dropped from the set of keys the next time that it is written",
        "revoked": "every token that it signed is refused",
    }
)
"""What each means, for docs/reference/commands.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy:
    """Settings of the key life cycle. All in seconds."""

    algorithm: str
    """Algorithm of the keys that this node makes."""
    rotation_seconds: int
    """How long a key signs."""
    lead_seconds: int
    """How long a key is published before it signs: JWKS max-age + staleness bound + leeway, at least."""
    heard_seconds: int
    """How long until every node has loaded a changed ring: staleness bound + leeway. Less than the lead."""
    token_seconds: int = 0
    """How long after its last signature a key must verify: the longest life of an access token that any issuer of the
    store may sign, and the leeway. It is read with the ring: a node with a shorter setting would otherwise drop a
    key that another node's tokens still need (N1)."""


def key_state(key: SigningKey, ring: Sequence[SigningKey], now: int) -> KeyState:
    """Where in its life a key is."""
    if key.revoked_at is not None:
        return "revoked"
    if key.verifies_until is not None and now >= key.verifies_until:
        return "gone"
    if now < key.signs_from:
        return "published"
    current = signing_key(ring, now)
    return "signing" if current is not None and current.kid == key.kid else "retired"


def signing_key(ring: Sequence[SigningKey], now: int) -> SigningKey | None:
    """The key that signs at `now`: of those that may, the one that started last (by kid if two started at once)."""
    usable = [key for key in ring if key.revoked_at is None and key.signs_from <= now]
    return max(usable, key=_order, default=None)


def standby_key(ring: Sequence[SigningKey], now: int) -> SigningKey | None:
    """The key that signs next."""
    coming = [key for key in ring if key.revoked_at is None and key.signs_from > now]
    return min(coming, key=_order, default=None)


def in_order(keys: Iterable[SigningKey]) -> tuple[SigningKey, ...]:
    """Keys in the order in which they sign."""
    return tuple(sorted(keys, key=_order))


def _order(key: SigningKey) -> tuple[int, str]:
    return key.signs_from, key.kid


def next_key_start(ring: Sequence[SigningKey], policy: KeyPolicy, now: int, *, starting: bool = False) -> int | None:
    """Return when a key published now should start to sign; None when no new key is needed.

    The very first key, or one after all were revoked, signs at once: no verifier knows another key. With
    `starting`, a change of algorithm does not wait for the next rotation; see `adopt_algorithm`.
    """
    newest = max((key for key in ring if key.revoked_at is None), key=_order, default=None)
    if newest is None:
        return now
    soonest = now + policy.lead_seconds
    if starting and newest.alg != policy.algorithm:
        return max(soonest, newest.signs_from + 1)
    if newest.signs_from > now:
        return None
    return max(soonest, newest.signs_from + policy.rotation_seconds)


def adopt_algorithm(ring: Sequence[SigningKey], policy: KeyPolicy, now: int) -> tuple[SigningKey, ...]:
    """Return the ring for a server that starts: no standby of another algorithm, its own standby brought forward.

    Call once per start, never while serving: nodes with different settings would replace each other's standby forever,
    and none would ever sign. A key that is about to sign stays: a node without the new ring may sign with it (I12).
    """
    heard = now + policy.heard_seconds
    kept = tuple(
        key for key in ring if key.alg == policy.algorithm or key.revoked_at is not None or key.signs_from <= heard
    )
    current, standby = signing_key(kept, now), standby_key(kept, now)
    if current and standby and current.alg != policy.algorithm == standby.alg:
        return rotate_now(kept, policy, now)
    return tuple(ring) if len(kept) == len(ring) else _without_ends(kept, now)


def set_expiry(ring: Sequence[SigningKey], policy: KeyPolicy, now: int) -> tuple[SigningKey, ...]:
    """Return the ring without expired keys, with `verifies_until` set on each that has a successor, never earlier."""
    ring = in_order(key for key in ring if key.verifies_until is None or now < key.verifies_until)
    alive = [key for key in ring if key.revoked_at is None]
    ends = {
        key.kid: max(successor.signs_from + policy.token_seconds, key.verifies_until or 0)
        for key, successor in pairwise(alive)
    }
    return tuple(key if key.revoked_at is not None else replace(key, verifies_until=ends.get(key.kid)) for key in ring)


def rotate_now(ring: Sequence[SigningKey], policy: KeyPolicy, now: int) -> tuple[SigningKey, ...]:
    """Rotate: the standby signs as soon as every verifier must have it."""
    standby = standby_key(ring, now)
    if standby is None:
        return tuple(ring)
    sooner = min(standby.signs_from, max(now, standby.published_at + policy.lead_seconds))
    ring = _without_ends(ring, now)
    return tuple(replace(key, signs_from=sooner) if key.kid == standby.kid else key for key in ring)


def revoke_key(ring: Sequence[SigningKey], kid: str, policy: KeyPolicy, now: int) -> tuple[SigningKey, ...]:
    """Revoke one key; when it was the signing one, the standby signs from now."""
    signing, standby = signing_key(ring, now), standby_key(ring, now)
    succeeds = standby.kid if standby is not None and signing is not None and signing.kid == kid else None
    return tuple(
        replace(key, revoked_at=now, verifies_until=now + policy.token_seconds)
        if key.kid == kid
        else replace(key, signs_from=now)
        if key.kid == succeeds
        else key
        for key in ring
    )


def change_cause(before: Sequence[SigningKey], after: Sequence[SigningKey], now: int) -> str:
    """Say in the words of the audit log what a ring that is written changes; a new key comes before all else."""
    old, new = ({key.kid: key.signs_from for key in ring} for ring in (before, after))
    if started := [start for kid, start in new.items() if kid not in old]:
        return "first key" if min(started) <= now else "standby"
    if new.keys() != old.keys():
        return "retired keys dropped"
    return "ends of keys moved" if new == old else "standby brought forward"


def _without_ends(ring: Iterable[SigningKey], now: int) -> tuple[SigningKey, ...]:
    """The ring with `verifies_until` cleared on keys that are not retired, so that `set_expiry` computes it again."""
    ring = tuple(ring)
    current = signing_key(ring, now)
    return tuple(
        key
        if key.revoked_at is not None or (current is not None and _order(key) < _order(current))
        else replace(key, verifies_until=None)
        for key in ring
    )
