"""Coming and going: register, log in, refresh, log out, in JSON; and RFC 6749's token endpoint."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from sealring import errors
from sealring.errors import (
    InvalidRequest,
    MalformedBody,
    MissingCredential,
    RefreshUnbound,
    SealringError,
    UnsupportedGrant,
)
from sealring.http.body import read_form
from sealring.http.cookies import check_room, cookie_line
from sealring.http.fetch_metadata import check_cookie_use
from sealring.http.openapi import BODY, GUARDED, no_content, refusals
from sealring.http.problems import report
from sealring.http.routes.log_out import read_shown, sessions_to_end
from sealring.http.routes.oauth import NO_CACHE, TOKEN_ANSWERS, grants_served, oauth_refusal, token_form
from sealring.http.routes.site import AuthSite
from sealring.http.routes.wire import Delivery, LogIn, RefreshOrNothing, Registration, Tokens, User
from sealring.http.strict_route import counting
from sealring.issuer.issuer import LoggedIn
from sealring.issuer.sessions import Issued

REFRESH = (
    errors.InvalidRefreshToken,
    errors.RefreshUnbound,
    errors.SessionEnded,
    errors.RefreshReused,
    errors.RefreshSuperseded,
    errors.TokenTooLong,
    errors.CookiesTooLarge,
)


class LogInRoutes:
    """The routes by which a session begins, goes on and ends."""

    def __init__(self, site: AuthSite) -> None:
        self._site = site
        self.router = router = site.router()
        hashing = counting(site.refused, ask_first=site.refuse_when_full)
        proving = (
            *BODY,
            errors.CrossSite,
            errors.WrongCredentials,
            errors.Throttled,
            errors.Overloaded,
            errors.TokenTooLong,
            errors.CookiesTooLarge,
        )
        joining = (*proving, errors.InvalidField, errors.NameTaken)
        for name, endpoint, status, kinds in (
            ("register", self.register, 201, joining),
            ("login", self.log_in, 200, proving),
        ):
            router.add_api_route(
                f"/{name}",
                endpoint,
                methods=["POST"],
                operation_id=name,
                status_code=status,
                responses=refusals(*kinds),
                response_model_exclude_defaults=True,
                route_class_override=hashing,
            )
        renewing = (*BODY, *REFRESH, errors.InvalidRequest, errors.MissingCredential, errors.CrossSite)
        router.post(
            "/refresh",
            operation_id="refresh",
            responses=refusals(*renewing, errors.Throttled),
            response_model_exclude_defaults=True,
        )(self.refresh)
        leaving = (*BODY, *GUARDED, errors.InvalidRefreshToken, errors.CrossSite)
        router.post("/logout", operation_id="logout", **no_content(*leaving))(self.log_out)
        form = token_form(password_grant=site.password_grant)
        router.add_api_route(
            "/token",
            self.token,
            methods=["POST"],
            operation_id="token",
            openapi_extra=form,
            responses=TOKEN_ANSWERS,
            route_class_override=counting(site.refused, any_query=True),  # RFC 6749 §3.2: unknown ones are ignored
        )

    async def register(self, body: Registration, request: Request, response: Response) -> Tokens:
        """Make an account and log it in."""
        self._site.refuse_foreign_page(request)
        logged_in = await self._site.issuer.register(
            body.username,
            body.password,
            email=body.email,
            origin=self._site.origin(request),
            replaces=self._replaced(request, body.delivery),
            max_access_chars=self._max_access_chars(request, body.delivery),
        )
        return self._welcome(request, response, logged_in, body.delivery)

    async def log_in(self, body: LogIn, request: Request, response: Response) -> Tokens:
        """Check a password and start a session."""
        self._site.refuse_foreign_page(request)
        logged_in = await self._site.issuer.log_in(
            body.username,
            body.password,
            origin=self._site.origin(request, device=body.device),
            replaces=self._replaced(request, body.delivery),
            max_access_chars=self._max_access_chars(request, body.delivery),
        )
        return self._welcome(request, response, logged_in, body.delivery)

    async def refresh(self, request: Request, response: Response, body: RefreshOrNothing = None) -> Tokens:
        """Trade a refresh token for the next one and a fresh access token: from the body, or from the cookie."""
        site = self._site
        cookie = site.bound_refresh(request)
        if body is not None:
            if cookie is not None:
                raise InvalidRequest("a refresh token in the body and one in a cookie")
            site.refuse_foreign_page(request)
            issued = await site.issuer.refresh(body.refresh_token, origin=site.origin(request))
            return site.deliver(request, response, issued, "body")
        if cookie is None:
            site.refuse_foreign_page(request)
            if site.refresh_cookies(request):
                raise RefreshUnbound("no refresh cookie is of the session that this browser holds")
            raise MissingCredential("no refresh token")
        # A refusal clears no cookie: it may arrive after another tab has logged in, and would take that log-in along.
        self._check_cookie_use(request, site.issuer.sessions.session_of(cookie))
        issued = await site.issuer.refresh(
            cookie, origin=site.origin(request), max_access_chars=site.cookies.max_access_chars
        )
        return site.deliver(request, response, issued, "cookie")

    async def log_out(self, request: Request, response: Response, body: RefreshOrNothing = None) -> None:
        """End every session that the request shows, everywhere, and clear the cookies; any of the tokens is enough."""
        site = self._site
        site.refuse_foreign_page(request)
        shown = read_shown(site, request, None if body is None else body.refresh_token)
        for session_id in sessions_to_end(shown, lambda session_id: self._check_cookie_use(request, session_id)):
            await site.issuer.log_out(session_id, origin=site.origin(request))
        site.clear_cookies(request, response)
        response.headers["clear-site-data"] = '"cache"'  # the back button finds nothing (C11)

    async def token(self, request: Request) -> Response:
        """The OAuth 2.0 token endpoint: `refresh_token` (RFC 6749 §6), and `password` (§4.3) where it is turned on."""
        site = self._site
        try:
            issued, device = await self._grant(request)
        except SealringError as error:
            report(error, where="/token", refused=site.refused)
            return oauth_refusal(error, request.scope)
        tokens = site.deliver(request, Response(), issued, "body").model_copy(update={"device": device})
        return JSONResponse(tokens.model_dump(exclude_none=True), headers=NO_CACHE)

    async def _grant(self, request: Request) -> tuple[Issued, str | None]:
        site = self._site
        site.refuse_foreign_page(request)
        form = await read_form(request.scope["headers"], request.receive)
        match _member(form, "grant_type"):
            case "password" if site.password_grant:
                logged_in = await site.issuer.log_in(
                    _member(form, "username"),
                    _member(form, "password"),
                    origin=site.origin(request, device=form.get("device")),
                    replaces=None,
                )
                return logged_in.issued, logged_in.device
            case "refresh_token":
                return await site.issuer.refresh(_member(form, "refresh_token"), origin=site.origin(request)), None
            case _:
                served = " and ".join(grants_served(password_grant=site.password_grant))
                raise UnsupportedGrant(f"this endpoint takes only {served}")

    def _welcome(self, request: Request, response: Response, logged_in: LoggedIn, delivery: Delivery) -> Tokens:
        tokens = self._site.deliver(request, response, logged_in.issued, delivery, user=User.of(logged_in.account))
        if delivery == "body":
            return tokens.model_copy(update={"device": logged_in.device})
        response.raw_headers.append(self._site.cookies.set_device(logged_in.device))
        return tokens

    def _max_access_chars(self, request: Request, delivery: Delivery) -> int | None:
        """What this delivery can carry; a browser that sends too many cookies could not use its session (N12)."""
        if delivery == "body":
            return None
        check_room(cookie_line(request.scope["headers"]))
        return self._site.cookies.max_access_chars

    def _replaced(self, request: Request, delivery: Delivery) -> str | None:
        """The session that this browser held: it ends, so that no earlier one outlives a log-in (C1)."""
        return self._site.held_session(request) if delivery == "cookie" else None

    def _check_cookie_use(self, request: Request, session_id: str) -> None:
        check_cookie_use(request.scope["headers"], self._site.origins, session_id, self._site.csrf_tokens.matches)


def _member(form: dict[str, str], name: str) -> str:
    if not form.get(name):  # an empty one counts as omitted (RFC 6749 §3.2)
        raise MalformedBody(f"parameter {name} is missing")
    return form[name]
