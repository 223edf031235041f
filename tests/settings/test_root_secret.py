"""The root secret: what is refused (K7), one key per use, several at once."""

from __future__ import annotations

import secrets
from typing import get_args

import pytest

from sealring.cli.setup import new_secret
from sealring.errors import ConfigurationError
from sealring.settings.root_secret import RootSecret, Use, weakness

ONE, TWO = "1b7e9f20c3d84a56" * 4, "f03c8d1e57a2b946" * 4


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("", "is not set"),
        (" , ,", "is not set"),
        ("short", "too short: 5 bytes"),
        ("ab" * 31, "too short: 62 hex digits"),
        ("x" * 31, "too short: 31 bytes"),
        ("aaaaaaaabbbbbbbb" * 8, "too few different"),
        ("09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", "well known"),
        ("a-string-secret-at-least-256-bits-long", "well known"),
        ("your-256-bit-secret-your-256-bit-secret", "well known"),
        ("django-insecure-#l0k*8!v2_q&xz^rjt(5mw9d)3hb6pf", "well known"),
        ("please change me before production, thank you!", "well known"),
        ("SuperSecretSuperSecretSuperSecret12", "well known"),
        (f"{ONE},short", "secret 2 of 2 in SEALRING_SECRET is too short"),
        (f"{ONE},{ONE}", "twice"),
    ],
)
def test_k7_an_unfit_secret_is_refused_with_the_reason_and_never_shown(secret: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        RootSecret.parse(secret)
    for part in filter(None, secret.split(",")):
        if len(part.strip()) > 8:
            assert part.strip() not in str(caught.value)
    assert caught.value.hint


def test_k7_the_reason_says_which_secret_is_meant_where_there_are_several() -> None:
    with pytest.raises(ConfigurationError) as alone:
        RootSecret.parse("short")
    assert str(alone.value) == "SEALRING_SECRET is too short: 5 bytes, at least 32 are needed"
    with pytest.raises(ConfigurationError, match=r"^secret 1 of 2 in SEALRING_SECRET is too short"):
        RootSecret.parse(f"short,{ONE}")


@pytest.mark.parametrize("make", [new_secret, secrets.token_urlsafe, lambda: secrets.token_hex(32)])
def test_what_is_random_is_taken(make: object) -> None:
    assert callable(make)
    for _ in range(200):
        assert weakness(make()) is None


def test_every_use_has_a_key_of_its_own_and_so_has_every_secret() -> None:
    secret = RootSecret.parse(f"{ONE},{TWO}")
    keys = [key for use in get_args(Use) for key in secret.derive(use)]
    assert len(set(keys)) == len(keys) == 2 * len(get_args(Use))
    assert {len(key) for key in keys} == {32}


def test_r13_a_secret_that_is_listed_second_derives_what_it_derived_first() -> None:
    alone, first = RootSecret.parse(ONE), RootSecret.parse(f"{TWO}, {ONE} ")
    for use in get_args(Use):
        assert first.derive(use)[1:] == alone.derive(use)


def test_i15_its_repr_shows_nothing() -> None:
    assert repr(RootSecret.parse(f"{ONE},{TWO}")) == "RootSecret(<2>)"
