"""Django 5.2 and 6: the tests of Django once more, on the series that the Python of this run does not get.

Django 6 needs Python 3.12, and 5.2 is what Python 3.11 gets: `uv.lock` has both. The second environment is made from
the same lock, in a folder of the first, so that a second run makes nothing anew.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import django
import pytest

from scripts.pythons import pythons, uv

ROOT = Path(__file__).parents[2]
SERIES_6_NEEDS = (3, 12)
HAS_6 = sys.version_info >= SERIES_6_NEEDS
ASKS = "import sys; sys.exit(not (sys.version_info {} (3, 12) and sys.version_info >= (3, 11)))".format(
    "<" if HAS_6 else ">="
)
SOME = ["tests/frameworks/test_django.py", "tests/conformance/test_hosts.py"]
ALL = ["tests/frameworks", "tests/attacks/test_c_django.py", "tests/conformance"]


def other_python() -> str | None:
    """A Python that gets the other series."""
    for python in pythons():
        if subprocess.run([python, "-c", ASKS], capture_output=True, check=False).returncode == 0:
            return python
    return None


def test_this_run_has_the_series_that_its_python_gets() -> None:
    assert django.VERSION[:2] >= (6, 0) if HAS_6 else django.VERSION[:2] == (5, 2)


@pytest.mark.long
@pytest.mark.parametrize("tests", [SOME, pytest.param(ALL, marks=pytest.mark.slow)], ids=["some", "all"])
def test_the_other_series_passes_the_same_tests(tests: list[str]) -> None:
    python, tool = other_python(), uv()
    if python is None or tool is None:
        pytest.skip("no Python that gets the other series (6 needs 3.12), or no uv")
    place = Path(sys.prefix) / f"django-{'5' if HAS_6 else '6'}"
    environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(place), "UV_PYTHON_DOWNLOADS": "never"}
    sync = [tool, "sync", "--quiet", "--frozen", "--all-extras", "--python", python]
    done = subprocess.run(sync, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    program = str(place / "bin" / "python")
    run = [program, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--assert=plain", "-m", "not slow"]
    chosen = ["-k", "django and not other_series", *tests]
    done = subprocess.run([*run, *chosen], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
