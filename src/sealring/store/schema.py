"""The numbered SQL files that make the tables, the same numbers in each dialect.

A store applies those above the version that it finds, in one transaction under a lock, so that two that start at once
or one that is killed half-way leave a whole schema behind (P8). A schema newer than this program is refused.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from sealring.errors import ConfigurationError

Dialect = Literal["sqlite", "postgresql"]


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    statements: tuple[str, ...]


def read_migrations(dialect: Dialect) -> tuple[Migration, ...]:
    """Every step, in order."""
    found = []
    for file in files("sealring.store").joinpath("migrations", dialect).iterdir():
        number, _, name = file.name.removesuffix(".sql").partition("_")
        found.append(Migration(int(number), name, _split(file.read_text("utf-8"))))
    return tuple(sorted(found, key=lambda migration: migration.number))


def _split(script: str) -> tuple[str, ...]:
    statements: list[str] = []
    pending = ""
    for line in script.splitlines():
        if not line.startswith("--"):
            pending += line + "\n"
            if sqlite3.complete_statement(pending):
                statements.append(pending.strip())
                pending = ""
    return tuple(statements)


def names_made(*dialects: Dialect, kinds: str = "TABLE|INDEX") -> frozenset[str]:
    """What the steps make in these dialects."""
    make = re.compile(rf"^CREATE (?:{kinds}) (\w+)", re.MULTILINE)
    steps = (step for dialect in dialects for step in read_migrations(dialect))
    return frozenset(name for step in steps for statement in step.statements for name in make.findall(statement))


def pending_migrations(dialect: Dialect, version: int) -> tuple[Migration, ...]:
    """The steps above `version`.

    Raises:
        ConfigurationError: the schema is newer than this program.
    """
    steps = read_migrations(dialect)
    if version > steps[-1].number:
        raise ConfigurationError(
            f"the database has schema {version}, this program knows {steps[-1].number}",
            hint="run the version of sealring that wrote it, or a newer one",
        )
    return tuple(step for step in steps if step.number > version)
