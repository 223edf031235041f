"""Decides when to fetch another issuer's key set and which keys to use meanwhile: values only, no I/O, no clock.

A set is fresh for its `max-age`, within bounds, and is then fetched again. An unknown `kid` makes a fetch due too, at
most once per cooldown, so that a flood of invented names costs nothing. After a failed fetch the last good set is used
until its end. There is one fetch at a time. `now` is seconds on any clock that does not go back.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from sealring.errors import KeyRefused
from sealring.jwt.key_set import KeySet
from sealring.jwt.strict_json import BadJSON, decode_object

COOLDOWN_SECONDS = 30  # between two fetches, whatever the reason; panva/jose and PyJWT chose the same
FRESH_SECONDS = 600  # without max-age
MIN_FRESH_SECONDS, MAX_FRESH_SECONDS = 60, 24 * 3600  # a withdrawn key is noticed within a day
HOLD_SECONDS = MAX_FRESH_SECONDS
"""The end of a set that could not be renewed, counted from when it was fetched: no set ends while it is fresh."""
MAX_BYTES = 256 * 1024
MAX_KEYS = 100

_MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?([0-9]{1,9})\"?\s*(?:,|$)", re.IGNORECASE)
_NEVER = float("-inf")
_NONE = KeySet([])


@dataclass(frozen=True, slots=True)
class RemoteKeySet:
    """The state of a remote key set. The functions below return a new one for each event."""

    keys: KeySet = _NONE
    fresh_until: float = _NEVER
    ends_at: float = _NEVER
    tried_at: float = _NEVER
    fetching: bool = False


def keys_at(state: RemoteKeySet, now: float) -> KeySet:
    """Return the keys that may be used at `now`: none past the end of the set."""
    return state.keys if now < state.ends_at else _NONE


def is_fetch_due(state: RemoteKeySet, now: float, *, unknown_kid: bool = False) -> bool:
    """Tell whether to fetch now: the set is out of date or a kid is unknown, no fetch runs, the cooldown is over."""
    wanted = unknown_kid or now >= state.fresh_until
    return wanted and not state.fetching and now >= state.tried_at + COOLDOWN_SECONDS


def next_fetch_at(state: RemoteKeySet) -> float:
    """Return when a fetch is due as long as no kid is unknown."""
    return max(state.fresh_until, state.tried_at + COOLDOWN_SECONDS)


def fetch_began(state: RemoteKeySet, now: float) -> RemoteKeySet:
    """Return the state during a fetch, in which no other fetch is due."""
    return replace(state, fetching=True, tried_at=now)


def fetch_succeeded(state: RemoteKeySet, now: float, keys: KeySet, max_age: int | None) -> RemoteKeySet:
    """Return the state after a fetch: its keys replace the old ones."""
    fresh = FRESH_SECONDS if max_age is None else min(max(max_age, MIN_FRESH_SECONDS), MAX_FRESH_SECONDS)
    return replace(state, keys=keys, fresh_until=now + fresh, ends_at=now + HOLD_SECONDS, fetching=False)


def fetch_failed(state: RemoteKeySet) -> RemoteKeySet:
    """Return the state after a failed fetch: the old keys stay until their end (K5, GHSA-fhv5-28vv-h8m8)."""
    return replace(state, fetching=False)


def read_key_set(
    body: bytes,
    *,
    max_bytes: int = MAX_BYTES,
    algorithms: Collection[str] | None = None,
    kid_optional: bool = False,
) -> KeySet:
    """Return the public keys of a JWK Set document; raises `KeyRefused` when it has no usable key.

    Members that are no signature keys are skipped, and so are secrets: a published secret is none. The options are
    those of `KeySet.from_jwks`.
    """
    if len(body) > max_bytes:
        raise KeyRefused(f"the JWK Set is longer than {max_bytes} bytes")
    try:
        members = decode_object(body).get("keys")
    except BadJSON as error:
        raise KeyRefused(f"the JWK Set is not strict JSON: {error}") from None
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        raise KeyRefused(f"a JWK Set is an object with a list 'keys' of at most {MAX_KEYS}")
    read = KeySet.from_jwks({"keys": members}, algorithms=algorithms, kid_optional=kid_optional)
    keys = [key.public() for key in read if not key.is_symmetric]
    if not keys:
        raise KeyRefused("the JWK Set has no usable key")
    return type(read)(keys)


def max_age_of(cache_control: str | None) -> int | None:
    """Return max-age in seconds from a Cache-Control header (RFC 9111 §5.2.2.1), or None."""
    found = _MAX_AGE.search(cache_control or "")
    return int(found[1]) if found else None
