"""GET over HTTP/1.1, for what a verifier fetches in the background, and POST of a small form (RFC 9112).

A connection is kept and used again. What the other side could drag out or blow up is bounded: the whole request by a
deadline (a slow or half-open connection, F5), head and body in bytes. No redirect is followed, since it would let
the other side choose the address; no proxy of the environment is asked; no compressed body is read, so none can be a
bomb. What is not exactly one answer ends the connection.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

from sealring.errors import Unavailable
from sealring.forks import leave_to_parent
from sealring.verifier.http_trust import check_ssl_context, is_trusted_scheme, why_no_answer

MAX_HEAD_BYTES: Final = 32 * 1024

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n\0]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_LENGTH = re.compile(rb"[0-9]{1,12}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class BrokenAnswer(Unavailable):
    """The connection ended, or what came over it is not an answer."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer."""

    status: int
    fields: Mapping[bytes, bytes]
    """By name in lower case; several of one name are joined by a comma."""
    body: bytes = field(repr=False)


class HttpGetter:
    """Asks one server, one request at a time.

    Args:
        url: what paths come after.
        allow_http: whether plain http may leave this machine.
        fields: header fields of every request.
        ssl_context: another trust store or a client certificate than the machine's.

    Raises:
        TypeError, ValueError: a URL that is not https, nor http on loopback; a TLS context that verifies nothing.
    """

    def __init__(
        self,
        url: str,
        *,
        allow_http: bool = False,
        fields: Mapping[str, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._url = checked_url(url, allow_http=allow_http)
        check_ssl_context(ssl_context)
        given = {"Host": self._url.netloc, "Accept-Encoding": "identity", "User-Agent": "sealring"} | dict(fields or {})
        self._head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        self._ssl_context = ssl_context
        self._idle: Streams | None = None

    async def get(self, path: str, *, seconds: float, max_bytes: int) -> HttpAnswer:
        """The answer to a request, whatever its status.

        Args:
            path: with its query, after the URL.
            seconds: deadline of the whole.
            max_bytes: of the body.

        Raises:
            Unavailable: there is none.
        """
        request = f"GET {self._url.path.rstrip('/')}{path} HTTP/1.1\r\n{self._head}\r\n".encode("ascii")
        # taken away while it is in use: a request that comes meanwhile has a connection of its own
        streams, self._idle = self._idle, None
        try:
            async with asyncio.timeout(seconds):
                if streams is not None:
                    try:
                        return await self._exchange(streams, request, max_bytes)
                    except BrokenAnswer:  # the server may have ended a connection that nobody used
                        _abort(streams)
                streams = await self._connect()
                return await self._exchange(streams, request, max_bytes)
        except TimeoutError:
            raise Unavailable(f"{self._url.netloc}: no answer within {seconds:g} s") from None
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that IDNA refuses
            raise Unavailable(f"{self._url.netloc}: {why_no_answer(error)}") from None
        finally:
            if streams is not None and streams is not self._idle:  # the rest would be read as the next answer
                _abort(streams)

    async def post(self, path: str, body: bytes, *, seconds: float, max_bytes: int) -> HttpAnswer:
        """The answer to a POST, whatever its status. It is sent once, over a connection of its own.

        Args:
            path: with its query, after the URL.
            body: what is sent; its type stands among `fields`.
            seconds: deadline of the whole.
            max_bytes: of the answer's body.

        Raises:
            Unavailable: there is none; whether the other side has acted is unknown.
        """
        line = f"POST {self._url.path.rstrip('/')}{path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        streams: Streams | None = None
        try:
            async with asyncio.timeout(seconds):
                streams = await self._connect()
                return await self._exchange(streams, line.encode("ascii") + body, max_bytes)
        except TimeoutError:
            raise Unavailable(f"{self._url.netloc}: no answer within {seconds:g} s") from None
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"{self._url.netloc}: {why_no_answer(error)}") from None
        finally:
            if streams is not None and streams is not self._idle:
                _abort(streams)

    def close(self) -> None:
        """End the connection that is not in use; the next request opens another."""
        streams, self._idle = self._idle, None
        if streams is not None:
            _abort(streams)

    def forked(self) -> None:
        """In a child, leave the connection to the parent."""
        leave_to_parent(self._idle)
        self._idle = None

    async def _connect(self) -> Streams:
        url = self._url
        secure = url.scheme == "https"
        return await asyncio.open_connection(
            url.hostname,
            url.port or (443 if secure else 80),
            ssl=(self._ssl_context or ssl.create_default_context()) if secure else None,
            limit=MAX_HEAD_BYTES,
        )

    async def _exchange(self, streams: Streams, request: bytes, max_bytes: int) -> HttpAnswer:
        reader, writer = streams
        try:
            writer.write(request)
            await writer.drain()
            status, fields, keeps = await _read_head(reader)
            if status in _BODILESS:
                body = b""
            else:
                body, delimited = await _read_body(reader, fields, max_bytes)
                keeps = keeps and delimited
        except (asyncio.IncompleteReadError, ConnectionError):
            raise BrokenAnswer(f"{self._url.netloc}: the connection ended") from None
        except asyncio.LimitOverrunError:
            raise Unavailable(f"{self._url.netloc}: the head of the answer is too long") from None
        if keeps and self._idle is None:
            self._idle = streams
        return HttpAnswer(status, fields, body)


def _abort(streams: Streams) -> None:
    try:
        streams[1].transport.abort()
    except RuntimeError:  # its event loop has ended
        leave_to_parent(streams)


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[bytes, bytes], bool]:
    """Status, fields, and whether the connection may be used again."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].split(b"\r\n")
        matched = _STATUS.fullmatch(first)
        if matched is None:
            raise BrokenAnswer("the other side does not speak HTTP/1")
        fields: dict[bytes, bytes] = {}
        for line in lines:
            one = _FIELD.fullmatch(line)
            if one is None:  # folded lines among them (RFC 9112 §5.2)
                raise BrokenAnswer("the answer has a malformed header field")
            name, value = one[1].lower(), one[2]
            fields[name] = fields[name] + b", " + value if name in fields else value
        status = int(matched[2])
        if status >= HTTPStatus.OK:
            keeps = matched[1] == b"1" and b"close" not in fields.get(b"connection", b"").lower()
            return status, fields, keeps
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise BrokenAnswer("the other side speaks another protocol")


async def _read_body(reader: asyncio.StreamReader, fields: dict[bytes, bytes], max_bytes: int) -> tuple[bytes, bool]:
    """The body, and whether its end was said; the connection ends it otherwise."""
    if fields.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Unavailable("the answer is compressed, which was not asked for")
    coding, length = fields.get(b"transfer-encoding"), fields.get(b"content-length")
    if coding is not None:
        if coding.lower() != b"chunked" or length is not None:  # RFC 9112 §6.3: two lengths are an attack
            raise BrokenAnswer("the answer has no length that can be relied on")
        return await _read_chunks(reader, max_bytes), True
    if length is not None:
        if not _LENGTH.fullmatch(length):
            raise BrokenAnswer("the answer has no length that can be relied on")
        if int(length) > max_bytes:
            raise _too_long(max_bytes)
        return await reader.readexactly(int(length)), True
    body = bytearray()
    while piece := await reader.read(MAX_HEAD_BYTES):
        body += piece
        if len(body) > max_bytes:
            raise _too_long(max_bytes)
    return bytes(body), False


async def _read_chunks(reader: asyncio.StreamReader, max_bytes: int) -> bytes:
    body = bytearray()
    while True:
        matched = _CHUNK.fullmatch(await reader.readuntil(b"\r\n"))
        if matched is None:
            raise BrokenAnswer("the answer has a malformed chunk")
        size = int(matched[1], 16)
        if len(body) + size > max_bytes:
            raise _too_long(max_bytes)
        if size == 0:
            break
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise BrokenAnswer("the answer has a malformed chunk")
    trailer = 0
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        trailer += len(line)
        if trailer > MAX_HEAD_BYTES:
            raise BrokenAnswer("the trailer of the answer is too long")
    return bytes(body)


def _too_long(max_bytes: int) -> Unavailable:
    return Unavailable(f"the answer is longer than {max_bytes} bytes")


def checked_url(url: object, *, allow_http: bool = False) -> SplitResult:
    """Return the parts of a URL that a verifier may fetch from.

    Raises:
        TypeError: not text.
        ValueError: not https, nor http on loopback; with a user, a query or a fragment; or malformed.
    """
    if not isinstance(url, str):
        raise TypeError(f"url must be text, not {type(url).__name__}")
    parts = urlsplit(url)
    try:
        parts.port  # noqa: B018 - asked for its error
    except ValueError:
        raise ValueError("url has a port that is no number") from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("url must be printable ASCII without spaces: a host name in its xn-- form")
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError("url must have a host, and no user, query or fragment")
    if not is_trusted_scheme(parts, allow_http=allow_http):
        raise ValueError("url must be https; http is for loopback, or with allow_http=True")
    return parts
