"""A clock that stands until it is moved, and never goes back."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from sealring.testing import FrozenClock

START = 1_900_000_000


def test_it_starts_now_and_stands() -> None:
    before = int(time.time())
    clock = FrozenClock()
    assert before <= clock.now() <= time.time()
    first = clock.now_ms()
    time.sleep(0.002)
    assert clock.now_ms() == first
    clock.adjust()
    assert clock.now_ms() == first


def test_it_goes_where_it_is_put() -> None:
    clock = FrozenClock(datetime(2030, 1, 1, tzinfo=UTC))
    assert clock.now() == 1_893_456_000
    clock.advance(timedelta(minutes=30))
    clock.advance("1d")
    clock.advance(0.25)
    assert clock.now_ms() == (1_893_456_000 + 1800 + 86_400) * 1000 + 250
    clock.move_to(START)
    assert clock.now_ms() == START * 1000
    clock.move_to(datetime.fromtimestamp(START + 1, UTC))
    assert clock.now() == START + 1


@pytest.mark.parametrize("duration", [-1, "-30m", timedelta(seconds=-1)])
def test_it_never_goes_back(duration: float | str | timedelta) -> None:
    clock = FrozenClock(START)
    with pytest.raises(ValueError, match="must not be negative"):
        clock.advance(duration)
    with pytest.raises(ValueError, match="must not be negative"):
        clock.move_to(START - 1)
    assert clock.now() == START


def test_a_moment_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="must have a time zone"):
        FrozenClock(datetime(2030, 1, 1))  # noqa: DTZ001 - the mistake
    for moment in (True, "2030-01-01"):
        with pytest.raises(TypeError, match="Unix seconds or a datetime"):
            FrozenClock(moment)  # type: ignore[arg-type]
