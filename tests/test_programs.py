"""Nothing is skipped without a word for want of a package that `scripts/test` can install."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import programs
from tests.own_files import own_files
from tests.programs import PACKAGES, required_program

ROOT = Path(__file__).parents[1]
NOT_A_PACKAGE = {
    # what may skip besides, and why no package mends it
    "tests/vectors/published.py": "published vectors come from no registry; under CI their want is a failure",
    "tests/cli/test_serve.py": "a machine without IPv6",
    "tests/store/recording.py": "LD_PRELOAD is Linux's",
    "tests/frameworks/test_django_versions.py": "Debian has one Python, so a second one is of the machine",
}


def test_every_program_that_a_test_needs_is_installed_by_the_script() -> None:
    script = (ROOT / "scripts" / "test").read_text()
    named = {package for line in re.findall(r"missing\+=\(([^)]*)\)", script) for package in line.split()}
    assert named == {package for packages in PACKAGES.values() for package in packages.split()}


def test_no_test_looks_for_a_program_by_itself_or_skips_for_want_of_one() -> None:
    for path in own_files(ROOT / "tests"):
        name = path.relative_to(ROOT).as_posix()
        if path.suffix != ".py" or name in {"tests/programs.py", "tests/test_programs.py"}:
            continue
        text = path.read_text()
        assert "shutil.which" not in text, name
        assert "pytest.skip(" not in text or name in NOT_A_PACKAGE, name


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_missing_program_is_a_failure_under_ci(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(programs, "_PLACES", {})
    with pytest.raises(outcome, match="nginx is missing: apt-get install nginx-light"):
        required_program("nginx")
