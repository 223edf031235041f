"""The table of endpoints as FastAPI routers: `include_router`, dependencies of the host, and `/docs` go on working.

A route per row serves the row's own method. It runs what the host put before the router (`include_router(…,
dependencies=…)`), and then our pipeline, which reads the body by itself. HEAD is a hidden route of the same kind, so
no dependency is left out. A last hidden one per path answers CORS preflights, and all other methods with 405 and the
whole of `Allow`. Routes without a method answer 404 to what is left below the prefix. The models below exist for the
OpenAPI document alone: FastAPI names components after pydantic's models.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from fastapi import APIRouter, Request, Response, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from msgspec import NODEFAULT, Struct
from pydantic import BaseModel, create_model
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from sealring.errors import NotFound
from sealring.frameworks.asgi import send_response, serve_asgi
from sealring.frameworks.fastapi_dependencies import dependant_of, host_query
from sealring.http.endpoint import Endpoint, Head, Routes, has_body
from sealring.http.openapi import PROBLEM, component_name, operation, refusal_struct, responses, words
from sealring.http.pipeline import refuse_unserved
from sealring.http.request_errors import MethodNotAllowed
from sealring.http.verifying_service import VerifyingService


def endpoint_router(service: VerifyingService, endpoints: Iterable[Endpoint], *, prefix: str = "") -> APIRouter:
    """These endpoints, below a prefix of their own; whatever stands before it, they find out (`auth_path`)."""
    routes = Routes(endpoints)
    router = APIRouter()
    for endpoint in routes.endpoints:
        handle = _handler(service, endpoint)
        path = prefix + endpoint.path
        router.add_api_route(
            path,
            handle,
            methods=[endpoint.method],
            route_class_override=_EndpointRoute,
            **_description(service, endpoint),
        )
        if endpoint.method == "GET":
            router.add_api_route(
                path,
                handle,
                methods=["HEAD"],
                include_in_schema=False,
                response_model=None,
                route_class_override=_EndpointRoute,
            )
    for path in dict.fromkeys(endpoint.path for endpoint in routes.endpoints):
        router.add_route(prefix + path, _OtherMethods(service, routes.other_methods(path)), include_in_schema=False)  # type: ignore[arg-type]  # Starlette takes ASGI applications too
    unserved = _unserved_route(service)
    for path in (prefix, prefix + "/{_:path}") if prefix else (one.path + "/" for one in routes.endpoints):
        router.add_api_route(
            path,
            _never,
            methods=[_NO_METHOD],
            include_in_schema=False,
            response_model=None,
            route_class_override=unserved,
        )
    return router


_NO_METHOD = "-"
_PASSED_ON = "sealring.passed_on"
"""In the scope of a request that no route of ours serves, while the application's are asked."""


async def _never() -> None:
    """An endpoint that is never called."""


def _unserved_route(service: VerifyingService) -> type[APIRoute]:
    """The class of routes that answer 404 below our prefix where no other route of the application serves.

    FastAPI prefers a route that takes the method, so a route of the application's own under our prefix is served,
    wherever it stands. It also asks such a route before it redirects for a slash, to a `Host` that the client wrote
    (C12).
    """
    error = NotFound("no such route")

    class UnservedRoute(APIRoute):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            return (Match.NONE, {}) if _PASSED_ON in scope else super().matches(scope)

        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            # a route of the application's own that takes other methods answers for itself, wherever it stands
            app, passed_on = scope["app"], {**scope, _PASSED_ON: True}
            if any(route.matches(passed_on)[0] is not Match.NONE for route in app.routes):
                await app.router(passed_on, receive, send)
                return
            await send_response(refuse_unserved(service, Head(scope), error), scope, send)

    return UnservedRoute


class _EndpointRoute(APIRoute):
    """A route that asks FastAPI to solve dependencies only where the host has put some before it.

    Solving none takes a third of the time of a login route without its hash.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's hook."""
        inner = super().get_route_handler()
        endpoint: Callable[[Request, Response], Coroutine[Any, Any, Response]] = self.endpoint

        async def handle(request: Request) -> Response:
            dependant = dependant_of(request.scope)
            if dependant is None or any(one.call is not _DESCRIBED for one in dependant.dependencies):
                return await inner(request)
            return await endpoint(request, _NOTHING_SET)

        return handle


