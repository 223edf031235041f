"""The session cookie: one text for each session, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.sessions.session_cookie import SessionCookieCodec

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
SID, OTHER_SID = "c2VhbHJpbmctc2Vzc2lvbg", "c2VhbHJpbmctc2Vzc2lvZg"
CODEC = SessionCookieCodec([KEY])


def test_a_sealed_session_is_opened_and_always_sealed_alike() -> None:
    assert CODEC.decode(CODEC.encode(SID)) == SID
    assert CODEC.encode(SID) == CODEC.encode(SID) != CODEC.encode(OTHER_SID)


def test_an_older_secret_still_opens_and_a_dropped_one_does_not() -> None:
    text = CODEC.encode(SID)
    assert SessionCookieCodec([OTHER_KEY, KEY]).decode(text) == SID
    assert SessionCookieCodec([OTHER_KEY]).decode(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        SID,
        CODEC.encode(SID)[:-1],
        CODEC.encode(SID) + "A",
        CODEC.encode(SID) + "\n",
        "é" * 66,
        f"{OTHER_SID}.{CODEC.encode(SID).partition('.')[2]}",
    ],
)
def test_any_other_text_names_no_session(text: str) -> None:
    assert CODEC.decode(text) is None


@given(st.text(max_size=80))
def test_no_text_breaks_it(text: str) -> None:
    assert CODEC.decode(text) is None


@pytest.mark.parametrize("keys", [[], [b"short"], [KEY, b"short"]])
def test_a_short_key_is_refused(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SessionCookieCodec(keys)
