"""Of the declared lives of access tokens, the one that may be used now."""

from __future__ import annotations

import pytest

from sealring.sessions.access_ttl import DeclaredTtl, usable_ttl

HEARD = 10


@pytest.mark.parametrize(
    ("declared", "now", "usable"),
    [
        ([(1800, 0)], 0, 1800),  # the first of all: nobody knows another
        ([(1800, 5), (600, 0)], 5, 600),  # a longer one, right after a first that nobody need have heard
        ([(1800, 100), (600, 0)], 109, 600),
        ([(1800, 100), (600, 0)], 110, 1800),
        ([(3600, 0), (1800, 100), (600, 0)], 100, 1800),  # a longer one is known already
        ([(1800, 100), (900, 95), (600, 0)], 106, 900),
    ],
)
def test_n1_a_longer_life_is_used_once_everybody_has_heard_of_one(
    declared: list[tuple[int, int]], now: int, usable: int
) -> None:
    lives = [DeclaredTtl(seconds, since=since, until=10_000) for seconds, since in declared]
    assert usable_ttl(lives, 1800, now=now, heard_seconds=HEARD) == usable
