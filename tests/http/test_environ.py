from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring import Principal
from sealring.errors import Expired
from sealring.http.authenticate import RequestAuthenticator
from sealring.http.client_address import client_address
from sealring.http.client_info import scope_of
from sealring.http.environ import credential_scope, is_environ, scope_of_environ
from sealring.http.origins import Origins


def environ(**values: Any) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "wsgi.version": (1, 0),
        "wsgi.input": BytesIO(),
    } | values


def test_a_scope_says_what_the_environ_says() -> None:
    scope = scope_of_environ(
        environ(
            REQUEST_METHOD="POST",
            SCRIPT_NAME="/shop",
            PATH_INFO="/auth/login",
            QUERY_STRING="a=1&b=%20",
            HTTP_COOKIE="a=1",
            HTTP_X_CSRF_TOKEN="t",
            CONTENT_TYPE="application/json",
            CONTENT_LENGTH="2",
        )
    )
    assert sorted(scope.pop("headers")) == [
        (b"content-length", b"2"),
        (b"content-type", b"application/json"),
        (b"cookie", b"a=1"),
        (b"x-csrf-token", b"t"),
    ]
    assert scope == {
        "type": "http",
        "method": "POST",
        "path": "/shop/auth/login",
        "root_path": "/shop",
        "query_string": b"a=1&b=%20",
        "client": ("192.0.2.7", 0),
        "http_version": "1.1",
    }


@pytest.mark.parametrize(
    ("script_name", "path_info", "path"),
    [
        ("", "", "/"),
        ("/a", "", "/a"),
        ("", "/caf\xc3\xa9", "/café"),  # UTF-8, decoded once as Latin-1 (PEP 3333)
        ("/caf\xc3\xa9", "/x", "/café/x"),
        ("", "/\xff", "/�"),
        ("", "/Ω", "/Ω"),  # a server that has decoded UTF-8 itself
        ("", "/%2e%2e//x;y", "/%2e%2e//x;y"),
    ],
)
def test_n2_the_path_is_that_which_routers_match(script_name: str, path_info: str, path: str) -> None:
    scope = scope_of_environ(environ(SCRIPT_NAME=script_name, PATH_INFO=path_info))
    assert scope["path"] == path
    assert path.startswith(scope["root_path"])


def test_a_body_that_is_said_to_be_empty_has_no_fields() -> None:
    assert scope_of_environ(environ(CONTENT_TYPE="", CONTENT_LENGTH=""))["headers"] == []


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({"SERVER_SOFTWARE": "WSGIServer/0.2"}, []),
        ({"SERVER_SOFTWARE": "WSGIServer/0.2", "CONTENT_LENGTH": "0"}, [(b"content-length", b"0")]),
        ({"SERVER_SOFTWARE": "gunicorn/27"}, [(b"content-type", b"text/plain")]),
    ],
)
def test_the_media_type_that_wsgiref_makes_up_is_nobodys(more: dict[str, str], kept: list[Any]) -> None:
    assert scope_of_environ(environ(CONTENT_TYPE="text/plain", **more))["headers"] == kept


def test_c4_a_body_of_plain_text_is_one_on_every_server() -> None:
    for framing in ({"CONTENT_LENGTH": "2"}, {"HTTP_TRANSFER_ENCODING": "chunked"}):
        scope = scope_of_environ(environ(CONTENT_TYPE="text/plain", SERVER_SOFTWARE="WSGIServer/0.2", **framing))
        assert (b"content-type", b"text/plain") in scope["headers"]


def test_u10_a_peer_without_an_address_is_one_at_a_unix_socket() -> None:
    scope = scope_of_environ(environ(REMOTE_ADDR="", HTTP_X_FORWARDED_FOR="203.0.113.7"))
    assert scope["client"] is None
    assert client_address(scope) == ""
    assert client_address(scope, ["unix"]) == "203.0.113.7"


@given(
    st.dictionaries(st.sampled_from(["SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "HTTP_COOKIE", "HTTP_É"]), st.text())
)
def test_i9_any_text_becomes_a_scope(values: dict[str, str]) -> None:
    scope = scope_of_environ(environ(**values))
    assert all(isinstance(name, bytes) and isinstance(value, bytes) for name, value in scope["headers"])


class Request:
    def __init__(self, found: dict[str, Any]) -> None:
        self.environ = found


def test_a_request_of_a_wsgi_framework_has_a_scope() -> None:
    found = environ(HTTP_COOKIE="a=1")
    assert scope_of(found) == scope_of(Request(found)) == scope_of_environ(found)
    assert not is_environ({"type": "http", "headers": []})
    with pytest.raises(TypeError, match="request must be a request, its ASGI scope or its WSGI environ, not object"):
        scope_of(object())  # type: ignore[arg-type]


@given(
    st.dictionaries(
        st.sampled_from(
            [f"HTTP_{name}" for name in ("AUTHORIZATION", "COOKIE", "ORIGIN", "SEC_FETCH_SITE", "X_CSRF_TOKEN")]
        ),
        st.sampled_from(
            ["", "Bearer good", "bearer good,Bearer x", "sealring_access=good", "same-origin", "http://127.0.0.1", "é"]
        ),
    ),
    st.sampled_from(["GET", "POST", "X"]),
)
def test_authentication_reads_nothing_that_the_short_scope_lacks(fields: dict[str, str], method: str) -> None:
    def verify(token: str) -> Principal:
        raise Expired(token)

    authenticator = RequestAuthenticator(
        verify, access_cookie=b"sealring_access", origins=Origins.of(["http://127.0.0.1"])
    )
    found = environ(REQUEST_METHOD=method, HTTP_HOST="x", **fields)
    short, whole = (
        authenticator.authenticate(credential_scope(found)),
        authenticator.authenticate(scope_of_environ(found)),
    )
    assert repr(short) == repr(whole)
