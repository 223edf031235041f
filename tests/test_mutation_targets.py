"""`scripts/mutate` leaves out no module of a pure folder, and argues no line that is gone."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/sealring"
KINDS = runpy.run_path(str(ROOT / "scripts/mutation_kinds.py"))
TARGETS = runpy.run_path(str(ROOT / "scripts/mutation_targets.py"))
PURE = ("jwt", "sessions", "revocation", "signing_keys", "rate_limits", "audit", "accounts", "authentication")


def deletions_in(file: Path) -> list[str]:
    source = file.read_text()
    return [name for name, _, _ in KINDS["named_deletions"](ast.parse(source), source)]


def test_every_module_of_a_pure_folder_that_has_a_check_has_tests() -> None:
    modules = {file for folder in PURE for file in (SOURCE / folder).rglob("*.py")}
    checked = {str(file.relative_to(SOURCE).with_suffix("")) for file in modules if deletions_in(file)}
    assert checked - TARGETS["TESTS"].keys() == set()


def test_every_target_and_every_test_of_it_exists() -> None:
    named = {SOURCE / f"{module}.py" for module in TARGETS["TESTS"]}
    named |= {ROOT / file for files in TARGETS["TESTS"].values() for file in files}
    assert [path for path in named if not path.exists()] == []


def test_every_argued_deletion_is_still_there() -> None:
    for module, what, code in TARGETS["EQUIVALENT"]:
        found = deletions_in(SOURCE / f"{module}.py")
        assert any(name.startswith(what) and code in name for name in found), (module, what, code)
