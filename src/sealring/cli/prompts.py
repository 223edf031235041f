"""Prompts of commands: passwords and confirmations.

Without a terminal a command ends at once and names the option that answers instead; it never waits, and never takes
silence for a yes. A confirmation may also come through a pipe, a password through `--password-file` only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sealring.errors import ConfigurationError

password_file = click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Read the password from this file; - is stdin.",
)


TAKES_DASHES = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""For commands that take an id: one in 64 begins with a dash, and is no option."""


class NobodyToAskError(click.UsageError):
    """An answer is needed and stdin is no terminal; `hint` names the option that gives it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def read_password(file: Path | None) -> str:
    """From the file's first line, from stdin for "-", or from a prompt, twice.

    Raises:
        ConfigurationError: the file cannot be read as text.
        NobodyToAskError: no file, and no terminal to prompt at.
    """
    if file is None:
        if not sys.stdin.isatty():
            raise NobodyToAskError(
                "there is no terminal to ask for a password at",
                "give --password-file and a file, or --password-file - to read it from stdin",
            )
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        with sys.stdin if str(file) == "-" else file.open(encoding="utf-8") as stream:
            return stream.readline().removeprefix("\ufeff").rstrip("\r\n")  # the mark that some editors put first
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"cannot read a password from {file}", "its first line must be UTF-8 text") from None


def confirmation(question: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--yes`, or a yes to the question."""

    def ask(context: click.Context, _: click.Parameter, yes: bool) -> None:
        if yes or context.resilient_parsing:
            return
        try:
            sure = click.confirm(question)
        except click.Abort:
            click.echo()  # ends the line of the question
            if sys.stdin.isatty():
                raise
            raise NobodyToAskError(
                "there is no terminal to ask for a confirmation at", "give --yes to go on without being asked"
            ) from None
        if not sure:
            raise click.ClickException("not confirmed: nothing was changed")

    return click.option("--yes", is_flag=True, expose_value=False, callback=ask, help="Do not ask.")
