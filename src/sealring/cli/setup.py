"""Setting up: `init`, `secret`, `migrate`, `restored`, `check`, `version`."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sealring.cli.context import with_issuer
from sealring.cli.output import say, say_warning
from sealring.cli.prompts import confirmation
from sealring.errors import ConfigurationError
from sealring.settings import Settings, load_settings, names_in_dotenv
from sealring.store import sqlite_path

if TYPE_CHECKING:
    from sealring.sealring import Sealring

DOTENV = Path(".env")
SECRET_BYTES = 64
DOTENV_TEXT = """\
# The root secret of Sealring. It lets its holder log in as anyone: keep it out of version control.
SEALRING_SECRET={secret}
"""


def new_secret() -> str:
    """64 random bytes as hex, as in the tutorial."""
    return secrets.token_hex(SECRET_BYTES)


def _hint_for_another(path: Path) -> str:
    """How a secret gets into a file that is there already. A second line would put the first one out of force."""
    if path.is_file() and "SEALRING_SECRET" in map(str.upper, names_in_dotenv()):
        return (
            "it has a SEALRING_SECRET, so nothing is missing; for a new one, put what `sealring secret` prints before "
            "the old one, with a comma between them, and run `sealring keys reencrypt`"
        )
    return "to add a secret to it: printf '\\nSEALRING_SECRET=%s\\n' \"$(sealring secret)\" >> .env"


def write_dotenv(secret: str, path: Path = DOTENV) -> None:
    """Write `.env` with this secret, readable by its owner alone; never over an existing file.

    Raises:
        ConfigurationError: it exists, or the folder cannot be written.
    """
    text = DOTENV_TEXT.format(secret=secret)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigurationError(f"{path} already exists and was not changed", _hint_for_another(path)) from None
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {path}: {error.strerror}", "run it in a folder that you can write to"
        ) from None
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def check_no_keys(settings: Settings, secret: str) -> None:
    """Open the store, and see that a new secret would do: it cannot decrypt the keys that another has encrypted.

    Raises:
        ConfigurationError: the store cannot be used, or has keys.
        StoreUnavailable: it cannot be reached now.
    """

    async def has_keys(auth: Sealring) -> bool:
        await auth.issuer.keys.read()
        return bool(auth.issuer.keys.listing())

    if with_issuer(has_keys, replace(settings, secret=secret)):
        raise ConfigurationError(
            "the store has signing keys encrypted under another secret, which a new secret cannot decrypt",
            "set SEALRING_SECRET to the secret that was in use, or SEALRING_DATABASE_URL to an empty store",
        )


def _is_there(settings: Settings) -> bool:
    """Whether the store is a file that exists: to look into any other might make it, or wait for a server."""
    path = sqlite_path(settings.database_url)
    return path is not None and path.is_file()


@click.command()
def init() -> None:
    """Write .env with a new secret (mode 600); never overwrites a file."""
    new = new_secret()
    if not DOTENV.exists() and _is_there(settings := load_settings()):
        check_no_keys(settings, new)
    write_dotenv(new)
    say("wrote .env with a new 64-byte secret")


@click.command()
def secret() -> None:
    """Print a new secret for SEALRING_SECRET."""
    say(new_secret())


@click.command()
def migrate() -> None:
    """Update the store's schema to this version; safe to repeat, and to run from several machines at once."""

    async def through_pooler(auth: Sealring) -> bool:
        return auth.store.behind_pooler

    if with_issuer(through_pooler):
        say_warning(
            "this went through a connection pooler",
            "migrations want a direct connection, which no pooler ends or lends to others in the middle: for "
            "`sealring migrate` let SEALRING_DATABASE_URL name PostgreSQL itself",
        )
    say("the schema is up to date")


@click.command()
@confirmation("This logs everyone out and replaces every key. Was the store restored from a backup?")
def restored() -> None:
    """Run after restoring a backup, before any server starts: ends every session, replaces every key."""
    with_issuer(lambda auth: auth.issuer.reset_after_restore())
    say("store reset after restore: all sessions ended, all signing keys replaced")


@click.command()
def version() -> None:
    """Print the version."""
    say(f"sealring {installed_version('sealring')}")


@click.command()
def check() -> None:
    """Check configuration, store, clock and cookies: what is wrong and how to fix it."""
    from sealring.cli.diagnostics import diagnose  # noqa: PLC0415 - the other commands need none of it

    findings = diagnose()
    for finding in findings:
        say(f"{'ok   ' if finding.good else 'WRONG'} {finding.subject}: {finding.words}")
        if finding.hint:
            say(f"      hint: {finding.hint}")
    if not all(finding.good for finding in findings):
        raise click.exceptions.Exit(1)
