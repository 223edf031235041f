"""Cores and thread priorities of the operating system, and whether the event loop needs a core of its own.

Linux gives each thread a priority of its own (setpriority(2), "C library/kernel differences"). Elsewhere it would be
the whole process's, so there it is left alone.
"""

from __future__ import annotations

import logging
import os
import sys
import threading

log = logging.getLogger(__name__)

ALONE_PRIORITY = 5
"""setpriority(2): a third of the weight of a thread that serves requests."""
LOWEST_PRIORITY = 19
"""A seventieth of it."""
BUSY_SHARE = 0.7
"""Of a core: an event loop that works more than this keeps the core for itself."""
LOOK_SECONDS = 0.1
"""How often it is measured; a hash takes a quarter of that."""


class LoopLoad:
    """Whether the event loop needs a core of its own.

    The lowest priority alone does not leave it one: with as many hashes as cores, the loop was measured to wait for a
    core 3 to 4 % of its time, and with one hash less not at all, while as many hashes were made (I14).
    """

    __slots__ = ("_busy", "_looked", "_worked")

    def __init__(self) -> None:
        self._busy = False
        self._looked = self._worked = 0.0

    def is_busy(self, now: float, worked: float) -> bool:
        """Decide again now and then.

        Args:
            now: seconds of a steady clock.
            worked: seconds of a core that the loop's thread has used.
        """
        if now - self._looked >= LOOK_SECONDS:
            self._busy = worked - self._worked > BUSY_SHARE * (now - self._looked)
            self._looked, self._worked = now, worked
        return self._busy


def usable_cores() -> int:
    """Cores that this process may use: a container's share, where the system says so."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def lower_priority(priority: int) -> None:
    """Lower the priority of the calling thread; it cannot be raised again without privilege."""
    if sys.platform == "linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), priority)
        except OSError:
            log.warning("thread priority cannot be lowered on this system: logins compete with verification")
