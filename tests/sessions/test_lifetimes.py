from __future__ import annotations

from dataclasses import replace

import pytest

from sealring.sessions.lifetimes import OverCause, access_expiry, over_cause, refresh_expiry
from sealring.sessions.session import Session

SESSION = Session(
    id="c2VhbHJpbmctc2Vzc2lvbg",
    subject="42",
    client_id="http",
    scopes=(),
    created_at=1_000,
    auth_time=1_000,
    last_seen_at=2_000,
    idle_seconds=500,
    expires_at=3_000,
    minted_ms=1_000_000,
    confirmed_ms=1_000_000,
)


@pytest.mark.parametrize(
    ("last_seen_at", "now", "cause"),
    [
        (2_000, 2_000, None),
        (2_000, 2_499, None),
        (2_000, 2_500, "idle"),
        (2_000, 2_501, "idle"),
        (2_900, 2_999, None),
        (2_900, 3_000, "absolute"),
        (2_000, 3_000, "absolute"),
    ],
)
def test_limits_come_at_their_very_second(last_seen_at: int, now: int, cause: OverCause | None) -> None:
    assert over_cause(replace(SESSION, last_seen_at=last_seen_at), now) == cause


def test_ended_is_over_whatever_the_time() -> None:
    ended = replace(SESSION, ended_at=2_100, ended_by="logout")
    assert over_cause(ended, 2_000) == "ended"
    assert over_cause(ended, 9_999) == "ended"


def test_nothing_handed_out_outlives_the_absolute_end() -> None:
    assert access_expiry(SESSION, 2_000, 600) == 2_600
    assert access_expiry(SESSION, 2_400, 600) == 3_000
    assert access_expiry(SESSION, 2_999, 1800) == 3_000
    assert refresh_expiry(SESSION, 2_000) == 2_500
    assert refresh_expiry(SESSION, 2_900) == 3_000
