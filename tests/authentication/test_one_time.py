from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sealring.authentication.one_time import digest_of

PURPOSES = st.text(st.characters(codec="ascii", categories=["L"]), min_size=1)


@given(PURPOSES, st.text(), PURPOSES, st.text())
def test_two_things_share_no_digest(purpose: str, text: str, other_purpose: str, other_text: str) -> None:
    same = (purpose, text) == (other_purpose, other_text)
    assert (digest_of(purpose, text) == digest_of(other_purpose, other_text)) == same
