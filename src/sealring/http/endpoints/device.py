"""A session is bound to the device of its browser, and goes on with proof of it (DBSC, design D22).

Browsers ask here by themselves, without a body. What they make of an answer is in the draft: any 4xx but 403, 407 and
429 ends the binding in the browser, a 5xx does not; and 403 with a challenge has it sign and ask again.
"""

from __future__ import annotations

from http import HTTPStatus

from sealring.errors import DeviceProofRequired, RefreshSuperseded, StoreUnavailable
from sealring.http.auth_path import auth_path
from sealring.http.device_session import (
    BIND,
    PROOF,
    REFRESH,
    SESSION,
    challenge_field,
    instructions,
    read_field,
)
from sealring.http.endpoint import Call, Response
from sealring.http.request_errors import MissingCredential, RefreshUnbound
from sealring.http.schemas import DeviceSession
from sealring.sessions.device_proof import DeviceProof


async def bind_device(call: Call[None]) -> DeviceSession:
    """Register the key of a browser's device (DBSC): browsers do it by themselves after a login.

    From then on the session is refreshed only with proof of that key.
    """
    service, head = call.service, call.head
    session_id, text = _held(call)
    proof = _proof(call, BIND, depth=1)
    if proof is None:
        raise DeviceProofRequired("no proof was sent")
    issued = await service.issuer.sessions.bind(text, proof, client=service.client(head))
    cookies = service.cookies
    call.headers.append(cookies.set_access(issued.access_token.text, issued.expires_in))
    return instructions(
        session_id,
        auth_path=auth_path(head.scope),
        cookie=cookies.names.access,
        attributes=cookies.access_attributes,
        unbound_paths=service.delivery.unbound_paths,
        initiators=[origin.decode() for origin in service.origins.trusted],
    )


async def refresh_bound(call: Call[None]) -> Response | None:
    """Refresh a session with proof of its device (DBSC): browsers do it by themselves before the access cookie ends.

    403 with `Secure-Session-Challenge` says what to sign.
    """
    service, head = call.service, call.head
    session_id, text = _held(call)
    if read_field(head.headers, SESSION) != session_id:
        raise DeviceProofRequired("the browser speaks of another session than its cookies")
    proof = _proof(call, REFRESH, depth=2)
    if proof is None:
        return _ask(call, session_id)
    limit = service.max_access_chars(head, "cookie")
    try:
        issued = await service.issuer.refresh(text, client=service.client(head), max_access_chars=limit, proof=proof)
    except DeviceProofRequired as refused:
        if refused.is_stale:
            return _ask(call, session_id)
        raise
    except RefreshSuperseded:
        # an answer to another request has brought newer cookies, or will: 409 would end the binding for it
        raise StoreUnavailable("another request refreshed this session first") from None
    service.deliver(head, call.headers, issued, "cookie", depth=2)
    return None


def _held(call: Call[None]) -> tuple[str, str]:
    """The session that this browser holds, and its refresh token; asked by the browser itself, or a page of ours."""
    service, head = call.service, call.head
    text = service.bound_refresh(head)
    if text is None:
        if service.refresh_cookies(head):
            raise RefreshUnbound("no refresh cookie is of the session that this browser holds")
        raise MissingCredential("no refresh token")
    session_id = service.issuer.sessions.tokens.session_of(text)
    service.check_csrf(head, session_id)
    return session_id, text


def _proof(call: Call[None], path: str, *, depth: int) -> DeviceProof | None:
    text = read_field(call.head.headers, PROOF)
    if text is None:
        return None
    below = auth_path(call.head.scope, depth=depth).rstrip("/")
    return DeviceProof(text, tuple(f"{origin.decode()}{below}{path}" for origin in call.service.origins.own))


def _ask(call: Call[None], session_id: str) -> Response:
    service = call.service
    challenge = service.delivery.devices.challenge(session_id, now=service.issuer.clock() // 1000)
    return Response(HTTPStatus.FORBIDDEN, [challenge_field(session_id, challenge)])
