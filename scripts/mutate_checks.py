"""Delete each check in turn and run its tests: a check that can go without a test failing is not proved.

Each mutant is a copy of `src` with one deletion (`mutation_kinds`), put before the real one on the path. The tests that
`mutation_targets` names for its module must fail. Survivors that are no gap stand there with the reason.
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from compileall import compile_dir
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from mutation_kinds import mutants
from mutation_targets import EQUIVALENT, TESTS

ROOT = Path(__file__).parents[1]
IMPORTED_ONCE = (
    "anyio",
    "argon2",
    "cryptography.x509",
    "fastapi.testclient",
    "httpx2",
    "msgspec",
    "psycopg",
    "psycopg_pool",
    "pybase64",
    "uvicorn",
)
"""What no mutant changes: each child starts with it."""
OPTIONS = (
    *("-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-m", "not postgres and not slow and not browser"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # some plugins are imported already
    "--hypothesis-profile=mutants",
)
settings.register_profile("mutants", database=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
"""The same examples each time, and the first one that fails is enough."""


def survives(target: Path, mutated: str, files: tuple[str, ...], seconds: int) -> bool:
    """Tell whether all tests pass on this mutant."""
    original = target.read_text()
    target.write_text(mutated)
    try:
        return all(tests_pass(file, seconds) for file in files)
    finally:
        target.write_text(original)


def tests_pass(file: str, seconds: int) -> bool:
    """Run a file of tests in a child process that has everything else imported already."""
    child = os.fork()
    if child == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        # a mutant that never ends has failed, too; the machine may be busy, so what counts first is its own time
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        signal.alarm(10 * seconds)
        status = 1
        try:
            status = int(pytest.main([*OPTIONS, file]))
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return status == 0


@cache
def seconds_of(file: str) -> float:
    """Return the processor time of a file of tests without any deletion; many modules share one.

    Raises:
        SystemExit: its tests fail.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not tests_pass(file, 600):
        raise SystemExit(f"{file}: its tests fail without any deletion")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def chosen(arguments: list[str]) -> Iterator[str]:
    """Yield the modules asked for: all, some by name, or those of a folder.

    Raises:
        SystemExit: a name is no module and no folder of the table.
    """
    for argument in arguments or [""]:
        found = [module for module in TESTS if module == argument or module.startswith(argument and f"{argument}/")]
        if not found:
            raise SystemExit(f"no module or folder of the table is named {argument}")
        yield from found


def try_module(module: str, folder: Path) -> tuple[int, list[str]]:
    """Try all deletions in a module; return their number and those that no test found."""
    target, files = folder / "src/sealring" / f"{module}.py", TESTS[module]
    source = target.read_text()
    seconds = 5 + 3 * math.ceil(sum(seconds_of(file) for file in files))
    tried, survivors = 0, []
    for what, mutated in mutants(source):
        tried += 1
        if survives(target, mutated, files, seconds):
            survivors.append(what)
            if reason(module, what) is None:
                print(f"survived  {module}: {what}", flush=True)
    return tried, survivors


def reason(module: str, survivor: str) -> str | None:
    """Return why this survivor is no gap; None when nobody has said."""
    for (where, what, code), why in EQUIVALENT.items():
        if where == module and survivor.startswith(what) and code in survivor:
            return why
    return None


def main() -> int:
    """Try all deletions in the modules asked for; 1 when one survives without a reason."""
    modules = list(chosen(sys.argv[1:]))
    total = killed = gaps = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sys.dont_write_bytecode = True
        sys.path[:0] = [str(folder / "src"), str(ROOT)]
        os.chdir(ROOT)
        shutil.copytree(ROOT / "src", folder / "src")
        compile_dir(folder / "src", quiet=1)  # once for all children; a mutant is newer and compiled in its own
        for package in IMPORTED_ONCE:
            import_module(package)
        for module in modules:
            tried, survivors = try_module(module, folder)
            unknown = [survivor for survivor in survivors if reason(module, survivor) is None]
            total, killed, gaps = total + tried, killed + tried - len(survivors), gaps + len(unknown)
            argued = len(survivors) - len(unknown)
            print(f"{module}: {tried} deletions, {tried - len(survivors)} found, {argued} argued", flush=True)
    print(f"{total} deletions, {killed} found, {total - killed - gaps} argued, {gaps} survived without a reason")
    return 1 if gaps else 0


if __name__ == "__main__":
    sys.exit(main())
