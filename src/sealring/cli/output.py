"""What commands print: tables for people, JSON for programs, errors with hints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sealring.cli.logs import escaped
from sealring.cli.prompts import NobodyToAskError
from sealring.errors import ConfigurationError, RegistrationClosed, StoreUnavailable, TokenTooLong

WIDE = 10_000
"""Columns: ids are there to be copied, so none is cut or broken; a narrow terminal wraps the line by itself."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def say(text: str) -> None:
    """Print one line to stdout, without terminal control: names, addresses and causes are what strangers wrote."""
    click.echo(one_line(text))


def say_json(value: Any, *, indent: int | None = 2) -> None:
    """Print JSON to stdout: letters as they are, what a terminal might obey escaped (C0 is by JSON, C1 by us)."""
    click.echo("".join(map(_json_letter, json.dumps(value, ensure_ascii=False, indent=indent))))


def _json_letter(letter: str) -> str:
    # outside of strings, JSON is printable ASCII and line breaks; inside, no line break stands as it is
    return letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1]


def say_error(message: str, hint: str | None, code: int) -> int:
    """Print an error to stderr, on one line whatever it holds; returns the exit code."""
    click.echo(f"sealring: error: {one_line(message)}", err=True)
    if hint:
        click.echo(f"hint: {one_line(hint)}", err=True)
    return code


def say_lines(text: str) -> None:
    """Print a text of several lines to stderr, each without terminal control."""
    for line in text.splitlines():
        click.echo(escaped(line), err=True)


def say_warning(message: str, hint: str | None) -> None:
    """Print to stderr what the reader should know, though the command goes on."""
    click.echo(f"sealring: warning: {one_line(message)}", err=True)
    if hint:
        click.echo(f"hint: {one_line(hint)}", err=True)


def hint_of(error: Exception) -> str | None:
    """How to fix it, where known."""
    if isinstance(error, ConfigurationError | NobodyToAskError | RegistrationClosed):
        return error.hint
    if isinstance(error, TokenTooLong):
        return "grant fewer scopes: no cookie carries a longer token, and the next login would be refused"
    if isinstance(error, StoreUnavailable):
        return error.hint or "look at SEALRING_DATABASE_URL, and whether the database answers there"
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"see `{error.ctx.command_path} --help`"
    return None


def one_line(text: str) -> str:
    """The text without line breaks or terminal control."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def print_rows(rows: Sequence[Mapping[str, Any]], *, json_wanted: bool, empty: str) -> None:
    """Print a listing; columns are the members of the first row, and names ending in `_at` are times."""
    if json_wanted:
        say_json([dict(row) for row in rows])
        return
    if not rows:
        say(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name.removesuffix("_at").replace("_", " "))
    for row in rows:
        table.add_row(*(Text(one_line(cell(name, value))) for name, value in row.items()))
    Console(soft_wrap=True, width=WIDE).print(table)


def cell(name: str, value: Any) -> str:
    """One value as people read it."""
    if value is None:
        return ""
    if name.endswith(("_at", "_from", "_until")) and isinstance(value, int):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
