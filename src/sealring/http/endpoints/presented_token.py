"""Revocation (RFC 7009) and introspection (RFC 7662): what becomes of a token that a client presents in a form.

Revocation needs the token and nothing else, as a logout does: who holds it could as well use it. A registered client
that authenticates besides revokes its own tokens only (§2.1). The answer is 200 for a token that is not good any more
or never was, so it is no oracle (§2.2). Nothing says 200 while the token lives: a node that is out of date answers 503.

Introspection is for registered clients that have the right to it. An access token is active when this node would let
its bearer in, by the same check as a guard's. A refresh token is never active here: a service that took it for an
access token would let its bearer in for weeks. Answers are never cached (`no-store`).

A token that is active is always answered, whatever the rate: only what is not active counts, so nobody can have the
tokens of others refused by sending bad ones.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from sealring.accounts.oauth_client import OAuthClient
from sealring.errors import ClientRefused, InvalidRefreshToken, Stale, TokenError
from sealring.http.endpoint import Call, Response
from sealring.http.endpoints.token import CLIENT_MEMBERS, NO_CACHE, authenticated_client
from sealring.http.proofs import bound_key
from sealring.http.request_errors import MalformedBody, OtherClient
from sealring.http.signed_introspection import MEDIA_TYPE, sign_introspection, wants_signed
from sealring.verifier.principal import Principal

_NOTHING = b"{}"
"""Clients ignore it (RFC 7009 §2.2), but for simple-oauth2, which fails where there is no JSON."""


def token_and_client_form(_: bool) -> dict[str, Any]:  # noqa: FBT001 - of `Form`
    """What OpenAPI says that both endpoints read."""
    return {
        "type": "object",
        "required": ["token"],
        "properties": {
            "token": {"type": "string", "minLength": 1},
            "token_type_hint": {"type": "string"},
            **CLIENT_MEMBERS,
        },
    }


async def revoke(call: Call[dict[str, str]]) -> Response:
    """Revoke a token (RFC 7009): the session of a refresh or access token ends, a client's token dies alone.

    200 also for a token that is not good any more or never was (§2.2).
    """
    await _revoke(call, _token(call))
    return _answer(_NOTHING)


async def _revoke(call: Call[dict[str, str]], text: str) -> None:
    service, head = call.service, call.head
    client = await authenticated_client(call)
    try:
        session_id = service.issuer.sessions.tokens.session_of(text)
    except InvalidRefreshToken:
        principal = _principal(call, text)
    else:
        await service.issuer.log_out(session_id, client=service.client(head))
        return
    if principal is None:
        return
    if not principal.is_client:
        await service.issuer.log_out(principal.session_id, client=service.client(head))
        return
    if client is not None and client.id != principal.subject:
        raise OtherClient("the token is another client's")
    await service.issuer.clients.revoke_token(principal, client=service.client(head))


async def introspect(call: Call[dict[str, str]]) -> Response:
    """Say whether an access token is good now, and what it says (RFC 7662); for registered clients with that right.

    As JSON, or as a signed JWT for `Accept: application/token-introspection+jwt` (RFC 9701).
    """
    text = _token(call)
    client = await authenticated_client(call)
    if client is None:
        raise ClientRefused("no client has authenticated")
    if not client.introspects:
        raise OtherClient("the client may not introspect tokens")
    principal = _principal(call, text)
    if principal is not None:
        kind = "DPoP" if bound_key(principal) else "Bearer"  # RFC 9449 §6.2: `cnf` is among the claims
        return _introspected(call, client, {**principal.claims, "active": True, "token_type": kind})
    await call.service.issuer.clients.count_inactive(client)
    return _introspected(call, client, {"active": False})


def _introspected(call: Call[dict[str, str]], client: OAuthClient, members: dict[str, Any]) -> Response:
    """As JSON, or signed where the client asks for that and the key is no secret (RFC 9701)."""
    issuer = call.service.issuer
    key = issuer.keys.signing() if wants_signed(call.head.headers) else None
    if key is None or key.is_symmetric:
        return _answer(msgspec.json.encode(members))
    now = issuer.clock() // 1000
    body = sign_introspection(members, key=key, issuer=call.service.published.issuer, client_id=client.id, now=now)
    return Response(HTTPStatus.OK, [(b"content-type", MEDIA_TYPE)], body)


def _answer(body: bytes) -> Response:
    return Response(HTTPStatus.OK, [(b"content-type", b"application/json")], body)


def _principal(call: Call[dict[str, str]], text: str) -> Principal | None:
    """Whose access token this is, as a guard would see it; none where a guard would let nobody in.

    Raises:
        Stale: this node cannot know now.
    """
    try:
        return call.service.authenticator.verify_without_proof(text)
    except Stale:
        raise
    except TokenError:
        return None


def _token(call: Call[dict[str, str]]) -> str:
    call.headers.append(NO_CACHE)
    text = call.body.get("token")
    if not text:
        raise MalformedBody("parameter token is missing")
    return text
