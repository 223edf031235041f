"""The second factors of the caller's account: an authenticator app, and recovery codes.

Each change needs a proof of the last minutes (`RECENT` of the row). Where the account has a second factor already, both
factors are asked (`STRONG`): who holds a stolen session, or the password alone, neither adds a factor nor removes one.
"""

from __future__ import annotations

from sealring.http.endpoint import STRONG, Body, Call
from sealring.http.endpoints.reauthenticate import deliver_access
from sealring.http.request_errors import InsufficientAuthentication
from sealring.http.schemas import Delivery, MyFactors, NewAccessToken, NewRecoveryCodes, TotpConfirmation, TotpStarted
from sealring.issuer.factors import Caller


async def list_factors(call: Call[None]) -> MyFactors:
    """The methods that can be the caller's second step, and how many recovery codes are left."""
    found = await call.service.issuer.factors.enrolled(call.principal.subject)
    return MyFactors(methods=list(found.methods), recovery_codes_left=found.recovery_codes_left)


async def start_totp(call: Call[None]) -> TotpStarted:
    """Make a seed for an authenticator app, with its QR code; it counts once the app has shown a code."""
    await _ask_for_both(call)
    started = await call.service.issuer.factors.start_totp(_caller(call))
    return TotpStarted(enrollment=started.enrollment, secret=started.secret, uri=started.uri, qr=started.qr)


async def confirm_totp(call: Call[TotpConfirmation]) -> NewAccessToken:
    """Enroll the app that has shown a code; the session has shown two factors from then on."""
    await _ask_for_both(call)
    body = call.body
    again = await call.service.issuer.factors.confirm_totp(
        _caller(call), enrollment=body.enrollment, code=body.code, label=body.label
    )
    return deliver_access(call, again, _delivery(call))


async def remove_totp(call: Call[None]) -> NewAccessToken:
    """Remove the authenticator app, and the recovery codes if it was the last factor that they stand in for."""
    return deliver_access(call, await call.service.issuer.factors.remove_totp(_caller(call)), _delivery(call))


async def make_recovery_codes(call: Call[None]) -> NewRecoveryCodes:
    """Make ten recovery codes, which are shown once; those of before are worthless."""
    made = await call.service.issuer.factors.make_recovery_codes(_caller(call))
    tokens = deliver_access(call, made.again, _delivery(call))
    return NewRecoveryCodes(codes=list(made.codes), tokens=tokens)


async def _ask_for_both(call: Call[Body]) -> None:
    """Ask for both factors where the account has a second one.

    Raises:
        InsufficientAuthentication: the session has shown one.
    """
    if STRONG.is_strong_enough(call.principal.acr):
        return
    if (await call.service.issuer.factors.enrolled(call.principal.subject)).methods:
        raise InsufficientAuthentication(STRONG)


def _caller(call: Call[Body]) -> Caller:
    service, caller = call.service, call.principal
    return Caller(
        subject=caller.subject,
        session_id=caller.session_id,
        epoch=caller.epoch,
        client=service.client(call.head),
        max_access_chars=service.max_access_chars(call.head, _delivery(call)),
    )


def _delivery(call: Call[Body]) -> Delivery:
    return "cookie" if call.service.is_by_cookie(call.head) else "body"
