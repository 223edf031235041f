"""The user of a session proves again who they are (RFC 9470): it goes on, with an access token that says so."""

from __future__ import annotations

from sealring.http.endpoint import Body, Call
from sealring.http.schemas import Delivery, LoginBegun, NewAccessToken, ReauthenticationBegin, ReauthenticationStep
from sealring.issuer.reauthentication import Reauthenticated


async def begin_reauthentication(call: Call[ReauthenticationBegin]) -> LoginBegun:
    """Begin a method by which the user proves again who they are, such as by sending a code."""
    caller = call.principal
    challenge = await call.service.issuer.reauthentication.begin(
        caller.session_id,
        call.path["method"],
        subject=caller.subject,
        pending=call.body.pending,
        client=call.service.client(call.head, device=call.body.device),
    )
    return LoginBegun(challenge=dict(challenge))


async def reauthenticate(call: Call[ReauthenticationStep]) -> NewAccessToken:
    """Prove again who the user is, by all factors of the account: the session gets an access token that says so."""
    caller = call.principal
    delivery: Delivery = "cookie" if call.service.is_by_cookie(call.head) else "body"
    again = await call.service.issuer.reauthentication.step(
        caller.session_id,
        call.path["method"],
        call.body.response,
        subject=caller.subject,
        pending=call.body.pending,
        client=call.service.client(call.head, device=call.body.device),
        max_access_chars=call.service.max_access_chars(call.head, delivery),
    )
    return deliver_access(call, again, delivery)


def deliver_access(call: Call[Body], again: Reauthenticated, delivery: Delivery) -> NewAccessToken:
    """The access token as the caller's came: in the body, or in its cookie."""
    delivered = call.service.delivery.deliver_access(again, delivery)
    call.headers.extend(delivered.headers)
    return delivered.body
