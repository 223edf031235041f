"""A FastAPI route that reads and answers as our contract says, in whatever application it is included.

An included router cannot install exception handlers in its host, so the route turns every refusal
(ours or pydantic's) into problem details by itself. Bodies reach FastAPI only through
`body.py`: bounded, timed, strict JSON under its one media type; the form parsers are out of reach.
A route that can be flooded asks first whether it has room, before anything is validated (I14).
Every answer carries the security headers unless the endpoint set its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState

from sealring.errors import (
    InvalidField,
    InvalidFields,
    InvalidRequest,
    MethodNotAllowed,
    SealringError,
    UnsupportedMediaType,
)
from sealring.http.body import read_json
from sealring.http.problems import SECURITY_HEADERS, Refused, answer, must_close, report, send_answer

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
"""Those of RFC 9110 §9 and RFC 5789 that a resource can have."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Admit = Callable[[Request], Awaitable[object]]
AskFirst = Callable[[Request], None]


class StrictRoute(APIRoute):
    """`APIRouter(route_class=StrictRoute)`; a subclass may count by `refused` what it refuses, and refuse by two more.

    `admit` is called before anything is read: who is not known learns nothing of what the route takes.
    `ask_first` is called once the body is there, so that the connection can go on, and before the body is validated,
    which costs more than all the rest of a refusal. It looks at the head alone and raises a `SealringError`.
    A query parameter that the route does not read is refused, as unknown fields of bodies are: `?Keep=current` must not
    end all sessions. `any_query` takes them, for endpoints whose RFC says so.
    """

    refused: Refused | None = None
    admit: Admit | None = None
    ask_first: AskFirst | None = None
    any_query: bool = False

    def get_route_handler(self) -> Handler:
        """The route's handler (FastAPI's hook), fenced."""
        inner = super().get_route_handler()
        refused, admit = type(self).refused, type(self).admit
        parameters = _query_names(self.dependant)
        any_query = type(self).any_query
        ask_first = type(self).ask_first

        async def handle(request: Request) -> Response:
            try:
                if admit is not None:
                    await admit(request)
                if any(len(request.query_params.getlist(name)) > 1 for name in parameters):
                    raise InvalidRequest("a query parameter came twice")  # RFC 6750 §3.1
                if not any_query and not (parameters | _names_of_host(request)).issuperset(request.query_params):
                    raise InvalidRequest("a query parameter that this route does not know")
                strict = await _StrictRequest.read(request, wanted=self.body_field is not None)
                if ask_first is not None:
                    ask_first(request)
                response = await inner(strict)
            except RequestValidationError as failure:
                error: SealringError = InvalidFields(tuple(map(_invalid_field, failure.errors())))
            except SealringError as failure:
                error = failure
            else:
                for name, value in SECURITY_HEADERS:
                    response.headers.setdefault(name.decode(), value.decode())
                return response
            report(error, where=self.path, refused=refused)
            return problem_response(error, request.scope)

        return handle

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Starlette's hook: HEAD is taken where GET is (RFC 9110 §9.3.2), and is no operation of its own in OpenAPI."""
        match, child = super().matches(scope)
        return (Match.FULL if match is Match.PARTIAL and self._asks_head(scope) else match), child

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette's hook: another method than the route's gets our 405, not the host's."""
        if self._asks_head(scope):
            await super().handle({**scope, "method": "GET"}, receive, _without_content(send))
        elif self.methods and scope["method"] not in self.methods:
            own = self.methods | ({"HEAD"} if "GET" in self.methods else set())
            await send_answer(answer(MethodNotAllowed(tuple(own | _methods_of(scope)))), scope, send)
        else:
            await super().handle(scope, receive, send)

    def _asks_head(self, scope: Scope) -> bool:
        return scope["method"] == "HEAD" and self.methods is not None and "GET" in self.methods


def counting(
    refused: Refused | None,
    *,
    admit: Admit | None = None,
    ask_first: AskFirst | None = None,
    any_query: bool = False,
) -> type[StrictRoute]:
    """`StrictRoute` that tells `refused` of each refusal, and asks `admit` and `ask_first` before each request."""
    return type(
        "CountingRoute",
        (StrictRoute,),
        {
            "any_query": any_query,
            "refused": None if refused is None else staticmethod(refused),
            "admit": None if admit is None else staticmethod(admit),
            "ask_first": None if ask_first is None else staticmethod(ask_first),
        },
    )


def problem_response(error: SealringError, scope: Scope | None = None) -> Response:
    """What a client is told of `error`, as a Starlette response; with the scope, it may end the connection."""
    reply = answer(error)
    response = Response(reply.body, reply.status)
    response.raw_headers = reply.headers
    if scope is not None and must_close(reply, scope):
        response.headers["connection"] = "close"
    return response


def can_deny(websocket: WebSocket) -> bool:
    """Whether a response can still be sent in place of the handshake (ASGI's extension)."""
    accepted = websocket.application_state is not WebSocketState.CONNECTING
    return not accepted and "websocket.http.response" in websocket.scope.get("extensions", {})


def _names_of_host(request: Request) -> set[str]:
    """The query parameters that dependencies read which a host put before our router: `include_router(dependencies=…)`.

    FastAPI keeps an included route's own dependencies in the scope since it no longer copies routes.
    """
    if not request.query_params:
        return set()
    included = request.scope.get("fastapi", {}).get("effective_route_context")
    dependant = getattr(included, "dependant", None)
    return _query_names(dependant) if isinstance(dependant, Dependant) else set()


def _query_names(dependant: Dependant) -> set[str]:
    """The query parameters that a route reads, those of its dependencies included."""
    names = {parameter.alias for parameter in dependant.query_params}
    return names.union(*map(_query_names, dependant.dependencies))


def _without_content(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return send_head


def _methods_of(scope: Scope) -> set[str]:
    """Every method that some route of the application takes at this path: `Allow` is the resource's, not one route's.

    RFC 9110 §15.5.6. Routers differ in how they nest routes, and agree on `matches`: so each method is tried.
    """
    app = scope.get("app")
    if app is None:
        return set()
    here = {name: scope[name] for name in ("type", "path", "root_path", "headers") if name in scope}
    return {
        method
        for method in METHODS
        for route in app.routes
        if route.matches(here | {"method": method})[0] is Match.FULL
    }


class _StrictRequest(Request):
    """A request whose body has been read and judged before FastAPI sees it."""

    _text: bytes
    _object: dict[str, Any] | None

    @classmethod
    async def read(cls, request: Request, *, wanted: bool) -> Request:
        if not wanted:
            return request
        strict = cls(request.scope, request.receive)
        strict._text, strict._object = await read_json(request.scope["headers"], request.receive)
        return strict

    async def body(self) -> bytes:
        return self._text

    async def json(self) -> Any:
        return self._object

    def form(self, **_: Any) -> NoReturn:
        raise UnsupportedMediaType("no form is read here")


def _invalid_field(failure: dict[str, Any]) -> InvalidField:
    # what the client sent (pydantic's `input`) never goes back: it may be a password
    location = [str(part) for part in failure["loc"][1:]]  # the first says "body", "query", "path"
    reason = str(failure["msg"]).removeprefix("Value error, ").rstrip(".")
    return InvalidField(".".join(location) or "body", reason[:1].lower() + reason[1:])
