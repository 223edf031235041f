"""A user agent in three words, whatever it holds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealring.sessions.device import MAX_SHOWN, describe_device

WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/141.0.0.0 Safari/537.36", "Chrome on Windows"),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {WEBKIT} Version/18.0 Mobile/15E148 Safari/604.1",
            "Mobile Safari on iOS",
        ),
        ("curl/8.5.0", "curl"),
        ("Mozilla/5.0 (compatible;PetalBot;+https://webmaster.petalsearch.com/site/petalbot)", "PetalBot"),
        ("", "unknown device"),
        ("\x00\xff", "unknown device"),
        ("x" * 100_000, "unknown device"),
    ],
)
def test_a_device_has_a_short_name(agent: str, words: str) -> None:
    assert describe_device(agent) == words


@settings(deadline=None)  # the first call compiles the patterns
@given(st.text(max_size=2000))
def test_whatever_is_claimed_the_name_is_short_and_there(agent: str) -> None:
    assert 0 < len(describe_device(agent)) <= MAX_SHOWN
