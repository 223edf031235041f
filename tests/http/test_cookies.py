from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sealring.http.cookies import (
    MAX_AGE_SECONDS,
    MAX_COOKIE_BYTES,
    MAX_COOKIES,
    CookieNames,
    CookiePolicy,
    read_cookie,
    read_cookies,
)
from sealring.http.request_errors import CookiesTooLarge

NAME = b"__Host-sealring_access"


def read(*lines: bytes) -> bytes | None:
    return read_cookie([(b"host", b"x"), *((b"cookie", line) for line in lines)], NAME)


@pytest.mark.parametrize(
    "lines",
    [
        [NAME + b"=tok.en-1_~+/=="],
        [b"a=1; " + NAME + b"=tok.en-1_~+/==; b=2"],
        [b"a=1;" + NAME + b"=tok.en-1_~+/==;b=2"],
        [b"a=1", NAME + b"=tok.en-1_~+/==", b"b=2"],
        [b"x" + NAME + b"=evil; " + NAME + b"=tok.en-1_~+/=="],
        [b"a=" + NAME + b"=evil; " + NAME + b"=tok.en-1_~+/=="],
        [b"=" + NAME + b"=evil; " + NAME + b"=tok.en-1_~+/=="],
        [b"broken; ;;=; " + NAME + b"=tok.en-1_~+/=="],
        [b"$weird=1; " + NAME + b"=tok.en-1_~+/=="],
    ],
)
def test_the_one_cookie_of_our_name_is_read_as_it_stands(lines: list[bytes]) -> None:
    assert read(*lines) == b"tok.en-1_~+/=="


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b""],
        [b"a=1"],
        [NAME],
        [NAME + b"="],
        [NAME + b" =x"],
        [b"a=1;  " + NAME + b"=x"],
        [b"a=1 " + NAME + b"=x"],
        [b"a=1;\t" + NAME + b"=x"],
        [b"a=1;x" + NAME + b"=evil"],
        [b" " + NAME + b"=x;"],
        [b"a=1, " + NAME + b"=x"],
        [NAME + b"=x, y=2"],
        [NAME + b"=x y"],
        [NAME + b"=x\xff"],
        [NAME + b"=x\x00"],
    ],
)
def test_what_we_would_not_have_written_is_no_cookie(lines: list[bytes]) -> None:
    assert read(*lines) is None


@pytest.mark.parametrize("line", [b"p" * MAX_COOKIE_BYTES, b"a=1;" * MAX_COOKIES], ids=["bytes", "number"])
def test_n12_ours_in_a_crowd_is_refused_with_words_and_a_crowd_without_ours_is_nothing(line: bytes) -> None:
    for ours in (NAME + b"=x; " + line, line + b"; " + NAME + b"=x"):
        with pytest.raises(CookiesTooLarge):
            read(ours)
        with pytest.raises(CookiesTooLarge):
            read_cookies([(b"cookie", ours)], NAME)
    assert read(line) is None
    assert read_cookies([(b"cookie", line)], NAME) == []


def test_a_long_line_of_few_cookies_is_read() -> None:
    rest = b"; a=" + b"v" * (MAX_COOKIE_BYTES - len(NAME) - len(b"=x; a="))
    assert read(NAME + b"=x" + rest) == b"x"
    assert read(NAME + b"=x" + b"; a=1" * (MAX_COOKIES - 1)) == b"x"


def test_every_cookie_of_a_name_is_read_but_what_we_would_not_have_written() -> None:
    lines = [b"%s=one; x%s=no; %s=; %s=%%; a=%s=no" % ((NAME,) * 5), NAME + b"=two"]
    assert read_cookies([(b"cookie", line) for line in lines], NAME) == [b"one", b"two"]
    assert read_cookies([(b"cookie", b"$Version=1; " + NAME + b"=one")], NAME) == []


@pytest.mark.parametrize("name", ["", "1a", "a b", "a=b", "a;b", "__Host-a", "é", "a" * 33, "a\n", "-a"])
def test_a_name_that_no_cookie_can_begin_with_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="letters"):
        CookiePolicy(secure=True, name=name)


