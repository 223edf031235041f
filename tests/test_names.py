"""One name, one thing: no class of the package shares its name, or a reader must ask which one is meant."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import sealring

SOURCE = Path(sealring.__file__).parent
ALLOWED = {
    "Connection": "of a socket, and of PostgreSQL",
    "Row": "of the table of answers, and of SQL",
    "Verifier": "of tokens, and of tokens with revocations: `sealring.jwt` is a library of its own",
}
"""Names that stand for two things all the same: each is private to its folder, or says why."""


def defined() -> dict[str, list[tuple[str, bool]]]:
    """Each public class or alias of the package: the modules that define it, and whether as a class."""
    found: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for path in sorted(SOURCE.rglob("*.py")):
        if path.relative_to(SOURCE).parts[0] == "client":  # speaks of the same things from the other side
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names: list[str] = []
            match node:
                case ast.ClassDef(name=name):
                    names = [name]
                case ast.Assign(targets=targets):
                    names = [one.id for one in targets if isinstance(one, ast.Name) and one.id != one.id.upper()]
            for name in names:
                if name[0].isupper():
                    found[name].append((str(path.relative_to(SOURCE)), isinstance(node, ast.ClassDef)))
    return found


def test_no_class_shares_its_name() -> None:
    shared = {name: places for name, places in defined().items() if len(places) > 1 and any(own for _, own in places)}
    assert {name: places for name, places in shared.items() if name not in ALLOWED} == {}
    assert set(ALLOWED) <= set(shared), "an exception that is no more"