class _OtherMethods:
    """405 for every method that gets here, as an ASGI application: those of the resource have been served before."""

    def __init__(self, service: VerifyingService, error: MethodNotAllowed) -> None:
        self._service = service
        self._error = error

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        await send_response(refuse_unserved(self._service, Head(scope), self._error), scope, send)


class _Sent(Response):
    """One of our responses as FastAPI sends it."""

    def __init__(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.status_code = status
        self.body = body
        self.raw_headers = headers
        self.background = None


class _NoContent(Response):
    """204 in the document: the type is that of the route's refusals."""

    media_type = PROBLEM


class _Described(SecurityBase):
    """The security scheme of our guarded routes, for the document alone: the pipeline asks by itself.

    It has the same name as the scheme of `guard`, which may say more of how to log in.
    """

    scheme_name = "sealring"
    model = HTTPBearer(bearerFormat="JWT")

    async def __call__(self) -> None:
        """Called by FastAPI."""


_DESCRIBED = _Described()
_NOTHING_SET = Response()
_NOTHING_SET.raw_headers = []


def _handler(
    service: VerifyingService, endpoint: Endpoint
) -> Callable[[Request, Response], Coroutine[Any, Any, Response]]:
    async def handle(request: Request, response: Response) -> Response:
        scope = request.scope
        reply = await serve_asgi(
            service, endpoint, scope["path_params"], scope, request.receive, host_query=host_query(scope)
        )
        # what the host's dependencies have set on the answer stays
        headers = reply.headers + response.raw_headers
        return _Sent(reply.status, b"" if scope["method"] == "HEAD" else reply.body, headers)

    return handle


def _description(service: VerifyingService, endpoint: Endpoint) -> dict[str, Any]:
    """What FastAPI's own generator needs to say of a route what the table says."""
    if not endpoint.in_schema:
        return {"include_in_schema": False, "response_model": None}
    kind = endpoint.answers[endpoint.status]
    described = responses(endpoint)
    refused = model_of(refusal_struct(endpoint))
    # FastAPI writes models under the media type of the response class: problem details by reference, then, where
    # the answer is JSON, and as a model where there is none, which brings the component
    without_body = not has_body(endpoint.status)
    if endpoint.refuse is not None or without_body:
        for status, said in described.items():
            if status not in endpoint.answers:
                said["model"] = refused
                del said["content"]
    said = described.pop(endpoint.status)
    extra = operation(endpoint, password_grant=service.password_grant)
    summary, description = words(endpoint)
    return {
        "operation_id": endpoint.operation_id,
        "summary": summary,
        "description": description,
        "tags": [endpoint.tag],
        "status_code": endpoint.status,
        "response_description": said["description"],
        "response_model": None if kind is None else model_of(kind),
        "response_class": JSONResponse if kind is not None else _NoContent if without_body else Response,
        "responses": described | ({endpoint.status: said} if endpoint.described else {}),
        "openapi_extra": {name: extra[name] for name in ("parameters", "requestBody") if name in extra},
        "dependencies": [Security(_DESCRIBED)] if endpoint.caller else [],
    }


@cache
def model_of(kind: type[Struct]) -> type[BaseModel]:
    """The pydantic model of a struct, for documents."""
    fields: dict[str, Any] = {
        one.encode_name: (_modelled(one.type), ... if one.default is NODEFAULT else one.default)
        for one in msgspec.structs.fields(kind)
    }
    return create_model(component_name(kind), __doc__=kind.__doc__, __module__=kind.__module__, **fields)


def _modelled(kind: Any) -> Any:
    """A type with the models of structs in place of the structs."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return reduce(or_, map(_modelled, arguments))
    if origin in {list, tuple}:
        return list[_modelled(arguments[0])]  # type: ignore[misc]
    return model_of(kind) if isinstance(kind, type) and issubclass(kind, Struct) else kind
