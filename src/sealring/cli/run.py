"""One place where every command starts, and where every failure becomes a line and an exit code."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from sealring.cli.audit import audit
from sealring.cli.clients import clients
from sealring.cli.keys import keys
from sealring.cli.output import hint_of, say_error
from sealring.cli.serve import serve
from sealring.cli.sessions import sessions
from sealring.cli.setup import check, init, migrate, restored, secret, version
from sealring.cli.token import token
from sealring.cli.users import users
from sealring.errors import SealringError

FAILED = 1
INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sealring", message="sealring %(version)s")
def sealring() -> None:
    """JWT sessions: checked locally in microseconds, revoked everywhere within seconds."""


for command in (serve, init, secret, migrate, restored, check, users, clients, sessions, keys, token, audit, version):
    sealring.add_command(command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    # events and lost connections are logged too: `serve` writes them as JSON, and a terminal gets a command's own words
    for name in ("psycopg", "sealring"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - closed by the parent process
    try:
        result = sealring.main(args=arguments, prog_name="sealring", standalone_mode=False)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has closed the pipe: nothing more can be written
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return say_error("interrupted", None, INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()  # the help itself, lines and all
        return error.exit_code
    except click.ClickException as error:
        return say_error(error.format_message(), hint_of(error), error.exit_code)
    except (SealringError, OSError, sqlite3.Error) as error:
        return say_error(str(error), hint_of(error), FAILED)
    return result if isinstance(result, int) else 0
