"""Which passwords are good enough, and that nothing typed at log-in can raise."""

from __future__ import annotations

import time
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.accounts.passwords import MAX_BYTES, MAX_RAW, check_password, normalise_password
from sealring.errors import InvalidField

GOOD = "correct horse fine staple"


def refusal(password: str, *, min_length: int = 15, context: tuple[str, ...] = ()) -> str:
    with pytest.raises(InvalidField) as refused:
        check_password(password, min_length=min_length, context=context)
    assert refused.value.field == "password"
    return refused.value.reason


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "no digits, no capitals",
        "lower case words suffice",
        "пароль из нескольких слов",
        "\U0001f600\U0001f680\U0001f40d tree \U0001f3b8\U0001f30d wall",
        " spaces at both ends count ",
        "password manager of my aunt",  # holds a common word, is none
    ],
)
def test_long_and_own_is_enough(password: str) -> None:
    assert check_password(password, min_length=15, context=("ann", "ann@example.com", "sealring")) == password


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "12345678",
        "iloveyou",
        "Trustno1",
        "BASEBALL",
        "".join(chr(ord(letter) + 0xFEE0) for letter in "password"),
    ],
)
def test_common_passwords_are_refused_in_any_case_and_width(password: str) -> None:
    assert "most common" in refusal(password, min_length=8)


@pytest.mark.parametrize("password", ["passwordpassword", "manchesterunited", "1q2w3e4r5t6y7u8i", "trustno1trustno1"])
def test_common_passwords_are_refused_when_long_or_repeated(password: str) -> None:
    assert "most common" in refusal(password)


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword1",
        "letmeinletmein123",
        "Letmein1234567890",
        "1234567890letmein",
        "!!!passwordpassword!!!",
        "passwordqwertyuiop",
        "qwertyuiop dragon",
        "dragondragondragon2024",
        "sunshine-2024-2025",
    ],
)
def test_u8_common_words_with_a_row_digits_or_signs_at_their_ends_are_refused(password: str) -> None:
    assert "most common" in refusal(password)


@pytest.mark.parametrize("password", ["aaaaaaaaaaaaaaa1", "abcabcabcabcabc99", "2qwertyuiopasdfghjkl"])
def test_u8_one_piece_stays_one_piece_with_a_digit_at_its_end(password: str) -> None:
    assert refusal(password)


@pytest.mark.parametrize(
    "password",
    ["8a274652846572", "7264-9921-0385-a", "monkey wrench 2024 dragon", "dragons of eden 123", "plum 4711 pear 0815"],
)
def test_digits_beside_other_words_do_no_harm(password: str) -> None:
    assert check_password(password, min_length=8) == password


@pytest.mark.parametrize(
    "password",
    [
        "a" * 15,
        "abcabcabcabcabca",
        "1234512345123451",
        "67890123456789012345",
        "qwertyuiopasdfghjkl",
        "mnbvcxzlkjhgfdsapoiuytrewq",
        "abcdefghijklmnopqrstuvwxyz",
        "zyxwvutsrqponmlk",
        "\U0001f600" * 15,
    ],
)
def test_one_piece_is_refused(password: str) -> None:
    assert "one short piece" in refusal(password)


@pytest.mark.parametrize("password", ["tomatoet", "abplumcab", "plumcakeplumcake1"])
def test_a_letter_that_comes_again_is_no_repetition(password: str) -> None:
    assert check_password(password, min_length=8) == password


def test_the_reason_never_holds_the_password() -> None:
    for password in ("shorty", "passwordpassword", "x" * 2000, "ann ann ann ann ann"):
        assert password not in refusal(password, context=("ann",))


def test_words_that_only_stand_near_do_no_harm() -> None:
    assert check_password("annual report of the joint", min_length=15, context=("ann", "jo", "")) != ""


@given(st.text(max_size=MAX_RAW + 10))
def test_whatever_is_accepted_is_what_log_in_hashes(password: str) -> None:
    try:
        form = check_password(password, min_length=8)
    except InvalidField:
        return
    assert form == normalise_password(password) == normalize("NFC", password)
    assert len(form) >= 8
    assert len(form.encode()) <= MAX_BYTES


@given(st.text(st.characters(), max_size=2000))
def test_log_in_takes_any_text(password: str) -> None:
    form = normalise_password(password)
    assert form is None or len(form.encode()) <= MAX_BYTES


def test_nfd_of_the_longest_password_fits_before_normalising() -> None:
    longest = "\u0390" * (MAX_BYTES // 2)  # two bytes in NFC, three code points in NFD
    assert len(normalize("NFD", longest)) == MAX_RAW
    assert normalise_password(normalize("NFD", longest)) == longest


def test_u8_a_long_run_of_marks_is_refused_before_it_is_normalized() -> None:
    marks = "a" + "\u0316\u0301" * 20_000  # a second to normalize
    began = time.process_time()
    with pytest.raises(InvalidField, match="at most 1024 bytes"):
        check_password(marks, min_length=15)
    assert normalise_password(marks) is None
    assert time.process_time() - began < 0.3
