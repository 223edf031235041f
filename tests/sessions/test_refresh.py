from __future__ import annotations

from dataclasses import replace

import pytest

from sealring.sessions.refresh import (
    TABLE,
    Decision,
    Ended,
    LimitReached,
    Mint,
    Relation,
    Repeat,
    Reused,
    Superseded,
    decide_refresh,
    relation_of,
    renew,
    token_of,
)
from sealring.sessions.refresh_token import RefreshToken
from sealring.sessions.session import Session

SID = "c2VhbHJpbmctc2Vzc2lvbg"
G = 10_000
MINTED, PARENT_MINTED, CONFIRMED, CHILD_MINTED = 5_000_000, 4_000_000, 6_000_000, 6_000_500
SESSION = Session(
    id=SID,
    subject="42",
    client_id="http",
    scopes=("orders:read",),
    created_at=0,
    auth_time=0,
    last_seen_at=6_000,
    idle_seconds=10_000,
    expires_at=50_000,
    generation=7,
    minted_ms=MINTED,
    parent_minted_ms=PARENT_MINTED,
    confirmed_ms=CONFIRMED,
    child_minted_ms=CHILD_MINTED,
)
OWN = RefreshToken(SID, 7, MINTED, PARENT_MINTED)
CHILD = RefreshToken(SID, 8, CHILD_MINTED, MINTED)
EARLIER_CHILD = RefreshToken(SID, 8, CHILD_MINTED - 60_000, MINTED)
PARENT = RefreshToken(SID, 6, PARENT_MINTED, 3_000_000)
SIBLING = RefreshToken(SID, 7, MINTED + 1, PARENT_MINTED)
CHILD_OF_SIBLING = RefreshToken(SID, 8, CHILD_MINTED, MINTED + 1)
GRANDPARENT = RefreshToken(SID, 5, 3_000_000, 2_000_000)
UNCLE = RefreshToken(SID, 6, PARENT_MINTED + 1, 3_000_000)
GRANDCHILD = RefreshToken(SID, 9, CHILD_MINTED, CHILD_MINTED)


def ask(token: RefreshToken, *, now_ms: int, session: Session = SESSION, window_ms: int = G) -> Decision:
    return decide_refresh(session, token, now_ms=now_ms, retry_window_ms=window_ms)


@pytest.mark.parametrize(
    ("token", "relation"),
    [
        (OWN, "confirmed"),
        (CHILD, "child"),
        (EARLIER_CHILD, "child"),
        (PARENT, "parent"),
        (SIBLING, "unrelated"),
        (CHILD_OF_SIBLING, "unrelated"),
        (GRANDPARENT, "unrelated"),
        (UNCLE, "unrelated"),
        (GRANDCHILD, "unrelated"),
        (replace(OWN, parent_minted_ms=PARENT_MINTED + 1), "unrelated"),
        # generations order, whatever the times are (R6, R8)
        (replace(OWN, generation=6), "unrelated"),
        (replace(OWN, generation=8), "unrelated"),
        (replace(CHILD, generation=7), "unrelated"),
        (replace(CHILD, generation=9), "unrelated"),
        (replace(PARENT, generation=5), "unrelated"),
    ],
)
def test_relation_of_a_token_to_the_row(token: RefreshToken, relation: Relation) -> None:
    assert relation_of(token, SESSION) == relation


def test_table_covers_every_relation() -> None:
    assert set(TABLE) == {"confirmed", "child", "parent", "unrelated"}


@pytest.mark.parametrize("late_ms", [0, 1, G - 1, -1, -(G - 1)])
def test_confirmed_within_the_window_repeats_the_child_without_a_write(late_ms: int) -> None:
    assert ask(OWN, now_ms=CHILD_MINTED + late_ms) == Repeat(CHILD)


