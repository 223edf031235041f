"""The life of a signing key, as values."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.issuer.key_life import (
    KeyPolicy,
    bring_forward,
    key_state,
    signing_key,
    standby_key,
    standby_start,
    strike,
    tidy,
)
from sealring.store.records import SigningKey

POLICY = KeyPolicy(algorithm="ES256", rotation_seconds=1000, lead_seconds=100, token_seconds=50)


def key(kid: str, signs_from: int, *, published_at: int = 0, alg: str = "ES256") -> SigningKey:
    return SigningKey(kid=kid, alg=alg, public_jwk="{}", sealed=b"", published_at=published_at, signs_from=signs_from)


def grow(ring: tuple[SigningKey, ...], now: int, *, name: str, policy: KeyPolicy = POLICY) -> tuple[SigningKey, ...]:
    """What a node does when it looks at the ring."""
    starts = standby_start(ring, policy, now)
    ring = tidy(ring, policy, now)
    if starts is None:
        return ring
    return tidy((*ring, key(name, starts, published_at=now, alg=policy.algorithm)), policy, now)


def test_the_first_key_signs_at_once_and_the_second_stands_by() -> None:
    ring = grow((), 10, name="a")
    assert signing_key(ring, 10) == ring[0]
    ring = grow(ring, 10, name="b")
    assert [key_state(one, ring, 10) for one in ring] == ["signing", "published"]
    assert standby_start(ring, POLICY, 10) is None


def test_a_key_goes_through_its_whole_life() -> None:
    ring = grow(grow((), 0, name="a"), 0, name="b")
    states = {now: key_state(ring[0], ring, now) for now in (0, 999, 1000, 1049, 1050)}
    assert states == {0: "signing", 999: "signing", 1000: "retired", 1049: "retired", 1050: "gone"}
    assert key_state(ring[1], ring, 1000) == "signing"


def test_a_key_that_is_gone_is_dropped() -> None:
    ring = grow(grow((), 0, name="a"), 0, name="b")
    assert [one.kid for one in tidy(ring, POLICY, 1050)] == ["b"]
    assert [one.kid for one in tidy(ring, POLICY, 1049)] == ["a", "b"]


def test_rotation_waits_until_every_verifier_must_know_the_standby() -> None:
    ring = grow(grow((), 0, name="a"), 0, name="b")
    assert standby_key(bring_forward(ring, POLICY, 30), 30).signs_from == 100  # type: ignore[union-attr]
    assert signing_key(bring_forward(ring, POLICY, 500), 500).kid == "b"  # type: ignore[union-attr]


def test_rotation_never_puts_off_a_key_that_was_due() -> None:
    ring = (key("a", 0), key("b", 120, published_at=60))
    assert bring_forward(ring, POLICY, 70)[1].signs_from == 120


def test_a_struck_signing_key_is_followed_by_the_standby_at_once() -> None:
    ring = grow(grow((), 0, name="a"), 0, name="b")
    struck = strike(ring, "a", POLICY, 20)
    assert key_state(struck[0], struck, 20) == "revoked"
    assert signing_key(struck, 20).kid == "b"  # type: ignore[union-attr]


def test_striking_a_retired_key_leaves_the_others_alone() -> None:
    ring = tidy((key("a", 0), key("b", 1000), key("c", 2000)), POLICY, 1010)
    struck = strike(ring, "a", POLICY, 1010)
    assert struck[1:] == ring[1:]


def test_another_algorithm_is_published_before_it_signs() -> None:
    ring = grow(grow((), 0, name="a"), 0, name="b")
    other = replace(POLICY, algorithm="Ed25519")
    ring = grow(ring, 20, name="c", policy=other)
    assert [(one.kid, one.alg) for one in ring] == [("a", "ES256"), ("c", "Ed25519")]
    assert ring[1].signs_from == 120
    assert signing_key(ring, 119).kid == "a"  # type: ignore[union-attr]
    assert signing_key(ring, 120).kid == "c"  # type: ignore[union-attr]


@given(st.lists(st.integers(1, 700), min_size=1, max_size=40), st.data())
def test_i12_no_key_signs_before_it_was_published_long_enough(steps: list[int], data: st.DataObject) -> None:
    """Nodes look at the ring now and then, rotate, revoke: no token meets a verifier that cannot know its key."""
    now, ring = 0, grow(grow((), 0, name="0"), 0, name="1")
    promoted = {"0"}  # the first key, and standbys that had to follow a struck one, could not wait
    for number, step in enumerate(steps, 1):
        now += step
        act = data.draw(st.sampled_from(["look", "rotate", "strike"]))
        if act == "rotate":
            ring = tidy(bring_forward(ring, POLICY, now), POLICY, now)
        elif act == "strike" and (current := signing_key(ring, now)) is not None:
            ring = tidy(strike(ring, current.kid, POLICY, now), POLICY, now)
        ring = grow(grow(ring, now, name=f"{number}a"), now, name=f"{number}b")
        current = signing_key(ring, now)
        assert current is not None
        if act == "strike":
            promoted.add(current.kid)
        assert current.kid in promoted or current.signs_from - current.published_at >= POLICY.lead_seconds
        assert standby_key(ring, now) is not None
        for one in ring:  # what still verifies outlives the last token it can have signed
            successor = next((two for two in ring if two.signs_from > one.signs_from and two.revoked_at is None), None)
            if one.revoked_at is None and successor is not None:
                assert one.verifies_until == successor.signs_from + POLICY.token_seconds


@pytest.mark.parametrize("now", [0, 10, 999, 1000])
def test_looking_twice_changes_nothing(now: int) -> None:
    ring = grow(grow((), 0, name="a"), 0, name="b")
    ring = grow(ring, now, name="c")
    assert grow(ring, now, name="d") == ring
