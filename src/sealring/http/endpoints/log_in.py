"""Registration and login: a session begins."""

from __future__ import annotations

from msgspec.structs import replace

from sealring.http.endpoint import Body, Call
from sealring.http.schemas import Delivery, LoginRequest, Registration, Tokens, User
from sealring.issuer.log_in import LoggedIn


async def register(call: Call[Registration]) -> Tokens:
    """Make an account and log it in."""
    service, body = call.service, call.body
    logged_in = await service.issuer.register(
        body.username,
        body.password,
        email=body.email,
        client=service.client(call.head),
        replaces=_replaced(call, body.delivery),
        max_access_chars=service.max_access_chars(call.head, body.delivery),
    )
    return _welcome(call, logged_in, body.delivery)


async def log_in(call: Call[LoginRequest]) -> Tokens:
    """Check a password and start a session."""
    service, body = call.service, call.body
    logged_in = await service.issuer.log_in(
        body.username,
        body.password,
        client=service.client(call.head, device=body.device),
        replaces=_replaced(call, body.delivery),
        max_access_chars=service.max_access_chars(call.head, body.delivery),
    )
    return _welcome(call, logged_in, body.delivery)


def _welcome(call: Call[Body], logged_in: LoggedIn, delivery: Delivery) -> Tokens:
    service = call.service
    tokens = service.deliver(call.head, call.headers, logged_in.issued, delivery, user=User.of(logged_in.account))
    if delivery == "body":
        return replace(tokens, device=logged_in.device)
    call.headers.append(service.cookies.set_device(logged_in.device))
    return tokens


def _replaced(call: Call[Body], delivery: Delivery) -> str | None:
    """The session that this browser held: it ends, so that no earlier one outlives a login (C1)."""
    return call.service.held_session(call.head) if delivery == "cookie" else None
