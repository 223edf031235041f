"""`sealring keys …`: the signing keys of this issuer, and keys for other uses."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sealring import jwt
from sealring.cli.context import with_issuer
from sealring.cli.output import as_json, print_rows, say
from sealring.cli.prompts import TAKES_DASHES, confirmation
from sealring.errors import ConfigurationError
from sealring.jwt.algorithms import ALGORITHMS

if TYPE_CHECKING:
    from sealring.sealring import Sealring


@click.group()
def keys() -> None:
    """Signing keys: list, rotate, revoke, reencrypt; generate makes a key for your own use."""


@keys.command("list")
@as_json
def list_keys(as_json: bool) -> None:
    """List the signing keys: published, signing, retired, revoked."""

    async def work(auth: Sealring) -> list[dict[str, Any]]:
        await auth.issuer.keys.read()
        return auth.issuer.keys.listing()

    print_rows(with_issuer(work), json_wanted=as_json, empty="no keys yet")


@keys.command()
def rotate() -> None:
    """Let the standby key sign as soon as every verifier knows it."""

    async def work(auth: Sealring) -> tuple[str, str, int]:
        key = await auth.issuer.keys.rotate()
        return key.kid, key.alg, key.signs_from - auth.clock.now_ms() // 1000

    kid, alg, wait = with_issuer(work)
    say(f"{kid} ({alg}) signs " + (f"in {wait} seconds" if wait > 0 else "from now"))


@keys.command(context_settings=TAKES_DASHES)
@click.argument("kid")
@confirmation("Every token signed by this key becomes invalid. Revoke it?")
def revoke(kid: str) -> None:
    """Revoke a compromised key; the standby key signs from now on."""
    with_issuer(lambda auth: auth.issuer.revoke_key(kid))
    say(f"revoked {kid}")


@keys.command()
def reencrypt() -> None:
    """Encrypt again, under the first secret, every key that an older secret encrypted."""
    number = with_issuer(lambda auth: auth.issuer.keys.reencrypt())
    say(f"keys encrypted again under the first secret: {number}")


@keys.command()
@click.argument("algorithm", type=click.Choice(list(ALGORITHMS)), default="ES256")
@click.option("--format", "form", type=click.Choice(["pem", "jwk"]), default="jwk", show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the private key to this file (mode 600), print the public key.",
)
def generate(algorithm: str, form: str, out: Path | None) -> None:
    """Generate a key for your own use: PEM or JWK."""
    key = jwt.Key.generate(algorithm)
    if form == "pem" and key.is_symmetric:
        raise click.UsageError("a secret has no PEM form; use --format jwk")
    private = key.to_pem(private=True).decode() if form == "pem" else json.dumps(key.to_jwk(private=True))
    if out is None:
        click.echo(private.rstrip())
        return
    write_private(out, private)
    if not key.is_symmetric:
        click.echo((key.to_pem().decode() if form == "pem" else json.dumps(key.to_jwk())).rstrip())


def write_private(path: Path, text: str) -> None:
    """Write a new file that its owner alone can read.

    Raises:
        ConfigurationError: it exists, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(text.rstrip() + "\n")
