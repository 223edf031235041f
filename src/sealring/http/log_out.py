"""Which sessions a logout ends: all that the request shows, or none (design D20, attack N4).

A request may show several credentials: a bearer token, the access cookie, the session cookie, refresh cookies, a
refresh token in the body. 204 promises that none of their sessions is alive afterwards, so each credential counts:

- a refresh token with a good MAC ends its session, in the body or in a cookie, bound or planted. Its sender could
  end that session alone just as well; so a planted cookie never keeps a logout from its effect (N3), and a lost
  session cookie neither.
- an access token that verifies ends its session, and so does the session cookie.
- an access token that is refused (expired, revoked, of a key that is gone) ends nothing. It names its session all
  the same: one that nothing else ends might live on behind a 204, so the logout is refused.
- text that names no session shows none. A malformed refresh token in the body is refused as ever.

A program (bearer, body) and a browser (access or session cookie) in one request must speak of one session: RFC 6750
§3.1 has two ways at once refused, and neither may end the other's session by mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sealring import jwt
from sealring.errors import InvalidProof, InvalidRefreshToken, Stale, TokenError
from sealring.http.cookies import read_cookie
from sealring.http.credentials import PresentedToken, find_credential
from sealring.http.endpoint import Head
from sealring.http.request_errors import InvalidRequest, MissingCredential, UserRequired
from sealring.http.service import AuthService


@dataclass(frozen=True, slots=True)
class ShownAccess:
    """An access token and what it comes to."""

    session_id: str | None
    """None when the token names none. Not verified where there is a refusal: good for comparing, for nothing else."""
    refusal: TokenError | InvalidProof | None
    """Why it proves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Every credential of a logout request, by the session that it is of."""

    bearer: ShownAccess | None
    body: str | None
    access_cookie: ShownAccess | None
    held: str | None
    """By the session cookie."""
    refresh_cookies: tuple[str, ...]
    """Of the genuine ones."""


def read_shown(service: AuthService, head: Head, refresh_token: str | None) -> Shown:
    """Read the credentials of a request; `refresh_token` is the body's.

    Raises:
        InvalidRequest: a malformed Authorization field, or a bearer token and an access cookie at once (C9).
        InvalidRefreshToken: the body's is not one of ours.
        CookiesTooLarge: see `read_cookie`.
        UserRequired: a token of a registered client.
    """
    headers = head.headers
    bearer = find_credential(headers, None)
    access = read_cookie(headers, service.cookies.names.access)
    if bearer is not None and access is not None:
        raise InvalidRequest("a bearer token and a cookie at once")
    of_cookies = []
    for text in service.refresh_cookies(head):
        try:
            of_cookies.append(service.issuer.sessions.tokens.session_of(text))
        except InvalidRefreshToken:
            continue
    return Shown(
        bearer=None if bearer is None else _presented(service, head, bearer),
        body=None if refresh_token is None else service.issuer.sessions.tokens.session_of(refresh_token),
        access_cookie=(
            None
            if access is None
            else _presented(service, head, PresentedToken(access.decode("ascii"), from_cookie=True))
        ),
        held=service.held_session(head),
        refresh_cookies=tuple(of_cookies),
    )


def sessions_to_end(shown: Shown, check_csrf: Callable[[str], None]) -> list[str]:
    """Return the sessions to end, each once; `check_csrf` asks for the proof that a session's cookies need (I13).

    Raises:
        InvalidRequest: one of the sessions shown might live on, or two ways speak of two sessions.
        CrossSite: from `check_csrf`.
        TokenError: only an access token came, and this is why it proves nothing.
        Stale: this node cannot verify the access token now, and nothing else ends its session.
        MissingCredential: nothing of ours came.
    """
    by_program = [*_proven(shown.bearer), *filter(None, [shown.body])]
    by_browser = [*filter(None, [shown.held]), *_proven(shown.access_cookie)]
    if by_program and by_browser and len({*by_program, *by_browser}) > 1:
        raise InvalidRequest("a token and a cookie of two sessions")
    # planted cookies ask for no proof of their own beside the browser's session: whose page asks is settled by that
    for session_id in by_browser[:1] or shown.refresh_cookies[:1]:
        check_csrf(session_id)
    proven = list(dict.fromkeys([*by_program, *by_browser, *shown.refresh_cookies]))
    for access in filter(None, [shown.bearer, shown.access_cookie]):
        if not proven and access.refusal is not None:
            raise access.refusal
        if access.session_id is not None and access.session_id not in proven:
            if isinstance(access.refusal, Stale):
                raise access.refusal
            raise InvalidRequest("the access token is of another session, which would live on")
    if not proven:
        raise MissingCredential("no token was sent")
    return proven


def _proven(access: ShownAccess | None) -> list[str]:
    return [access.session_id] if access is not None and access.refusal is None and access.session_id else []


def _presented(service: AuthService, head: Head, credential: PresentedToken) -> ShownAccess:
    try:
        principal = service.authenticator.verify_presented(credential, head.scope)
    except (TokenError, InvalidProof) as error:
        if credential.with_proof:
            error.challenge_scheme = "DPoP"
        return ShownAccess(_named(credential.token), error.with_traceback(None))
    if principal.is_client:  # there is no session to end, and 204 would say that the token is dead
        raise UserRequired("a token of a registered client, which is revoked at /revoke")
    return ShownAccess(principal.session_id, None)


def _named(token: str) -> str | None:
    try:
        sid = jwt.peek(token).claims.get("sid")
    except TokenError:
        return None
    return sid if isinstance(sid, str) else None
