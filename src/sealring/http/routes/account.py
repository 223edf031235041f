"""A user's own account: who am I, my sessions, my password."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import Request, Response

from sealring import errors
from sealring.errors import Revoked
from sealring.http.fetch_metadata import read_csrf_token
from sealring.http.openapi import BODY, GUARDED, no_content, refusals
from sealring.http.routes.site import AuthSite
from sealring.http.routes.wire import ManySessions, Me, OneSession, PasswordChange, Tokens

SESSION_ID: dict[str, Any] = {
    "parameters": [{"name": "session_id", "in": "path", "required": True, "schema": {"type": "string"}}]
}
"""Described by hand: FastAPI would add that a text may be refused as no text."""


class AccountRoutes:
    """The routes behind a log-in. Each serves the caller's own things only; another's id is a 404 (ASVS 8.2.2)."""

    def __init__(self, site: AuthSite) -> None:
        self._site = site
        self.router = router = site.guarded_router()
        reading = refusals(*GUARDED)
        router.get("/live", operation_id="live", **no_content(*GUARDED, errors.CrossSite))(self.live)
        router.get("/me", operation_id="me", responses=reading, response_model_exclude_defaults=True)(self.me)
        router.get("/sessions", operation_id="list_sessions", responses=reading)(self.sessions)
        acting = (*GUARDED, errors.CrossSite)
        router.delete(
            "/sessions/{session_id}",
            operation_id="end_session",
            openapi_extra=SESSION_ID,
            **no_content(*acting, errors.NotFound),
        )(self.end_session)
        ending = (*acting, errors.InvalidFields, errors.Throttled)
        router.delete("/sessions", operation_id="end_sessions", **no_content(*ending))(self.end_sessions)
        changing = (
            *acting,
            errors.SessionEnded,
            errors.TokenTooLong,
            *BODY,
            errors.WrongPassword,
            errors.InvalidField,
            errors.Throttled,
            errors.Overloaded,
        )
        router.post(
            "/password",
            operation_id="change_password",
            responses=refusals(*changing),
            response_model_exclude_defaults=True,
        )(self.change_password)

    async def me(self, request: Request) -> Me:
        """The caller, the session and the claims of the access token; with cookies, a CSRF token too."""
        site = self._site
        caller = site.caller(request)
        session = await site.issuer.sessions.read(caller.session_id)
        if session is None:
            raise Revoked("session")
        account = await site.issuer.store.find_account(id=caller.subject)
        credential = site.credential(request)
        by_cookie = credential is not None and credential.from_cookie
        return Me(
            id=caller.subject,
            username=account.name if account else None,
            email=account.email if account else None,
            scopes=sorted(caller.scopes),
            session=OneSession.of(session, current=caller.session_id),
            claims=dict(caller.claims),
            expires_in=caller.expires_at - site.issuer.clock() // 1000,
            csrf_token=site.csrf_tokens.token(session.id) if by_cookie else None,
        )

    async def live(self, request: Request) -> None:
        """The caller's session lives, as far as this node knows: answered from memory, for pages that ask often.

        A page that sends its CSRF token learns here, too, that the cookies have become another session's (N3).
        """
        headers, caller = request.scope["headers"], self._site.caller(request)
        if read_csrf_token(headers, caller.session_id, self._site.csrf_tokens.matches) == "bad":
            raise errors.CrossSite("the CSRF token is of another session than the access token")

    async def sessions(self, request: Request) -> ManySessions:
        """The caller's live sessions, newest first."""
        caller = self._site.caller(request)
        found = await self._site.issuer.sessions.list(caller.subject)
        return ManySessions(sessions=[OneSession.of(session, current=caller.session_id) for session in found])

    async def end_session(self, request: Request, response: Response) -> None:
        """End one of the caller's sessions, everywhere."""
        session_id: str = request.path_params["session_id"]
        caller = self._site.caller(request)
        await self._site.issuer.end_session(session_id, subject=caller.subject, origin=self._site.origin(request))
        if session_id == caller.session_id:
            self._forget(request, response, depth=2)

    async def end_sessions(self, request: Request, response: Response, keep: Literal["current"] | None = None) -> None:
        """End all of the caller's sessions, or all but this one.

        The one that is kept keeps its refresh token: an access token alone must not buy a new one. A copy of it in
        other hands ends the session when both were used (D5); a password change kills it at once.
        """
        caller = self._site.caller(request)
        await self._site.issuer.end_sessions(
            caller.subject, keep=caller.session_id if keep else None, origin=self._site.origin(request)
        )
        if not keep:
            self._forget(request, response)

    async def change_password(self, body: PasswordChange, request: Request, response: Response) -> Tokens:
        """Replace the password; all other sessions end, and this one gets new tokens."""
        caller = self._site.caller(request)
        issued = await self._site.issuer.change_password(
            caller.subject,
            body.current,
            body.new,
            keep_session=caller.session_id,
            origin=self._site.origin(request),
            max_access_chars=self._site.cookies.max_access_chars if self._is_by_cookie(request) else None,
        )
        # the tokens of the session that goes on come as the caller's came
        return self._site.deliver(request, response, issued, "cookie" if self._is_by_cookie(request) else "body")

    def _is_by_cookie(self, request: Request) -> bool:
        credential = self._site.credential(request)
        return credential is not None and credential.from_cookie

    def _forget(self, request: Request, response: Response, *, depth: int = 1) -> None:
        """Clear the cookies of the browser that asked by them. By a bearer token, they are of another session (N4)."""
        if self._is_by_cookie(request):
            self._site.clear_cookies(request, response, depth=depth)
