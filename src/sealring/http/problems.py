"""What a client gets for a failure: one table from error to answer.

Two audiences (design D14). The client gets a constant, dull problem body (RFC 9457) with our stable
`code`, the same bytes for every cause of a refused token, and the challenge of RFC 6750 §3 where
one is owed. The log gets the true cause, as fields, by `report`. Nothing that a client sent is ever
put into a header; the one thing of it that can stand in a body is the name of a wrong field.
No error of ours is without a row: what has none of its own answers as its parent does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal, TypeGuard

import msgspec

from sealring import errors
from sealring.errors import SealringError
from sealring.http.asgi_types import Send
from sealring.http.proofs import ALGORITHMS
from sealring.http.request_errors import (
    BodyTooLarge,
    CookiesTooLarge,
    CrossSite,
    CrossSiteCookies,
    HeadersTooLarge,
    InsufficientAuthentication,
    InsufficientScope,
    InvalidFields,
    InvalidRequest,
    MalformedBody,
    MethodNotAllowed,
    MissingCredential,
    OriginNotAllowed,
    RefreshUnbound,
    RequestRefused,
    RequestTimeout,
    SessionNotBound,
    TargetTooLong,
    UnknownParameter,
    UnsupportedMediaType,
    UserRequired,
)
from sealring.sessions.grant import is_scope

REALM = "sealring"

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),  # C11; RFC 6750 §5.3
    (b"vary", b"Authorization, Cookie"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),  # C10
    (b"referrer-policy", b"no-referrer"),
)
"""On every answer of ours that is data, not a page."""

POLICY_VIOLATION = 1008
"""The close code of a refused WebSocket (RFC 6455 §7.4.1)."""

_FINAL = frozenset({408, 413, 414, 431})

OnRefusal = Callable[[SealringError], None]
"""Called with each refusal, which has the true cause: the place to count them."""

_log = logging.getLogger("sealring")

Challenge = Literal[
    "none",
    "bare",
    "invalid_request",
    "invalid_token",
    "insufficient_scope",
    "insufficient_user_authentication",
    "invalid_dpop_proof",
    "use_dpop_nonce",
    "client",
]
"""Of RFC 6750 §3, and of RFC 9470 §3; `client` is the one of RFC 6749 §5.2, for the credentials of a client."""


class Row(msgspec.Struct, frozen=True):
    """One answer. `detail` is a constant; with a challenge it is its description too (RFC 6750 §3 allows no quotes)."""

    status: int
    code: str
    detail: str
    challenge: Challenge = "none"


ANSWERS: dict[type[SealringError], Row] = {
    SealringError: Row(503, "unavailable", "the service cannot answer now"),
    errors.TokenError: Row(401, "invalid_token", "the access token is not valid", "invalid_token"),
    errors.Stale: Row(503, "stale", "revocation data on this node is out of date; try again"),
    errors.ConnectionEnded: Row(
        401, "connection_ended", "the connection was ended; refresh, and connect again", "invalid_token"
    ),
    errors.InvalidProof: Row(401, "invalid_dpop_proof", "a DPoP proof is missing or not valid", "invalid_dpop_proof"),
    errors.ProofNonceRequired: Row(
        401, "use_dpop_nonce", "sign the proof again, with the nonce in DPoP-Nonce", "use_dpop_nonce"
    ),
    errors.RefreshRefused: Row(401, "invalid_token", "the refresh token is not valid", "invalid_token"),
    RefreshUnbound: Row(
        401,
        "refresh_unbound",
        "the refresh cookie does not belong to this browser's session; log in again",
        "invalid_token",
    ),
    errors.SessionEnded: Row(401, "session_ended", "the session has ended; log in again", "invalid_token"),
    errors.RefreshReused: Row(
        401, "refresh_reused", "an old refresh token was used again; log in again", "invalid_token"
    ),
    errors.DeviceProofRequired: Row(
        401,
        "device_proof_required",
        "the session is bound to a device, and its key was not proved",
        "invalid_token",
    ),
    errors.DeviceBindingRequired: Row(
        401, "device_binding_required", "the session is not bound to a device; log in again", "invalid_token"
    ),
    errors.RefreshSuperseded: Row(
        409, "refresh_superseded", "another request refreshed this session first; use its tokens"
    ),
    errors.AccountRefused: Row(401, "invalid_credentials", "username or password is wrong", "bare"),
    errors.AccountInactive: Row(403, "account_inactive", "the account is disabled or was deleted"),
    errors.NoSuchAccount: Row(404, "no_such_account", "no account has this id or username"),
    errors.SecondFactorRequired: Row(401, "second_factor_required", "one more factor is needed", "bare"),
    errors.InvalidPendingLogin: Row(401, "login_expired", "the login has expired; start again", "bare"),
    errors.WrongPassword: Row(422, "invalid_credentials", "the current password is wrong"),
    errors.TokenTooLong: Row(
        422,
        "token_too_long",
        "the access token would be too long: grant fewer scopes or claims, or deliver in the body",
    ),
    errors.InvalidMailLink: Row(422, "invalid_link", "the link or the code is not valid, or has expired"),
    errors.EmailUnverified: Row(403, "email_unverified", "the email address must be verified first; see the mail"),
    errors.RegistrationClosed: Row(
        403, "registration_closed", "registration is closed; ask the operator for an account"
    ),
    errors.InvitationRequired: Row(403, "invitation_required", "registration needs a valid invitation"),
    errors.NameTaken: Row(409, "name_taken", "this username is taken"),
    errors.LastCredential: Row(409, "last_credential", "the account could not log in without it; add another first"),
    errors.LinkRequired: Row(
        409, "link_required", "an account has this address; log in to it another way and link the identity there"
    ),
    errors.InvalidField: Row(422, "invalid_field", "a field is invalid"),
    errors.ClientRefused: Row(401, "invalid_client", "the credentials of the client are not valid", "client"),
    errors.ScopeRefused: Row(400, "invalid_scope", "a scope was asked for that is not granted"),
    errors.NotFound: Row(404, "not_found", "not found"),
    errors.UnknownMethod: Row(404, "unknown_method", "no login method of this name is in use here"),
    errors.UnknownProvider: Row(404, "unknown_provider", "no identity provider of this name is in use here"),
    errors.Throttled: Row(429, "throttled", "too many attempts; wait before the next"),
    errors.Overloaded: Row(503, "overloaded", "the server is overloaded; try again"),
    RequestRefused: Row(400, "invalid_request", "the request is malformed"),
    MissingCredential: Row(401, "missing_credential", "no token was sent", "bare"),
    InvalidRequest: Row(
        400, "invalid_request", "a credential or a parameter is malformed or repeated", "invalid_request"
    ),
    UnknownParameter: Row(
        400, "unknown_parameter", "the query has a parameter that this route does not read", "invalid_request"
    ),
    InsufficientScope: Row(403, "insufficient_scope", "the access token lacks a scope", "insufficient_scope"),
    InsufficientAuthentication: Row(
        401,
        "insufficient_user_authentication",
        "authenticate again: a more recent or a stronger proof is needed",
        "insufficient_user_authentication",
    ),
    SessionNotBound: Row(
        403, "session_not_bound", "this route is for sessions that are bound to a key of their client"
    ),
    UserRequired: Row(403, "user_required", "this route is for users, and the token is a registered client's"),
    # a part of the request is missing (RFC 6750 §3.1): neither another token nor another scope would help
    CrossSite: Row(
        403,
        "csrf",
        "cross-site request refused (CSRF); a front end of another origin must be in SEALRING_ALLOWED_ORIGINS",
        "invalid_request",
    ),
    OriginNotAllowed: Row(403, "origin_not_allowed", "the origin of this page is not in SEALRING_ALLOWED_ORIGINS"),
    CrossSiteCookies: Row(
        400,
        "cross_site_cookies",
        "browsers drop cookies that a page of another site asks for; log in with delivery body",
    ),
    MalformedBody: Row(400, "malformed_body", "the body is malformed"),
    InvalidFields: Row(422, "invalid_field", "a field is invalid"),
    UnsupportedMediaType: Row(415, "unsupported_media_type", "this route does not accept this media type"),
    MethodNotAllowed: Row(405, "method_not_allowed", "this route does not allow this method"),
    RequestTimeout: Row(408, "request_timeout", "the request did not arrive in time"),
    BodyTooLarge: Row(413, "body_too_large", "the body is too large"),
    TargetTooLong: Row(414, "target_too_long", "path and query are too long"),
    HeadersTooLarge: Row(431, "headers_too_large", "the header fields are too many or too large"),
    CookiesTooLarge: Row(
        431, "cookies_too_large", "the browser sends more than 16 KiB or 180 cookies; delete the cookies of this site"
    ),
}


class FieldProblem(msgspec.Struct, frozen=True):
    """One field that could not be accepted."""

    field: str
    reason: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457 §3, with our stable `code`. `type` is "about:blank", so `title` is the status's own phrase."""

    title: str
    status: int
    detail: str
    code: str
    errors: tuple[FieldProblem, ...] = ()
    pending: str = ""
    """With `second_factor_required`: to be brought back with the next step."""
    methods: tuple[str, ...] = ()
    """With `second_factor_required`: the login methods by which the account can take that step."""
    max_age: int | None = None
    """With `insufficient_user_authentication`: how many seconds old the proof may be (RFC 9470 §3)."""
    acr_values: tuple[str, ...] = ()
    """With `insufficient_user_authentication`: the classes that are strong enough."""
    type: str = msgspec.field(default_factory=lambda: "about:blank")  # a factory, so that it is always written


