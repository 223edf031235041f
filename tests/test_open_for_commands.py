"""`Sealring.open(follow=False)`: what a command needs, and nothing that a server does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sealring.cli
from sealring.errors import Stale
from tests.serving import cheap_sealring


@pytest.mark.anyio
async def test_a_command_writes_and_makes_no_key_and_follows_nothing() -> None:
    auth = cheap_sealring()
    await auth.open(follow=False)
    await auth.revoke_subject("42")
    await auth.issuer.keys.read()
    assert auth.issuer.keys.listing() == []
    assert len((await auth.store.load_feed(None)).entries) == 1
    with pytest.raises(Stale):
        auth.verify("any token")
    await auth.close()
    await auth.open()
    assert [key["state"] for key in auth.issuer.keys.listing()] == ["signing", "published"]
    assert auth.node.is_fresh
    await auth.close()


@pytest.mark.parametrize("file", sorted(path.name for path in Path(sealring.cli.__file__).parent.glob("*.py")))
def test_no_command_has_a_life_cycle_of_its_own(file: str) -> None:
    """`Sealring.lifespan` alone opens and closes: nothing is left open, whatever a command raises."""
    tree = ast.parse((Path(sealring.cli.__file__).parent / file).read_text(encoding="utf-8"))
    awaited = {
        ast.unparse(node.value.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Await) and isinstance(node.value, ast.Call)
    }
    assert not {name for name in awaited if name.endswith((".open", ".close"))}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & {"open_store", "SqliteStore", "PostgresStore", "wire"}
