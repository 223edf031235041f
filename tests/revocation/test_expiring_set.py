from __future__ import annotations

import pytest

from sealring.revocation import expiring_set
from sealring.revocation.expiring_set import BUCKET_SECONDS, ExpiringSet

EARLY = 10 * BUCKET_SECONDS
LATE = 20 * BUCKET_SECONDS


def added(*targets: tuple[str, int]) -> ExpiringSet:
    dead = ExpiringSet()
    for target, expires_at in targets:
        dead.add(target, expires_at)
    return dead


@pytest.mark.parametrize("ends", [(EARLY, LATE), (LATE, EARLY)])
def test_a_target_added_twice_is_kept_until_the_later_end(ends: tuple[int, int]) -> None:
    dead = added(("sid", ends[0]), ("sid", ends[1]))
    dead.forget(LATE - 1)
    assert dict(dead.marks) == {"sid": (0, LATE // BUCKET_SECONDS)}
    dead.forget(LATE)
    assert not dead.marks


@pytest.mark.parametrize("epochs", [(3, 9), (9, 3)])
@pytest.mark.parametrize("ends", [(EARLY, LATE), (LATE, EARLY), (LATE, LATE)])
def test_a_target_added_twice_keeps_the_higher_epoch(epochs: tuple[int, int], ends: tuple[int, int]) -> None:
    dead = ExpiringSet()
    for epoch, end in zip(epochs, ends, strict=True):
        dead.add("42", end, epoch)
    assert dead.marks["42"] == (9, LATE // BUCKET_SECONDS)


def test_a_target_of_two_buckets_is_forgotten_whichever_expires_first() -> None:
    # the later bucket is the older one, so it is forgotten first
    dead = added(("other", LATE), ("sid", EARLY), ("sid", LATE))
    dead.forget(LATE)
    assert not dead.marks


def test_a_target_of_two_buckets_is_handed_over_once() -> None:
    dead = added(("other", LATE), ("sid", EARLY), ("sid", LATE))
    assert sorted(dead.hand_over(5)) == [("other", LATE), ("sid", LATE)]
    assert not dead.marks


def test_a_target_of_two_buckets_is_handed_over_with_its_later_end() -> None:
    dead = added(("sid", EARLY), ("sid", LATE))
    assert list(dead.hand_over(5)) == [("sid", LATE)]


def test_handing_over_keeps_each_target_until_the_next_is_asked_for() -> None:
    dead = added(("first", EARLY), ("second", EARLY))
    handed = dead.hand_over(5)
    target, _ = next(handed)
    assert target in dead.marks
    next(handed)
    assert target not in dead.marks


def test_no_more_is_handed_over_than_was_asked_for() -> None:
    dead = added(("first", EARLY), ("second", EARLY), ("third", EARLY))
    assert len(list(dead.hand_over(2))) == 2
    assert len(dead.marks) == 1


def test_a_target_added_again_while_its_bucket_is_being_forgotten_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiring_set, "FORGOTTEN_AT_ONCE", 1)
    dead = added(("first", EARLY), ("second", EARLY))
    dead.forget(EARLY)
    assert list(dead.marks) == ["first"]
    dead.add("first", LATE)
    dead.forget(EARLY)
    dead.forget(EARLY)
    assert list(dead.marks) == ["first"]
