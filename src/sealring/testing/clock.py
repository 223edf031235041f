"""A clock that stands still until a test moves it: what expires does so on the second, and no test sleeps."""

from __future__ import annotations

import time
from datetime import datetime

from sealring.jwt.durations import Duration, parse_duration

_STEADY = 1000.0


class FrozenClock:
    """The time of an `InMemorySealring`. It starts at the machine's time, or where it is put.

    Freshness is not a matter of time here, so no move of the clock makes a node stale: see `InMemorySealring.outage`.

    Args:
        now: Unix seconds, or a `datetime` with a time zone.

    Raises:
        TypeError: any other `now`.
        ValueError: a `datetime` without a time zone.

    >>> clock = FrozenClock(1_900_000_000)
    >>> clock.advance("30m")
    >>> clock.now()
    1900001800
    """

    def __init__(self, now: float | datetime | None = None) -> None:
        self.outage_seconds = 0.0
        """How long the store has been out of reach; `InMemorySealring.outage` writes it."""
        self.offset = (time.time() if now is None else _unix_seconds(now)) - _STEADY

    def now(self) -> int:
        """The time, in Unix seconds.

        >>> FrozenClock(1_900_000_000).now()
        1900000000
        """
        return self.now_ms() // 1000

    def now_ms(self) -> int:
        """The time, in Unix milliseconds.

        >>> FrozenClock(1_900_000_000.25).now_ms()
        1900000000250
        """
        return round((self.offset + self.steady()) * 1000)

    def steady(self) -> float:
        """Seconds by which freshness is judged: they stand still but for an outage.

        >>> clock = FrozenClock()
        >>> before = clock.steady()
        >>> clock.advance("1d")
        >>> clock.steady() - before
        0.0
        """
        return _STEADY + self.outage_seconds

    def adjust(self) -> None:
        """Do nothing: there is no machine's clock to look at.

        >>> clock = FrozenClock(1_900_000_000)
        >>> clock.adjust()
        >>> clock.now()
        1900000000
        """

    def advance(self, duration: Duration) -> None:
        """Let time pass.

        Args:
            duration: seconds, text such as "31m" or "15d", or a `timedelta`.

        Raises:
            TypeError: it is none of these.
            ValueError: it is negative, or text of another form.

        >>> from datetime import timedelta
        >>> clock = FrozenClock(1_900_000_000)
        >>> for duration in (90, "1m", timedelta(hours=1)):
        ...     clock.advance(duration)
        >>> clock.now()
        1900003750
        """
        seconds = parse_duration(duration)
        if seconds < 0:
            raise ValueError("duration must not be negative: a node never lets its clock go back")
        self.offset += seconds

    def move_to(self, moment: float | datetime) -> None:
        """Let time pass until then.

        Args:
            moment: Unix seconds, or a `datetime` with a time zone.

        Raises:
            TypeError: any other `moment`.
            ValueError: it is in the past, or a `datetime` without a time zone.

        >>> from datetime import UTC, datetime
        >>> clock = FrozenClock(datetime(2030, 1, 1, tzinfo=UTC))
        >>> clock.move_to(datetime(2030, 12, 31, tzinfo=UTC))
        >>> datetime.fromtimestamp(clock.now(), UTC).isoformat()
        '2030-12-31T00:00:00+00:00'
        """
        self.advance(_unix_seconds(moment) - (self.offset + self.steady()))


def _unix_seconds(moment: object) -> float:
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError("a datetime must have a time zone, as in datetime.now(UTC)")
        return moment.timestamp()
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        raise TypeError("a moment must be Unix seconds or a datetime with a time zone")
    return moment
