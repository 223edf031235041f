"""How attempts are counted: as many at once as the limit says, then one for each part of the window that passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.rate_limits.bucket import Bucket
from sealring.rate_limits.gcra import MICROSECONDS, count, horizon_us, step_us, wait_seconds
from sealring.rate_limits.rate import MAX_LIMIT, MAX_WINDOW_SECONDS, RateLimit

NOW = 1_800_000_000
BUCKET = Bucket(key="x", rate=RateLimit(3, 60))


def attempt(empty_at_us: int, now: int, bucket: Bucket = BUCKET) -> tuple[int, int]:
    """The bucket's empty moment afterwards, and the seconds to wait; a refused attempt is not counted."""
    counted = count(empty_at_us, bucket, now=now, horizon_us=horizon_us([bucket], now))
    wait = wait_seconds(counted, bucket, now=now)
    return (empty_at_us if wait else counted), wait


def test_the_limit_passes_at_once_and_then_one_for_each_part_of_the_window() -> None:
    empty_at, waits = 0, []
    for seconds in (0, 0, 0, 0, 1, 19, 20, 20, 40):
        empty_at, wait = attempt(empty_at, NOW + seconds)
        waits.append(wait)
    assert waits == [0, 0, 0, 20, 19, 1, 0, 20, 0]


def test_a_bucket_that_was_not_used_for_a_window_is_empty_and_no_more() -> None:
    empty_at, waits = 0, []
    for seconds in (0, 0, 0, 86_400, 86_400, 86_400, 86_400):
        empty_at, wait = attempt(empty_at, NOW + seconds)
        waits.append(wait)
    assert waits == [0, 0, 0, 0, 0, 0, 20]


@pytest.mark.parametrize(("ahead_seconds", "wait"), [(60, 20), (61, 21), (120, 80), (121, 0), (3_600, 0)])
def test_t2_a_row_from_beyond_twice_the_window_counts_as_empty(ahead_seconds: int, wait: int) -> None:
    empty_at = (NOW + ahead_seconds) * MICROSECONDS
    assert attempt(empty_at, NOW)[1] == wait


def test_t2_a_row_beyond_the_horizon_begins_anew_at_the_present() -> None:
    assert attempt((NOW + 3_600) * MICROSECONDS, NOW) == ((NOW + 20) * MICROSECONDS, 0)


def test_the_horizon_is_that_of_the_widest_bucket() -> None:
    wide = Bucket(key="y", rate=RateLimit(3, 600))
    assert horizon_us([BUCKET, wide], NOW) == horizon_us([wide, BUCKET], NOW) == (NOW + 1_200) * MICROSECONDS


@given(st.integers(1, MAX_LIMIT), st.integers(1, MAX_WINDOW_SECONDS))
def test_every_attempt_moves_every_bucket(limit: int, window_seconds: int) -> None:
    assert step_us(Bucket(key="x", rate=RateLimit(limit, window_seconds))) >= 1


def test_the_highest_rate_there_is_moves_its_bucket() -> None:
    assert step_us(Bucket(key="x", rate=RateLimit(MAX_LIMIT, 1))) == 1
