"""RFC 6749's token endpoint: the form, the error codes of §5.2, and `Pragma` (§5.1).

A refusal that RFC 6749 knows is 400, or 401 for a client's bad credentials, with its code and nothing else. Any other
(too large, asked by another site's page, try again later) keeps the status, fields and members that every route of
ours gives it, and says `error` besides.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from sealring.accounts.oauth_client import OAuthClient
from sealring.errors import (
    AccountRefused,
    ClientRefused,
    InvalidProof,
    ProofNonceRequired,
    RefreshRefused,
    ScopeRefused,
    SealringError,
    SecondFactorRequired,
    TokenTooLong,
)
from sealring.http.client_credentials import find_client_credentials
from sealring.http.endpoint import Call, HeaderList, Response
from sealring.http.problems import SECURITY_HEADERS, answer, nonce_field, row_of
from sealring.http.request_errors import InvalidTarget, MalformedBody, OtherClient, UnsupportedGrant
from sealring.http.schemas import OAuthTokens, TokenRefusal
from sealring.issuer.session_tokens import Issued
from sealring.sessions.client_id import is_client_id
from sealring.sessions.grant import is_scope

NO_CACHE = (b"pragma", b"no-cache")
_JSON = (b"content-type", b"application/json")

_PASSWORD_MEMBERS: dict[str, Any] = {
    "username": {"type": "string"},
    "password": {"type": "string", "format": "password"},
    "device": {"type": "string"},
}

CLIENT_MEMBERS: dict[str, Any] = {
    "client_id": {"type": "string"},
    "client_secret": {"type": "string", "format": "password"},
}
"""By which a registered client authenticates, where it does not by HTTP Basic."""

CLIENT_CREDENTIALS = "client_credentials"

_KNOWN: tuple[tuple[type[SealringError], str, str], ...] = (
    (ProofNonceRequired, "use_dpop_nonce", "sign the proof again, with the nonce in DPoP-Nonce"),
    (InvalidProof, "invalid_dpop_proof", "a DPoP proof is missing or not valid"),
    (ClientRefused, "invalid_client", "the credentials of the client are not valid"),
    (ScopeRefused, "invalid_scope", "a scope was asked for that is not granted"),
    (TokenTooLong, "invalid_scope", "the token would be too long: ask for fewer scopes"),
    (OtherClient, "unauthorized_client", ""),
    (InvalidTarget, "invalid_target", "no token is for another resource"),
    (SecondFactorRequired, "invalid_grant", "the account needs one more factor, which this grant cannot ask for"),
    (AccountRefused, "invalid_grant", "the credentials or the refresh token are not valid"),
    (RefreshRefused, "invalid_grant", "the credentials or the refresh token are not valid"),
    (UnsupportedGrant, "unsupported_grant_type", ""),
    (MalformedBody, "invalid_request", "a parameter is missing, repeated or malformed"),
)


async def token(call: Call[dict[str, str]]) -> OAuthTokens:
    """The OAuth 2.0 token endpoint: `client_credentials`, `refresh_token`, and `password` where it is turned on.

    RFC 6749 §4.4, §6, §4.3. A registered client authenticates by HTTP Basic or in the form. `scope` may ask for less
    than is granted: of a registered client, and of a session when it is refreshed. `resource` may name the audience of
    our tokens or the API (RFC 8707), and nothing else.
    """
    call.headers.append(NO_CACHE)
    target, api = call.body.get("resource"), call.service.resource
    if target and target not in {call.service.published.audience, "" if api is None else api.resource}:
        raise InvalidTarget("no token is for another resource")
    if _member(call.body, "grant_type") == CLIENT_CREDENTIALS:
        return await _client_token(call)
    await authenticated_client(call)
    issued, device = await _grant(call)
    return OAuthTokens(
        access_token=issued.access_token.text,
        token_type=issued.session.token_type,
        expires_in=issued.expires_in,
        scope=" ".join(issued.scopes),
        refresh_token=issued.refresh_token,
        refresh_expires_in=issued.refresh_expires_in,
        device=device,
    )


async def authenticated_client(call: Call[dict[str, str]]) -> OAuthClient | None:
    """The registered client that has authenticated; none for a public client.

    A name that no registered client can have is a public client's own affair, and so is what it takes for its secret:
    Swagger's Authorize button and many libraries send both, whether they have any or not.

    Raises:
        ClientRefused, Throttled: a registered client's credentials are bad, or it has sent no secret.
        MalformedBody: see `find_client_credentials`.
    """
    service, head = call.service, call.head
    try:
        presented = find_client_credentials(head.headers, call.body)
    except ClientRefused:
        return None
    if presented is None or not is_client_id(presented.client_id):
        return None
    return await service.issuer.clients.authenticate(
        presented.client_id, presented.client_secret or "", client=service.client(head)
    )


async def _client_token(call: Call[dict[str, str]]) -> OAuthTokens:
    service, head = call.service, call.head
    presented = find_client_credentials(head.headers, call.body)
    if presented is None or presented.client_secret is None:
        raise ClientRefused("no client credentials were sent")
    issued = await service.issuer.clients.issue(
        presented.client_id, presented.client_secret, scopes=_scopes(call.body), client=service.proved_client(call)
    )
    return OAuthTokens(
        access_token=issued.access_token.text,
        token_type=issued.token_type,
        expires_in=issued.expires_in,
        scope=" ".join(issued.scopes),
    )


async def _grant(call: Call[dict[str, str]]) -> tuple[Issued, str | None]:
    service, form = call.service, call.body
    match _member(form, "grant_type"):
        case "password" if service.password_grant:
            logged_in = await service.issuer.log_in(
                _member(form, "username"),
                _member(form, "password"),
                client=service.proved_client(call, device=form.get("device")),
                replaces=None,
            )
            return logged_in.issued, logged_in.device
        case "refresh_token":
            text, scopes = _member(form, "refresh_token"), _scopes(form)
            return await service.issuer.refresh(text, client=service.proved_client(call), scopes=scopes), None
        case _:
            served = ", ".join(grants_served(password_grant=service.password_grant))
            raise UnsupportedGrant(f"this endpoint takes only {served}")


def grants_served(*, password_grant: bool) -> list[str]:
    """Values of `grant_type` that this endpoint takes."""
    return [CLIENT_CREDENTIALS, *(["password"] if password_grant else []), "refresh_token"]


def token_form(password_grant: bool) -> dict[str, Any]:  # noqa: FBT001 - the one thing that changes the form
    """What OpenAPI says that the token endpoint reads."""
    return {
        "type": "object",
        "required": ["grant_type"],
        "properties": {
            "grant_type": {"type": "string", "enum": grants_served(password_grant=password_grant)},
            **(_PASSWORD_MEMBERS if password_grant else {}),
            "refresh_token": {"type": "string"},
            "scope": {"type": "string"},
            "resource": {"type": "string"},
            **CLIENT_MEMBERS,
        },
    }


def oauth_refusal(error: SealringError) -> Response:
    """What a client of the token endpoint gets for `error`."""
    for kind, code, description in _KNOWN:
        if isinstance(error, kind):
            refusal = TokenRefusal(error=code, error_description=description or str(error))
            body = msgspec.json.encode(refusal)
            headers = [_JSON, NO_CACHE, *SECURITY_HEADERS, (b"content-length", b"%d" % len(body))]
            if kind is not ClientRefused:  # RFC 9449 §5, §8: 400 for a proof, too
                return Response(HTTPStatus.BAD_REQUEST, [*headers, *nonce_field(error)], body)
            return Response(HTTPStatus.UNAUTHORIZED, [*headers, *_challenge(error)], body)
    row, reply = row_of(error), answer(error)
    code = "temporarily_unavailable" if row.status in {429, 503} else "invalid_request"
    body = msgspec.json.encode(
        {"error": code, "error_description": row.detail} | msgspec.json.decode(reply.body, type=dict[str, Any])
    )
    kept = [field for field in reply.headers if field[0] not in {b"content-type", b"content-length"}]
    return Response(reply.status, [*kept, _JSON, NO_CACHE, (b"content-length", b"%d" % len(body))], body)


def _challenge(error: SealringError) -> HeaderList:
    return [field for field in answer(error).headers if field[0] == b"www-authenticate"]


def _scopes(form: dict[str, str]) -> tuple[str, ...] | None:
    """What is asked for; none where nothing is.

    Raises:
        ScopeRefused: no scope tokens (RFC 6749 §3.3).
    """
    asked = form.get("scope")
    if not asked:
        return None
    tokens = asked.split(" ")
    if not all(map(is_scope, tokens)):
        raise ScopeRefused("scopes must be tokens with one space between them")
    return tuple(tokens)


def _member(form: dict[str, str], name: str) -> str:
    if not form.get(name):  # an empty one counts as omitted (RFC 6749 §3.2)
        raise MalformedBody(f"parameter {name} is missing")
    return form[name]
