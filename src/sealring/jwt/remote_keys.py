"""When to fetch another issuer's key set, and what to hold meanwhile: decisions over values, no I/O, no clock.

A set is fresh for as long as its `max-age` says, within bounds, and is then fetched again. An unknown `kid` asks
for a fetch too, at most once per cooldown, so that a flood of made-up names costs nothing. A failed
fetch takes nothing away: the last good set serves until its own end. One fetch at a time.
`now` is seconds on any clock that does not go back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sealring.errors import KeyRefused
from sealring.jwt.key_set import KeySet
from sealring.jwt.strict_json import BadJSON, decode_object

COOLDOWN_SECONDS = 30  # between two fetches, whatever the reason; panva/jose and PyJWT chose the same
FRESH_SECONDS = 600  # without max-age
FRESH_LEAST, FRESH_MOST = 60, 24 * 3600  # a day bounds how long a withdrawn key can go unnoticed
HOLD_SECONDS = 24 * 3600  # the end of a set that could not be renewed, counted from when it was fetched
MOST_BYTES = 256 * 1024
MOST_KEYS = 100

_MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?([0-9]{1,9})\"?\s*(?:,|$)", re.IGNORECASE)
_NEVER = float("-inf")
_NONE = KeySet([])


@dataclass(frozen=True, slots=True)
class RemoteKeySet:
    """What is known of a remote key set. The functions below return a new one for each event."""

    keys: KeySet = _NONE
    fresh_until: float = _NEVER
    ends_at: float = _NEVER
    tried_at: float = _NEVER
    fetching: bool = False


def keys_at(state: RemoteKeySet, now: float) -> KeySet:
    """Return the keys that may be used at `now`: none past the end of the set."""
    return state.keys if now < state.ends_at else _NONE


def is_fetch_due(state: RemoteKeySet, now: float, *, unknown_kid: bool = False) -> bool:
    """Tell whether to fetch now: the set is stale or a kid was unknown, nobody fetches, the cooldown is over."""
    wanted = unknown_kid or now >= state.fresh_until
    return wanted and not state.fetching and now >= state.tried_at + COOLDOWN_SECONDS


def next_fetch_at(state: RemoteKeySet) -> float:
    """Return when a fetch is due if no unknown kid turns up."""
    return max(state.fresh_until, state.tried_at + COOLDOWN_SECONDS)


def fetch_began(state: RemoteKeySet, now: float) -> RemoteKeySet:
    """A fetch is under way: no other begins until it ends."""
    return replace(state, fetching=True, tried_at=now)


def fetch_succeeded(state: RemoteKeySet, now: float, keys: KeySet, max_age: int | None) -> RemoteKeySet:
    """The set was fetched: it replaces what was held."""
    fresh = FRESH_SECONDS if max_age is None else min(max(max_age, FRESH_LEAST), FRESH_MOST)
    return replace(state, keys=keys, fresh_until=now + fresh, ends_at=now + max(fresh, HOLD_SECONDS), fetching=False)


def fetch_failed(state: RemoteKeySet) -> RemoteKeySet:
    """The fetch failed: what was held stays, until its end (K5, GHSA-fhv5-28vv-h8m8)."""
    return replace(state, fetching=False)


def read_key_set(body: bytes) -> KeySet:
    """Return the public keys of a JWK Set document; raises `KeyRefused` when there is none to use.

    Members that are no signature keys are skipped. Secrets are skipped too: what is published is none.
    """
    if len(body) > MOST_BYTES:
        raise KeyRefused(f"the JWK Set is longer than {MOST_BYTES} bytes")
    try:
        members = decode_object(body).get("keys")
    except BadJSON as error:
        raise KeyRefused(f"the JWK Set is not strict JSON: {error}") from None
    if not isinstance(members, list) or len(members) > MOST_KEYS:
        raise KeyRefused(f"a JWK Set is an object with a list 'keys' of at most {MOST_KEYS}")
    keys = [key.public() for key in KeySet.from_jwks({"keys": members}) if not key.is_symmetric]
    if not keys:
        raise KeyRefused("the JWK Set has no usable key")
    return KeySet(keys)


def max_age_of(cache_control: str | None) -> int | None:
    """Return max-age in seconds from a Cache-Control header (RFC 9111 §5.2.2.1), None when it gives none."""
    found = _MAX_AGE.search(cache_control or "")
    return int(found[1]) if found else None
