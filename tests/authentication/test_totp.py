"""Codes of authenticator apps: the vectors of RFC 6238, and pyotp as the oracle."""

from __future__ import annotations

from base64 import b32encode

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.authentication.totp import accepted_step, code_at, secret_text, step_at
from sealring.issuer.totp_enrollment import enrollment_uri

SEED = b"12345678901234567890"
VECTORS = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"}
"""RFC 6238, appendix B, SHA-1, the last six digits."""
seeds = st.binary(min_size=16, max_size=32)
moments = st.integers(min_value=90, max_value=2**37)


@pytest.mark.parametrize("now", VECTORS)
def test_the_vectors_of_the_rfc(now: int) -> None:
    assert code_at(SEED, step_at(now)) == VECTORS[now]
    assert accepted_step(SEED, VECTORS[now], now=now, after=0) == step_at(now)


@given(seed=seeds, now=moments)
def test_pyotp_makes_the_same_code(seed: bytes, now: int) -> None:
    assert pyotp.TOTP(b32encode(seed).decode()).at(now) == code_at(seed, step_at(now))


@given(seed=seeds, now=moments, skew=st.integers(min_value=-3, max_value=3), after=st.integers(-3, 3))
def test_a_code_of_one_step_off_is_accepted_and_none_of_a_step_that_was_used(
    seed: bytes, now: int, skew: int, after: int
) -> None:
    step = step_at(now) + skew
    used = step_at(now) + after
    near = {one for one in range(step_at(now) - 1, step_at(now) + 2) if one > used}
    same = {one for one in near if code_at(seed, one) == code_at(seed, step)}
    found = accepted_step(seed, code_at(seed, step), now=now, after=used)
    assert found == min(same, default=None)
    assert (found is not None) == bool(same)


def test_spaces_do_not_count_and_nothing_else_is_a_code() -> None:
    assert accepted_step(SEED, " 081 804", now=1111111109, after=0) is not None
    for wrong in ("", "81804", "0818040", "\u0660\u0668\u0661\u0668\u0660\u0664", "081804\0", "-81804", "\ud800"):
        assert accepted_step(SEED, wrong, now=1111111109, after=0) is None, wrong


@pytest.mark.parametrize("username", ["ann", "ann@example.com", "a:b", "\u00e4nn \U0001f600", "x" * 64])
@pytest.mark.parametrize("issuer", ["shop.example", "My Shop", "Shop: Berlin"])
def test_an_app_reads_the_uri_as_it_was_meant(issuer: str, username: str) -> None:
    read = pyotp.parse_uri(enrollment_uri(SEED, issuer=issuer, username=username))
    assert isinstance(read, pyotp.TOTP)
    assert (read.secret, read.issuer, read.name) == (secret_text(SEED), issuer.replace(":", " "), username)
    assert read.at(1111111109) == "081804"
