"""Request bodies: bounded in bytes and in time, one media type per route, one meaning per text.

JSON goes through the strict reader of the token layer (no name twice, no NaN, one object at the
root; D7), forms through a reader of a few lines: the general form parsers, multipart among them,
have had too many vulnerabilities (D4, CVE-2026-54283), and no route here needs one. A media
type that a cross-site form can send (text/plain, urlencoded, multipart, none) is never read as
JSON (C4). Contradictory lengths are refused, not reconciled (RFC 9112 §6.3, D5).
"""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from sealring.http.asgi_types import Receive
from sealring.http.cookies import Headers
from sealring.http.request_errors import BodyTooLarge, MalformedBody, RequestTimeout, UnsupportedMediaType
from sealring.jwt.strict_json import BadJSON, decode_object

MAX_BODY_BYTES = 65_536
MAX_FORM_FIELDS = 32
"""RFC 6749 names nine parameters for the token endpoint; an extension adds a few."""
DEADLINE_SECONDS = 10.0
"""64 KiB in ten seconds is a 52 kbit/s line: slower than any line that completes a TLS handshake in time."""

_CHARSET = rb'(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?'
_JSON = re.compile(rb"application/json" + _CHARSET, re.IGNORECASE)
_FORM = re.compile(rb"application/x-www-form-urlencoded" + _CHARSET, re.IGNORECASE)
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_MAX_LENGTH_DIGITS = 18


async def read_json(
    headers: Headers, receive: Receive, *, deadline_seconds: float = DEADLINE_SECONDS
) -> tuple[bytes, dict[str, Any] | None]:
    """Return the raw body and its JSON object; None for a request without a body.

    Raises:
        UnsupportedMediaType: not application/json, or a content coding.
        BodyTooLarge, RequestTimeout: past the limits above.
        MalformedBody: not one strict JSON object.
    """
    check_json_type(headers)
    body = await read_body(headers, receive, deadline_seconds=deadline_seconds)
    return body, parse_json(headers, body)


def check_json_type(headers: Headers) -> None:
    """Let a head pass whose body may be JSON, or absent.

    Raises:
        UnsupportedMediaType: it says that it is something else, or announces a body and does not say what it is.
    """
    media_type = _media_type(headers)
    if media_type is None:
        if any(name == b"content-length" and value.strip(b"0") for name, value in headers):
            raise UnsupportedMediaType("the body must say that it is application/json")
    elif not _JSON.fullmatch(media_type):
        raise UnsupportedMediaType("the body must be application/json")


def parse_json(headers: Headers, body: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a body is, whose head `check_json_type` let pass; none for an empty one.

    Raises:
        UnsupportedMediaType: it does not say that it is JSON.
        MalformedBody: not one strict JSON object.
    """
    if not body:
        return None
    if _media_type(headers) is None:
        raise UnsupportedMediaType("the body must say that it is application/json")
    try:
        return decode_object(body)
    except BadJSON as error:
        raise MalformedBody(str(error)) from None


def check_form_type(headers: Headers) -> None:
    """Let a head pass whose body is an urlencoded form.

    Raises:
        UnsupportedMediaType: it does not say so.
    """
    media_type = _media_type(headers)
    if media_type is None or not _FORM.fullmatch(media_type):
        raise UnsupportedMediaType("the body must be application/x-www-form-urlencoded")


def parse_form(body: bytes) -> dict[str, str]:
    """Return the fields of an urlencoded form (RFC 6749 appendix B; WHATWG URL §5.1), each at most once.

    Raises:
        MalformedBody: a field twice (RFC 6749 §3.2), more than 32, a broken escape, not UTF-8.
    """
    if body.count(b"&") >= MAX_FORM_FIELDS:
        raise MalformedBody("too many form fields")
    fields: dict[str, str] = {}
    for pair in filter(None, body.split(b"&")):
        name, _, value = pair.partition(b"=")
        key = _form_text(name)
        if key in fields:
            raise MalformedBody("a form field came twice")
        fields[key] = _form_text(value)
    return fields


async def read_body(headers: Headers, receive: Receive, *, deadline_seconds: float = DEADLINE_SECONDS) -> bytes:
    """Return the whole body, at most `MAX_BODY_BYTES` of it.

    Raises:
        BodyTooLarge: more, announced or sent.
        RequestTimeout: not complete within `deadline_seconds`.
        UnsupportedMediaType: a content coding: nothing is decompressed here.
        MalformedBody: impossible lengths, or the client disconnected.
    """
    check_framing(headers)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(deadline_seconds):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise MalformedBody("the client disconnected")
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise BodyTooLarge("more bytes than a body may have")
                if chunk:  # a flood of empty chunks costs no memory
                    chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)
    except TimeoutError:
        raise RequestTimeout("the body did not arrive in time") from None


def check_framing(headers: Headers) -> None:
    """Check what a head says about its body's length and coding.

    Raises:
        BodyTooLarge: more bytes announced than a body may have.
        UnsupportedMediaType: a content coding.
        MalformedBody: impossible lengths.
    """
    length: bytes | None = None
    chunked = False
    for name, value in headers:
        if name == b"content-length":
            if length is not None or not value.isdigit() or len(value) > _MAX_LENGTH_DIGITS:
                raise MalformedBody("malformed Content-Length")
            length = value
        elif name == b"transfer-encoding":
            chunked = True
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise UnsupportedMediaType("the body must not be compressed")
    if length is not None:
        if chunked:
            raise MalformedBody("both Content-Length and Transfer-Encoding")
        if int(length) > MAX_BODY_BYTES:
            raise BodyTooLarge("more bytes announced than a body may have")


def _media_type(headers: Headers) -> bytes | None:
    found = [value for name, value in headers if name == b"content-type"]
    if len(found) > 1:
        raise UnsupportedMediaType("more than one Content-Type")
    return found[0] if found else None


def _form_text(raw: bytes) -> str:
    if _BROKEN_ESCAPE.search(raw):
        raise MalformedBody("a broken escape in the form")
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise MalformedBody("the form is not UTF-8") from None
