from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.sessions.proof_nonce import LIFE_SECONDS, ProofNonces

NOW = 1_700_000_040  # a minute begins
NONCES = ProofNonces([b"k" * 32])


@pytest.mark.parametrize(
    ("later", "is_recent"),
    [(-61, False), (-60, True), (-1, True), (0, True), (59, True), (179, True), (180, False), (10**6, False)],
)
def test_a_nonce_is_good_for_three_minutes_and_for_a_clock_that_is_behind(later: int, *, is_recent: bool) -> None:
    assert NONCES.is_recent(NONCES.at(NOW), NOW + later) is is_recent


def test_it_is_good_for_no_longer_than_proofs_are_remembered() -> None:
    nonce = NONCES.at(NOW)
    good = [second for second in range(-300, 300) if NONCES.is_recent(nonce, NOW + second)]
    assert max(good) - min(good) < LIFE_SECONDS


def test_every_key_reads_and_the_first_writes() -> None:
    nonce = ProofNonces([b"n" * 32, b"k" * 32]).at(NOW)
    assert ProofNonces([b"n" * 32]).is_recent(nonce, NOW)
    assert ProofNonces([b"n" * 32, b"k" * 32]).is_recent(NONCES.at(NOW), NOW)
    assert not NONCES.is_recent(nonce, NOW)


@given(st.text() | st.binary(max_size=60).map(lambda data: data.hex()))
def test_other_text_is_none(text: str) -> None:
    assert not NONCES.is_recent(text, NOW)


def test_no_character_can_be_changed() -> None:
    nonce = NONCES.at(NOW)
    for place, character in enumerate(nonce):
        assert not NONCES.is_recent(nonce[:place] + ("A" if character != "A" else "B") + nonce[place + 1 :], NOW)
