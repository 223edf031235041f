"""Email addresses: verify one, change it, take a change back; a forgotten password.

None of these is a GET: scanners of mail open every link, and what they open must use nothing up.
"""

from __future__ import annotations

from sealring.errors import InvalidField, SealringError
from sealring.http.email_schemas import (
    EmailChangeRequest,
    EmailUndoRequest,
    ForgottenPassword,
    MailProofRequest,
    PasswordResetRequest,
    PasswordWasReset,
    VerifiedEmail,
)
from sealring.http.endpoint import Body, Call
from sealring.issuer.email_addresses import CodeProof, LinkProof, MailProof


async def start_verification(call: Call[None]) -> None:
    """Send a mail by which the caller verifies the address of the account."""
    service = call.service
    await service.issuer.email.start_verification(call.principal.subject, service.client(call.head))


async def confirm_email(call: Call[MailProofRequest]) -> VerifiedEmail:
    """Verify an address by a link or a code of a mail; a code for a change needs the account's access token too."""
    body, service = call.body, call.service
    proof = _proof(body.token, body.email, body.code, account_id=_caller_of(call))
    account = await service.issuer.email.confirm(proof, service.client(call.head))
    return VerifiedEmail(email=account.email or "")


async def change_email(call: Call[EmailChangeRequest]) -> None:
    """Send a mail to a new address, which becomes the account's when it is confirmed."""
    service, caller = call.service, call.principal
    client = service.client(call.head)
    await service.issuer.email.request_change(caller.subject, call.body.email, epoch=caller.epoch, client=client)


async def undo_email(call: Call[EmailUndoRequest]) -> None:
    """Bring back the address that the mail was sent to. Every session ends; a mail for a new password follows."""
    await call.service.issuer.email.undo(call.body.token, call.service.client(call.head))


async def forgot_password(call: Call[ForgottenPassword]) -> None:
    """Send a mail for a new password. The answer is the same whether there is such an account or not."""
    await call.service.issuer.email.forgot(call.body.email, call.service.client(call.head))


async def reset_password(call: Call[PasswordResetRequest]) -> PasswordWasReset:
    """Replace a password by a link or a code of a mail. Every session ends; log in afterwards."""
    body, service = call.body, call.service
    proof = _proof(body.token, body.email, body.code)
    account = await service.issuer.email.reset_password(proof, body.new, service.client(call.head))
    return PasswordWasReset(username=account.name)


def _proof(token: str | None, email: str | None, code: str | None, *, account_id: str | None = None) -> MailProof:
    if token is not None and email is None and code is None:
        return LinkProof(token)
    if token is None and email is not None and code is not None:
        return CodeProof(code, email, account_id)
    raise InvalidField("token", "give token, or email and code")


def _caller_of(call: Call[Body]) -> str | None:
    """The account that is logged in here, if there is one: a page that verifies an address need not be."""
    if call.service.credential(call.head) is None:
        return None
    try:
        return call.service.caller(call.head).subject
    except SealringError:
        return None