@pytest.mark.parametrize("late_ms", [G, G + 1, 3_600_000, -G, -500_000])
def test_confirmed_outside_the_window_mints_a_fresh_child(late_ms: int) -> None:
    now_ms = CHILD_MINTED + late_ms
    after = replace(SESSION, child_minted_ms=now_ms, last_seen_at=now_ms // 1000)
    assert ask(OWN, now_ms=now_ms) == Mint(RefreshToken(SID, 8, now_ms, MINTED), after)


def test_confirmed_without_a_child_mints_one() -> None:
    first = replace(SESSION, generation=0, parent_minted_ms=None, child_minted_ms=None)
    now_ms = CONFIRMED + 3
    after = replace(first, child_minted_ms=now_ms, last_seen_at=now_ms // 1000)
    assert ask(RefreshToken(SID, 0, MINTED, None), session=first, now_ms=now_ms) == Mint(
        RefreshToken(SID, 1, now_ms, MINTED), after
    )


@pytest.mark.parametrize("token", [CHILD, EARLIER_CHILD])
@pytest.mark.parametrize("now_ms", [CHILD_MINTED, CHILD_MINTED + 1_000_000, CHILD_MINTED - 1_000_000])
@pytest.mark.parametrize("window_ms", [0, G])
def test_child_is_confirmed_by_its_first_use_whenever_that_is(token: RefreshToken, now_ms: int, window_ms: int) -> None:
    after = replace(
        SESSION,
        generation=8,
        minted_ms=token.minted_ms,
        parent_minted_ms=MINTED,
        confirmed_ms=now_ms,
        child_minted_ms=now_ms,
        last_seen_at=now_ms // 1000,
    )
    assert ask(token, now_ms=now_ms, window_ms=window_ms) == Mint(RefreshToken(SID, 9, now_ms, token.minted_ms), after)


@pytest.mark.parametrize("late_ms", [0, G - 1, -(G - 1)])
def test_parent_within_the_window_is_superseded(late_ms: int) -> None:
    assert ask(PARENT, now_ms=CONFIRMED + late_ms) == Superseded()


@pytest.mark.parametrize("late_ms", [G, 3_600_000, -G])
def test_parent_outside_the_window_is_reuse(late_ms: int) -> None:
    assert ask(PARENT, now_ms=CONFIRMED + late_ms) == Reused()


@pytest.mark.parametrize("token", [SIBLING, CHILD_OF_SIBLING, GRANDPARENT, UNCLE, GRANDCHILD])
def test_strangers_are_reuse_at_any_time(token: RefreshToken) -> None:
    assert ask(token, now_ms=CONFIRMED) == Reused()
    assert ask(token, now_ms=CONFIRMED + 1_000_000) == Reused()


def test_sibling_dies_at_once_when_the_other_is_used() -> None:
    decision = ask(CHILD, now_ms=CHILD_MINTED)
    assert isinstance(decision, Mint)
    assert ask(EARLIER_CHILD, session=decision.after, now_ms=CHILD_MINTED) == Reused()


@pytest.mark.parametrize("late_ms", [0, -1, -500_000])
def test_strict_mode_never_gives_one_child_twice(late_ms: int) -> None:
    decision = ask(OWN, now_ms=CHILD_MINTED + late_ms, window_ms=0)
    assert isinstance(decision, Mint)
    assert decision.child == RefreshToken(SID, 8, CHILD_MINTED + 1, MINTED)
    assert decision.after.child_minted_ms == CHILD_MINTED + 1


def test_strict_mode_mints_at_the_present_where_it_is_later() -> None:
    decision = ask(OWN, now_ms=CHILD_MINTED + 60_000, window_ms=0)
    assert isinstance(decision, Mint)
    assert decision.child == RefreshToken(SID, 8, CHILD_MINTED + 60_000, MINTED)


def test_strict_mode_mints_a_first_child() -> None:
    decision = ask(OWN, session=replace(SESSION, child_minted_ms=None), now_ms=CONFIRMED, window_ms=0)
    assert isinstance(decision, Mint)
    assert decision.child == RefreshToken(SID, 8, CONFIRMED, MINTED)


def test_r6_two_rotations_in_one_millisecond_are_told_apart_by_their_generation() -> None:
    same_times = replace(SESSION, parent_minted_ms=MINTED, confirmed_ms=MINTED, child_minted_ms=MINTED)
    tokens = [RefreshToken(SID, generation, MINTED, MINTED) for generation in range(5, 10)]
    assert [relation_of(token, same_times) for token in tokens] == [
        *("unrelated", "parent", "confirmed", "child", "unrelated")
    ]


def test_strict_mode_has_no_superseded() -> None:
    assert ask(PARENT, now_ms=CONFIRMED, window_ms=0) == Reused()


def test_loser_of_the_swap_is_told_the_winners_child() -> None:
    won = ask(CHILD, now_ms=CHILD_MINTED + 100)
    assert isinstance(won, Mint)
    assert ask(CHILD, session=won.after, now_ms=CHILD_MINTED + 90) == Repeat(won.child)


def test_ended_session_refuses_even_its_own_token() -> None:
    ended = replace(SESSION, ended_at=6_000, ended_by="logout")
    assert ask(OWN, session=ended, now_ms=CHILD_MINTED) == Ended()
    assert ask(GRANDPARENT, session=ended, now_ms=CHILD_MINTED) == Ended()
    assert ask(OWN, session=ended, now_ms=50_000_000) == Ended()


def test_limits_come_before_the_table() -> None:
    assert isinstance(ask(OWN, now_ms=16_000_000 - 1), Mint)
    assert ask(OWN, now_ms=16_000_000) == LimitReached("idle")
    assert ask(GRANDPARENT, now_ms=50_000_000) == LimitReached("absolute")


def test_token_of_another_session_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="of this session"):
        ask(replace(OWN, session_id="YW5vdGhlciBzZXNzaW9uLg"), now_ms=CHILD_MINTED)


NOW_MS = CHILD_MINTED + 60_000


@pytest.mark.parametrize(
    ("session", "last", "others"),
    [
        (SESSION, CHILD, (OWN, PARENT, EARLIER_CHILD, SIBLING, GRANDCHILD)),
        (replace(SESSION, child_minted_ms=None), OWN, (PARENT, CHILD, SIBLING)),
    ],
)
def test_n13_a_renewed_session_knows_only_its_new_token(
    session: Session, last: RefreshToken, others: tuple[RefreshToken, ...]
) -> None:
    renewed = renew(session, NOW_MS)
    assert renewed is not None
    assert relation_of(token_of(renewed), renewed) == "confirmed"
    assert {relation_of(token, renewed) for token in others} == {"unrelated"}
    assert relation_of(last, renewed) == "parent"
    assert isinstance(ask(last, now_ms=NOW_MS + G - 1, session=renewed), Superseded)
    assert isinstance(ask(last, now_ms=NOW_MS + G, session=renewed), Reused)


def test_n13_i5_what_is_over_is_not_renewed() -> None:
    ended = replace(SESSION, ended_at=1, ended_by="logout")
    idle_at_ms = (SESSION.last_seen_at + SESSION.idle_seconds) * 1000
    assert [renew(ended, NOW_MS), renew(SESSION, idle_at_ms), renew(SESSION, SESSION.expires_at * 1000)] == [None] * 3
