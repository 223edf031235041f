from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealring.errors import SealringError
from sealring.http.body import (
    MAX_BODY_BYTES,
    MAX_FORM_FIELDS,
    check_form_type,
    check_framing,
    check_json_type,
    parse_form,
    read_body,
    read_json,
)
from sealring.http.request_errors import (
    BodyTooLarge,
    MalformedBody,
    RequestRefused,
    RequestTimeout,
    UnsupportedMediaType,
)

JSON = [(b"content-type", b"application/json")]
FORM = [(b"content-type", b"application/x-www-form-urlencoded")]
Fields = list[tuple[bytes, bytes]]


def arriving(*chunks: bytes, disconnect: bool = False) -> Callable[[], Awaitable[dict[str, Any]]]:
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.disconnect"} if disconnect else {"type": "http.request"})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    return receive


def json_of(fields: Fields, *chunks: bytes) -> tuple[bytes, dict[str, Any] | None]:
    return asyncio.run(read_json(fields, arriving(*chunks)))


def form_of(fields: Fields, *chunks: bytes) -> dict[str, str]:
    check_form_type(fields)
    return parse_form(asyncio.run(read_body(fields, arriving(*chunks))))


@pytest.mark.parametrize(
    "media_type",
    [
        b"application/json",
        b"Application/JSON",
        b"application/json; charset=utf-8",
        b"application/json;charset=UTF-8",
        b'application/json; charset="utf-8"',
    ],
)
def test_json_is_read_under_its_media_type(media_type: bytes) -> None:
    assert json_of([(b"content-type", media_type)], b'{"a":', b"1}") == (b'{"a":1}', {"a": 1})


def test_no_body_is_none() -> None:
    assert json_of([]) == (b"", None)
    assert json_of(JSON) == (b"", None)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"content-type", b"")],
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"text/json")],
        [(b"content-type", b"application/x-www-form-urlencoded")],
        [(b"content-type", b"multipart/form-data; boundary=x")],
        [(b"content-type", b"application/json-patch+json")],
        [(b"content-type", b"application/problem+json")],
        [(b"content-type", b"application/json; charset=utf-16")],
        [(b"content-type", b"application/json; charset=utf-8; x=y")],
        [(b"content-type", b"application/json, text/plain")],
        [(b"content-type", b"application/json\xff")],
        [*JSON, *JSON],
        [*JSON, (b"content-encoding", b"gzip")],
        [*JSON, (b"content-encoding", b"br")],
    ],
)
def test_c4_json_under_any_other_media_type_or_coding_is_refused(fields: Fields) -> None:
    with pytest.raises(UnsupportedMediaType):
        json_of(fields, b'{"a":1}')


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b"{",
        b'{"a":1}x',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        '{"a":1}'.encode("utf-16"),
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_d7_json_with_more_than_one_meaning_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        json_of(JSON, body)


def test_a_body_ends_at_its_limit() -> None:
    async def endless() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    assert len(asyncio.run(read_body([], arriving(b"x" * MAX_BODY_BYTES)))) == MAX_BODY_BYTES
    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body([], arriving(b"x" * MAX_BODY_BYTES, b"x")))
    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body([(b"transfer-encoding", b"chunked")], endless))


def test_an_announced_length_is_believed_before_a_byte_is_read() -> None:
    async def never() -> dict[str, Any]:
        raise AssertionError("the body was read")

    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body([(b"content-length", b"65537")], never))


@pytest.mark.parametrize(
    "fields",
    [
        [(b"content-length", b"1"), (b"content-length", b"1")],
        [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")],
        [(b"content-length", b"-1")],
        [(b"content-length", b"+1")],
        [(b"content-length", b"1_0")],
        [(b"content-length", b"1, 1")],
        [(b"content-length", b"")],
        [(b"content-length", b"9" * 5000)],
    ],
)
def test_d5_lengths_that_cannot_be_are_refused(fields: Fields) -> None:
    with pytest.raises(MalformedBody):
        asyncio.run(read_body(fields, arriving(b"x")))


def test_d3_a_body_that_never_ends_runs_into_the_deadline() -> None:
    async def silent() -> dict[str, Any]:
        return await asyncio.Future()

    with pytest.raises(RequestTimeout):
        asyncio.run(read_body([], silent, deadline_seconds=0.01))


def test_a_client_that_leaves_is_refused() -> None:
    with pytest.raises(MalformedBody):
        asyncio.run(read_body([], arriving(b"x", disconnect=True)))


def test_a_form_is_read_to_the_letter() -> None:
    body = b"grant_type=password&username=caf%C3%A9&password=a+b%2Bc%26&empty=&&bare"
    assert form_of(FORM, body) == {
        "grant_type": "password",
        "username": "café",
        "password": "a b+c&",
        "empty": "",
        "bare": "",
    }
    assert form_of(FORM) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"a=1&a=2",
        b"a=1&%61=2",
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"a=%ff",
        b"a=\xff",
        b"&".join(b"f%d=1" % number for number in range(MAX_FORM_FIELDS + 1)),
        b"&" * 1000,
    ],
)
def test_d4_a_form_with_more_than_one_meaning_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        form_of(FORM, body)


@pytest.mark.parametrize("fields", [[], JSON, [(b"content-type", b"multipart/form-data; boundary=x")], [*FORM, *FORM]])
def test_d4_a_form_has_one_media_type(fields: Fields) -> None:
    with pytest.raises(UnsupportedMediaType):
        form_of(fields, b"a=1")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_our_refusal(body: bytes) -> None:
    for read in (json_of, form_of):
        for fields in (JSON, FORM):
            try:
                read(fields, body)
            except SealringError as error:
                assert isinstance(error, RequestRefused)  # noqa: PT017 - the refusal is one of two right outcomes


def test_c4_a_head_that_announces_a_body_says_what_it_is() -> None:
    with pytest.raises(UnsupportedMediaType):
        check_json_type([(b"host", b"x"), (b"content-length", b"10")])
    for length in (b"0", b"00"):
        check_json_type([(b"host", b"x"), (b"content-length", length)])
    check_json_type([(b"host", b"x")])


@pytest.mark.parametrize("coding", [b"identity", b"Identity"])
def test_no_coding_at_all_may_be_said(coding: bytes) -> None:
    check_framing([(b"content-encoding", coding)])
