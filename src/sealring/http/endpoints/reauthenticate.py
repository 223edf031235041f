"""The user of a session proves again who they are (RFC 9470): it goes on, with an access token that says so."""

from __future__ import annotations

from typing import Any

from sealring.http.auth_path import auth_path
from sealring.http.endpoint import Body, Call
from sealring.http.request_errors import MissingCredential
from sealring.http.schemas import Delivery, LoginBegun, NewAccessToken, ReauthenticationBegin, ReauthenticationStep
from sealring.issuer.reauthentication import Reauthenticated


async def begin_reauthentication(call: Call[ReauthenticationBegin]) -> LoginBegun:
    """Begin a method by which the user proves again who they are, such as by sending a code."""
    subject, session_id = await _whose(call)
    challenge = await call.service.issuer.reauthentication.begin(
        session_id,
        call.path["method"],
        subject=subject,
        pending=call.body.pending,
        client=call.service.client(call.head, device=call.body.device),
    )
    return LoginBegun(challenge=dict(challenge))


async def reauthenticate(call: Call[ReauthenticationStep]) -> NewAccessToken:
    """Prove again who the user is, by all factors of the account: the session gets an access token that says so."""
    subject, session_id = await _whose(call)
    is_by_cookie = call.caller is None or call.service.is_by_cookie(call.head)
    delivery: Delivery = "cookie" if is_by_cookie else "body"
    again = await call.service.issuer.reauthentication.step(
        session_id,
        call.path["method"],
        call.body.response,
        subject=subject,
        pending=call.body.pending,
        client=call.service.client(call.head, device=call.body.device),
        max_access_chars=call.service.max_access_chars(call.head, delivery),
    )
    return deliver_access(call, again, delivery)


async def _whose(call: Call[Any]) -> tuple[str, str]:
    """Subject and session: of the access token, or of the cookies of a session that is bound to a device.

    A browser that has lost the key of its device cannot refresh such a session, and needs no other: all factors of the
    account, proved again, bind it to a new key (design D22). The cookies alone buy nothing here.
    """
    if call.caller is not None:
        return call.caller.subject, call.caller.session_id
    held = call.service.held_session(call.head)
    session = None if held is None else await call.service.issuer.sessions.read(held)
    if session is None or not session.is_bound:
        raise MissingCredential("no access token, and no session that is bound to a device")
    return session.subject, session.id


def deliver_access(call: Call[Body], again: Reauthenticated, delivery: Delivery) -> NewAccessToken:
    """The access token as the caller's came: in the body, or in its cookie."""
    refresh_path = auth_path(call.head.scope, depth=2)
    delivered = call.service.delivery.deliver_access(again, delivery, refresh_path=refresh_path)
    call.headers.extend(delivered.headers)
    return delivered.body
