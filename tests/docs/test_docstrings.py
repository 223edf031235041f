"""Each public name has an example in its docstring, and the examples in all docstrings run and give what they say."""

from __future__ import annotations

import re
from pathlib import Path

import griffe
import pytest

import tests.django_project.settings  # noqa: F401 - modules of Django frameworks ask for settings when imported
from scripts.api_source import (
    PAGES,
    Module,
    Page,
    code_of,
    find,
    is_made_by_methods,
    is_row,
    module_of,
    names_of,
    public_members,
    target_of,
)
from scripts.write_api import with_members
from tests.docs.docstring_examples import PROMPT, run_examples, with_await

SOURCE = Path(__file__).parents[2] / "src"
MODULES = [
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(SOURCE.rglob("*.py"))
    if PROMPT in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    results = run_examples(name)
    assert results.attempted
    assert results.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.file)
def test_every_public_name_has_an_example(page: Page) -> None:
    missing = [path for module in page.modules for name in names_of(module) for path in without_example(module, name)]
    assert missing == []


def without_example(module: Module, name: str) -> list[str]:
    """A name and its methods, those of them that have no example.

    A value shares the examples of its module, and a method those of its class, if they name it. A method that a
    framework calls ("Called by …") is shown by those of its class, which have it called. Fields share those of their
    class, and the use cases of the face without an event loop those of the methods that they are made from.
    """
    found = find(module, name)
    if isinstance(found, griffe.Attribute):
        shared = examples_of(module_of(module.path))
        return [] if is_named(name, examples_of(found) + shared) else [found.path]
    missing = [] if examples_of(found) else [found.path]
    members = public_members(found) if isinstance(found, griffe.Class) and module.members else []
    missing += [
        member.path
        for member in members
        if isinstance(member, griffe.Function)
        and not is_row(member)
        and not examples_of(member)
        and not is_called_by_others(member)
        and not is_named(member.name, examples_of(found))
    ]
    return missing


def examples_of(found: griffe.Object) -> str:
    """What the examples of a docstring have a reader type."""
    return code_of(found.docstring.value) if found.docstring else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.file)
def test_every_argument_is_described(page: Page) -> None:
    shown = [found for module in page.modules for name in names_of(module) for found in with_members(module, name)]
    left = [words for found in shown for words in undescribed(found)]
    assert left == []


def undescribed(found: griffe.Object) -> list[str]:
    """Arguments of a function or a class of which nothing is said: neither below `Args:`, nor at a field.

    A setting has its words in its row, which docs/reference/settings.md shows.
    """
    if not isinstance(found, griffe.Function | griffe.Class):
        return []
    if isinstance(found, griffe.Class) and is_made_by_methods(found):
        return []
    sections = found.docstring.parse("google") if found.docstring else []
    said = {one.name for section in sections if section.kind.value == "parameters" for one in section.value}
    if isinstance(found, griffe.Class):
        fields = [target_of(member) for member in found.all_members.values()]
        said |= {one.name for one in fields if one.docstring or str(getattr(one, "value", "")).startswith("setting(")}
    names = [one.name for one in found.parameters if one.name not in {"self", "cls"} and not one.name.startswith("_")]
    return [f"{found.path}: {name}" for name in names if name not in said]


def is_called_by_others(found: griffe.Object) -> bool:
    """Whether a framework calls this method, and no reader does: the examples of its class have it called."""
    return bool(found.docstring and found.docstring.value.startswith("Called by "))


def is_named(name: str, code: str) -> bool:
    """Whether code uses a name or defines it."""
    return bool(re.search(rf"\b{name}\b", code))


def test_an_example_may_wait() -> None:
    assert with_await("found = await one(await two())\n") == "found = _wait(one(_wait(two())))\n"
    assert with_await("async def f() -> None: await g()\n") == "async def f() -> None:\n    await g()\n"


def test_a_method_shares_no_example_that_does_not_name_it() -> None:
    assert is_named("open", "await auth.open()")
    assert not is_named("open", "await auth.reopen()")
