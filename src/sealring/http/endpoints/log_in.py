"""Registration and login: a session begins, in one step or in several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace as replace_info

from sealring.authentication.client_info import ClientInfo
from sealring.errors import SecondFactorRequired
from sealring.http.endpoint import Body, Call
from sealring.http.schemas import (
    Delivery,
    LoginBeginRequest,
    LoginBegun,
    LoginRequest,
    LoginStepRequest,
    Registration,
    Tokens,
    User,
)
from sealring.issuer.log_in import LoggedIn


async def register(call: Call[Registration]) -> Tokens:
    """Make an account and log it in."""
    body = call.body
    with _bound(call, body.delivery) as client:
        logged_in = await call.service.issuer.register(
            body.username,
            body.password,
            email=body.email,
            invitation=body.invitation,
            client=client,
            replaces=_replaced(call, body.delivery),
            max_access_chars=call.service.max_access_chars(call.head, body.delivery),
        )
    return _welcome(call, logged_in, body.delivery)


async def log_in(call: Call[LoginRequest]) -> Tokens:
    """Check a password and start a session."""
    body = call.body
    with _bound(call, body.delivery, device=body.device) as client:
        logged_in = await call.service.issuer.log_in(
            body.username,
            body.password,
            client=client,
            replaces=_replaced(call, body.delivery),
            max_access_chars=call.service.max_access_chars(call.head, body.delivery),
        )
    return _welcome(call, logged_in, body.delivery)


async def begin_method(call: Call[LoginBeginRequest]) -> LoginBegun:
    """Begin a login method, such as by sending a code. Known and unknown accounts get the same answer."""
    body = call.body
    call.service.max_access_chars(call.head, body.delivery)  # a browser that drops cookies could not go on
    with _bound(call, body.delivery, device=body.device) as client:
        challenge = await call.service.issuer.logins.begin(
            body.pending, call.path["method"], body.response, client=client
        )
    cookie = call.service.delivery.login_cookie(client.browser)
    if cookie is not None:
        call.headers.append(cookie)
    return LoginBegun(challenge=dict(challenge))


async def log_in_by(call: Call[LoginStepRequest]) -> Tokens:
    """Take one step of a login by a method: the last one starts a session, any other answers what is pending."""
    body = call.body
    with _bound(call, body.delivery, device=body.device) as client:
        logged_in = await call.service.issuer.log_in_by(
            call.path["method"],
            body.response,
            pending=body.pending,
            client=client,
            replaces=_replaced(call, body.delivery),
            max_access_chars=call.service.max_access_chars(call.head, body.delivery),
        )
    return _welcome(call, logged_in, body.delivery, depth=2)


@contextmanager
def _bound(call: Call[Body], delivery: Delivery, *, device: str | None = None) -> Iterator[ClientInfo]:
    """Who is asking, bound to its browser: where one more step is needed, the browser gets the cookie that says so."""
    service = call.service
    browser = service.delivery.login_binding(call.head.headers, delivery)
    asking = (
        service.client(call.head, device=device) if delivery == "cookie" else service.proved_client(call, device=device)
    )
    client = replace_info(asking, browser=browser)
    try:
        yield client
    except SecondFactorRequired as needed:
        needed.cookie = service.delivery.login_cookie(client.browser)
        raise


def _welcome(call: Call[Body], logged_in: LoggedIn, delivery: Delivery, *, depth: int = 1) -> Tokens:
    return call.service.deliver(
        call.head,
        call.headers,
        logged_in.issued,
        delivery,
        user=User.of(logged_in.account),
        device=logged_in.device,
        depth=depth,
    )


def _replaced(call: Call[Body], delivery: Delivery) -> str | None:
    """The session that this browser held: it ends, so that no earlier one outlives a login (C1)."""
    return call.service.delivery.replaced_session(call.head.headers) if delivery == "cookie" else None
