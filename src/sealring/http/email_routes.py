"""Routes of email addresses, for the table in `sealring.http.routes`."""

from __future__ import annotations

from sealring import errors
from sealring.http.email_schemas import (
    EmailChangeRequest,
    EmailUndoRequest,
    ForgottenPassword,
    MailProofRequest,
    PasswordResetRequest,
    PasswordWasReset,
    VerifiedEmail,
)
from sealring.http.endpoint import RECENT, Endpoint
from sealring.http.endpoints.email import (
    change_email,
    confirm_email,
    forgot_password,
    reset_password,
    start_verification,
    undo_email,
)

_MAILING = (errors.NotFound, errors.Throttled)
_PROVING = (*_MAILING, errors.InvalidMailLink, errors.InvalidField)

EMAIL: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST", path="/email/verify/start", run=start_verification, operation_id="start_email_verification",
        part="accounts", answers={202: None}, caller=True, errors=(*_MAILING, errors.InvalidField),
    ),
    Endpoint(
        method="POST", path="/email/verify/confirm", run=confirm_email, operation_id="confirm_email", part="accounts",
        reads=MailProofRequest, answers={200: VerifiedEmail}, page="own", errors=_PROVING,
    ),
    Endpoint(
        method="POST", path="/email/change", run=change_email, operation_id="change_email", part="accounts",
        reads=EmailChangeRequest, answers={202: None}, caller=True, step_up=RECENT,
        errors=(*_MAILING, errors.InvalidField),
    ),
    Endpoint(
        method="POST", path="/email/undo", run=undo_email, operation_id="undo_email_change", part="accounts",
        reads=EmailUndoRequest, answers={204: None}, page="own", errors=_PROVING,
    ),
    Endpoint(
        method="POST", path="/password/forgot", run=forgot_password, operation_id="forgot_password", part="accounts",
        reads=ForgottenPassword, answers={202: None}, page="own", errors=_MAILING,
    ),
    Endpoint(
        method="POST", path="/password/reset", run=reset_password, operation_id="reset_password", part="accounts",
        reads=PasswordResetRequest, answers={200: PasswordWasReset}, page="own", queue="hashing",
        errors=(*_PROVING, errors.Overloaded),
    ),
)  # fmt: skip
