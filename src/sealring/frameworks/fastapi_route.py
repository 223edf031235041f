"""Routes of your own that read and refuse as ours do: bounded strict JSON, problem details, security headers.

    router = APIRouter(route_class=problem_route(auth))

FastAPI's documented hook for routes of another behavior. Every refusal that such a route raises, by itself or by
`guard`, is problem details whatever handlers the application has, and so are FastAPI's own of a field. Bodies are read
under the limits of our routes: 64 KiB, ten seconds, one JSON object, no name twice. `refusals` describes it in `/docs`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, Protocol

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from sealring.errors import InvalidField, SealringError
from sealring.frameworks.starlette import ReportedRefusal, problem_response
from sealring.http.body import read_json
from sealring.http.problems import SECURITY_HEADERS, OnRefusal, report
from sealring.http.request_errors import InvalidFields, UnsupportedMediaType

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Counting(Protocol):
    """A `Sealring`, or anything that counts refusals."""

    @property
    def refused(self) -> OnRefusal | None:
        """Counts a refusal; None where nobody counts."""


class ProblemRoute(APIRoute):
    """A route of your own that reads and refuses as ours do: bounded strict JSON, problem details, security headers.

    `problem_route` makes one that counts.

    >>> from fastapi import APIRouter, FastAPI
    >>> from fastapi.testclient import TestClient
    >>> app, router = FastAPI(), APIRouter(route_class=ProblemRoute)
    >>> @router.post("/orders")
    ... async def order(body: dict[str, int]) -> None: ...
    >>> app.include_router(router)
    >>> json = {"content-type": "application/json"}
    >>> TestClient(app).post("/orders", content='{"item": 1, "item": 2}', headers=json).json()["code"]
    'malformed_body'
    """

    refused: OnRefusal | None = None

    def get_route_handler(self) -> Handler:
        """Called by FastAPI: the route's handler, which lets no refusal out."""
        inner = super().get_route_handler()
        refused = type(self).refused

        async def handle(request: Request) -> Response:
            try:
                response = await inner(await _StrictRequest.read(request) if self.body_field is not None else request)
            except ReportedRefusal as refusal:
                return problem_response(refusal.error, request)
            except RequestValidationError as failure:
                error: SealringError = InvalidFields(tuple(map(_invalid_field, failure.errors())))
            except SealringError as failure:
                error = failure
            else:
                for name, value in SECURITY_HEADERS:
                    response.headers.setdefault(name.decode(), value.decode())
                return response
            report(error, where=request.scope["path"], refused=refused)
            return problem_response(error, request)

        return handle


def problem_route(auth: Counting) -> type[ProblemRoute]:
    """`ProblemRoute` whose refusals are counted where those of `auth` are.

    Args:
        auth: whose metrics count: a `Sealring` or a `Verifier`.

    >>> from fastapi import APIRouter
    >>> router = APIRouter(prefix="/orders", route_class=problem_route(auth))
    """
    refused = auth.refused
    return type("ProblemRoute", (ProblemRoute,), {"refused": None if refused is None else staticmethod(refused)})


class _StrictRequest(Request):
    """A request whose body has been read and judged before FastAPI sees it."""

    _text: bytes
    _object: dict[str, Any] | None

    @classmethod
    async def read(cls, request: Request) -> Request:
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
