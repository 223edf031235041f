"""A shell in an empty folder: commands as people type them, and all that they print.

Commands run in this process by the same `main` that the console script calls, which saves a second of
imports each; what only a process can show stands in test_process.py.
"""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sealring.cli import main
from sealring.settings import SETTINGS
from tests.serving import PASSWORD


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The message of a refusal, which is one line with one hint at most."""
        first, *rest = self.err.splitlines()
        assert first.startswith("sealring: error: "), self.err
        assert all(line.startswith("hint: ") for line in rest)
        assert len(rest) <= 1
        assert self.code in {1, 2}
        assert "Traceback" not in self.err
        return first.removeprefix("sealring: error: ")


Shell = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in SETTINGS:
        monkeypatch.setenv(f"SEALRING_{name.upper()}", "")  # as good as unset, and `serve`'s own are undone
    return tmp_path


@pytest.fixture
def shell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Runs a command line in the folder; `stdin` is what it is fed."""
    assert folder.is_dir()

    def run(line: str, *more: str, stdin: str = "") -> Said:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main([*shlex.split(line), *more])
        code = ended.value.code
        return Said(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def house(shell: Shell) -> Shell:
    """The same, with a secret, a store, and one account: ada."""
    assert shell("init").code == 0
    assert shell("users create ada --password-file -", stdin=PASSWORD + "\n").code == 0
    return shell
