"""The OpenAPI document, made from the table of endpoints and the table of answers, so that none of them can differ.

Every framework gets the same: as a document of its own (`document`), or as the operations that its own generator puts
together (`operation`). Refusals are `application/problem+json`, but for the token endpoint's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from inspect import getdoc
from typing import Any

import msgspec
from msgspec import Struct

from sealring import errors
from sealring.errors import SealringError
from sealring.http.endpoint import Endpoint, Form, has_body
from sealring.http.problems import FieldProblem, Problem, Row, row_of_kind
from sealring.http.request_errors import (
    BodyTooLarge,
    CookiesTooLarge,
    CrossSite,
    HeadersTooLarge,
    InsufficientAuthentication,
    InvalidFields,
    InvalidRequest,
    MalformedBody,
    MissingCredential,
    RequestRefused,
    RequestTimeout,
    TargetTooLong,
    UnsupportedMediaType,
    UserRequired,
)
from sealring.http.schemas import TokenRefusal

Responses = dict[int | str, dict[str, Any]]
"""By status, as OpenAPI writes them."""

PROBLEM = "application/problem+json"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
REF = "#/components/schemas/{name}"

SECURITY_SCHEMES = {"sealring": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}

_END = re.compile(r"[.:;](?:\s|$)")

_NAMES: dict[type[Struct], str] = {Problem: "SealringProblem", FieldProblem: "SealringProblemField"}
"""Components whose name must be ours alone in an application's document."""

ANY = (
    errors.StoreUnavailable,
    RequestRefused,
    InvalidRequest,
    TargetTooLong,
    HeadersTooLarge,
)
"""What every route may answer."""
READING = (
    MalformedBody,
    RequestTimeout,
    BodyTooLarge,
    UnsupportedMediaType,
)
"""What a route may answer that reads a body."""
BODY = (*READING, InvalidFields)
"""What a route may answer that reads JSON.

>>> sorted(refusals(*BODY))
[400, 408, 413, 414, 415, 422, 431, 503]
"""
GUARDED = (
    MissingCredential,
    errors.TokenError,
    InvalidRequest,
    CookiesTooLarge,
    errors.Stale,
)
"""What a route may answer that wants to know who asks.

>>> sorted(refusals(*GUARDED))
[400, 401, 414, 431, 503]
"""


def component_name(kind: type[Struct]) -> str:
    """The name of a struct among the components."""
    return _NAMES.get(kind, kind.__name__)


def errors_of(endpoint: Endpoint) -> tuple[type[SealringError], ...]:
    """Everything that an endpoint may refuse with: what its row names, and what follows from the rest of the row."""
    found: list[type[SealringError]] = []
    if endpoint.caller:
        found += GUARDED
    if isinstance(endpoint.reads, Form):
        found += READING
    elif endpoint.reads is not None:
        found += BODY
    if endpoint.query is not None:
        found.append(InvalidFields)
    if endpoint.caller and not endpoint.clients:
        found.append(UserRequired)
    if endpoint.step_up is not None:
        found.append(InsufficientAuthentication)
    if endpoint.page == "own" or (endpoint.caller and endpoint.method != "GET"):
        found.append(CrossSite)
    if endpoint.queue is not None:
        found.append(errors.Overloaded)
    return (*found, *endpoint.errors)


def refusals(*kinds: type[SealringError], bad_token: int = HTTPStatus.UNAUTHORIZED) -> Responses:
    """Describe the refusals of a route in its OpenAPI document: those that every route may have, and these.

    Args:
        kinds: classes of errors; `GUARDED` and `BODY` are lists of them.
        bad_token: the middleware's `invalid_status`.

    Returns:
        What FastAPI takes as `responses=`: by status, each with the codes that it may have.

    >>> from sealring import NotFound
    >>> described = refusals(*GUARDED, NotFound)
    >>> sorted(described), described[404]["description"]
    ([400, 401, 404, 414, 431, 503], 'Not Found: `not_found`')
    """
    rows: dict[int, list[Row]] = {}
    for kind in dict.fromkeys([*ANY, *kinds]):
        row = row_of_kind(kind)
        status = bad_token if row.challenge == "invalid_token" else row.status
        rows.setdefault(status, []).append(row)
    return {status: _refusal(status, found) for status, found in sorted(rows.items())}


def refusal_struct(endpoint: Endpoint) -> type[Struct]:
    """What a refusal of this endpoint is."""
    return Problem if endpoint.refuse is None else TokenRefusal


