"""Moments as people write them: seconds since 1970, or a `datetime` with a time zone.

A `datetime` without a zone is refused: it would be local time on one machine and UTC on another.
"""

from __future__ import annotations

from datetime import datetime
from math import floor, isfinite
from typing import TypeAlias

Moment: TypeAlias = float | datetime


def seconds_of(name: str, moment: object) -> float:
    """Return seconds since 1970; raises `TypeError` for another type, `ValueError` for a `datetime` without a zone.

    >>> from datetime import UTC
    >>> seconds_of("now", datetime(2026, 1, 1, tzinfo=UTC))
    1767225600.0
    """
    if isinstance(moment, datetime):
        if moment.utcoffset() is None:
            raise ValueError(f"{name} must have a time zone, as datetime.now(UTC) has")
        return moment.timestamp()
    if isinstance(moment, bool) or not isinstance(moment, int | float):  # False and True are 0 and 1 to Python
        raise TypeError(_wanted(name))
    return moment


def finite_seconds_of(name: str, moment: object) -> float:
    """Return what `seconds_of` returns; raises `TypeError` for a number that is not finite as well."""
    seconds = seconds_of(name, moment)
    if type(seconds) is float and not isfinite(seconds):
        raise TypeError(_wanted(name))
    return seconds


def whole_seconds_of(name: str, moment: datetime) -> int:
    """Return the second in which the moment is: what a claim holds (RFC 7519 §2)."""
    return floor(seconds_of(name, moment))


def _wanted(name: str) -> str:
    return f"{name} must be a finite number of seconds since 1970, as time.time() returns, or a datetime with a zone"
