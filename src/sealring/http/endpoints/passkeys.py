"""A user's own passkeys: register, list, rename, remove. Login by one is a login method like others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealring.errors import UnknownMethod
from sealring.http.endpoint import Body, Call
from sealring.http.schemas import (
    ManyPasskeys,
    OnePasskey,
    PasskeyBegin,
    PasskeyName,
    PasskeyOptions,
    PasskeyRegistration,
)

if TYPE_CHECKING:  # fido2 is an extra
    from sealring.issuer.passkeys import Passkeys


async def begin_registration(call: Call[PasskeyBegin | None]) -> PasskeyOptions:
    """Begin to add a passkey to the caller's account: what the browser needs to make one."""
    conditional = call.body is not None and call.body.conditional
    caller = call.principal
    options = await _passkeys(call).begin_registration(caller.subject, caller.session_id, conditional=conditional)
    return PasskeyOptions(options=options)


async def finish_registration(call: Call[PasskeyRegistration]) -> OnePasskey:
    """Add the passkey that the browser has made. Access tokens from before are outdated: refresh."""
    service, caller = call.service, call.principal
    passkeys, client = _passkeys(call), service.client(call.head)
    credential = await passkeys.finish_registration(
        caller.subject, caller.session_id, call.body.credential, label=call.body.label, client=client
    )
    await service.issuer.credentials.add(credential, epoch=caller.epoch, client=client)
    return OnePasskey.of(credential, synced=passkeys.is_synced(credential))


async def list_passkeys(call: Call[None]) -> ManyPasskeys:
    """The caller's passkeys."""
    passkeys, caller = _passkeys(call), call.principal
    own = await passkeys.list(caller.subject)
    return ManyPasskeys(
        passkeys=[OnePasskey.of(one, synced=passkeys.is_synced(one)) for one in own],
        rp_id=passkeys.party.id,
        user_id=passkeys.user_id(caller.subject),
    )


async def rename_passkey(call: Call[PasskeyName]) -> OnePasskey:
    """Call one of the caller's passkeys by another name."""
    passkeys = _passkeys(call)
    renamed = await passkeys.rename(call.principal.subject, call.path["passkey_id"], call.body.label)
    return OnePasskey.of(renamed, synced=passkeys.is_synced(renamed))


async def remove_passkey(call: Call[None]) -> None:
    """Remove one of the caller's passkeys, unless it is the last way to log in."""
    service, caller, passkey_id = call.service, call.principal, call.path["passkey_id"]
    await _passkeys(call).find(caller.subject, passkey_id)  # other credentials have routes of their own
    await service.issuer.credentials.remove(
        caller.subject, passkey_id, epoch=caller.epoch, client=service.client(call.head)
    )


def _passkeys(call: Call[Body]) -> Passkeys:
    passkeys = call.service.issuer.passkeys
    if passkeys is None:
        raise UnknownMethod("passkeys are off")
    return passkeys
