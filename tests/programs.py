"""Programs that tests start, and the Debian packages that hold them; `scripts/test` installs each of these."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = {
    "initdb": "postgresql",
    "pgbouncer": "pgbouncer",
    "nginx": "nginx-light",
    "caddy": "caddy",
    "systemd-analyze": "systemd",
    "patroni": "patroni python3-etcd",
    "etcd": "etcd-server",
    "chromium": "chromium",
    "cc": "gcc libc6-dev",
    "curl": "curl",
    "node": "nodejs",
    "npm": "npm",
}
_PLACES = {
    "initdb": tuple(sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parts[4]))),
    "pgbouncer": (Path("/usr/sbin"),),
    "nginx": (Path("/usr/sbin"),),
}
"""Where Debian puts what is on nobody's PATH."""


def required_program(name: str) -> Path:
    """Where a program of `PACKAGES` is; without it the test is skipped, and fails under CI."""
    found = shutil.which(name) or next(filter(None, (shutil.which(name, path=p) for p in _PLACES.get(name, ()))), None)
    if found is None:
        reason = f"{name} is missing: apt-get install {PACKAGES[name]}"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return Path(found)


def pythons() -> Iterator[str]:
    """Pythons that sealring supports, on the PATH and of pyenv, which puts only one of its own there."""
    names = ("python3.14", "python3.13", "python3.12", "python3.11")
    yield from filter(None, map(shutil.which, names))
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from (str(path) for path in sorted(root.glob("versions/3.1[1-9]*/bin/python"), reverse=True))


def uv() -> str | None:
    """As `scripts/environment` finds it."""
    own = Path(sys.executable).parent / "uv"
    return shutil.which("uv") or (str(own) if own.exists() else None)
