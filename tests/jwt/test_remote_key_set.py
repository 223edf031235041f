"""When to fetch and what to hold: the decisions alone."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring import jwt
from sealring.errors import KeyRefused
from sealring.jwt.remote_key_set import (
    COOLDOWN_SECONDS,
    FRESH_SECONDS,
    HOLD_SECONDS,
    MAX_BYTES,
    MAX_FRESH_SECONDS,
    MAX_KEYS,
    MIN_FRESH_SECONDS,
    RemoteKeySet,
    fetch_began,
    fetch_failed,
    fetch_succeeded,
    is_fetch_due,
    keys_at,
    max_age_of,
    next_fetch_at,
    read_key_set,
)

KEY = jwt.Key.generate("ES256", kid="a")
KEYS = jwt.KeySet([KEY.public()])
NEVER = RemoteKeySet()


def fetched(at: float, max_age: int | None = None) -> RemoteKeySet:
    return fetch_succeeded(fetch_began(NEVER, at), at, KEYS, max_age)


def test_at_first_there_is_nothing_and_a_fetch_is_due() -> None:
    assert len(keys_at(NEVER, 0)) == 0
    assert is_fetch_due(NEVER, 0)


def test_one_fetch_at_a_time() -> None:
    state = fetch_began(NEVER, 0)
    assert not is_fetch_due(state, 10_000)
    assert not is_fetch_due(state, 10_000, unknown_kid=True)
    assert is_fetch_due(fetch_failed(state), COOLDOWN_SECONDS)


@pytest.mark.parametrize(
    ("max_age", "fresh"),
    [(None, FRESH_SECONDS), (0, MIN_FRESH_SECONDS), (59, MIN_FRESH_SECONDS), (300, 300), (10**9, MAX_FRESH_SECONDS)],
)
def test_max_age_counts_within_bounds(max_age: int | None, fresh: float) -> None:
    state = fetched(1000, max_age)
    assert not is_fetch_due(state, 1000 + fresh - 1)
    assert is_fetch_due(state, 1000 + fresh)
    assert next_fetch_at(state) == 1000 + fresh


def test_an_unknown_kid_asks_once_per_cooldown() -> None:
    state = fetched(1000)
    assert not is_fetch_due(state, 1000 + COOLDOWN_SECONDS - 1, unknown_kid=True)
    assert is_fetch_due(state, 1000 + COOLDOWN_SECONDS, unknown_kid=True)
    assert not is_fetch_due(state, 1000 + COOLDOWN_SECONDS)


def test_a_failure_takes_nothing_away_until_the_sets_own_end() -> None:
    state = fetched(1000)
    for hour in range(1, 24):
        state = fetch_failed(fetch_began(state, 1000 + hour * 3600))
        assert keys_at(state, 1000 + hour * 3600) is KEYS
    assert len(keys_at(state, 1000 + HOLD_SECONDS)) == 0
    assert next_fetch_at(state) == state.tried_at + COOLDOWN_SECONDS


def test_a_success_replaces_what_was_held() -> None:
    other = jwt.KeySet([jwt.Key.generate("ES256", kid="b").public()])
    state = fetch_succeeded(fetch_began(fetched(1000), 2000), 2000, other, None)
    assert keys_at(state, 2000) is other


@given(st.lists(st.tuples(st.floats(0, 10_000), st.booleans(), st.booleans()), max_size=60))
def test_no_more_than_one_fetch_per_cooldown_whatever_happens(events: list[tuple[float, bool, bool]]) -> None:
    state, now, began = NEVER, 0.0, []
    for wait, unknown, works in events:
        now += wait
        if is_fetch_due(state, now, unknown_kid=unknown):
            began.append(now)
            state = fetch_began(state, now)
            state = fetch_succeeded(state, now, KEYS, None) if works else fetch_failed(state)
    assert all(later - earlier >= COOLDOWN_SECONDS for earlier, later in pairwise(began))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("no-store", None),
        ("max-age=60", 60),
        ("public, max-age=300, must-revalidate", 300),
        ('max-age="5"', 5),
        ("MAX-AGE = 7", 7),
        ("s-maxage=60", None),
        ("x-max-age=60", None),
        ("max-age=-1", None),
        ("max-age=1e3", None),
        ("max-age=99999999999", None),
        ("max-age=", None),
    ],
)
def test_max_age_is_read_from_cache_control(header: str | None, seconds: int | None) -> None:
    assert max_age_of(header) == seconds


def test_a_document_gives_its_public_signature_keys() -> None:
    secret = jwt.Key.generate("HS256", kid="s").to_jwk(private=True)
    private = jwt.Key.generate("Ed25519", kid="p").to_jwk(private=True)
    enc = jwt.Key.generate("ES256", kid="e").to_jwk() | {"use": "enc"}
    keys = read_key_set(
        json.dumps({"keys": [secret, private, enc, 1, None, [KEY.to_jwk()], KEY.to_jwk(), {"kty": "?"}]}).encode()
    )
    assert [(key.kid, key.is_private) for key in keys] == [("p", False), ("a", False)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[{}]}',
        b'{"keys":[],"keys":[]}',
        b"<html>",
        b"\xff",
        json.dumps({"keys": [KEY.to_jwk()]}).encode().ljust(MAX_BYTES + 1),
        json.dumps({"keys": [jwt.Key.generate("HS256").to_jwk(private=True)]}).encode(),
        json.dumps({"keys": [KEY.to_jwk()] * (MAX_KEYS + 1)}).encode(),
    ],
)
def test_a_document_without_a_usable_key_is_refused(body: bytes) -> None:
    with pytest.raises(KeyRefused):
        read_key_set(body)