def responses(endpoint: Endpoint) -> Responses:
    """Describe every answer of an endpoint."""
    described: Responses = {}
    for status, kind in endpoint.answers.items():
        if status in endpoint.described:
            described[status] = dict(endpoint.described[status])
        else:
            described[status] = {"description": HTTPStatus(status).phrase}
            if kind is not None and has_body(status):
                described[status]["content"] = {JSON: {"schema": _ref(kind)}}
    for code, refused in refusals(*errors_of(endpoint)).items():
        # a wrong password or refresh token is 400 at the token endpoint (RFC 6749 §5.2)
        content = refused["content"] if endpoint.refuse is None else {JSON: {"schema": _ref(TokenRefusal)}}
        described[code] = refused | {"content": content}
    return described


def request_body(endpoint: Endpoint, *, password_grant: bool) -> dict[str, Any] | None:
    """Describe the body that an endpoint reads, with the schema in place."""
    if endpoint.reads is None:
        return None
    if isinstance(endpoint.reads, Form):
        return {"required": True, "content": {FORM: {"schema": endpoint.reads.schema(password_grant)}}}
    (_, described) = msgspec.json.schema_components([endpoint.reads], ref_template=REF)
    body: dict[str, Any] = {"content": {JSON: {"schema": described[endpoint.reads.__name__]}}}
    return body if endpoint.optional else body | {"required": True}


def parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    """Describe the parameters in the path and the query."""
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in endpoint.parameters
    ]
    if endpoint.query is not None:
        ((schema,), described) = msgspec.json.schema_components([endpoint.query], ref_template=REF)
        properties = described[schema["$ref"].rpartition("/")[2]]["properties"]
        found += [
            {"name": one.encode_name, "in": "query", "required": one.required, "schema": properties[one.encode_name]}
            for one in msgspec.structs.fields(endpoint.query)
        ]
    return found


def words(endpoint: Endpoint) -> tuple[str, str]:
    """Summary and description: the beginning of the docstring, and all of it."""
    text = getdoc(endpoint.run) or ""
    return _END.split(text, maxsplit=1)[0], text


def operation(endpoint: Endpoint, *, password_grant: bool) -> dict[str, Any]:
    """Describe one endpoint."""
    summary, description = words(endpoint)
    described: dict[str, Any] = {
        "tags": [endpoint.tag],
        "summary": summary,
        "description": description,
        "operationId": endpoint.operation_id,
    }
    if found := parameters(endpoint):
        described["parameters"] = found
    if body := request_body(endpoint, password_grant=password_grant):
        described["requestBody"] = body
    described["responses"] = {str(status): said for status, said in responses(endpoint).items()}
    if endpoint.caller:
        described["security"] = [{name: [] for name in SECURITY_SCHEMES}]
    return described


def components(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The schemas that the operations refer to, by name."""
    kinds: list[type[Struct]] = [Problem]
    for endpoint in endpoints:
        kinds += filter(None, endpoint.answers.values())
        kinds.append(refusal_struct(endpoint))
    _, described = msgspec.json.schema_components(list(dict.fromkeys(kinds)), ref_template=REF)
    for kind, name in _NAMES.items():
        if kind.__name__ in described:
            described[name] = described.pop(kind.__name__) | {"title": name}
    problem = described["SealringProblem"]
    problem["properties"]["errors"]["items"] = _ref(FieldProblem)
    problem["required"] = ["type", *problem["required"]]  # it is always written
    return dict(sorted(described.items()))


def document(endpoints: Iterable[Endpoint], *, prefix: str = "", password_grant: bool = False) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these endpoints alone, below `prefix`.

    >>> from sealring.http.health_routes import HEALTH
    >>> list(document(HEALTH)["paths"])
    ['/healthz', '/readyz']
    """
    shown = [endpoint for endpoint in endpoints if endpoint.in_schema]
    paths: dict[str, Any] = {}
    for endpoint in shown:
        path = paths.setdefault(prefix + endpoint.path, {})
        path[endpoint.method.lower()] = operation(endpoint, password_grant=password_grant)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sealring", "version": "1"},
        "paths": paths,
        "components": {"schemas": components(shown), "securitySchemes": SECURITY_SCHEMES},
    }


def _ref(kind: type[Struct]) -> dict[str, Any]:
    return {"$ref": REF.format(name=component_name(kind))}


def _refusal(status: int, rows: list[Row]) -> dict[str, Any]:
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
        "content": {PROBLEM: {"schema": _ref(Problem)}},
        **({"headers": headers} if headers else {}),
    }
