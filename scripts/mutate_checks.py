"""Mutation by deletion: a check that can be taken out without a test failing is not proved.

Three kinds of deletion, found in the syntax tree: a `raise` becomes `pass`, a `return` of a refusal or of False becomes
its opposite, one operand of an `and`, an `or` or a chained comparison goes. Each mutant is a copy of `src` with one
deletion, put before the real one on the path, and the tests of the token layer must fail on it. Survivors that are
no gap stand in `EQUIVALENT` with the reason.
"""

from __future__ import annotations

import ast
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).parents[1]
JWT = Path("src/sealring/jwt")
MODULES = (
    "compact",
    "pipeline",
    "selection",
    "claims",
    "policy",
    "verifier",
    "key_set",
    "base64url",
    "strict_json",
    "algorithms",
    *(f"key_types/{name}" for name in ("oct", "rsa", "ec", "okp")),
    "keys",
    "jwk",
    "key_confusion",
    "headers",
    "signing",
    "remote_key_set",
    "pem",
    "durations",
    "one_shot",
    "../verifier/remote_keys",
)
LONGEST_SECONDS = 120
# the second stage only for what survives the first; the differential test is left out: a named test must fail, not a
# lucky draw
STAGES = (
    ("tests/attacks/test_j_tokens.py", *(f"tests/jwt/test_{name}.py" for name in ("verifier", "claims", "key_set"))),
    (
        *(f"tests/jwt/test_{name}.py" for name in ("one_shot", "base64url", "compact", "strict_json", "sign")),
        *(f"tests/jwt/test_{name}.py" for name in ("durations", "algorithms", "remote_key_set", "keys")),
        "tests/jwt/test_new_key_type.py",
        "tests/verifier/test_remote_keys.py",
        "tests/vectors",
    ),
)
# the tests that most likely fail go first: those of the module's own name, or of this one
NEAREST = {
    **dict.fromkeys(
        ("key_types/oct", "key_types/rsa", "key_types/ec", "key_types/okp", "jwk"), "tests/jwt/test_keys.py"
    ),
    "key_confusion": "tests/jwt/test_keys.py",
    "pem": "tests/jwt/test_keys.py",
    "headers": "tests/jwt/test_sign.py",
    "signing": "tests/jwt/test_sign.py",
    "pipeline": "tests/jwt/test_verifier.py",
    "../verifier/remote_keys": "tests/verifier/test_remote_keys.py",
}
IMPORTED_ONCE = ("cryptography.x509", "msgspec", "pybase64")

Change: TypeAlias = Callable[[ast.AST], None]

EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "compact: operand 1 of Or",
        'token.count(".") != 2',
    ): "too many or too few parts are no base64 either; this says it better",
    (
        "../verifier/remote_keys: operand 1 of Or",
        'hostname or ""',
    ): "for the type alone: a URL that is accepted has a host",
    (
        "pipeline: operand 0 of Or",
        "known or _read_new_header(",
    ): "a header that is known is read again: slower, no different",
    ("selection: operand 0 of Or", "current is None"): "no key is bound to an algorithm named None",
    ("durations: operand 0 of Or", "shape is None"): "for the type alone: without a shape there is no scale",
    ("selection: operand 0 of And", "ours.get(kid)"): "no key is named None",
    ("claims: operand 1 of Or", "more <= claims.keys()"): "the long way answers the same",
    ("compact: operand 0 of Or", "unique = "): "printing back proves the same: slower, no different",
    ("compact: operand 1 of Or", "unique = "): "the long way answers the same",
    (
        "strict_json: raise -> pass",
        "sys.set_int_max_str_digits",
    ): "the digits are bounded before, unless an application lowers it",
    ("claims: operand 1 of Or", "more = frozenset("): "an empty set is in every token's names: slower, no different",
}
"""Survivors, by name and code → why no test can tell them from the original."""


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield a name and the mutated source for each deletion."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    for index, node in enumerate(nodes):
        for what, change in deletions(node):
            copy = deepcopy(tree)
            target = list(ast.walk(copy))[index]
            change(target)
            line = getattr(node, "lineno", 0)
            yield (
                f"{what}, line {line}: {source.splitlines()[line - 1].strip()}",
                ast.unparse(ast.fix_missing_locations(copy)),
            )


def deletions(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """Yield what can be deleted at a node, and how."""
    for field, value in ast.iter_fields(node):
        if not isinstance(value, list):
            continue
        for place, child in enumerate(value):
            if isinstance(child, ast.Raise) and child.exc is not None:
                yield "raise -> pass", replace_item(field, place, ast.Pass())
            if isinstance(child, ast.Return) and isinstance(child.value, ast.Constant) and child.value.value is False:
                yield (
                    "False -> True",
                    replace_item(field, place, ast.Return(ast.Constant(value=True))),
                )
    if isinstance(node, ast.BoolOp):
        for place in range(len(node.values)):
            yield f"operand {place} of {type(node.op).__name__}", drop_item("values", place)
    if isinstance(node, ast.Compare) and len(node.ops) > 1:
        yield "first half of a chain", drop_link(0)
        yield "last half of a chain", drop_link(-1)


def replace_item(field: str, place: int, new: ast.AST) -> Change:
    """A list's item becomes another node."""

    def change(node: ast.AST) -> None:
        getattr(node, field)[place] = new

    return change


def drop_item(field: str, place: int) -> Change:
    """A list's item goes."""

    def change(node: ast.AST) -> None:
        del getattr(node, field)[place]

    return change


def drop_link(place: int) -> Change:
    """One end of a chained comparison goes."""

    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Compare)  # noqa: S101  # chosen by deletions
        if place == 0:
            node.left = node.comparators[0]
        del node.ops[place], node.comparators[place]

    return change


def survives(module: str, mutated: str, folder: Path) -> bool:
    """Tell whether all tests pass on this mutant."""
    target = folder / JWT / f"{module}.py"
    original = target.read_text()
    target.write_text(mutated)
    nearest = NEAREST.get(module, f"tests/jwt/test_{module}.py")
    stages = ((nearest,), *STAGES) if Path(nearest).exists() else STAGES
    passed = all(tests_pass(stage) for stage in stages)
    target.write_text(original)
    return passed


def tests_pass(files: tuple[str, ...]) -> bool:
    """Run these tests in a child process that has all else imported already."""
    child = os.fork()
    if child == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        signal.alarm(LONGEST_SECONDS)  # a mutant that loops for ever is found out as well
        status = 1
        try:
            status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *files]))
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return status == 0


def main() -> int:
    """Try all deletions in the modules asked for; 1 when one survives without a reason."""
    chosen = sys.argv[1:] or MODULES
    survivors, tried = [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sys.dont_write_bytecode = True
        for package in IMPORTED_ONCE:
            import_module(package)
        sys.path[:0] = [str(folder / "src"), str(ROOT)]
        os.chdir(ROOT)
        shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
        if not survives("values", (folder / JWT / "values.py").read_text(), folder):
            print("the tests fail without any deletion")
            return 1
        for module in chosen:
            for what, mutated in mutants((folder / JWT / f"{module}.py").read_text()):
                tried += 1
                if survives(module, mutated, folder):
                    label = f"{module}: {what}"
                    survivors.append(label)
                    print(f"survived  {label}", flush=True)
            print(f"{module} done, {tried} tried", flush=True)
    unknown = [label for label in survivors if not any(name in label and code in label for name, code in EQUIVALENT)]
    print(f"{tried} deletions, {len(survivors)} survived, {len(unknown)} of them without a reason")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
