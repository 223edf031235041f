from __future__ import annotations

from typing import Any

import pytest

from sealring.jwt import parse_duration


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (0, 0),
        (-5, -5),
        (1.5, 1.5),
        ("1800", 1800),
        ("1800s", 1800),
        ("30m", 1800),
        ("12h", 43200),
        ("30d", 2592000),
        ("0.5ms", 0.0005),
        ("9ms", 0.009),
        ("-1h", -3600),
    ],
)
def test_numbers_and_text(given: float | str, seconds: float) -> None:
    assert parse_duration(given) == seconds


@pytest.mark.parametrize("given", ["30m", "1.5h", "3600", 90])
def test_whole_seconds_are_integers(given: float | str) -> None:
    assert type(parse_duration(given)) is int


@pytest.mark.parametrize(
    "given",
    [
        "",
        " ",
        "1 month",
        "1h30m",
        "1e3",
        "٣s",
        "1" * 101,
        float("nan"),
        float("inf"),
        -float("inf"),
        "9" * 99 + "y" * 2,
    ],
)
def test_other_texts_are_refused(given: float | str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(given)


@pytest.mark.parametrize("given", [None, True, [], {}, b"1s"])
def test_other_types_are_refused(given: Any) -> None:
    with pytest.raises(TypeError, match="duration"):
        parse_duration(given)


def test_a_number_of_any_size_is_a_duration_or_refused() -> None:
    assert parse_duration(10**400) == 10**400  # no OverflowError: limits are for callers to set
