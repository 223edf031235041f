"""Imports point inward, and the pure folders are pure (design §3)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LINT = "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports(no_cache=True))"


def test_the_layers_hold() -> None:
    # in a process of its own: it configures logging for the whole of the process that it runs in
    done = subprocess.run(
        [sys.executable, "-c", LINT], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
