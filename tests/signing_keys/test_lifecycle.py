"""The life of a signing key, as values."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.signing_keys.key import SigningKey
from sealring.signing_keys.lifecycle import (
    KEY_STATES,
    KeyPolicy,
    KeyState,
    adopt_algorithm,
    key_state,
    next_key_start,
    revoke_key,
    rotate_now,
    set_expiry,
    signing_key,
    standby_key,
)

POLICY = KeyPolicy(algorithm="ES256", rotation_seconds=1000, lead_seconds=100, heard_seconds=10, token_seconds=50)
OTHER = replace(POLICY, algorithm="Ed25519")


def key(kid: str, signs_from: int, *, published_at: int = 0, alg: str = "ES256") -> SigningKey:
    return SigningKey(
        kid=kid, alg=alg, public_jwk="{}", encrypted=b"", published_at=published_at, signs_from=signs_from
    )


Ring = tuple[SigningKey, ...]


def grow(ring: Ring, now: int, *, name: str, policy: KeyPolicy = POLICY, starting: bool = False) -> Ring:
    """What a node does when it looks at the ring, or starts."""
    ring = adopt_algorithm(ring, policy, now) if starting else ring
    starts = next_key_start(ring, policy, now, starting=starting)
    ring = set_expiry(ring, policy, now)
    if starts is None:
        return ring
    return set_expiry((*ring, key(name, starts, published_at=now, alg=policy.algorithm)), policy, now)


def start(ring: Ring, now: int, *, name: str, policy: KeyPolicy = POLICY) -> Ring:
    """What a node does when it starts: it has its say, then looks until nothing is wanted."""
    ring = grow(ring, now, name=name, policy=policy, starting=True)
    return grow(ring, now, name=f"{name}+", policy=policy)


def grown(now: int = 0, policy: KeyPolicy = POLICY) -> Ring:
    """A signing key and a standby."""
    return grow(grow((), now, name="a", policy=policy), now, name="b", policy=policy)


def plan(ring: Ring) -> list[tuple[str, str, int]]:
    return [(one.kid, one.alg, one.signs_from) for one in ring]


def test_the_first_key_signs_at_once_and_the_second_stands_by() -> None:
    ring = grow((), 10, name="a")
    assert signing_key(ring, 10) == ring[0]
    ring = grow(ring, 10, name="b")
    assert [key_state(one, ring, 10) for one in ring] == ["signing", "published"]
    assert next_key_start(ring, POLICY, 10) is None


def test_a_key_goes_through_its_whole_life() -> None:
    ring = grown()
    states = {now: key_state(ring[0], ring, now) for now in (0, 999, 1000, 1049, 1050)}
    assert states == {0: "signing", 999: "signing", 1000: "retired", 1049: "retired", 1050: "gone"}
    assert key_state(ring[1], ring, 1000) == "signing"


def test_a_key_that_is_gone_is_dropped() -> None:
    ring = grown()
    assert [one.kid for one in set_expiry(ring, POLICY, 1050)] == ["b"]
    assert [one.kid for one in set_expiry(ring, POLICY, 1049)] == ["a", "b"]


def test_rotation_waits_until_every_verifier_must_know_the_standby() -> None:
    ring = grown()
    assert standby_key(rotate_now(ring, POLICY, 30), 30).signs_from == 100  # type: ignore[union-attr]
    assert signing_key(rotate_now(ring, POLICY, 500), 500).kid == "b"  # type: ignore[union-attr]


def test_rotation_never_puts_off_a_key_that_was_due() -> None:
    ring = (key("a", 0), key("b", 120, published_at=60))
    assert rotate_now(ring, POLICY, 70)[1].signs_from == 120


def test_a_struck_signing_key_is_followed_by_the_standby_at_once() -> None:
    ring = grown()
    struck = revoke_key(ring, "a", POLICY, 20)
    assert key_state(struck[0], struck, 20) == "revoked"
    assert signing_key(struck, 20).kid == "b"  # type: ignore[union-attr]


def test_striking_a_retired_key_leaves_the_others_alone() -> None:
    ring = set_expiry((key("a", 0), key("b", 1000), key("c", 2000)), POLICY, 1010)
    struck = revoke_key(ring, "a", POLICY, 1010)
    assert struck[1:] == ring[1:]


def test_another_algorithm_is_published_before_it_signs() -> None:
    ring = start(grown(), 20, name="c", policy=OTHER)
    assert plan(ring) == [("a", "ES256", 0), ("c", "Ed25519", 120)]
    assert signing_key(ring, 119).kid == "a"  # type: ignore[union-attr]
    assert signing_key(ring, 120).kid == "c"  # type: ignore[union-attr]
    assert ring[0].verifies_until == 170, "told anew when it ends"


def test_nodes_that_differ_leave_each_others_standby_alone() -> None:
    ring = grown()
    assert grow(ring, 20, name="c", policy=OTHER) == ring
    ring = start(ring, 20, name="c", policy=OTHER)
    assert grow(ring, 20, name="d") == ring


def test_the_last_to_start_says_what_comes_next_and_a_start_of_its_like_changes_nothing() -> None:
    ring = start(start(grown(), 20, name="c", policy=OTHER), 30, name="d")
    assert plan(ring) == [("a", "ES256", 0), ("d", "ES256", 1000)]
    assert start(ring, 40, name="e") == ring
    ring = start(ring, 40, name="e", policy=OTHER)
    assert start(ring, 50, name="f", policy=OTHER) == ring


@pytest.mark.parametrize("now", [990, 999])
def test_i12_a_standby_that_is_about_to_sign_stays_and_the_other_algorithm_follows_it(now: int) -> None:
    ring = start(grown(), now, name="c", policy=OTHER)
    assert plan(ring) == [("a", "ES256", 0), ("b", "ES256", 1000), ("c", "Ed25519", now + 100)]
    ring = start(grown(), 989, name="c", policy=OTHER)
    assert plan(ring) == [("a", "ES256", 0), ("c", "Ed25519", 1089)]


def test_two_that_are_to_sign_at_once_sign_one_after_the_other() -> None:
    policy = replace(OTHER, heard_seconds=100)
    ring = (key("a", 0), key("b", 120, published_at=20))
    assert plan(start(ring, 20, name="c", policy=policy))[1:] == [("b", "ES256", 120), ("c", "Ed25519", 121)]


def test_a_standby_of_the_algorithm_wanted_is_not_put_off_to_the_next_rotation() -> None:
    ring = set_expiry((key("a", 0), key("b", 1000, published_at=5, alg="Ed25519")), POLICY, 50)
    assert grow(ring, 50, name="c", policy=OTHER) == ring
    ring = start(ring, 50, name="c", policy=OTHER)
    assert plan(ring) == [("a", "ES256", 0), ("b", "Ed25519", 105)]
    assert ring[0].verifies_until == 155


def test_a_key_of_another_algorithm_that_signs_is_followed_at_its_time() -> None:
    assert plan(grow((key("a", 0),), 20, name="b", policy=OTHER)) == [("a", "ES256", 0), ("b", "Ed25519", 1000)]


def test_a_struck_standby_of_another_algorithm_is_kept_as_struck() -> None:
    ring = set_expiry(revoke_key(grown(), "b", POLICY, 20), POLICY, 20)
    assert key_state(start(ring, 20, name="c", policy=OTHER)[-1], ring, 20) == "revoked"


def test_nodes_with_other_lives_of_tokens_agree_on_the_later_end() -> None:
    longer = replace(POLICY, token_seconds=70)
    ring = grown()
    for _ in range(3):
        ring = grow(grow(ring, 20, name="c", policy=longer), 20, name="d")
        assert ring[0].verifies_until == 1070
    ring = set_expiry(rotate_now(ring, POLICY, 200), POLICY, 200)
    assert ring[0].verifies_until == 250, "another successor, another end"
    assert grow(ring, 200, name="c", policy=longer)[0].verifies_until == 270


def test_a_start_with_a_shorter_life_of_tokens_takes_nothing_back() -> None:
    ring = grown()
    assert start(ring, 20, name="c", policy=replace(POLICY, token_seconds=10)) == ring


def test_a_standby_made_late_waits_until_every_verifier_must_know_it() -> None:
    ring = set_expiry(revoke_key(grown(), "b", POLICY, 950), POLICY, 950)
    assert standby_key(grow(ring, 950, name="c"), 950).signs_from == 1050  # type: ignore[union-attr]


def test_a_retired_key_keeps_the_later_end_whatever_follows() -> None:
    longer = replace(POLICY, token_seconds=500)
    ring = grow(grow(grown(), 0, name="c", policy=longer), 1000, name="c", policy=longer)
    for act in (
        rotate_now(ring, POLICY, 1200),
        revoke_key(ring, "b", POLICY, 1200),
        adopt_algorithm(ring, OTHER, 1200),
    ):
        assert set_expiry(act, POLICY, 1200)[0].verifies_until >= 1500  # type: ignore[operator]


@given(st.lists(st.integers(1, 700), min_size=1, max_size=40), st.data())
def test_i12_no_key_signs_before_it_was_published_long_enough(steps: list[int], data: st.DataObject) -> None:
    """Nodes look at the ring now and then, rotate, revoke: no token meets a verifier that cannot know its key."""
    now, ring = 0, grow(grow((), 0, name="0"), 0, name="1")
    promoted = {"0"}  # the first key, and standbys that had to follow a struck one, could not wait
    for number, step in enumerate(steps, 1):
        now += step
        act = data.draw(st.sampled_from(["look", "rotate", "revoke"]))
        if act == "rotate":
            ring = set_expiry(rotate_now(ring, POLICY, now), POLICY, now)
        elif act == "revoke" and (current := signing_key(ring, now)) is not None:
            ring = set_expiry(revoke_key(ring, current.kid, POLICY, now), POLICY, now)
        ring = grow(grow(ring, now, name=f"{number}a"), now, name=f"{number}b")
        current = signing_key(ring, now)
        assert current is not None
        if act == "revoke":
            promoted.add(current.kid)
        assert current.kid in promoted or current.signs_from - current.published_at >= POLICY.lead_seconds
        assert standby_key(ring, now) is not None
        for one in ring:  # what still verifies outlives the last token it can have signed
            successor = next((two for two in ring if two.signs_from > one.signs_from and two.revoked_at is None), None)
            if one.revoked_at is None and successor is not None:
                assert one.verifies_until == successor.signs_from + POLICY.token_seconds


@pytest.mark.parametrize("now", [0, 10, 999, 1000])
def test_looking_twice_changes_nothing(now: int) -> None:
    ring = grown()
    ring = grow(ring, now, name="c")
    assert grow(ring, now, name="d") == ring


@given(
    st.lists(
        st.tuples(st.integers(0, 1500), st.sampled_from(["look", "start", "rotate", "revoke"]), st.integers(0, 2)),
        min_size=1,
        max_size=40,
    )
)
def test_i12_nodes_that_differ_come_to_rest_and_drop_no_key_that_somebody_may_sign_with(
    steps: list[tuple[int, str, int]],
) -> None:
    """Three nodes set to other algorithms and lives of tokens look, start, rotate and revoke in any order."""
    policies = (POLICY, OTHER, replace(POLICY, algorithm="RS256", token_seconds=80))
    now, ring = 0, grown()
    promoted = {"a"}
    for number, (step, act, node) in enumerate(steps, 1):
        now += step
        policy = policies[node]
        before, current = ring, signing_key(ring, now)
        match act:
            case "start":
                ring = grow(ring, now, name=f"{number}s", policy=policy, starting=True)
            case "rotate":
                ring = set_expiry(rotate_now(ring, policy, now), policy, now)
            case "revoke" if current is not None:
                ring = set_expiry(revoke_key(ring, current.kid, policy, now), policy, now)
        if act in {"look", "start"}:  # nobody struck anything: what is dropped has signed its last, or nothing
            lost = {one.kid for one in before} - {one.kid for one in ring}
            for one in before:
                gone = one.verifies_until is not None and one.verifies_until <= now
                assert one.kid not in lost or gone or one.signs_from > now + POLICY.heard_seconds
        for each in policies:
            ring = grow(
                grow(ring, now, name=f"{number}{each.algorithm}", policy=each), now, name=f"{number}", policy=each
            )
        assert all(grow(ring, now, name="none", policy=each) == ring for each in policies), "at rest"
        signing = signing_key(ring, now)
        assert signing is not None
        if act == "revoke":
            promoted.add(signing.kid)
        assert signing.kid in promoted or signing.signs_from - signing.published_at >= POLICY.lead_seconds
        assert standby_key(ring, now) is not None


def test_every_state_is_explained() -> None:
    assert list(KEY_STATES) == list(get_args(KeyState))


def test_k2_the_end_of_a_revoked_key_stays_and_then_it_is_dropped() -> None:
    ring = revoke_key(grown(), "a", POLICY, 40)
    ring = set_expiry(ring, POLICY, 60)
    assert [(each.kid, each.revoked_at, each.verifies_until) for each in ring] == [("a", 40, 90), ("b", None, None)]
    assert [each.kid for each in set_expiry(ring, POLICY, 90)] == ["b"]


def test_a_standby_is_not_brought_forward_where_no_key_signs() -> None:
    ring = (key("b", 500),)
    assert adopt_algorithm(ring, POLICY, 100) == ring
    assert adopt_algorithm(ring, OTHER, 100) == ()


def test_nothing_succeeds_a_key_where_none_signs() -> None:
    ring = revoke_key((key("b", 500), key("c", 600)), "b", POLICY, 40)
    assert [(each.kid, each.signs_from, each.revoked_at) for each in ring] == [("b", 500, 40), ("c", 600, None)]


def test_the_ends_are_computed_anew_where_no_key_signs() -> None:
    ring = (replace(key("b", 500), verifies_until=650), replace(key("c", 600, alg="Ed25519"), verifies_until=700))
    assert adopt_algorithm(ring, OTHER, 100) == (key("c", 600, alg="Ed25519"),)


def test_k2_a_rotation_keeps_the_end_of_a_revoked_standby() -> None:
    ring = set_expiry(revoke_key((*grown(), key("c", 3000)), "b", POLICY, 40), POLICY, 40)
    ring = rotate_now(ring, POLICY, 60)
    assert [(each.kid, each.verifies_until) for each in ring] == [("a", None), ("b", 90), ("c", None)]
