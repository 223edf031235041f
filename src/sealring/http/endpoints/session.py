"""Refresh and logout: a session goes on, and ends."""

from __future__ import annotations

from sealring import jwt
from sealring.errors import DeviceProofRequired, Revoked, TokenError
from sealring.http.auth_path import auth_path
from sealring.http.cookies import read_cookie
from sealring.http.endpoint import Call
from sealring.http.log_out import read_shown, sessions_to_end
from sealring.http.request_errors import InvalidRequest, MissingCredential, RefreshUnbound
from sealring.http.schemas import Refresh, Tokens


async def refresh(call: Call[Refresh | None]) -> Tokens:
    """Trade a refresh token for the next one and a fresh access token: from the body, or from the cookie."""
    service, head = call.service, call.head
    cookie = service.bound_refresh(head)
    if call.body is not None:
        if cookie is not None:
            raise InvalidRequest("a refresh token in the body and one in a cookie")
        issued = await service.issuer.refresh(call.body.refresh_token, client=service.proved_client(call))
        return service.deliver(head, call.headers, issued, "body")
    if cookie is None:
        if service.refresh_cookies(head):
            raise RefreshUnbound("no refresh cookie is of the session that this browser holds")
        raise MissingCredential("no refresh token")
    # A refusal clears no cookie: it may arrive after another tab has logged in, and would take that login along.
    session_id = service.issuer.sessions.tokens.session_of(cookie)
    service.check_csrf(head, session_id)
    if (standing := _standing(call, session_id)) is not None:
        return standing
    limit = service.max_access_chars(head, "cookie")
    try:
        issued = await service.issuer.refresh(cookie, client=service.client(head), max_access_chars=limit)
    except DeviceProofRequired as refused:
        refused.cookie = service.cookies.clear(auth_path=auth_path(head.scope))[0]
        raise
    return service.deliver(head, call.headers, issued, "cookie")


def _standing(call: Call[Refresh | None], session_id: str) -> Tokens | None:
    """What a bound session has: its browser refreshes it by itself, before it sends this request, so nothing is due.

    The page learns nothing here that `GET /me` would not say. An access token that is outdated is deleted, so that the
    browser refreshes at the next request: it knows no other sign.

    Raises:
        DeviceProofRequired: the access token of a bound session is outdated.
    """
    service, head = call.service, call.head
    text = read_cookie(head.headers, service.cookies.names.access)
    if text is None:
        return None
    try:
        caller = service.authenticator.verify(text.decode("ascii"))
    except Revoked as revoked:
        claims = jwt.peek(text.decode("ascii")).claims  # signed by us: revocation is asked last
        if revoked.cause != "session" and claims.get("device_bound") is True and claims["sid"] == session_id:
            outdated = DeviceProofRequired("access token is outdated")
            outdated.cookie = service.cookies.clear(auth_path=auth_path(head.scope))[0]
            raise outdated from None
        return None
    except TokenError:
        return None
    if not caller.is_device_bound or caller.session_id != session_id:
        return None
    now = service.issuer.clock() // 1000
    return Tokens(
        expires_in=max(0, caller.expires_at - now),
        refresh_expires_in=max(0, (caller.session_expires_at or caller.expires_at) - now),
        csrf_token=service.csrf_tokens.token(session_id),
        refresh_path=auth_path(head.scope),
        scope=" ".join(sorted(caller.scopes)),
    )


async def log_out(call: Call[Refresh | None]) -> None:
    """End every session that the request shows, everywhere, and clear the cookies; any of the tokens is enough."""
    service, head = call.service, call.head
    shown = read_shown(service, head, None if call.body is None else call.body.refresh_token)
    for session_id in sessions_to_end(shown, lambda session_id: service.check_csrf(head, session_id)):
        await service.issuer.log_out(session_id, client=service.client(head))
    service.clear_cookies(head, call.headers)
    call.headers.append((b"clear-site-data", b'"cache"'))  # the back button finds nothing (C11)
