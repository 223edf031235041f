"""Login at identity providers: the browser goes there and comes back; the identities of an account; logout from there.

What comes back is a navigation, so every outcome is a redirect: to where the login began, with `sign_in_error` where it
failed. A callback that was used before, reloaded, or opened in another browser leads back to the application too.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from dataclasses import asdict, replace
from hashlib import sha256
from html import escape
from http import HTTPStatus
from typing import Any

import msgspec

from sealring.authentication.method import OIDC
from sealring.authentication.sign_in import Link
from sealring.errors import InvalidPendingLogin, SealringError, SecondFactorRequired, Unavailable
from sealring.http.auth_path import auth_path
from sealring.http.endpoint import Body, Call, Response
from sealring.http.fetch_metadata import decide_same_origin
from sealring.http.local_path import check_local_path, with_fragment, with_parameter
from sealring.http.log_out import read_shown, sessions_to_end
from sealring.http.origins import origin_of
from sealring.http.problems import report, row_of
from sealring.http.request_errors import InvalidRequest
from sealring.http.schemas import (
    ManyIdentities,
    OneIdentity,
    ProviderCallback,
    ProviderLink,
    ProviderLinked,
    ProviderStart,
    User,
)
from sealring.issuer.identities import record_of
from sealring.issuer.methods.oidc import ProviderAnswer
from sealring.providers.metadata import ProviderFault

log = logging.getLogger("sealring.providers")

HOME = "/"
ERROR = "sign_in_error"
DENIED = "access_denied"
AGAIN = "returned"
"""The field by which our own form knows itself: it is sent on once."""

_SCRIPT = "document.forms[0].submit()"
_HASH = b64encode(sha256(_SCRIPT.encode()).digest()).decode()
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Logging in</title>
<form method="post">{fields}<button>Continue</button></form><script>{script}</script></html>
"""
_PAGE_HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        f"default-src 'none'; script-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'".encode(),
    ),
]


async def begin_sign_in(call: Call[None]) -> Response:
    """Go to an identity provider, and come back to `next`, logged in."""
    query: ProviderStart = call.query
    next_path = check_local_path(query.next)
    call.service.max_access_chars(call.head, "cookie")  # a browser that drops cookies could not come back
    browser = call.service.delivery.login_binding(call.head.headers, "cookie")
    url = await _begin(
        call, next_path, browser, depth=2, new_account=query.account == "new", fresh=query.fresh == "true"
    )
    return _redirect(call, url, browser)


async def link_identity(call: Call[ProviderLink | None]) -> ProviderLinked:
    """Begin to link an identity to the caller's account: the page goes to the `url` of the answer."""
    service, caller = call.service, call.principal
    next_path = check_local_path("/" if call.body is None else call.body.next)
    service.max_access_chars(call.head, "cookie")
    browser = service.delivery.login_binding(call.head.headers, "cookie")
    link = Link(caller.subject, caller.session_id, caller.epoch)
    url = await _begin(call, next_path, browser, depth=3, link=link)
    _bind(call, browser)
    return ProviderLinked(url=url)


async def sign_in_callback(call: Call[None]) -> Response:
    """Where the provider sends the browser back: the login is completed, and the browser goes on to `next`."""
    query: ProviderCallback = call.query
    return await _answered(call, query)


async def posted_sign_in_callback(call: Call[dict[str, str]]) -> Response:
    """The same for providers that send a form (Apple): sent on once by a page of our own, so that cookies come along.

    A form of another site comes without our cookies (`SameSite=Lax`), and no weaker cookie is set for it.
    """
    given = {name: call.body.get(name) for name in ("state", "code", "iss", "error")}
    is_ours = decide_same_origin(call.head.headers, call.service.origins) == "same-origin"
    if is_ours or AGAIN in call.body:
        return await _answered(call, msgspec.convert(given, ProviderCallback))
    fields = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in (*given.items(), (AGAIN, "1"))
        if value is not None
    )
    return Response(HTTPStatus.OK, [*_PAGE_HEADERS], _PAGE.format(fields=fields, script=_SCRIPT).encode())


async def log_out_at_provider(call: Call[ProviderLink | None]) -> ProviderLinked:
    """End the session here, everywhere; the page then goes to the `url` of the answer, to log out at the provider."""
    service, head = call.service, call.head
    next_path = check_local_path("/" if call.body is None else call.body.next)
    back_to = origin_of(service.published.issuer).decode("ascii") + next_path
    service.issuer.sign_ins.answers.client(call.path["provider"])  # before anything ends
    shown = read_shown(service, head, None)
    for session_id in sessions_to_end(shown, lambda session_id: service.check_csrf(head, session_id)):
        await service.issuer.log_out(session_id, client=service.client(head))
    service.clear_cookies(head, call.headers, depth=3)
    call.headers.append((b"clear-site-data", b'"cache"'))  # C11
    try:
        url = await service.issuer.sign_ins.logout_url(call.path["provider"], back_to=back_to)
    except (SealringError, ProviderFault):  # logged out here, whatever the provider does
        url = ""
    return ProviderLinked(url=url or next_path)


async def backchannel_logout(call: Call[dict[str, str]]) -> Response:
    """End the sessions that a logout token of the provider names, on every node.

    OpenID Connect Back-Channel Logout §2.5 to §2.8.
    """
    token = call.body.get("logout_token")
    if not token:
        raise InvalidRequest("no logout token")
    try:
        await call.service.issuer.sign_ins.end_at_provider(call.path["provider"], token)
    except ProviderFault as fault:
        log.warning("provider %s: %s", call.path["provider"], fault)
        raise InvalidRequest("the logout token is refused") from None
    return Response(HTTPStatus.OK, [])


