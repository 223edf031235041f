"""User names and e-mail addresses: what is one account, what is refused, and that canonical is final."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from unicodedata import category, normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.accounts.names import _SPACES, canonical_name, check_email, check_name, lenient_name, looks_latin
from sealring.errors import InvalidField


def test_canonical_form_is_its_own_over_all_code_points() -> None:
    unstable = [
        point
        for point in range(sys.maxunicode + 1)
        if not 0xD800 <= point < 0xE000 and canonical_name(canonical_name(chr(point))) != canonical_name(chr(point))
    ]
    assert unstable == []


@given(st.text(max_size=64))
def test_canonical_form_is_its_own_over_any_text(text: str) -> None:
    once = canonical_name(text)
    assert canonical_name(once) == once


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_refused_in_words(text: str) -> None:
    try:
        shown, canonical = check_name(text)
    except InvalidField:
        assert text != text.strip(_SPACES) or lenient_name(text) is None
    else:
        assert shown == normalize("NFC", text)
        assert lenient_name(text) == canonical
        assert check_name(shown) == (shown, canonical)
        assert check_name(canonical)[1] == canonical


@pytest.mark.parametrize(
    "name", ["ann", "Ann-Marie O'Neil", "李小龍", "josé", "анна", "عمر", "user_1", "a", "42", "x" * 64]
)
def test_real_names_are_accepted(name: str) -> None:
    assert check_name(name)[0] == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("x" * 65, "at most 64"),
        ("\ufdfa" * 5, "at most 64"),  # one code point, eighteen in canonical form
        ("x" * 200_000, "at most 64"),
        ("...", "letter or a digit"),
        ("two  spaces", "two spaces"),
        ("\u0301ann", "combining mark"),
        ("z\u0335\u0321\u0322\u0327algo", "stack"),
        ("\U0001f600", "letter or a digit"),
    ],
)
def test_unfit_names_are_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(InvalidField, match=reason) as refused:
        check_name(name)
    assert refused.value.field == "username"


def test_looks_latin_tells_twins_from_names() -> None:
    assert looks_latin("\u0441\u043e\u0440\u0430")
    assert not looks_latin("иван")
    assert not looks_latin("cop")
    assert not looks_latin("42")


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        ("ann+tag@sub.example.co.uk", "ann+tag@sub.example.co.uk"),
        ("o'neil@example.com", "o'neil@example.com"),
        ("用户@例子.广告", "用户@例子.广告"),
        ("अजय@डाटा.भारत", "अजय@डाटा.भारत"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
    ],
)
def test_addresses_that_mail_reaches(address: str, canonical: str) -> None:
    assert check_email(address) == (normalize("NFKC", address), canonical)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@localhost",
        "ann@@example.com",
        "ann@a@example.com",
        "ann@example..com",
        ".ann@example.com",
        "ann.@example.com",
        "ann..b@example.com",
        "ann@-example.com",
        "ann@example-.com",
        "ann@[192.0.2.1]",
        "ann@192.0.2.1",
        '"ann b"@example.com',
        "ann(comment)@example.com",
        "ann b@example.com",
        " ann@example.com",
        "ann@example.com\n",
        "ann@example.com\r\nBcc: x@example.com",
        "Ann <ann@example.com>",
        "ann@example.com,b@example.com",
        "a" * 65 + "@example.com",
        "ann@" + "a" * 64 + ".com",
        "ann@" + "a." * 130 + "com",
        "é" * 33 + "@example.com",  # 64 octets, not characters
        "ann@exa\u3002mple.com",  # ideographic full stop: a dot to IDNA
        "ann@exam\u200bple.com",
        "ann\udc80@example.com",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidField) as refused:
        check_email(address)
    assert refused.value.field == "email"


@given(st.text(max_size=300))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address, canonical = check_email(text)
    except InvalidField:
        return
    assert address.count("@") == 1
    assert check_email(address) == (address, canonical)
    assert check_email(canonical)[1] == canonical


@pytest.mark.parametrize("typed", ["ann ", " ann", "\u00a0Ann\u3000", "\tann  "])
def test_c24_spaces_at_the_ends_are_refused_in_a_new_name_and_left_out_at_a_log_in(typed: str) -> None:
    with pytest.raises(InvalidField):
        check_name(typed)
    assert lenient_name(typed) == "ann"


@pytest.mark.parametrize("typed", ["", " ", "ann\n", "ann\x85", "a  nn", "ann\u200b", "\x00ann"])
def test_c24_nothing_else_is_left_out(typed: str) -> None:
    assert lenient_name(typed) is None


def test_c24_every_space_of_unicode_is_one() -> None:
    assert {chr(point) for point in range(0x110000) if category(chr(point)) == "Zs"} | {"\t"} == set(_SPACES)


@pytest.mark.parametrize(
    "mixed", ["b\u0585b", "\u13a0nn", "\ua4d0ob", "ann\u0430", "\u03bfnn", "\u05d0nn", "ann\u0e01", "\u30a2\ud55c"]
)
def test_u5_letters_of_two_scripts_do_not_stand_together(mixed: str) -> None:
    with pytest.raises(InvalidField) as refused:
        check_name(mixed)
    assert "must not mix" in refused.value.reason


@pytest.mark.parametrize(
    "written",
    [
        "\u6771\u4eac tower",
        "\u3042\u30a2\u4e9c\u30fcx",
        "\u3105\u4e2dx",
        "\ud55c\u5b57x",
        "\u0561\u0580\u0561\u0574",
        "jos\u00e9 7",
    ],
)
def test_names_of_languages_that_mix_scripts_are_names(written: str) -> None:
    assert check_name(written)[0] == normalize("NFC", written)


@pytest.mark.parametrize("dash", ["\u2010", "\u2011", "\u2013", "\u2212", "\u30a0"])
def test_u5_a_dash_that_is_no_hyphen_is_refused(dash: str) -> None:
    with pytest.raises(InvalidField, match="hyphen"):
        check_name(f"ann{dash}lee")
    assert check_name("ann-lee")[1] == "ann-lee"


@pytest.mark.parametrize("name", ["\u0251nn", "ad\u0131n", "\u1d00nn", "\u0585\u0578", "\u13a0\u13a1", "\ua4d0\ua4f3"])
def test_u5_rare_letters_that_may_look_latin_are_worth_a_line(name: str) -> None:
    assert looks_latin(check_name(name)[1])


@pytest.mark.parametrize("name", ["ann", "jos\u00e9", "\u0561\u0580\u0561\u0574", "\u6771\u4eac", "stra\u00dfe"])
def test_ordinary_names_are_worth_none(name: str) -> None:
    assert not looks_latin(check_name(name)[1])


@pytest.mark.parametrize(("check", "field"), [(check_name, "username"), (check_email, "email")])
def test_u8_a_long_text_is_refused_before_it_is_normalized(check: Callable[[str], tuple[str, str]], field: str) -> None:
    marks = "a" + "\u0316\u0301" * 20_000  # a second to normalize
    began = time.process_time()
    with pytest.raises(InvalidField, match="at most") as refused:
        check(marks)
    assert time.process_time() - began < 0.3
    assert refused.value.field == field


def test_the_form_that_is_shown_is_bounded_too() -> None:
    assert len(check_name("\uff8a\uff9e" * 32)[0]) == 64
    with pytest.raises(InvalidField, match="at most 64 characters"):
        check_name("\uff8a\uff9e" * 33)  # half as many letters in the canonical form


def test_an_email_is_bounded_in_bytes_too() -> None:
    label = "é" * 31  # 62 bytes
    assert check_email(f"ann@{label}.{label}.example")
    with pytest.raises(InvalidField, match="must be an email address"):
        check_email(f"ann@{'.'.join([label] * 4)}.example")
