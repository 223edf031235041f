from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.http.fetch_metadata import (
    Site,
    check_csrf,
    check_same_origin,
    decide_same_origin,
    origin_of,
    read_csrf_token,
)
from sealring.http.request_errors import CrossSite

OURS = frozenset({b"https://example.com"})
Fields = list[tuple[bytes, bytes]]


def fetch(value: bytes) -> tuple[bytes, bytes]:
    return b"sec-fetch-site", value


def origin(value: bytes) -> tuple[bytes, bytes]:
    return b"origin", value


def csrf(value: bytes) -> tuple[bytes, bytes]:
    return b"x-csrf-token", value


@pytest.mark.parametrize(
    ("fields", "site"),
    [
        ([], "unknown"),
        ([fetch(b"same-origin")], "same-origin"),
        ([fetch(b"none")], "same-origin"),
        ([fetch(b"same-site")], "cross-site"),
        ([fetch(b"cross-site")], "cross-site"),
        ([fetch(b"")], "cross-site"),
        ([fetch(b"Same-Origin")], "cross-site"),
        ([fetch(b"same-origin"), fetch(b"same-origin")], "cross-site"),
        ([fetch(b"cross-site"), origin(b"https://example.com")], "cross-site"),
        ([fetch(b"same-origin"), origin(b"null")], "same-origin"),  # a form under Referrer-Policy: no-referrer
        ([origin(b"https://example.com")], "same-origin"),
        ([origin(b"null")], "cross-site"),
        ([origin(b"")], "cross-site"),
        ([origin(b"http://example.com")], "cross-site"),
        ([origin(b"https://example.com:8443")], "cross-site"),
        ([origin(b"https://example.com:443")], "cross-site"),  # no browser writes the default port
        ([origin(b"https://example.com.evil")], "cross-site"),
        ([origin(b"https://evil-example.com")], "cross-site"),
        ([origin(b"https://example.com@evil")], "cross-site"),
        ([origin(b"https://sub.example.com")], "cross-site"),
        ([origin(b"https://EXAMPLE.com")], "cross-site"),
        ([origin(b"https://example.com"), origin(b"https://example.com")], "cross-site"),
        ([(b"host", b"example.com"), (b"referer", b"https://example.com/")], "unknown"),
        ([(b"host", b"evil"), (b"x-forwarded-host", b"evil"), origin(b"https://evil")], "cross-site"),
    ],
)
def test_the_table_of_sites(fields: Fields, site: Site) -> None:
    assert decide_same_origin(fields, OURS) == site


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ([fetch(b"same-origin")], True),
        ([fetch(b"same-origin"), csrf(b"good")], True),
        ([fetch(b"same-origin"), csrf(b"bad")], False),
        ([origin(b"https://example.com")], True),
        ([], False),
        ([csrf(b"good")], True),
        ([csrf(b"bad")], False),
        ([csrf(b"good"), csrf(b"good")], False),
        ([csrf(b"\xff\xfe")], False),
        ([csrf(b"")], False),
        ([fetch(b"cross-site")], False),
        ([fetch(b"cross-site"), csrf(b"good")], False),
        ([fetch(b"same-site"), csrf(b"good")], False),
        ([origin(b"null"), csrf(b"good")], False),
    ],
)
def test_the_table_of_who_may_act_by_cookie(fields: Fields, may: bool) -> None:  # noqa: FBT001 - a table's column
    def matches(text: str, session_id: str) -> bool:
        return (text, session_id) == ("good", "sid")

    if may:
        check_csrf(fields, OURS, "sid", matches)
    else:
        with pytest.raises(CrossSite):
            check_csrf(fields, OURS, "sid", matches)


def test_without_a_checker_no_token_is_good() -> None:
    assert read_csrf_token([csrf(b"good")], "sid", None) == "bad"
    assert read_csrf_token([], "sid", None) == "absent"


@pytest.mark.parametrize("fields", [[], [fetch(b"none")], [fetch(b"same-origin")], [origin(b"https://example.com")]])
def test_log_in_is_open_to_programs_and_our_own_pages(fields: Fields) -> None:
    check_same_origin(fields, OURS)


@pytest.mark.parametrize(
    "fields", [[fetch(b"cross-site")], [fetch(b"same-site")], [origin(b"https://evil")], [origin(b"null")]]
)
def test_log_in_is_closed_to_other_sites(fields: Fields) -> None:
    with pytest.raises(CrossSite):
        check_same_origin(fields, OURS)


@given(
    st.lists(
        st.tuples(st.sampled_from([b"sec-fetch-site", b"origin", b"x-csrf-token"]), st.binary(max_size=40)), max_size=4
    )
)
def test_any_bytes_give_an_answer(fields: Fields) -> None:
    assert decide_same_origin(fields, OURS) in {"same-origin", "cross-site", "unknown"}
    assert read_csrf_token(fields, "sid", lambda _text, _sid: False) in {"absent", "bad"}


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://Example.com/auth", b"https://example.com"),
        ("https://example.com:443", b"https://example.com"),
        ("http://example.com:80/", b"http://example.com"),
        ("http://127.0.0.1:8000", b"http://127.0.0.1:8000"),
        ("http://[::1]:8000/x", b"http://[::1]:8000"),
        ("https://user:pass@example.com", b"https://example.com"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, written: bytes) -> None:
    assert origin_of(url) == written


@pytest.mark.parametrize(
    "url", ["", "example.com", "ftp://example.com", "https://", "https://é.example", "https://a:b"]
)
def test_what_has_no_origin_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"origin|[Pp]ort"):
        origin_of(url)
