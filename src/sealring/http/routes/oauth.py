"""How RFC 6749 has a token endpoint read and refuse: the form, the error codes of §5.2, and `Pragma` (§5.1).

A refusal that RFC 6749 knows is 400 with its code and nothing else. Any other (too large, asked by another site's page,
try again later) keeps the status, fields and members that every route of ours gives it, and says `error` besides.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.types import Scope

from sealring import errors
from sealring.errors import AccountRefused, MalformedBody, RefreshRefused, SealringError, UnsupportedGrant
from sealring.http.openapi import READING, Responses, refusals
from sealring.http.problems import row_of
from sealring.http.routes.wire import Tokens
from sealring.http.strict_route import problem_response

NO_CACHE = {"pragma": "no-cache"}

_PASSWORD_MEMBERS: dict[str, Any] = {
    "username": {"type": "string"},
    "password": {"type": "string", "format": "password"},
    "device": {"type": "string"},
}


def grants_served(*, password_grant: bool) -> list[str]:
    """Values of `grant_type` that this endpoint takes."""
    return ["password", "refresh_token"] if password_grant else ["refresh_token"]


def token_form(*, password_grant: bool) -> dict[str, Any]:
    """What OpenAPI says that the token endpoint reads."""
    schema = {
        "type": "object",
        "required": ["grant_type"] if password_grant else ["grant_type", "refresh_token"],
        "properties": {
            "grant_type": {"type": "string", "enum": grants_served(password_grant=password_grant)},
            **(_PASSWORD_MEMBERS if password_grant else {}),
            "refresh_token": {"type": "string"},
            "scope": {"type": "string"},
            "client_id": {"type": "string"},
            "client_secret": {"type": "string"},
        },
    }
    return {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


class TokenRefusal(BaseModel):
    """RFC 6749 §5.2; where it has no code for the cause, the members of problem details too."""

    error: str
    error_description: str
    code: str | None = None


_REFUSED = refusals(*READING, errors.CrossSite, errors.Throttled, errors.Overloaded)
TOKEN_ANSWERS: Responses = {
    200: {"model": Tokens},
    **{status: {"model": TokenRefusal, "headers": said.get("headers", {})} for status, said in _REFUSED.items()},
}
"""A wrong password or refresh token is 400 here (§5.2)."""


_KNOWN: tuple[tuple[type[SealringError], str, str], ...] = (
    (AccountRefused, "invalid_grant", "the credentials or the refresh token are not valid"),
    (RefreshRefused, "invalid_grant", "the credentials or the refresh token are not valid"),
    (UnsupportedGrant, "unsupported_grant_type", ""),
    (MalformedBody, "invalid_request", "a parameter is missing, repeated or malformed"),
)


def oauth_refusal(error: SealringError, scope: Scope) -> Response:
    """What a client of the token endpoint is told of `error`."""
    for kind, code, description in _KNOWN:
        if isinstance(error, kind):
            words = description or str(error)
            return JSONResponse({"error": code, "error_description": words}, 400, headers=NO_CACHE)
    row = row_of(error)
    code = "temporarily_unavailable" if row.status in {429, 503} else "invalid_request"
    reply = problem_response(error, scope)
    reply.body = msgspec.json.encode(
        {"error": code, "error_description": row.detail} | msgspec.json.decode(reply.body, type=dict[str, Any])
    )
    for name, value in NO_CACHE.items():
        reply.headers[name] = value
    reply.headers["content-type"] = "application/json"
    reply.headers["content-length"] = str(len(reply.body))
    return reply
