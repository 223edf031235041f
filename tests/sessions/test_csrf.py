from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.sessions.csrf import CsrfTokens

KEY, OLD_KEY = b"k" * 32, b"o" * 32
SID = "c2VhbHJpbmctc2Vzc2lvbg"
TOKENS = CsrfTokens([KEY, OLD_KEY])


def test_matches_its_own_session_only() -> None:
    text = TOKENS.token(SID)
    assert TOKENS.matches(text, SID)
    assert not TOKENS.matches(text, SID[:-1] + "A")


def test_first_key_makes_and_all_match() -> None:
    assert TOKENS.token(SID) == CsrfTokens([KEY]).token(SID)
    assert TOKENS.matches(CsrfTokens([OLD_KEY]).token(SID), SID)
    assert not CsrfTokens([KEY]).matches(CsrfTokens([OLD_KEY]).token(SID), SID)


@given(st.text() | st.binary() | st.none() | st.integers())
def test_any_other_input_is_no_match_and_no_error(text: object) -> None:
    assert not TOKENS.matches(text, SID)


def test_c5_text_that_compare_digest_would_choke_on() -> None:
    text = TOKENS.token(SID)
    assert not TOKENS.matches(text[:-1] + "é", SID)
    assert not TOKENS.matches("\ud800" * 43, SID)
    assert not TOKENS.matches(text * 25_000, SID)
    assert not TOKENS.matches(text + "=", SID)


@pytest.mark.parametrize("keys", [[], [b"k" * 31]])
def test_weak_keys_are_refused(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        CsrfTokens(keys)
