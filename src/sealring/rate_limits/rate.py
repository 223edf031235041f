"""A rate limit: how many attempts in how long. A value, checked when it is made; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sealring.jwt.durations import parse_duration

MAX_LIMIT = 1_000_000
MAX_WINDOW_SECONDS = 366 * 86_400
_FORM = re.compile(r"([0-9]{1,7})/(.+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many attempts in so many seconds."""

    limit: int
    window_seconds: int

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LIMIT:
            raise ValueError(f"a rate must allow 1 to {MAX_LIMIT} attempts")
        if not 1 <= self.window_seconds <= MAX_WINDOW_SECONDS:
            raise ValueError("a rate's window must be 1 second to 1 year")

    @classmethod
    def parse(cls, text: str) -> RateLimit:
        """Read `attempts/duration`.

        Raises:
            ValueError: another form, or out of bounds.

        >>> RateLimit.parse("10/5m")
        RateLimit(limit=10, window_seconds=300)
        """
        form = _FORM.fullmatch(text.strip())
        if form is None:
            raise ValueError("a rate must read like 10/5m")
        seconds = parse_duration(form[2])
        if not isinstance(seconds, int):
            raise ValueError("a rate's window must be whole seconds")  # noqa: TRY004 - a bad text, not a bad type
        return cls(int(form[1]), seconds)
