"""Our answers as Django's responses."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal, Self

from django.http import HttpRequest, HttpResponse

from sealring.errors import SealringError
from sealring.frameworks.responses import write_fields
from sealring.http.endpoint import HeaderList, has_body
from sealring.http.problems import answer

__all__ = ["PlainResponse", "http_response", "problem_response", "refusal_response"]


class PlainResponse(HttpResponse):
    """A response of ours: without the fields that Django adds, and it may be awaited.

    A guard cannot always know whether the view in whose place it answers is a coroutine.
    """

    def has_header(self, header: str) -> bool:
        """Django gives a length to each response that has none; 204 and 304 must have none (RFC 9110 §8.6)."""
        return super().has_header(header) or (header.lower() == "content-length" and not has_body(self.status_code))

    def __await__(self) -> Generator[Any, Any, Self]:
        """Return the response itself."""
        yield from ()
        return self


def http_response(status: int, headers: HeaderList, body: bytes, request: HttpRequest | None = None) -> HttpResponse:
    """A response with exactly these fields: without its body to HEAD, and with none of one hop under WSGI."""
    response = PlainResponse(b"" if request is not None and request.method == "HEAD" else body, status=status)
    del response.headers["Content-Type"]
    of_server = () if hasattr(request, "scope") else (b"connection",)  # PEP 3333: it is the server's
    write_fields(response, [field for field in headers if field[0] not in of_server])
    return response


def problem_response(error: SealringError, request: HttpRequest | None = None) -> HttpResponse:
    """What a client gets for `error`, as a response of Django: for views and exception handlers of your own.

    Args:
        error: the refusal.
        request: the request that it answers: to HEAD there is no body.

    >>> from sealring.errors import NotFound
    >>> problem_response(NotFound("no such order")).status_code
    404
    """
    return refusal_response(error, request, invalid_status=401)


def refusal_response(
    error: SealringError, request: HttpRequest | None, *, invalid_status: Literal[401, 403]
) -> HttpResponse:
    """As `problem_response`, with the status that a project wants for a bad token on protected paths."""
    reply = answer(error, invalid_status=invalid_status)
    return http_response(reply.status, reply.headers, reply.body, request)
