"""The routes of a user's own passkeys, one row each. Login by one goes through the routes of all login methods.

To add or remove one takes a recent proof: who holds a stolen session must not make a way back for later.
"""

from __future__ import annotations

from sealring import errors
from sealring.http.endpoint import RECENT, Endpoint
from sealring.http.endpoints.passkeys import (
    begin_registration,
    finish_registration,
    list_passkeys,
    remove_passkey,
    rename_passkey,
)
from sealring.http.schemas import (
    ManyPasskeys,
    OnePasskey,
    PasskeyBegin,
    PasskeyName,
    PasskeyOptions,
    PasskeyRegistration,
)

PASSKEYS: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST", path="/passkeys/register/start", run=begin_registration, operation_id="begin_passkey",
        part="accounts", reads=PasskeyBegin, optional=True, answers={200: PasskeyOptions}, caller=True, step_up=RECENT,
        errors=(errors.UnknownMethod,),
    ),
    Endpoint(
        method="POST", path="/passkeys/register/finish", run=finish_registration, operation_id="finish_passkey",
        part="accounts", reads=PasskeyRegistration, answers={201: OnePasskey}, caller=True, step_up=RECENT,
        errors=(errors.UnknownMethod, errors.InvalidField),
    ),
    Endpoint(
        method="GET", path="/passkeys", run=list_passkeys, operation_id="list_passkeys", part="accounts",
        answers={200: ManyPasskeys}, caller=True, errors=(errors.UnknownMethod,),
    ),
    Endpoint(
        method="PATCH", path="/passkeys/{passkey_id}", run=rename_passkey, operation_id="rename_passkey",
        part="accounts", reads=PasskeyName, answers={200: OnePasskey}, caller=True,
        errors=(errors.UnknownMethod, errors.NotFound, errors.InvalidField),
    ),
    Endpoint(
        method="DELETE", path="/passkeys/{passkey_id}", run=remove_passkey, operation_id="remove_passkey",
        part="accounts", answers={204: None}, caller=True, step_up=RECENT,
        errors=(errors.UnknownMethod, errors.NotFound, errors.LastCredential),
    ),
)  # fmt: skip
"""Below `SEALRING_AUTH_PATH`."""
