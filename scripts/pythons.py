"""The Pythons of this machine, on the PATH and of pyenv, and uv, which makes environments of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

SUPPORTED = ("3.11", "3.12", "3.13")
"""The series that a release is installed on; the classifiers of pyproject.toml name the same."""


def pythons() -> Iterator[str]:
    """Programs that may be a Python that sealring supports; pyenv's on the PATH may be one that it does not start."""
    names = ("python3.14", "python3.13", "python3.12", "python3.11")
    yield from filter(None, map(shutil.which, names))
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from (str(path) for path in sorted(root.glob("versions/3.1[1-9]*/bin/python"), reverse=True))


def by_series() -> Mapping[str, str | None]:
    """A Python of each series in `SUPPORTED` that really starts; None where there is none."""
    found: dict[str, str | None] = dict.fromkeys(SUPPORTED)
    for python in pythons():
        asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        series = done.stdout.strip()
        if done.returncode == 0 and series in found:
            found[series] = found[series] or python
    return found


def uv() -> str | None:
    """As `scripts/environment` finds it."""
    own = Path(sys.executable).parent / "uv"
    return shutil.which("uv") or (str(own) if own.exists() else None)
