"""Starlette, and what is built on it: the authentication backend, and refusals as responses for routes of your own.

    app = Starlette(routes=[Mount("/auth", auth.asgi()), …], lifespan=auth.lifespan,
                    middleware=[Middleware(AuthenticationMiddleware, backend=auth.backend)])

`@requires("orders:read")`, `request.user` and `request.auth.scopes` are Starlette's own, unchanged.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

try:
    import starlette  # noqa: F401 - asked for first, so that the answer says what to install
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{__name__} needs the package {missing.name}: pip install starlette", name=missing.name
    ) from missing
from starlette.authentication import AuthenticationBackend
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocket, WebSocketState

from sealring.errors import NotFound, SealringError
from sealring.http.authenticate import AuthResult, RequestAuthenticator
from sealring.http.close_codes import close_code
from sealring.http.middleware import ANONYMOUS
from sealring.http.problems import OnRefusal, answer, is_refusal, must_close, report
from sealring.http.request_errors import MethodNotAllowed

if TYPE_CHECKING:
    from starlette.authentication import AuthCredentials, BaseUser

__all__ = ["Backend", "ReportedRefusal", "answer_no_route", "answer_refusal", "problem_response"]

_OF_REQUIRES = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class Backend(AuthenticationBackend):
    """Tells Starlette's `AuthenticationMiddleware` who sent a request: `backend=auth.backend`.

    A credential that is bad makes an anonymous user, as none does: a revoked cookie must not keep its browser from
    logging in. `request.auth.refusal` says what was wrong with it.

    Args:
        authenticator: `auth.authenticator`.

    >>> from starlette.applications import Starlette
    >>> from starlette.middleware import Middleware
    >>> from starlette.middleware.authentication import AuthenticationMiddleware
    >>> from starlette.requests import Request
    >>> from starlette.responses import PlainTextResponse
    >>> from starlette.routing import Route
    >>> from starlette.testclient import TestClient
    >>> async def who(request: Request) -> PlainTextResponse:
    ...     return PlainTextResponse(request.user.display_name)
    >>> known = [Middleware(AuthenticationMiddleware, backend=auth.backend)]
    >>> app = Starlette(routes=[Route("/", who)], middleware=known, lifespan=auth.lifespan)
    >>> as_user(TestClient(app), auth, "42").get("/").text
    '42'
    """

    def __init__(self, authenticator: RequestAuthenticator) -> None:
        self._authenticator = authenticator

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        """Called by Starlette. Both have the attributes that `requires` and applications read.

        Args:
            conn: the request or the WebSocket.

        Returns:
            What `request.auth` and `request.user` are.
        """
        result: Any = await self._authenticator.authenticate_when_open(conn.scope)
        user: Any = ANONYMOUS if result.principal is None else result.principal
        return result, user


class ReportedRefusal(SealringError):
    """A refusal that was logged and counted where it was raised; `error` is the cause.

    >>> from sealring.frameworks.fastapi import GuardRefusal
    >>> from sealring.http.request_errors import MissingCredential
    >>> refusal = GuardRefusal(MissingCredential("no credential was sent"))
    >>> isinstance(refusal, ReportedRefusal), refusal.error.code
    (True, 'missing_credential')
    """

    error: SealringError


def problem_response(error: SealringError, request: HTTPConnection | None = None) -> Response:
    """What a client gets for `error`, as a Starlette response; with the request, it may end the connection.

    Args:
        error: the refusal.
        request: the request or the WebSocket that it answers.

    >>> from sealring import NotFound
    >>> answer = problem_response(NotFound("no such order"))
    >>> answer.status_code, answer.headers["content-type"]
    (404, 'application/problem+json')
    """
    reply = answer(error)
    response = Response(reply.body, reply.status)
    response.raw_headers = reply.headers
    if request is not None and must_close(reply, request.scope):
        response.headers["connection"] = "close"
    return response


async def answer_refusal(request: Request | WebSocket, error: Exception, refused: OnRefusal | None = None) -> Response:
    """Answer a route of your own with the refusal that it raised: `add_exception_handler(SealringError, …)`.

    For a service that only verifies; where there is a `Sealring`, its `problem_response` does this and counts. For 401
    and 403 too, it answers what `@requires` refused: who is not logged in gets the challenge that RFC 6750 asks for.

    Args:
        request: the request or the WebSocket.
        error: a `SealringError`, or the 401 or 403 of `@requires`. Any other is raised again.
        refused: counts it.

    Returns:
        The response; None for a WebSocket that was closed.

    >>> from sealring import NotFound, SealringError
    >>> from starlette.applications import Starlette
    >>> from starlette.requests import Request
    >>> from starlette.routing import Route
    >>> from starlette.testclient import TestClient
    >>> async def order(request: Request) -> None:
    ...     raise NotFound("no such order")
    >>> app = Starlette(routes=[Route("/orders/7", order)], exception_handlers={SealringError: answer_refusal})
    >>> TestClient(app).get("/orders/7").json()["code"]
    'not_found'
    """
    if isinstance(error, ReportedRefusal):
        error = error.error
    else:
        if isinstance(error, HTTPException):
            refusal = _refused_by_requires(request, error)
            if refusal is None:
                return PlainTextResponse(error.detail, error.status_code, error.headers)
            error = refusal
        if not is_refusal(error):
            raise error
        report(error, where=request.scope["path"], refused=refused)
    if isinstance(request, WebSocket) and not _can_deny(request):
        if WebSocketState.DISCONNECTED not in {request.application_state, request.client_state}:
            await request.close(*close_code(error))
        return None  # type: ignore[return-value]  # Starlette sends nothing then; it types the two kinds apart
    return problem_response(error, request)


async def answer_no_route(request: Request, error: Exception) -> Response:
    """Refuse what no route takes in the same form as our routes do (RFC 9457).

    `app.add_exception_handler(404, answer_no_route)`, and the same for 405, whose answer names the methods that the
    path takes.

    Args:
        request: the request.
        error: Starlette's exception of status 404 or 405.

    >>> from starlette.applications import Starlette
    >>> from starlette.testclient import TestClient
    >>> app = Starlette(exception_handlers={404: answer_no_route, 405: answer_no_route})
    >>> TestClient(app).get("/nowhere").json()["code"]
    'not_found'
    """
    allowed = (error.headers or {}).get("Allow") if isinstance(error, HTTPException) else None
    refusal = NotFound("no such route") if allowed is None else MethodNotAllowed(tuple(allowed.split(", ")))
    return problem_response(refusal, request)


def _refused_by_requires(request: Request | WebSocket, error: HTTPException) -> SealringError | None:
    """Why `@requires` refused; None where the application refused for a reason of its own, and says which."""
    result = request.scope.get("auth")
    ours = error.status_code in _OF_REQUIRES and error.detail == HTTPStatus(error.status_code).phrase
    if not ours or not isinstance(result, AuthResult):
        return None
    return result.refuse()  # of which scopes, Starlette does not say


def _can_deny(websocket: WebSocket) -> bool:
    """Whether a response can still be sent in place of the handshake (ASGI's extension)."""
    accepted = websocket.application_state is not WebSocketState.CONNECTING
    return not accepted and "websocket.http.response" in websocket.scope.get("extensions", {})
