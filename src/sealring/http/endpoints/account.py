"""A user's own account: who am I, my sessions, my password, the end of it.

Each endpoint serves the caller's own things only; another's id is a 404 (ASVS 8.2.2).
"""

from __future__ import annotations

from sealring.errors import Revoked
from sealring.http.endpoint import Body, Call
from sealring.http.fetch_metadata import read_csrf_token
from sealring.http.request_errors import CrossSite
from sealring.http.schemas import Delivery, EndSessions, ManySessions, Me, OneSession, PasswordChangeRequest, Tokens


async def me(call: Call[None]) -> Me:
    """The caller, the session and the claims of the access token; with cookies, a CSRF token too."""
    service, caller = call.service, call.principal
    session = await service.issuer.sessions.read(caller.session_id)
    if session is None:
        raise Revoked("session")
    account = await service.issuer.store.find_account(id=caller.subject)
    return Me(
        id=caller.subject,
        username=account.name if account else None,
        email=account.email if account else None,
        email_verified=account is not None and account.email_verified,
        scopes=sorted(caller.scopes),
        session=OneSession.of(session, current=caller.session_id),
        claims=dict(caller.claims),
        expires_in=caller.expires_at - service.issuer.clock() // 1000,
        csrf_token=service.csrf_tokens.token(session.id) if service.is_by_cookie(call.head) else None,
    )


async def live(call: Call[None]) -> None:
    """The caller's session lives, as far as this node knows: answered from memory, for pages that ask often.

    A page that sends its CSRF token learns here, too, that the cookies have become another session's (N3).
    """
    state = read_csrf_token(call.head.headers, call.principal.session_id, call.service.csrf_tokens.matches)
    if state == "bad":
        raise CrossSite("the CSRF token is of another session than the access token")


async def list_sessions(call: Call[None]) -> ManySessions:
    """The caller's live sessions, newest first."""
    caller = call.principal
    found = await call.service.issuer.sessions.list(caller.subject)
    return ManySessions(sessions=[OneSession.of(session, current=caller.session_id) for session in found])


async def end_session(call: Call[None]) -> None:
    """End one of the caller's sessions, everywhere."""
    service, caller, session_id = call.service, call.principal, call.path["session_id"]
    await service.issuer.end_session(session_id, subject=caller.subject, client=service.client(call.head))
    if session_id == caller.session_id:
        _forget(call, depth=2)


async def end_sessions(call: Call[None]) -> None:
    """End all of the caller's sessions, or all but this one.

    The one that is kept keeps its refresh token: an access token alone must not buy a new one. A copy of it in
    other hands ends the session when both were used (design D5); a password change kills it at once.
    """
    service, caller = call.service, call.principal
    query: EndSessions = call.query
    await service.issuer.end_sessions(
        caller.subject, keep=caller.session_id if query.keep else None, client=service.client(call.head)
    )
    if not query.keep:
        _forget(call)


async def change_password(call: Call[PasswordChangeRequest]) -> Tokens:
    """Replace the password; all other sessions end, and this one gets new tokens."""
    service, caller = call.service, call.principal
    delivery: Delivery = "cookie" if service.is_by_cookie(call.head) else "body"
    issued = await service.issuer.change_password(
        caller.subject,
        call.body.current,
        call.body.new,
        keep_session=caller.session_id,
        client=service.client(call.head),
        max_access_chars=service.max_access_chars(call.head, delivery),
    )
    # the tokens of the session that goes on come as the caller's came
    return service.deliver(call.head, call.headers, issued, delivery)


async def delete_account(call: Call[None]) -> None:
    """Delete the caller's account for good; every session ends. The last proof of who it is must be recent."""
    service, caller = call.service, call.principal
    await service.issuer.accounts.delete_own(caller.subject, service.client(call.head))
    _forget(call, depth=2)


def _forget(call: Call[Body], *, depth: int = 1) -> None:
    """Clear the cookies of the browser that asked by them. By a bearer token, they are of another session (N4)."""
    if call.service.is_by_cookie(call.head):
        call.service.clear_cookies(call.head, call.headers, depth=depth)
