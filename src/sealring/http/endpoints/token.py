"""RFC 6749's token endpoint: the form, the error codes of §5.2, and `Pragma` (§5.1).

A refusal that RFC 6749 knows is 400 with its code and nothing else. Any other (too large, asked by another site's page,
try again later) keeps the status, fields and members that every route of ours gives it, and says `error` besides.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from sealring.errors import AccountRefused, RefreshRefused, SealringError, SecondFactorRequired
from sealring.http.endpoint import Call, Response
from sealring.http.problems import SECURITY_HEADERS, answer, row_of
from sealring.http.request_errors import MalformedBody, UnsupportedGrant
from sealring.http.schemas import TokenRefusal, Tokens
from sealring.issuer.session_tokens import Issued

NO_CACHE = (b"pragma", b"no-cache")
_JSON = (b"content-type", b"application/json")

_PASSWORD_MEMBERS: dict[str, Any] = {
    "username": {"type": "string"},
    "password": {"type": "string", "format": "password"},
    "device": {"type": "string"},
}

_KNOWN: tuple[tuple[type[SealringError], str, str], ...] = (
    (SecondFactorRequired, "invalid_grant", "the account needs one more factor, which this grant cannot ask for"),
    (AccountRefused, "invalid_grant", "the credentials or the refresh token are not valid"),
    (RefreshRefused, "invalid_grant", "the credentials or the refresh token are not valid"),
    (UnsupportedGrant, "unsupported_grant_type", ""),
    (MalformedBody, "invalid_request", "a parameter is missing, repeated or malformed"),
)


async def token(call: Call[dict[str, str]]) -> Tokens:
    """The OAuth 2.0 token endpoint: `refresh_token` (RFC 6749 §6), and `password` (§4.3) where it is turned on."""
    issued, device = await _grant(call)
    call.headers.append(NO_CACHE)
    return call.service.deliver(call.head, call.headers, issued, "body", device=device)


async def _grant(call: Call[dict[str, str]]) -> tuple[Issued, str | None]:
    service, form = call.service, call.body
    match _member(form, "grant_type"):
        case "password" if service.password_grant:
            logged_in = await service.issuer.log_in(
                _member(form, "username"),
                _member(form, "password"),
                client=service.client(call.head, device=form.get("device")),
                replaces=None,
            )
            return logged_in.issued, logged_in.device
        case "refresh_token":
            text = _member(form, "refresh_token")
            return await service.issuer.refresh(text, client=service.client(call.head)), None
        case _:
            served = " and ".join(grants_served(password_grant=service.password_grant))
            raise UnsupportedGrant(f"this endpoint takes only {served}")


def grants_served(*, password_grant: bool) -> list[str]:
    """Values of `grant_type` that this endpoint takes."""
    return ["password", "refresh_token"] if password_grant else ["refresh_token"]


def token_form(password_grant: bool) -> dict[str, Any]:  # noqa: FBT001 - the one thing that changes the form
    """What OpenAPI says that the token endpoint reads."""
    return {
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


def oauth_refusal(error: SealringError) -> Response:
    """What a client of the token endpoint gets for `error`."""
    for kind, code, description in _KNOWN:
        if isinstance(error, kind):
            refusal = TokenRefusal(error=code, error_description=description or str(error))
            body = msgspec.json.encode(refusal)
            length = (b"content-length", b"%d" % len(body))
            return Response(HTTPStatus.BAD_REQUEST, [_JSON, NO_CACHE, *SECURITY_HEADERS, length], body)
    row, reply = row_of(error), answer(error)
    code = "temporarily_unavailable" if row.status in {429, 503} else "invalid_request"
    body = msgspec.json.encode(
        {"error": code, "error_description": row.detail} | msgspec.json.decode(reply.body, type=dict[str, Any])
    )
    kept = [field for field in reply.headers if field[0] not in {b"content-type", b"content-length"}]
    return Response(reply.status, [*kept, _JSON, NO_CACHE, (b"content-length", b"%d" % len(body))], body)


def _member(form: dict[str, str], name: str) -> str:
    if not form.get(name):  # an empty one counts as omitted (RFC 6749 §3.2)
        raise MalformedBody(f"parameter {name} is missing")
    return form[name]
