"""`sealring users identities …`: identities at providers that accounts are linked to, for the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sealring.cli.context import with_issuer
from sealring.cli.output import as_json, print_rows, say
from sealring.cli.prompts import TAKES_DASHES

if TYPE_CHECKING:
    from sealring.sealring import Sealring


@click.group()
def identities() -> None:
    """Identities at providers: list, unlink."""


@identities.command("list", context_settings=TAKES_DASHES)
@click.argument("username")
@as_json
def list_identities(username: str, *, as_json: bool) -> None:
    """List the identities of an account."""

    async def work(auth: Sealring) -> list[dict[str, Any]]:
        from sealring.issuer.identities import record_of  # noqa: PLC0415 - help starts without the stores

        account = await auth.issuer.accounts.find(username)
        return [
            {
                "id": own.id,
                "provider": record_of(own).provider,
                "issuer": record_of(own).issuer,
                "subject": record_of(own).subject,
                "label": own.label,
                "last_used_at": own.last_used_at,
            }
            for own in await auth.issuer.sign_ins.identities_of(account.id)
        ]

    print_rows(with_issuer(work), json_wanted=as_json, empty="no identities")


@identities.command(context_settings=TAKES_DASHES)
@click.argument("username")
@click.argument("identity_id")
def unlink(username: str, identity_id: str) -> None:
    """Unlink an identity, the last way to log in too, and end every session that began by it."""

    async def work(auth: Sealring) -> None:
        account = await auth.issuer.accounts.find(username)
        await auth.issuer.sign_ins.unlink_by_operator(account.id, identity_id)

    with_issuer(work)
    say(f"unlinked {identity_id} from {username}; every session that began by it ended")
