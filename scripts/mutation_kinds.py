"""Mutation by deletion: where in a syntax tree a check stands, and what the code is without it.

| found | becomes |
|---|---|
| a `raise` | `pass` |
| the answer of a function that returns `bool` | `True`, and `False` |
| an operand of `and` or `or`, an end of a chained comparison | left out |
| an `if` without `else` | `pass` |
| an `if` with `else`, a conditional expression | each of its two sides |
| `min` or `max` of two values | each of the two |
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import TypeAlias

Change: TypeAlias = Callable[[ast.AST], None]


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield a name and the mutated source for each deletion."""
    tree = ast.parse(source)
    for what, index, change in named_deletions(tree, source):
        copy = deepcopy(tree)
        change(list(ast.walk(copy))[index])
        yield what, ast.unparse(ast.fix_missing_locations(copy))


def named_deletions(tree: ast.Module, source: str) -> Iterator[tuple[str, int, Change]]:
    """Yield for each deletion its name, the place of its node in `ast.walk`, and how it is made."""
    lines = source.splitlines()
    for index, node in enumerate(ast.walk(tree)):
        for what, child, change in deletions(node):
            line: int = getattr(child, "lineno", getattr(node, "lineno", 0))
            yield f"{what}, line {line}: {lines[line - 1].strip()}", index, change


def deletions(node: ast.AST) -> Iterator[tuple[str, ast.AST, Change]]:
    """Yield what can be deleted at a node, what of it, and how."""
    for field, value in ast.iter_fields(node):
        for place, child in enumerate(value if isinstance(value, list) else [value]):
            for what, new in replacements(child):
                yield what, child, replace(field, place if isinstance(value, list) else None, new)
    match node:
        case ast.BoolOp():
            for place, operand in enumerate(node.values):
                yield f"operand {place} of {type(node.op).__name__}", operand, drop_operand(place)
        case ast.Compare(ops=[_, _, *_]):
            yield "first half of a chain", node, drop_link(0)
            yield "last half of a chain", node, drop_link(-1)
        case ast.FunctionDef(returns=ast.Name(id="bool")) | ast.AsyncFunctionDef(returns=ast.Name(id="bool")):
            yield from other_answers(node)


def other_answers(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, ast.AST, Change]]:
    """Yield the constants that each answer of a predicate can become."""
    for number, answer in enumerate(answers(function)):
        for constant in (True, False):
            if not (isinstance(answer.value, ast.Constant) and answer.value.value is constant):
                yield f"answer -> {constant}", answer, set_answer(number, constant=constant)


def replacements(child: object) -> Iterator[tuple[str, ast.AST]]:
    """Yield what can stand in the place of a statement or an expression."""
    match child:
        case ast.Raise(exc=ast.expr()):
            yield "raise -> pass", ast.Pass()
        case ast.If(body=[ast.Raise()], orelse=[]):
            pass  # the same as the raise
        case ast.If(orelse=[]):
            yield "if -> pass", ast.Pass()
        case ast.If():
            yield "if -> its body", ast.If(ast.Constant(value=True), child.body, [])
            yield "if -> its else", ast.If(ast.Constant(value=True), child.orelse, [])
        case ast.IfExp():
            yield "conditional -> its body", child.body
            yield "conditional -> its else", child.orelse
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=[_, _], keywords=[]):
            for place, argument in enumerate(child.args):
                yield f"{name} -> argument {place}", argument


def answers(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.Return]:
    """The `return` statements of a function, without those of functions inside it."""
    found: list[ast.Return] = []
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Return):
            found.append(node)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def replace(field: str, place: int | None, new: ast.AST) -> Change:
    """A child, or an item of a list of children, becomes another node."""

    def change(node: ast.AST) -> None:
        if place is None:
            setattr(node, field, new)
        else:
            getattr(node, field)[place] = new

    return change


def drop_operand(place: int) -> Change:
    """An operand goes."""

    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.BoolOp)  # noqa: S101  # chosen by deletions
        del node.values[place]

    return change


def drop_link(place: int) -> Change:
    """One end of a chained comparison goes."""

    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Compare)  # noqa: S101  # chosen by deletions
        if place == 0:
            node.left = node.comparators[0]
        del node.ops[place], node.comparators[place]

    return change


def set_answer(number: int, *, constant: bool) -> Change:
    """A function's answer becomes a constant."""

    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)  # noqa: S101  # chosen by deletions
        answers(node)[number].value = ast.Constant(value=constant)

    return change
