"""Recovery codes: what is kept finds each once, and gives none away."""

from __future__ import annotations

import secrets

import pytest

from sealring.authentication.recovery_codes import CODE_BYTES, COUNT, RecoveryCodes, code_of, left, plain

KEY, OTHER = b"a key of at least 32 bytes, please", b"another key of at least 32 bytes, please"
CODES = [code_of(secrets.token_bytes(CODE_BYTES)) for _ in range(COUNT)]


def test_each_is_found_once_however_it_is_typed() -> None:
    codes = RecoveryCodes([KEY])
    kept = codes.keep(CODES, account_id="42")
    assert left(kept, 0) == COUNT
    for place, code in enumerate(CODES):
        for typed in (code, code.upper(), code.replace("-", ""), f" {code.replace('-', ' ')} "):
            assert codes.find(kept, typed, account_id="42", used=0) == place
        assert codes.find(kept, code, account_id="42", used=1 << place) is None
        assert codes.find(kept, code, account_id="42", used=~(1 << place) & 0x3FF) == place
    assert left(kept, 0b1011) == COUNT - 3


def test_i15_what_is_kept_is_worth_nothing_without_the_key_or_for_another_account() -> None:
    kept = RecoveryCodes([KEY]).keep(CODES, account_id="42")
    assert all(plain(code).encode() not in kept for code in CODES)
    assert RecoveryCodes([KEY]).find(kept, CODES[0], account_id="43", used=0) is None
    assert RecoveryCodes([OTHER]).find(kept, CODES[0], account_id="42", used=0) is None
    assert RecoveryCodes([OTHER, KEY]).find(kept, CODES[0], account_id="42", used=0) == 0


@pytest.mark.parametrize("wrong", ["", "-", "aaaa-aaaa-aaaa-aaaa", "\0", "\ud800", "x" * 100_000])
def test_what_is_no_code_is_none(wrong: str) -> None:
    codes = RecoveryCodes([KEY])
    assert codes.find(codes.keep(CODES, account_id="42"), wrong, account_id="42", used=0) is None


def test_a_digit_that_base32_has_not_is_the_letter_that_it_looks_like() -> None:
    assert plain("o1l8-0") == plain("oilb-o")
