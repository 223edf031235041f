"""Starlette, and what is built on it: refusals as responses, for routes of one's own."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketState

from sealring.errors import NotFound, SealringError
from sealring.http.close_codes import close_code
from sealring.http.problems import OnRefusal, answer, must_close, report
from sealring.http.request_errors import MethodNotAllowed

__all__ = ["ReportedRefusal", "answer_no_route", "answer_refusal", "problem_response"]


class ReportedRefusal(SealringError):
    """A refusal that was logged and counted where it was raised; `error` is the cause."""

    error: SealringError


def problem_response(error: SealringError, scope: Scope | None = None) -> Response:
    """What a client is told of `error`, as a Starlette response; with the scope, it may end the connection."""
    reply = answer(error)
    response = Response(reply.body, reply.status)
    response.raw_headers = reply.headers
    if scope is not None and must_close(reply, scope):
        response.headers["connection"] = "close"
    return response


async def answer_refusal(request: Request | WebSocket, error: Exception, refused: OnRefusal | None = None) -> Response:
    """Answer a route of one's own with the refusal that it raised: `add_exception_handler(SealringError, …)`.

    For a service that only verifies; where there is a `Sealring`, its `problem_response` does this and counts.
    """
    if not isinstance(error, SealringError) or isinstance(error, ValueError):
        raise error
    if isinstance(error, ReportedRefusal):
        error = error.error
    else:
        report(error, where=request.scope["path"], refused=refused)
    if isinstance(request, WebSocket) and not _can_deny(request):
        if WebSocketState.DISCONNECTED not in {request.application_state, request.client_state}:
            await request.close(*close_code(error))
        return None  # type: ignore[return-value]  # Starlette sends nothing then; it types the two kinds apart
    return problem_response(error, request.scope)


async def answer_no_route(request: Request, error: Exception) -> Response:
    """Refuse what no route takes in the same form as our routes do (RFC 9457).

    `app.add_exception_handler(404, answer_no_route)`, and the same for 405, whose answer names the methods that the
    path takes.
    """
    allowed = (error.headers or {}).get("Allow") if isinstance(error, HTTPException) else None
    refusal = NotFound("no such route") if allowed is None else MethodNotAllowed(tuple(allowed.split(", ")))
    return problem_response(refusal, request.scope)


def _can_deny(websocket: WebSocket) -> bool:
    """Whether a response can still be sent in place of the handshake (ASGI's extension)."""
    accepted = websocket.application_state is not WebSocketState.CONNECTING
    return not accepted and "websocket.http.response" in websocket.scope.get("extensions", {})
