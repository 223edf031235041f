"""Origins are written one way: what a browser writes into `Origin`, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.errors import ConfigurationError
from sealring.http.origins import Origins, check_origin, may_be_same_site, origin_of
from sealring.settings import Settings


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


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "https://app.example.com:8443",
        "http://localhost:5173",
        "http://app.localhost:5173",
        "http://192.0.2.7:3000",
        "http://[::1]:3000",
        "https://xn--bcher-kva.example",
        "https://my_app.example.com",
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    ],
)
def test_an_exact_origin_is_taken_as_it_is(origin: str) -> None:
    assert check_origin(origin) == origin


@pytest.mark.parametrize(
    ("origin", "hint"),
    [
        ("*", "every page"),
        ("null", "cannot be trusted"),
        ("https://*.example.com", "pattern"),
        ("https://app.example.com/", "leave out the path"),
        ("https://app.example.com/app", "leave out the path"),
        ("https://app.example.com:443", "default port"),
        ("http://app.example.com:80", "default port"),
        ("https://app.example.com:99999", "65535"),
        ("https://app.example.com:080", ""),
        ("https://app.example.com:", ""),
        ("https://App.example.com", "lower case"),
        ("HTTPS://app.example.com", "lower case"),
        ("app.example.com", "https://"),
        ("https://user@app.example.com", "user"),
        ("https://bücher.example", "xn--"),
        ("https://app.example.com.", ""),
        ("https://app..example.com", ""),
        ("https://", ""),
        ("https://app.example.com\n", ""),
        ("https://127.1", "IP address"),
        ("https://0127.0.0.1", "IP address"),
        ("https://[0:0:0:0:0:0:0:1]", "IP address"),
        ("https://[::1", ""),
        ("wss://app.example.com", "https"),
        ("file://localhost", "null"),
        ("", ""),
    ],
)
def test_anything_else_is_refused_with_what_to_write(origin: str, hint: str) -> None:
    with pytest.raises(ValueError, match="must be an origin as browsers write it") as refused:
        check_origin(origin)
    assert hint in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_an_origin_or_a_value_error(text: str) -> None:
    try:
        assert check_origin(text) == text
    except ValueError:
        return
    assert text.isascii()
    assert text == text.lower()


def test_the_setting_is_a_list_and_keeps_each_once() -> None:
    settings = Settings(allowed_origins="https://a.example, capacitor://localhost,https://a.example")  # type: ignore[arg-type]
    assert settings.allowed_origins == ("https://a.example", "capacitor://localhost")
    with pytest.raises(ConfigurationError, match="SEALRING_ALLOWED_ORIGINS: must be an origin"):
        Settings(allowed_origins="https://a.example/,https://b.example")  # type: ignore[arg-type]


def test_a_plain_http_origin_is_not_trusted_by_an_https_issuer() -> None:
    for good in ("http://localhost:5173", "http://app.localhost", "https://a.example", "capacitor://localhost"):
        Settings(issuer="https://auth.example", allowed_origins=(good,))
    Settings(issuer="http://127.0.0.1:8000", allowed_origins=("http://a.example",))
    with pytest.raises(ConfigurationError, match="must be https or loopback"):
        Settings(issuer="https://auth.example", allowed_origins=("http://a.example",))


def test_our_own_origin_is_no_other_origin() -> None:
    origins = Origins.of(["https://a.example/auth"], ["https://a.example", "https://b.example"])
    assert origins == Origins(frozenset({b"https://a.example"}), frozenset({b"https://b.example"}))


@pytest.mark.parametrize(
    ("origin", "other", "may_be"),
    [
        ("https://auth.example.com", "https://auth.example.com", True),
        ("https://app.example.com:8443", "https://auth.example.com", True),
        ("https://example.com", "https://auth.example.com", True),
        ("https://a.shop.example.com", "https://auth.example.com", True),
        ("http://localhost:5173", "http://localhost:8000", True),
        ("http://127.0.0.1:5173", "http://127.0.0.1:8000", True),
        ("http://[::1]:5173", "http://[::1]:8000", True),
        ("https://a.co.uk", "https://b.co.uk", True),
        ("https://app.example.org", "https://auth.example.com", False),
        ("https://app.evilexample.com", "https://auth.example.com", False),
        ("http://app.example.com", "https://auth.example.com", False),
        ("capacitor://localhost", "https://localhost", False),
        ("http://localhost:5173", "http://127.0.0.1:8000", False),
        ("http://10.1.0.1", "http://10.2.0.1", False),
        ("http://[::1]", "http://[::2]", False),
        ("http://app", "http://auth", False),
        ("http://com", "http://auth.com", False),
    ],
)
def test_another_site_is_told_by_scheme_and_host_where_that_is_certain(origin: str, other: str, may_be: bool) -> None:  # noqa: FBT001
    assert may_be_same_site(origin.encode(), other.encode()) is may_be
    assert may_be_same_site(other.encode(), origin.encode()) is may_be
