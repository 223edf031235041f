"""The node's clock against the machine's."""

from __future__ import annotations

import time

import pytest

from sealring.verifier.clock import SystemClock


def test_it_follows_the_wall_clock() -> None:
    clock = SystemClock(5)
    assert abs(clock.now_ms() - time.time_ns() // 1_000_000) < 1000


@pytest.mark.parametrize(("step", "followed"), [(3600, True), (-4, True), (-3600, False)])
def test_t2_a_step_back_beyond_the_leeway_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, step: float, *, followed: bool
) -> None:
    clock = SystemClock(5)
    before = clock.offset
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + step)
    clock.adjust()
    assert (abs(clock.offset - before - step) < 1) is followed
    assert followed or clock.offset == before
