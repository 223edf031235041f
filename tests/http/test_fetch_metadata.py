from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.http.fetch_metadata import (
    Site,
    check_csrf,
    check_keeps_cookies,
    check_same_origin,
    decide_same_origin,
    read_csrf_token,
)
from sealring.http.origins import Origins
from sealring.http.request_errors import CrossSite, CrossSiteCookies

FRONT_END = b"https://app.example.net"
BESIDE = b"https://app.example.com"
OURS = Origins(frozenset({b"https://example.com"}), frozenset({FRONT_END, BESIDE, b"capacitor://localhost"}))
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
        ([origin("https://\u0430pp.example.net".encode())], "cross-site"),  # a Cyrillic letter
        ([origin(b"https://example.com"), origin(b"https://example.com")], "cross-site"),
        ([origin(FRONT_END)], "trusted"),
        ([fetch(b"same-site"), origin(FRONT_END)], "trusted"),
        ([fetch(b"cross-site"), origin(FRONT_END)], "trusted"),
        ([origin(FRONT_END), fetch(b"cross-site")], "trusted"),
        ([fetch(b"same-origin"), origin(FRONT_END)], "same-origin"),
        ([fetch(b"cross-site"), origin(FRONT_END), origin(FRONT_END)], "cross-site"),
        ([fetch(b"Cross-Site"), origin(FRONT_END)], "cross-site"),
        ([fetch(b"cross-site"), origin(b"null")], "cross-site"),
        ([fetch(b"cross-site"), fetch(b"cross-site"), origin(FRONT_END)], "cross-site"),
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
        ([fetch(b"cross-site"), origin(FRONT_END)], True),
        ([fetch(b"same-site"), origin(FRONT_END), csrf(b"good")], True),
        ([fetch(b"same-site"), origin(FRONT_END), csrf(b"bad")], False),
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


@pytest.mark.parametrize(
    "fields", [[], [fetch(b"none")], [fetch(b"same-origin")], [origin(b"https://example.com")], [origin(FRONT_END)]]
)
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
    assert decide_same_origin(fields, OURS) in {"same-origin", "cross-site", "unknown"}  # never trusted by chance
    assert read_csrf_token(fields, "sid", lambda _text, _sid: False) in {"absent", "bad"}


@pytest.mark.parametrize(
    ("fields", "keeps"),
    [
        ([fetch(b"same-site"), origin(FRONT_END)], True),
        ([fetch(b"cross-site"), origin(FRONT_END)], False),
        ([origin(FRONT_END)], False),  # an old browser does not say; these hosts are of two sites
        ([origin(BESIDE)], True),
        ([fetch(b"cross-site"), origin(BESIDE)], False),
        ([origin(b"capacitor://localhost")], False),  # another scheme is another site
        ([fetch(b"same-site"), origin(b"capacitor://localhost")], True),  # what the browser says itself counts first
        ([fetch(b"same-origin")], True),
        ([], True),
    ],
)
def test_cookies_are_for_pages_whose_browser_keeps_them(fields: Fields, keeps: bool) -> None:  # noqa: FBT001
    if keeps:
        check_keeps_cookies(fields, OURS)
    else:
        with pytest.raises(CrossSiteCookies):
            check_keeps_cookies(fields, OURS)


@pytest.mark.parametrize(
    ("named", "hint"),
    [
        (b"http://localhost:5173", "SEALRING_ALLOWED_ORIGINS=http://localhost:5173"),
        (b"null", ""),
        (b"https://a.example\r\nX: y", ""),
        (b"https://" + b"a" * 400, ""),
        (b"https://example.com", ""),
        (FRONT_END, ""),
    ],
)
def test_the_cause_names_the_setting_that_lets_a_front_end_in(named: bytes, hint: str) -> None:
    with pytest.raises(CrossSite) as refused:
        check_csrf([fetch(b"cross-site"), origin(named), csrf(b"bad")], OURS, "sid", lambda *_: False)
    assert refused.value.cause.endswith(hint)
    assert ("SEALRING_ALLOWED_ORIGINS" in refused.value.cause) is bool(hint)
