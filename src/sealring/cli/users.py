"""`sealring users …`: accounts, for the operator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sealring.accounts.account import Account
from sealring.cli.context import with_issuer
from sealring.cli.identities import identities
from sealring.cli.output import as_json, print_rows, say, say_warning
from sealring.cli.prompts import TAKES_DASHES, confirmation, password_file, read_password
from sealring.issuer.accounts import Accounts
from sealring.sessions.grant import scope_tokens
from sealring.settings import load_settings

if TYPE_CHECKING:
    from sealring.sealring import Sealring


@click.group()
def users() -> None:
    """Accounts: list, create, import, invite, disable, enable, delete, set-password, scopes and more."""


users.add_command(identities)


@users.command("list")
@as_json
def list_users(as_json: bool) -> None:
    """List all accounts."""

    async def work(auth: Sealring) -> list[dict[str, Any]]:
        return [
            {
                "username": account.name,
                "id": account.id,
                "email": account.email,
                "email_verified": account.email_verified,
                "status": account.status,
                "scopes": list(account.scopes),
                "created_at": account.created_at,
            }
            for account in await everybody(auth.issuer.accounts)
        ]

    print_rows(with_issuer(work), json_wanted=as_json, empty="no accounts yet")


async def everybody(accounts: Accounts) -> list[Account]:
    """All accounts by name, however many."""
    found = page = await accounts.list()
    while page:
        page = await accounts.list(after=page[-1].canonical_name)
        found = found + page
    return found


@users.command(context_settings=TAKES_DASHES)
@click.argument("username")
@click.option("--email")
@password_file
def create(username: str, email: str | None, password_file: Path | None) -> None:
    """Create an account."""
    password = read_password(password_file)

    async def work(auth: Sealring) -> str:
        return (await auth.issuer.accounts.create(username, password, email=email)).id

    say(f"created {username} with id {with_issuer(work)}")


@users.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--check", is_flag=True, help="Say what is wrong and write nothing.")
@click.option("--skip-invalid", is_flag=True, help="Import the lines that are right, and leave out the others.")
def import_users(file: Path, *, check: bool, skip_invalid: bool) -> int:
    """Import users with their password hashes, from JSON lines or CSV (`-` is stdin).

    Members or columns: username, password_hash, id, email, email_verified, scopes, disabled. Accounts that are there
    already stay as they are, so the command may be repeated.
    """
    from sealring.cli.import_users import import_file  # noqa: PLC0415 - help starts without Argon2

    return import_file(file, check=check, skip_invalid=skip_invalid)


@users.command()
@click.option("--expires", "expires_in", default="7d", show_default=True, help="How long it is good for, as in 12h.")
def invite(expires_in: str) -> None:
    """Print an invitation, good for one registration (SEALRING_REGISTRATION=invited)."""
    from sealring.issuer.account_commands import invitation_seconds  # noqa: PLC0415 - help starts without the stores

    try:
        invitation_seconds(expires_in)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    say(with_issuer(lambda auth: auth.accounts.invite(expires_in=expires_in)))
    if load_settings().registration != "invited":
        say_warning("registration does not ask for invitations", "set SEALRING_REGISTRATION=invited")


@users.command(context_settings=TAKES_DASHES)
@click.argument("username")
def disable(username: str) -> None:
    """Block logins and end every session."""
    change(username, lambda accounts, found: accounts.disable(found))
    say(f"disabled {username}; every session ended")


@users.command(context_settings=TAKES_DASHES)
@click.argument("username")
def enable(username: str) -> None:
    """Allow logins again and reset the rate limits of the account."""
    change(username, lambda accounts, found: accounts.enable(found))
    say(f"enabled {username}; its rate limits are reset")


@users.command(context_settings=TAKES_DASHES)
@click.argument("username")
@confirmation("Delete this account for good?")
def delete(username: str) -> None:
    """Delete an account for good and end every session."""
    change(username, lambda accounts, found: accounts.delete(found))
    say(f"deleted {username}; every session ended")


@users.command("set-password", context_settings=TAKES_DASHES)
@click.argument("username")
@password_file
def set_password(username: str, password_file: Path | None) -> None:
    """Set a new password, end every session and reset the rate limits of the account."""
    password = read_password(password_file)
    change(username, lambda accounts, found: accounts.set_password(found, password))
    say(f"set a new password for {username}; every session ended, its rate limits are reset")


@users.command("verify-email", context_settings=TAKES_DASHES)
@click.argument("username")
def verify_email(username: str) -> None:
    """Take the email address of an account as verified, by your word."""
    change(username, lambda accounts, found: accounts.verify_email(found))
    say(f"the email address of {username} is verified")


@users.group()
def mfa() -> None:
    """Second factors of accounts: reset."""


@mfa.command(context_settings=TAKES_DASHES)
@click.argument("username")
@confirmation("Remove all second factors of this account?")
def reset(username: str) -> None:
    """Remove all second factors of an account whose owner has lost them. No session ends."""

    async def work(auth: Sealring) -> list[str]:
        account = await auth.issuer.accounts.find(username)
        return await auth.issuer.factors.reset(account.id)

    removed = with_issuer(work)
    say(f"removed from {username}: {', '.join(sorted(removed))}" if removed else f"{username} has no second factor")


@users.command(context_settings=TAKES_DASHES)
@click.argument("username")
@click.argument("scope", nargs=-1)
@click.option("--none", is_flag=True, help="Remove all scopes.")
def scopes(username: str, scope: tuple[str, ...], *, none: bool) -> None:
    """Set all scopes of an account. Takes effect within seconds, logs nobody out."""
    for word in scope:
        if word.startswith("-"):  # a misspelt option, since a username may begin with a dash here
            raise click.NoSuchOption(word)
    if none is bool(scope):
        raise click.UsageError("give the scopes that the account is to have, or --none for no scope at all")
    try:
        scope = scope_tokens(scope)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    change(username, lambda accounts, found: accounts.set_scopes(found, scope))
    say(f"scopes of {username}: {' '.join(scope) or 'none'}")


def change(username: str, work: Callable[[Accounts, str], Awaitable[object]]) -> None:
    """Find the account of that name and change it by its id."""

    async def find_and_work(auth: Sealring) -> None:
        account = await auth.issuer.accounts.find(username)
        await work(auth.issuer.accounts, account.id)

    with_issuer(find_and_work)