async def list_identities(call: Call[None]) -> ManyIdentities:
    """The identities by which the caller can log in."""
    found = await call.service.issuer.sign_ins.identities_of(call.principal.subject)
    return ManyIdentities(
        identities=[
            OneIdentity(
                id=own.id,
                provider=record_of(own).provider,
                label=own.label,
                created_at=own.created_at,
                last_used_at=own.last_used_at,
            )
            for own in found
        ]
    )


async def unlink_identity(call: Call[None]) -> None:
    """Unlink one of the caller's identities, and end the other sessions that began by it."""
    service, caller = call.service, call.principal
    await service.issuer.sign_ins.unlink(
        caller.subject,
        call.path["identity_id"],
        epoch=caller.epoch,
        keep_session=caller.session_id,
        client=service.client(call.head),
    )


async def _begin(
    call: Call[Body],
    next_path: str,
    browser: str,
    *,
    depth: int,
    link: Link | None = None,
    new_account: bool = False,
    fresh: bool = False,
) -> str:
    service, provider = call.service, call.path["provider"]
    base = origin_of(service.published.issuer).decode("ascii") + auth_path(call.head.scope, depth=depth).rstrip("/")
    try:
        return await service.issuer.sign_ins.begin(
            provider,
            next_path=next_path,
            redirect_uri=f"{base}/oidc/{provider}/callback",
            browser=browser,
            link=link,
            new_account=new_account,
            fresh=fresh,
        )
    except ProviderFault as fault:
        log.warning("provider %s: %s", provider, fault)
        raise Unavailable("the identity provider cannot be used now") from None


async def _answered(call: Call[Any], said: ProviderCallback) -> Response:
    """Complete what the provider has answered; every outcome leads back to where it began."""
    service = call.service
    attempt = service.issuer.sign_ins.attempt_of(said.state)
    next_path = HOME if attempt is None else attempt.next
    if call.head.scope["method"] == "HEAD":  # whatever looks at links uses nothing up
        return _redirect(call, next_path)
    if said.error is not None:
        return _failed(call, next_path, DENIED if said.error == DENIED else "provider_error")
    answer = ProviderAnswer(
        provider=call.path["provider"], state=said.state or "", code=said.code or "", iss=said.iss or ""
    )
    try:
        if attempt is not None and attempt.link is not None:
            browser = service.delivery.login_binding(call.head.headers, "cookie")
            await service.issuer.sign_ins.link(answer, client=replace(service.client(call.head), browser=browser))
        else:
            await _log_in(call, answer)
    except SecondFactorRequired as needed:
        members = {"sign_in": "second_factor", "pending": needed.pending, "methods": " ".join(needed.methods)}
        return _redirect(call, with_fragment(next_path, members))
    except SealringError as error:
        report(error, where=call.head.scope["path"], refused=service.refused)
        # one that was used is reloaded, or the button of before
        if not isinstance(error, InvalidPendingLogin) or not await _is_logged_in(call):
            return _failed(call, next_path, row_of(error).code)
    return _redirect(call, next_path)


async def _log_in(call: Call[Any], answer: ProviderAnswer) -> None:
    """Log in as any method does. The attempt is bound to this browser, so what it held before may end (C1).

    `Sec-Fetch-Site` says nothing here: the browser comes from the provider's page.
    """
    service, head = call.service, call.head
    browser = service.delivery.login_binding(head.headers, "cookie")
    try:
        logged_in = await service.issuer.log_in_by(
            OIDC.name,
            asdict(answer),
            pending=None,
            client=replace(service.client(head), browser=browser),
            replaces=service.held_session(head),
            max_access_chars=service.max_access_chars(head, "cookie"),
        )
    except SecondFactorRequired:
        _bind(call, browser)
        raise
    user = User.of(logged_in.account)
    service.deliver(head, call.headers, logged_in.issued, "cookie", user=user, device=logged_in.device, depth=3)


async def _is_logged_in(call: Call[Any]) -> bool:
    held = call.service.held_session(call.head)
    return held is not None and await call.service.issuer.sessions.read(held) is not None


def _bind(call: Call[Body], browser: str) -> None:
    cookie = call.service.delivery.login_cookie(browser)
    if cookie is not None:
        call.headers.append(cookie)


def _redirect(call: Call[Body], url: str, browser: str = "") -> Response:
    """A redirect after which the browser asks by GET, whatever it asked by (RFC 9110 §15.4.4)."""
    _bind(call, browser)
    return Response(HTTPStatus.SEE_OTHER, [(b"location", url.encode("ascii"))])


def _failed(call: Call[Body], next_path: str, code: str) -> Response:
    return _redirect(call, with_parameter(next_path, ERROR, code))


def callback_form(password_grant: bool) -> dict[str, Any]:  # noqa: ARG001, FBT001 - as every form
    """The schema of what a provider posts."""
    texts = {name: {"type": "string"} for name in ("state", "code", "iss", "error", AGAIN)}
    return {"type": "object", "properties": texts}


def logout_token_form(password_grant: bool) -> dict[str, Any]:  # noqa: ARG001, FBT001 - as every form
    """The schema of OpenID Connect Back-Channel Logout §2.5."""
    return {"type": "object", "required": ["logout_token"], "properties": {"logout_token": {"type": "string"}}}
