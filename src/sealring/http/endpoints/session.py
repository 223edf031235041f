"""Refresh and logout: a session goes on, and ends."""

from __future__ import annotations

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
    service.check_csrf(head, service.issuer.sessions.tokens.session_of(cookie))
    limit = service.max_access_chars(head, "cookie")
    issued = await service.issuer.refresh(cookie, client=service.client(head), max_access_chars=limit)
    return service.deliver(head, call.headers, issued, "cookie")


async def log_out(call: Call[Refresh | None]) -> None:
    """End every session that the request shows, everywhere, and clear the cookies; any of the tokens is enough."""
    service, head = call.service, call.head
    shown = read_shown(service, head, None if call.body is None else call.body.refresh_token)
    for session_id in sessions_to_end(shown, lambda session_id: service.check_csrf(head, session_id)):
        await service.issuer.log_out(session_id, client=service.client(head))
    service.clear_cookies(head, call.headers)
    call.headers.append((b"clear-site-data", b'"cache"'))  # the back button finds nothing (C11)