class Answer(msgspec.Struct, frozen=True):
    """Status, header fields and body, ready for any server."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    final: bool = False
    """The rest of the request is not waited for, or cannot be trusted (RFC 9112 §6.3)."""


_SERVER_ERRORS = (errors.ConfigurationError, errors.KeyRefused)


def is_refusal(error: object) -> TypeGuard[SealringError]:
    """Whether a client is answered with this error. A setting or a key that is not as needed stays a server error."""
    return isinstance(error, SealringError) and not isinstance(error, _SERVER_ERRORS)


def row_of(error: SealringError) -> Row:
    """The row of an error: its own class's, or that of the nearest parent that has one."""
    return row_of_kind(type(error))


def row_of_kind(kind: type[SealringError]) -> Row:
    """The row of all errors of a class."""
    return next(ANSWERS[parent] for parent in kind.__mro__ if parent in ANSWERS)


def answer(error: SealringError, *, invalid_status: Literal[401, 403] = 401) -> Answer:
    """Return what a client gets for `error`.

    `invalid_status` is the status for a token that was sent and is refused: 401 (RFC 6750 §3.1), or
    the 403 of tutorials.
    """
    row = row_of(error)
    status = invalid_status if row.challenge == "invalid_token" and isinstance(error, errors.TokenError) else row.status
    step_up = error.step_up if isinstance(error, InsufficientAuthentication) else None
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=row.detail,
        code=row.code,
        errors=_field_problems(error),
        pending=error.pending if isinstance(error, errors.SecondFactorRequired) else "",
        methods=error.methods if isinstance(error, errors.SecondFactorRequired) else (),
        max_age=None if step_up is None else step_up.max_age_seconds,
        acr_values=() if step_up is None else step_up.acr_values,
    )
    body = msgspec.json.encode(problem)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        *SECURITY_HEADERS,
    ]
    if row.challenge != "none":
        headers.append((b"www-authenticate", _challenge(error, row).encode("ascii")))
    retry_after = getattr(error, "retry_after", 1)
    if status in {429, 503}:
        headers.append((b"retry-after", b"%d" % max(1, int(retry_after))))
    if isinstance(error, errors.SecondFactorRequired | errors.DeviceProofRequired) and error.cookie is not None:
        headers.append(error.cookie)
    headers += nonce_field(error)
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(sorted(error.allowed)).encode("ascii")))
    return Answer(status, headers, body, status in _FINAL or type(error) is RequestRefused)


