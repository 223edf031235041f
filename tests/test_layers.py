"""Imports point inward, and the pure folders are pure (design §3)."""

from __future__ import annotations

from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports


def test_the_layers_hold() -> None:
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    assert lint_imports(config_filename=str(pyproject), no_cache=True) == EXIT_STATUS_SUCCESS
