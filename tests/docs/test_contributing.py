"""CONTRIBUTING.md sends people to places that exist, and to the one place each."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from sealring.authentication.method import METHODS, Method
from sealring.cli.run import sealring
from sealring.jwt.algorithms import ALGORITHMS
from sealring.jwt.key_types import Algorithm

ROOT = Path(__file__).parents[2]
PAGE = ROOT.joinpath("CONTRIBUTING.md").read_text(encoding="utf-8")
TO_ADD = (
    "an algorithm",
    "a key type",
    "a store",
    "a framework",
    "a test client",
    "a route",
    "a use case on the public object",
    "a public name",
    "a setting",
    "a command",
    "a way to log in",
    "a use of the root secret",
    "a claim of access tokens",
    "an audit event",
    "an error",
    "a metric",
    "a table or a change of the schema",
    "a page for users",
    "a page of these docs",
    "a word that no text uses",
    "a benchmark",
    "a table on a page",
)
PLACES = dict(re.findall(r"^\| (an? [^|]+?) \| (.+) \|$", PAGE, re.MULTILINE))
PATH = r"`((?:src|tests|scripts|docs|bench)/[\w./-]+|[\w-]+\.(?:toml|md))`"
NAMED = re.compile(rf"`([A-Za-z_]+)` in {PATH}")


def names(path: Path) -> set[str]:
    """What a module defines at its top."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.Assign(targets=targets):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


def test_it_says_where_to_add_each_kind_of_thing() -> None:
    assert tuple(PLACES) == TO_ADD


@pytest.mark.parametrize("kind", TO_ADD)
def test_each_place_exists(kind: str) -> None:
    paths = re.findall(PATH, PLACES[kind])
    assert paths
    for path in paths:
        assert ROOT.joinpath(path).exists(), path
    for name, path in NAMED.findall(PLACES[kind]):
        assert name in names(ROOT / path), f"{name} in {path}"


def test_every_script_is_named() -> None:
    shown = set(re.findall(r"`scripts/(\w+)`", PAGE))
    commands = {file.name for file in ROOT.joinpath("scripts").iterdir() if file.is_file() and not file.suffix}
    assert commands - shown == {"environment"}, "which others start"
    assert shown <= commands


def test_every_folder_is_named() -> None:
    shown = set(re.findall(r"`(\w+)`", PAGE))
    folders = {
        path.name for path in ROOT.joinpath("src", "sealring").iterdir() if path.joinpath("__init__.py").exists()
    }
    assert folders <= shown


def test_each_key_type_is_one_file() -> None:
    used = {type(row).__module__.rpartition(".")[2] for row in ALGORITHMS.values()}
    files = {path.stem for path in ROOT.joinpath("src/sealring/jwt/key_types").glob("*.py")}
    assert files - used == {"__init__", "digests"}
    assert all(isinstance(row, Algorithm) for row in ALGORITHMS.values())


def test_the_tables_have_rows_of_one_type() -> None:
    """Those of settings, events and errors have tests of their own beside their code."""
    assert METHODS
    assert all(isinstance(row, Method) for row in METHODS)
    for command in sealring.commands.values():
        assert command.help
