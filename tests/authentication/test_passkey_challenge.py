"""A challenge is ours, young, and for one thing alone."""

from __future__ import annotations

import pytest

from sealring.authentication.decision import PROOF_SECONDS
from sealring.authentication.passkey_challenge import PasskeyChallenges

NOW = 1_700_000_000
CHALLENGES = PasskeyChallenges([b"k" * 32])
NONCE = bytes(range(16))


def make(**fields: object) -> str:
    given: dict[str, object] = {"nonce": NONCE, "now": NOW, "account_id": "42", "browser": "cookie"} | fields
    return CHALLENGES.make("login", **given)  # type: ignore[arg-type]


def test_it_counts_for_five_minutes() -> None:
    text = make()
    for now, ends in (
        (NOW, NOW + 300),
        (NOW + 299, NOW + 300),
        (NOW + 300, None),
        (NOW - 300, NOW + 300),
        (NOW - 301, None),
    ):
        assert CHALLENGES.check(text, "login", now=now, account_id="42", browser="cookie") == ends
    assert PROOF_SECONDS == 300


@pytest.mark.parametrize(
    "other",
    [
        {"purpose": "registration"},
        {"account_id": "43"},
        {"account_id": ""},
        {"browser": ""},
        {"account_id": "42c", "browser": "ookie"},
    ],
)
def test_it_is_for_one_thing(other: dict[str, str]) -> None:
    asked = {"purpose": "login", "account_id": "42", "browser": "cookie"} | other
    purpose = asked.pop("purpose")
    assert CHALLENGES.check(make(), purpose, now=NOW, **asked) is None  # type: ignore[arg-type]


def test_another_text_is_none_of_ours() -> None:
    good = make()
    for text in ("", good[:-1], good + "A", good[:-2] + "AA", good + "=", "A" * 75, "A" * 76, "\ud800", "x" * 10_000):
        assert CHALLENGES.check(text, "login", now=NOW, account_id="42", browser="cookie") is None
    other = PasskeyChallenges([b"o" * 32])
    assert other.check(good, "login", now=NOW, account_id="42", browser="cookie") is None
    both = PasskeyChallenges([b"o" * 32, b"k" * 32])
    assert both.check(good, "login", now=NOW, account_id="42", browser="cookie") == NOW + 300


def test_a_nonce_has_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="nonce must be 16 bytes"):
        make(nonce=bytes(15))
