"""`sealring clients …`: programs that act for themselves, by `client_credentials`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sealring.cli.context import with_issuer
from sealring.cli.output import as_json, print_rows, say, say_json
from sealring.cli.prompts import TAKES_DASHES, confirmation
from sealring.sessions.grant import scope_tokens

if TYPE_CHECKING:
    from sealring.accounts.oauth_client import OAuthClient
    from sealring.issuer.clients import Clients
    from sealring.sealring import Sealring


@click.group()
def clients() -> None:
    """Registered OAuth clients: list, add, scopes, new-secret, remove."""


@clients.command("list")
@as_json
def list_clients(as_json: bool) -> None:
    """List the registered clients."""

    async def work(auth: Sealring) -> list[dict[str, Any]]:
        return [
            {
                "id": client.id,
                "name": client.name,
                "scopes": list(client.scopes),
                "introspects": client.introspects,
                "created_at": client.created_at,
            }
            for client in await everybody(auth.issuer.clients)
        ]

    print_rows(with_issuer(work), json_wanted=as_json, empty="no clients yet")


async def everybody(registered: Clients) -> list[OAuthClient]:
    """All clients by id, however many."""
    found = page = await registered.list()
    while page:
        page = await registered.list(after=page[-1].id)
        found = found + page
    return found


@clients.command(context_settings=TAKES_DASHES)
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, help="What its tokens may say; may be repeated.")
@click.option("--introspect", "introspects", is_flag=True, help="It may ask what a token is (RFC 7662).")
@as_json
def add(name: str, scopes: tuple[str, ...], introspects: bool, as_json: bool) -> None:
    """Register a client, and print its secret once: the store has only a digest of it."""
    tokens = _scopes(scopes)
    made = with_issuer(lambda auth: auth.issuer.clients.register(name, scopes=tokens, introspects=introspects))
    _show(made.client.id, made.secret, as_json=as_json)


@clients.command()
@click.argument("client_id")
@click.argument("scope", nargs=-1)
@click.option("--none", is_flag=True, help="Remove all scopes.")
def scopes(client_id: str, scope: tuple[str, ...], *, none: bool) -> None:
    """Set all scopes of a client; its tokens of before are worthless at once."""
    if none is bool(scope):
        raise click.UsageError("give the scopes that the client is to have, or --none for no scope at all")
    tokens = _scopes(scope)
    with_issuer(lambda auth: auth.issuer.clients.set_scopes(client_id, tokens))
    say(f"{client_id} has the scopes: {' '.join(tokens) or 'none'}")


@clients.command("new-secret")
@click.argument("client_id")
@confirmation("The old secret and every token that it bought become worthless. Replace it?")
@as_json
def new_secret(client_id: str, as_json: bool) -> None:
    """Give a client another secret, and print it once."""
    secret = with_issuer(lambda auth: auth.issuer.clients.replace_secret(client_id))
    _show(client_id, secret, as_json=as_json)


@clients.command()
@click.argument("client_id")
@confirmation("The client and every token of it become worthless. Remove it?")
def remove(client_id: str) -> None:
    """Remove a client; its tokens are refused everywhere within seconds."""
    with_issuer(lambda auth: auth.issuer.clients.remove(client_id))
    say(f"removed {client_id}")


def _show(client_id: str, secret: str, *, as_json: bool) -> None:
    if as_json:
        say_json({"client_id": client_id, "client_secret": secret})
        return
    say(f"client_id: {client_id}")
    say(f"client_secret: {secret}")


def _scopes(given: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return scope_tokens([token for text in given for token in text.split()])
    except ValueError as error:
        raise click.UsageError(str(error)) from None