def nonce_field(error: SealringError) -> list[tuple[bytes, bytes]]:
    """The nonce for the next proof, where the refusal is for the lack of one (RFC 9449 §8, §9)."""
    return [(b"dpop-nonce", error.nonce.encode("ascii"))] if isinstance(error, errors.ProofNonceRequired) else []


def must_close(reply: Answer, scope: Mapping[str, Any]) -> bool:
    """Say whether to end the connection in a field: only HTTP/1 does (RFC 9113 §8.2.2)."""
    return reply.final and scope.get("http_version", "1.1").startswith("1")


async def send_answer(reply: Answer, scope: Mapping[str, Any], send: Send) -> None:
    """Answer the request of this scope over ASGI: without a body to HEAD, by refusing the handshake to WebSocket."""
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})  # before accept: the server answers 403
            return
        kind = "websocket.http.response"
    headers = [*reply.headers, (b"connection", b"close")] if must_close(reply, scope) else reply.headers
    await send({"type": f"{kind}.start", "status": reply.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": b"" if scope.get("method") == "HEAD" else reply.body})


def report(error: SealringError, *, where: str, refused: OnRefusal | None = None) -> None:
    """Log the true cause of a refusal as fields, never in the message (log injection, D6), and count it.

    `where` is a route or a path: it is escaped here. A refusal is the client's affair (INFO); what
    is ours (503) is a warning.
    """
    if refused is not None:
        refused(error)
    level = logging.WARNING if row_of(error).status == HTTPStatus.SERVICE_UNAVAILABLE else logging.INFO
    if _log.isEnabledFor(level):
        fields = {"code": error.code, "cause": getattr(error, "cause", None), "where": ascii(where[:200])[1:-1]}
        _log.log(level, "request refused", extra={"sealring": fields})


def _challenge(error: SealringError, row: Row) -> str:
    if row.challenge == "client":
        return f'Basic realm="{REALM}"'
    parts = [f'{error.challenge_scheme} realm="{REALM}"']
    if row.challenge != "bare":
        parts += [f'error="{row.challenge}"', f'error_description="{row.detail}"']
    if isinstance(error, InsufficientScope) and (named := [scope for scope in error.scopes if is_scope(scope)]):
        # scopes are the application's words, checked here all the same (RFC 6749 §3.3: no quote, no backslash)
        parts.append(f'scope="{" ".join(named)}"')
    if isinstance(error, InsufficientAuthentication):
        if error.step_up.max_age_seconds is not None:
            parts.append(f'max_age="{error.step_up.max_age_seconds}"')
        if error.step_up.acr_values:
            parts.append(f'acr_values="{" ".join(error.step_up.acr_values)}"')
    if error.challenge_scheme == "DPoP":
        parts.append(f'algs="{ALGORITHMS}"')  # RFC 9449 §7.1
    if error.resource_metadata:
        parts.append(f'resource_metadata="{error.resource_metadata}"')
    return ", ".join(parts)


def _field_problems(error: SealringError) -> tuple[FieldProblem, ...]:
    found: Iterable[errors.InvalidField] = ()
    if isinstance(error, InvalidFields):
        found = error.fields
    elif isinstance(error, errors.InvalidField):
        found = (error, *error.also)
    elif isinstance(error, errors.WrongPassword):
        found = (errors.InvalidField("current", "this is not your password"),)
    return tuple(FieldProblem(_plain(one.field), _plain(one.reason)) for one in found)


def _plain(text: str) -> str:
    # a client's own field name can stand here: bounded, and no lone surrogate, which JSON cannot carry
    return text[:100].encode("utf-8", "replace").decode()
