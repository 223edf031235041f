"""Durations as people write them: `1800`, `"1800"`, `"30m"`, `"1.5 hours"`, `"-1h"`, or a `timedelta`.

A bare number is seconds, in text as well: the unit of every NumericDate (RFC 7519 §2). The npm package `ms`, which
jsonwebtoken uses, reads `"120"` as 120 ms, which makes tokens that expire at once. There is no month (its length
varies) and no `1h30m`, and the only white space allowed is spaces before the unit. A year is 365.25 days, as in `ms`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from math import inf
from typing import TypeAlias

Duration: TypeAlias = float | str | timedelta

_LONGEST_TEXT = 100  # as in ms; keeps the pattern's work bounded
_SHAPE = re.compile(r"(-?[0-9]*\.?[0-9]+) *([a-z]*)", re.IGNORECASE | re.ASCII)
_UNITS = {
    unit: seconds
    for seconds, units in {
        0.001: "ms msec msecs millisecond milliseconds",
        1: "s sec secs second seconds",
        60: "m min mins minute minutes",
        3600: "h hr hrs hour hours",
        86400: "d day days",
        604800: "w week weeks",
        31557600: "y yr yrs year years",
    }.items()
    for unit in units.split()
} | {"": 1}


def parse_duration(value: Duration) -> int | float:
    """Return a duration in seconds, as an `int` when it is whole.

    Args:
        value: seconds, text such as `"30m"`, or a timedelta.

    Raises:
        TypeError: any other type.
        ValueError: a number that is not finite, or text of another form.

    >>> parse_duration("30m"), parse_duration("1.5h"), parse_duration("3600"), parse_duration(90)
    (1800, 5400, 3600, 90)
    >>> from datetime import timedelta
    >>> parse_duration(timedelta(minutes=30))
    1800
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        msg = "a duration must be a number of seconds, a timedelta, or text such as '30m'"
        raise TypeError(msg)
    if isinstance(value, str):
        shape = _SHAPE.fullmatch(value) if len(value) <= _LONGEST_TEXT else None
        scale = _UNITS.get(shape[2].lower()) if shape else None
        if shape is None or scale is None:
            msg = "a duration must be a number of seconds or text such as '30m', '12h', '30d'"
            raise ValueError(msg)
        # milliseconds divide: 9 * 0.001 is not 0.009
        value = float(shape[1]) / 1000 if scale == 0.001 else float(shape[1]) * scale  # noqa: PLR2004  # the ms row above
    if not -inf < value < inf:  # also for an int that is too large for `isfinite`, and for nan
        msg = "a duration must be finite"
        raise ValueError(msg)
    return int(value) if value == int(value) else value


def named_duration(option: str, value: Duration) -> int | float:
    """Return what `parse_duration` returns; the errors name the option."""
    try:
        return parse_duration(value)
    except TypeError as error:
        raise TypeError(f"{option}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None
