"""`sealring token …`: sign, verify and inspect compact tokens. Keys come from files or stdin, never from arguments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from sealring import jwt
from sealring.cli.output import say, say_json, say_warning
from sealring.errors import ConfigurationError, TokenError, WrongAudience
from sealring.jwt.strict_json import decode_object

TextFile = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
key_file = click.option(
    "--key-file", type=TextFile, required=True, help="PEM, JWK, JWKS, or a secret for an HS algorithm; - is stdin."
)
algorithm = click.option("--alg", help="Algorithm of the key, where the file does not say it: PEM and secrets.")


@click.group()
def token() -> None:
    """Tokens: sign, verify, inspect."""


@token.command()
@click.argument("claims", default="{}")
@key_file
@algorithm
@click.option("--expires-in", help="Lifetime from now: 1800, 30m, 12h …")
@click.option("--issuer")
@click.option("--audience", multiple=True)
@click.option("--subject")
@click.option("--typ", default="JWT", show_default=True)
def sign(  # noqa: PLR0917 - click hands options over by name
    claims: str,
    key_file: Path,
    alg: str | None,
    expires_in: str | None,
    issuer: str | None,
    audience: tuple[str, ...],
    subject: str | None,
    typ: str,
) -> None:
    """Sign CLAIMS, a JSON object."""
    try:
        body = decode_object(claims.encode())
    except ValueError as error:
        raise click.BadParameter(f"not a JSON object: {error}", param_hint="CLAIMS") from None
    key = one_key(read(key_file), alg)
    wanted = list(audience) if len(audience) > 1 else audience[0] if audience else None
    try:
        text = jwt.sign(body, key, expires_in=expires_in, issuer=issuer, audience=wanted, subject=subject, typ=typ)
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    if "exp" not in jwt.peek(text).claims:
        say_warning(
            "this token never expires; verifiers refuse it unless told otherwise",
            "give --expires-in 30m; or verify it with --require '' (in Python: require=())",
        )
    say(text)


@token.command()
@click.argument("token_file", type=TextFile, default="-", metavar="[FILE]")
@key_file
@algorithm
@click.option("--issuer")
@click.option("--audience")
@click.option("--any-audience", is_flag=True, help="Accept any audience.")
@click.option("--typ")
@click.option("--leeway", default="0")
@click.option("--require", default="exp", show_default=True, help="Required claims, separated by commas; '' for none.")
def verify(  # noqa: PLR0917 - as above
    token_file: Path,
    key_file: Path,
    alg: str | None,
    issuer: str | None,
    audience: str | None,
    any_audience: bool,
    typ: str | None,
    leeway: str,
    require: str,
) -> None:
    """Verify the token in FILE (default: stdin) and print its claims."""
    keys = any_keys(read(key_file), alg)
    if audience is not None and any_audience:
        raise click.UsageError("give --audience or --any-audience, not both")
    wanted = jwt.ANY if any_audience else audience
    required = [name.strip() for name in require.split(",") if name.strip()]
    try:
        got = jwt.verify(
            read(token_file).strip(), keys, issuer=issuer, audience=wanted, typ=typ, leeway=leeway, require=required
        )
    except WrongAudience as error:
        hint = "" if audience else "give the audience with --audience, or accept any with --any-audience"
        raise ConfigurationError(f"the token is refused: {error} ({error.code})", hint) from None
    except TokenError as error:
        raise click.ClickException(f"the token is refused: {error} ({error.code})") from None
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    say_json(got.claims)


@token.command()
@click.argument("token_file", type=TextFile, default="-", metavar="[FILE]")
def inspect(token_file: Path) -> None:
    """Print header and claims of the token in FILE (default: stdin). Needs no key and verifies nothing."""
    try:
        peeked = jwt.peek(read(token_file).strip())
    except TokenError as error:
        raise click.ClickException(f"not a token: {error}") from None
    click.echo("NOT VERIFIED: anybody can write this", err=True)
    say_json({"header": peeked.header, "claims": peeked.claims})


def read(path: Path) -> str:
    """A text file, or stdin for "-"."""
    try:
        if str(path) == "-":
            return sys.stdin.read().removeprefix("\ufeff")
        return path.read_text(encoding="utf-8-sig")  # without the mark that some editors put first
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from None


def any_keys(text: str, alg: str | None) -> jwt.Key | jwt.KeySet:
    """The key or the keys that the file holds.

    Raises:
        ConfigurationError: none.
    """
    try:
        if text.lstrip().startswith("{"):
            value: dict[str, Any] = decode_object(text.encode())
            if "keys" in value:
                return jwt.KeySet.from_jwks(value)
            return jwt.Key.from_jwk(value, alg)
        if alg is not None:
            return jwt.Key.from_pem(text, alg) if "-----BEGIN" in text else jwt.Key.from_secret(text.strip(), alg)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the key file holds no usable key: {error}") from None
    raise ConfigurationError("the key file does not say its algorithm", "give it with --alg, as in --alg ES256")


def one_key(text: str, alg: str | None) -> jwt.Key:
    """The one key to sign with.

    Raises:
        ConfigurationError: a set of keys, or none.
    """
    key = any_keys(text, alg)
    if not isinstance(key, jwt.Key):
        raise ConfigurationError("a set of keys cannot sign", "give the one private key")
    return key
