"""The numbered SQL files that make the tables, the same numbers in each dialect.

A store applies those that the database does not have yet, in one transaction under a lock, so that two that start at
once, or one that is killed half-way, leave a whole schema behind (P8). The database keeps the number and the digest of
each step. A schema that is newer than this program, or that was made by other statements, is refused.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
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
    digest: str = field(repr=False)
    """Of the statements. The database keeps it, so that a step that was edited after it was applied is noticed."""


def read_migrations(dialect: Dialect) -> tuple[Migration, ...]:
    """Every step, in order."""
    folder = files("sealring.store").joinpath("migrations", dialect)
    steps = [read_migration(dialect, file.name, file.read_text("utf-8")) for file in folder.iterdir()]
    return tuple(sorted(steps, key=lambda step: step.number))


def read_migration(dialect: Dialect, file_name: str, script: str) -> Migration:
    """One step. Lines that begin with -- are comments; they may be edited at any time.

    SQLite takes one statement at a time, and its own library says where one ends. PostgreSQL takes the script as it
    is, so nothing here needs to know its quotes and its $$ bodies.

    Raises:
        ValueError: the last statement has no end.
    """
    number, _, name = file_name.removesuffix(".sql").partition("_")
    text = "".join(f"{line}\n" for line in script.splitlines() if not line.startswith("--"))
    statements = _split(text) if dialect == "sqlite" else (text,)
    return Migration(int(number), name, statements, sha256("\0".join(statements).encode()).hexdigest())


def _split(text: str) -> tuple[str, ...]:
    statements: list[str] = []
    pending = ""
    for line in text.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            statements.append(pending.strip())
            pending = ""
    if pending.strip():
        raise ValueError("the last statement of a migration must end with a semicolon")
    return tuple(statements)


def names_made(*dialects: Dialect, kinds: str = "TABLE|INDEX") -> frozenset[str]:
    """What the steps make in these dialects."""
    make = re.compile(rf"^CREATE (?:{kinds}) (\w+)", re.MULTILINE)
    steps = (step for dialect in dialects for step in read_migrations(dialect))
    return frozenset(name for step in steps for statement in step.statements for name in make.findall(statement))


def pending_migrations(dialect: Dialect, applied: Mapping[int, str]) -> tuple[Migration, ...]:
    """The steps that a database still needs.

    Args:
        dialect: of the database.
        applied: what it keeps of each step that was applied: its number and its digest.

    Raises:
        ConfigurationError: the schema is newer than this program, or was made by other statements.
    """
    steps = read_migrations(dialect)
    newest = max(applied, default=0)
    if newest > steps[-1].number:
        raise ConfigurationError(
            f"the database has schema {newest}, this program knows {steps[-1].number}",
            hint="run the version of sealring that wrote it, or a newer one",
        )
    for step in steps:
        if applied.get(step.number, step.digest) != step.digest:
            raise ConfigurationError(
                f"migration {step.number} ({step.name}) was edited after it was applied to this database",
                hint="run the version of sealring that made the tables, or start with an empty database",
            )
    return tuple(step for step in steps if step.number not in applied)
