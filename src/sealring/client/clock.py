"""The client's two clocks: one that nobody sets, for expiry, and the wall clock, for what is kept in files."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What `Auth` reads the time from."""

    def steady(self) -> float:
        """Seconds that only ever grow, suspension included."""

    def now(self) -> float:
        """Unix seconds; may be set."""


class SystemClock:
    """The machine's clock."""

    if hasattr(time, "CLOCK_BOOTTIME"):

        def steady(self) -> float:
            """See `Clock.steady`."""
            return time.clock_gettime(time.CLOCK_BOOTTIME)

    else:  # macOS and Windows count suspension in their monotonic clocks

        def steady(self) -> float:
            """See `Clock.steady`."""
            return time.monotonic()

    def now(self) -> float:
        """See `Clock.now`."""
        return time.time()
