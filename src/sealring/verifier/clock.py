"""The one clock of a running node: it never goes back, and it counts while the machine is suspended.

Expiry and freshness are both read off CLOCK_BOOTTIME, which no one can set and which goes on during
a suspension (F6); Unix time is that plus an offset. The offset follows the machine's wall clock
forward and through small corrections. It does not follow a step back of more than the leeway: a
clock that goes back an hour would revive tokens whose revocation has been forgotten since (I5, T2).
Such a node counts on by itself, disagrees with its source's clock at the next poll, and so stops
serving and says why, until the clock is right or the process is started again.
"""

from __future__ import annotations

import logging
import time
from typing import Protocol

log = logging.getLogger("sealring.clock")


class Clock(Protocol):
    """What shells read the time from."""

    offset: float
    """Unix time at `steady() == 0`, seconds."""

    def steady(self) -> float:
        """Seconds that only ever grow, suspension included."""

    def now_ms(self) -> int:
        """Unix milliseconds; never goes back by more than the leeway."""

    def adjust(self) -> None:
        """Look at the wall clock again. Called once a poll, not per request."""


class SystemClock:
    """The machine's clock, guarded.

    Args:
        leeway: seconds by which a correction may go back.
    """

    def __init__(self, leeway: float) -> None:
        self._leeway = leeway
        self.offset = time.time() - self.steady()
        self._said = False

    if hasattr(time, "CLOCK_BOOTTIME"):

        def steady(self) -> float:
            """See `Clock.steady`."""
            return time.clock_gettime(time.CLOCK_BOOTTIME)

    else:  # macOS counts suspension in its monotonic clock, Windows does too

        def steady(self) -> float:
            """See `Clock.steady`."""
            return time.monotonic()

    def now_ms(self) -> int:
        """See `Clock.now_ms`."""
        return int((self.offset + self.steady()) * 1000)

    def adjust(self) -> None:
        """See `Clock.adjust`."""
        offset = time.time() - self.steady()
        if offset >= self.offset - self._leeway:
            self.offset = offset
            self._said = False
        elif not self._said:
            log.error("wall clock went back; counting on", extra={"seconds": round(self.offset - offset, 3)})
            self._said = True
