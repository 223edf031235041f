"""What OpenAPI says of refusals: made from the table that answers them, so that the two cannot differ.

FastAPI writes every response model of a route under the media type of the route's response class, which for JSON would
be wrong here: refusals are `application/problem+json`. So they are described by reference, and the routes without
content (`NoContent`) bring the model that is referred to.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import Response
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from pydantic import BaseModel

from sealring import errors
from sealring.errors import SealringError
from sealring.http.problems import Row, row_of_kind

Responses = dict[int | str, dict[str, Any]]
"""As FastAPI takes them."""
PROBLEM = "application/problem+json"


class SealringProblemField(BaseModel):
    """One field that could not be accepted."""

    field: str
    reason: str


class SealringProblem(BaseModel):
    """RFC 9457, with our stable `code`. The name is ours alone: two models of one name would both be renamed."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[SealringProblemField] | None = None


class NoContent(Response):
    """204: no body, and no type of one. In OpenAPI the type is that of the route's refusals."""

    media_type = PROBLEM

    def init_headers(self, headers: Any = None) -> None:
        """Starlette's hook: what has no body has no type."""
        self.media_type = None  # type: ignore[assignment]  # as Starlette's own Response has it
        super().init_headers(headers)


ANY = (
    errors.StoreUnavailable,
    errors.RequestRefused,
    errors.InvalidRequest,
    errors.TargetTooLong,
    errors.HeadersTooLarge,
)
"""What every route may answer."""
READING = (errors.MalformedBody, errors.RequestTimeout, errors.BodyTooLarge, errors.UnsupportedMediaType)
"""What a route may answer that reads a body."""
BODY = (*READING, errors.InvalidFields)
"""What a route may answer that reads JSON."""
GUARDED = (
    errors.MissingCredential,
    errors.TokenError,
    errors.InvalidRequest,
    errors.CookiesTooLarge,
    errors.Stale,
)
"""What a route may answer that wants to know who asks."""


def refusals(*kinds: type[SealringError], bad_token: int = HTTPStatus.UNAUTHORIZED) -> Responses:
    """Describe the refusals of a route: those of `ANY`, and these. `bad_token` is the middleware's `invalid_status`."""
    rows: dict[int, list[Row]] = {}
    for kind in dict.fromkeys([*ANY, *kinds]):
        row = row_of_kind(kind)
        status = bad_token if row.challenge == "invalid_token" else row.status
        rows.setdefault(status, []).append(row)
    return {status: _response(status, found) for status, found in sorted(rows.items())}


def no_content(*kinds: type[SealringError]) -> dict[str, Any]:
    """Arguments of a route that answers 204, or refuses so."""
    described = {status: {**response, "model": SealringProblem} for status, response in refusals(*kinds).items()}
    return {"status_code": HTTPStatus.NO_CONTENT, "response_class": NoContent, "responses": described}


class Described(SecurityBase):
    """The security scheme of our guarded routes, for OpenAPI alone: the route itself has asked already.

    It has the same name as the scheme of `frameworks.fastapi.guard`, which may say more of how to log in.
    """

    scheme_name = "sealring"
    model = HTTPBearer(bearerFormat="JWT")

    async def __call__(self) -> None:
        """Called by FastAPI."""


def _response(status: int, rows: list[Row]) -> dict[str, Any]:
    codes = ", ".join(dict.fromkeys(f"`{row.code}`" for row in rows))
    headers: dict[str, Any] = {}
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        headers["Retry-After"] = {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer"}}
    if any(row.challenge != "none" for row in rows):
        headers["WWW-Authenticate"] = {
            "description": "The challenge of RFC 6750 §3.",
            "required": all(row.challenge != "none" for row in rows),
            "schema": {"type": "string"},
        }
    return {
        "description": f"{HTTPStatus(status).phrase}: {codes}",
        "content": {PROBLEM: {"schema": {"$ref": f"#/components/schemas/{SealringProblem.__name__}"}}},
        **({"headers": headers} if headers else {}),
    }
