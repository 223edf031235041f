"""A clock as a plain value: it stands where it was put, and moves when it is told to."""

from __future__ import annotations

START = 1_900_000_000


class FrozenClock:
    """Unix time and steady time, apart, so that a step of the one can be told from the passing of both."""

    def __init__(self, now: float = START) -> None:
        self.steady_seconds = 1000.0
        self.epoch = now - self.steady_seconds

    def steady(self) -> float:
        return self.steady_seconds

    def now_ms(self) -> int:
        return round((self.epoch + self.steady_seconds) * 1000)

    def adjust(self) -> None:
        """Nothing to look at."""

    def pass_seconds(self, seconds: float) -> None:
        self.steady_seconds += seconds

    def step(self, seconds: float) -> None:
        self.epoch += seconds