def test_all_names_begin_with_the_one_that_is_set() -> None:
    names = CookiePolicy(secure=False, name="shop").names
    assert (names.access, names.session) == (b"shop_access", b"shop_session")
    assert (names.refresh, names.device) == (b"shop_refresh", b"shop_device")
    assert CookieNames.of("shop", secure=True).session == b"__Host-shop_session"


def test_other_fields_are_not_cookies() -> None:
    assert read_cookie([(b"cookies", NAME + b"=x"), (b"x-cookie", NAME + b"=x")], NAME) is None


@given(st.lists(st.binary(max_size=60), max_size=4))
@example([NAME + b"=a", NAME + b"=a"])
def test_any_bytes_give_a_token_or_nothing(lines: list[bytes]) -> None:
    found = read(*lines)
    assert found is None or (found.isascii() and found in b"; ".join(lines))


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_whatever_stands_around_it_our_name_twice_is_none(left: bytes, right: bytes) -> None:
    assert read(left + b"; " + NAME + b"=one; " + NAME + b"=two; " + right) is None


def test_secure_cookies_have_prefixes_and_all_fences() -> None:
    policy = CookiePolicy(secure=True)
    assert policy.set_access("a.b.c", 1800) == (
        b"set-cookie",
        b"__Host-sealring_access=a.b.c; Max-Age=1800; Path=/; HttpOnly; Secure; SameSite=Lax",
    )
    assert policy.set_refresh("r", 60, auth_path="/auth") == (
        b"set-cookie",
        b"__Secure-sealring_refresh=r; Max-Age=60; Path=/auth; HttpOnly; Secure; SameSite=Lax",
    )
    assert policy.set_session("s", 60)[1].startswith(b"__Host-sealring_session=s; Max-Age=60; Path=/; HttpOnly;")
    assert policy.set_device("d")[1].startswith(b"__Host-sealring_device=d; Max-Age=%d; Path=/;" % MAX_AGE_SECONDS)


def test_on_plain_http_the_prefixes_go_with_secure() -> None:
    policy = CookiePolicy(secure=False)
    assert policy.set_access("a", 1)[1] == b"sealring_access=a; Max-Age=1; Path=/; HttpOnly; SameSite=Lax"
    assert policy.names.refresh == b"sealring_refresh"


def test_clearing_names_the_same_cookies_and_spares_the_device() -> None:
    assert CookiePolicy(secure=True).clear(auth_path="/a") == [
        (b"set-cookie", b"__Host-sealring_access=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax"),
        (b"set-cookie", b"__Host-sealring_session=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax"),
        (b"set-cookie", b"__Secure-sealring_refresh=; Max-Age=0; Path=/a; HttpOnly; Secure; SameSite=Lax"),
    ]


@pytest.mark.parametrize(("asked", "written"), [(-5, 0), (0, 0), (MAX_AGE_SECONDS + 1, MAX_AGE_SECONDS)])
def test_max_age_stays_within_what_browsers_keep(asked: int, written: int) -> None:
    assert b"Max-Age=%d;" % written in CookiePolicy(secure=True).set_access("a", asked)[1]


@pytest.mark.parametrize("path", ["", "auth", "/a;b", "/a b", "/a\r\nSet-Cookie: x=y", "/é", "/auth\n"])
def test_a_path_that_could_break_the_field_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="auth_path"):
        CookiePolicy(secure=True).set_refresh("r", 1, auth_path=path)


@given(st.text(max_size=20))
@example("a\r\nb")
@example("a;Domain=evil")
def test_d6_no_value_can_break_out_of_the_field(value: str) -> None:
    try:
        _, field = CookiePolicy(secure=True).set_access(value, 1)
    except ValueError:
        return
    assert field == b"__Host-sealring_access=%s; Max-Age=1; Path=/; HttpOnly; Secure; SameSite=Lax" % value.encode()
    assert field.count(b";") == 5
