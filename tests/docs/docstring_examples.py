"""Runs the examples in docstrings, those that `scripts/write_api.py` puts on pages among them.

`doctest.testmod` reads no docstring of a field, and none of what a decorator has wrapped. A line with `await` runs as
in `python -m asyncio`.
"""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
from collections.abc import Awaitable, Iterator
from functools import cache
from typing import Any

import griffe

from scripts.api_source import PAGES, STARTS, Module, module_of, names_of, starts_of
from scripts.write_api import with_members
from sealring import Sealring

PROMPT = ">>> "
WAIT = "_wait"
PARSER = doctest.DocTestParser()


def documented(module: griffe.Object) -> Iterator[griffe.Object]:
    """A module and all that it defines, if its docstring has an example."""
    if module.docstring and PROMPT in module.docstring.value:
        yield module
    for member in module.members.values():
        if isinstance(member, griffe.Object) and not member.is_module:
            yield from documented(member)


def run_examples(module: str) -> doctest.TestResults:
    """Run the examples of all docstrings of a module."""
    runner = doctest.DocTestRunner(verbose=False)
    for found in documented(module_of(module)):
        assert found.docstring
        with asyncio.Runner() as loop:
            names = {**names_for(found.path, module), **start(loop, found.docstring.value)}
            test = awaiting(found.docstring.value, names, name=found.path, line=found.docstring.lineno or 1)
            runner.run(test, clear_globs=False)
            for made in test.globs.values():
                if issubclass(type(made), Sealring):  # else its thread would go on until the last test
                    made.sync().close()
            for name in starts_of(found.docstring.value):
                loop.run(test.globs[name].close())
    return runner.summarize(verbose=False)


def names_for(path: str, module: str) -> dict[str, Any]:
    """What the examples of a docstring may use: on a page, public names of its module; elsewhere, all of its module."""
    public = public_modules().get(path)
    if public is None:
        return dict(vars(importlib.import_module(module)))
    imported = importlib.import_module(public.path)
    return {"__name__": "__main__"} | {name: getattr(imported, name) for name in names_of(public)}


@cache
def public_modules() -> dict[str, Module]:
    """For each docstring that stands on a page, the module of which its reader has imported all public names."""
    found: dict[str, Module] = {}
    for module in [module for page in PAGES for module in page.modules]:
        for one in (module_of(module.path), *(one for name in names_of(module) for one in with_members(module, name))):
            found.setdefault(one.path, module)
    return found


def start(loop: asyncio.Runner, docstring: str) -> dict[str, Any]:
    """The names that the examples of a docstring go on from."""

    async def result_of(given: Awaitable[Any]) -> Any:
        return await given

    names: dict[str, Any] = {"asyncio": asyncio, WAIT: lambda given: loop.run(result_of(given))}
    for needed in starts_of(docstring):
        for example in PARSER.get_examples(STARTS[needed]):
            exec(with_await(example.source), names)  # noqa: S102 - our own lines
    return names


def awaiting(docstring: str, names: dict[str, Any], *, name: str, line: int) -> doctest.DocTest:
    """A docstring's examples, each without `await`."""
    test = PARSER.get_doctest(docstring, names, name, "<docstring>", line)
    for example in test.examples:
        example.source = with_await(example.source)
    return test


def with_await(source: str) -> str:
    """Code that waits where this code awaits outside of functions."""
    return ast.unparse(_Waiting().visit(ast.parse(source))) + "\n" if "await " in source else source


class _Waiting(ast.NodeTransformer):
    def visit_Await(self, node: ast.Await) -> ast.AST:
        return ast.Call(ast.Name(WAIT, ast.Load()), [self.visit(node.value)], [])

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node
