"""How tokens reach a client: in the body, or in cookies that no script can read (design D10). Values in, values out.

Our own routes and an application's own login deliver by the same two functions. `deliver` gives what to do: fields to
append to the answer, and members for its body. `sealring.frameworks.responses` writes the fields into the response of a
framework.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from msgspec.structs import replace

from sealring.authentication.sign_in import ATTEMPT_SECONDS
from sealring.http.cookies import CookiePolicy, HeaderPair, Headers, check_room, cookie_line, read_cookie
from sealring.http.device_session import registration
from sealring.http.endpoint import HeaderList
from sealring.http.fetch_metadata import check_csrf, check_keeps_cookies, decide_same_origin
from sealring.http.origins import Origins
from sealring.http.schemas import Delivery, NewAccessToken, Tokens, User
from sealring.issuer.reauthentication import Reauthenticated
from sealring.issuer.session_tokens import Issued
from sealring.sessions.csrf import CsrfTokens
from sealring.sessions.device_binding import may_offer, proved_at
from sealring.sessions.device_proof import DeviceProofs
from sealring.sessions.session import Session
from sealring.sessions.session_cookie import SessionCookieCodec

LOGIN_BINDING_BYTES = 16
"""Of the cookie that binds a pending login: not to be guessed within its minutes."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Tokens on their way: fields for the answer (`set-cookie` among them, one for each cookie), and its body."""

    headers: HeaderList
    body: Tokens


@dataclass(frozen=True, slots=True)
class DeliveredAccess:
    """An access token alone on its way."""

    headers: HeaderList
    body: NewAccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDelivery:
    """Delivers what a session's start or refresh gave."""

    cookies: CookiePolicy
    csrf_tokens: CsrfTokens
    session_cookies: SessionCookieCodec
    origins: Origins
    devices: DeviceProofs
    unbound_paths: tuple[str, ...] = ()
    """Of the application's own: what needs no session, so that a bound browser does not wait there."""

    def max_access_chars(self, headers: Headers, delivery: Delivery) -> int | None:
        """How long an access token this delivery can carry; asked before anything is written (N12).

        Raises:
            CookiesTooLarge: a browser that sends too many cookies could not use its session.
            CrossSiteCookies: the page is of another site, so its browser would drop the cookies.
        """
        if delivery == "body":
            return None
        check_keeps_cookies(headers, self.origins)
        check_room(cookie_line(headers))
        return self.cookies.max_access_chars

    def login_binding(self, headers: Headers, delivery: Delivery) -> str:
        """What binds a login in several steps to the client's browser: the value of its cookie, or a new one.

        Empty for a client that wants its tokens in the body: it has no cookies, and the text of its pending login is
        as safe as the tokens will be. So a text of the one kind is worth nothing as the other, and a page cannot be
        made to go on with a login that was begun elsewhere.
        """
        if delivery == "body":
            return ""
        held = read_cookie(headers, self.cookies.names.login)
        return secrets.token_urlsafe(LOGIN_BINDING_BYTES) if held is None else held.decode("ascii")

    def login_cookie(self, binding: str) -> HeaderPair | None:
        """The cookie that keeps it; none for a client without cookies. What it binds has an end of its own."""
        return self.cookies.set_login(binding, ATTEMPT_SECONDS) if binding else None

    def held_session(self, headers: Headers) -> str | None:
        """The session that this browser holds, by the cookie that no other host can write."""
        text = read_cookie(headers, self.cookies.names.session)
        return None if text is None else self.session_cookies.decode(text.decode("ascii"))

    def replaced_session(self, headers: Headers) -> str | None:
        """The session that this browser holds, and that a login with cookies ends (C1): an act on that cookie.

        A browser names the page in `Origin` on every POST, so a user with the cookies of a dead session gets in. A
        page that has proved itself may still hold the CSRF token of the session before: another tab has logged in
        since. The new login replaces both sessions, so that token decides nothing.

        Raises:
            CrossSite: nothing proves that a page of our own asks (C3).
        """
        held = self.held_session(headers)
        if held is not None and decide_same_origin(headers, self.origins) not in {"same-origin", "trusted"}:
            check_csrf(headers, self.origins, held, self.csrf_tokens.matches)
        return held

    def deliver_access(self, again: Reauthenticated, delivery: Delivery, *, refresh_path: str) -> DeliveredAccess:
        """The answer that carries the access token of a session that goes on: its other cookies stay.

        A browser may bind the session to its device again: it may have lost the key.
        """
        session = again.session
        body = NewAccessToken(
            expires_in=again.expires_in, scope=" ".join(again.scopes), acr=session.acr, auth_time=session.auth_time
        )
        if delivery == "body":
            token = again.access_token.text
            return DeliveredAccess([], replace(body, access_token=token, token_type=session.token_type))
        fields = [
            self.cookies.set_access(again.access_token.text, again.expires_in),
            *self._offer_binding(session, again.issued_at, refresh_path),
        ]
        return DeliveredAccess(fields, replace(body, csrf_token=self.csrf_tokens.token(session.id)))

    def deliver(
        self,
        issued: Issued,
        delivery: Delivery,
        *,
        refresh_path: str,
        user: User | None = None,
        device: str | None = None,
    ) -> Delivered:
        """The answer that carries these tokens; `refresh_path` is where the browser sees the auth routes."""
        scope = " ".join(issued.scopes)
        if delivery == "body":
            body = Tokens(
                access_token=issued.access_token.text,
                token_type=issued.session.token_type,
                expires_in=issued.expires_in,
                refresh_token=issued.refresh_token,
                refresh_expires_in=issued.refresh_expires_in,
                scope=scope,
                device=device,
                user=user,
            )
            return Delivered([], body)
        held = self.session_cookies.encode(issued.session.id)
        fields = [
            self.cookies.set_access(issued.access_token.text, issued.expires_in),
            self.cookies.set_session(held, issued.refresh_expires_in),
            self.cookies.set_refresh(issued.refresh_token, issued.refresh_expires_in, auth_path=refresh_path),
        ]
        if device is not None:
            fields.append(self.cookies.set_device(device))
        fields += self._offer_binding(issued.session, issued.issued_at, refresh_path)
        body = Tokens(
            expires_in=issued.expires_in,
            refresh_expires_in=issued.refresh_expires_in,
            csrf_token=self.csrf_tokens.token(issued.session.id),
            refresh_path=refresh_path,
            scope=scope,
            user=user,
        )
        return Delivered(fields, body)

    def _offer_binding(self, session: Session, now: int, auth_path: str) -> HeaderList:
        """What asks a browser that has just logged in to bind the session to its device; others ignore it."""
        if not self.cookies.secure or not may_offer(session, now=now):
            return []
        challenge = self.devices.challenge(session.id, now=now)
        authorization = self.devices.authorization(session.id, proved_at(session))
        return [registration(auth_path, challenge=challenge, authorization=authorization)]
