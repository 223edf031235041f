"""A secret that stands on a page is refused, so that nobody runs a server with what everybody can read (K7)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.pages import ROOT
from sealring.settings.root_secret import weakness

SHOWN = [
    (path, secret)
    for folder in ("docs", "examples")
    for path in sorted(ROOT.joinpath(folder).rglob("*.md"))
    for secret in re.findall(r"^(?:export )?SEALRING_SECRET=([\w-]+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
]


def test_pages_show_environment_files() -> None:
    assert {path.name for path, _ in SHOWN} >= {"one-node.md", "postgresql-and-orm.md"}


@pytest.mark.parametrize(("path", "secret"), SHOWN, ids=[path.name for path, _ in SHOWN])
def test_a_secret_that_a_page_shows_is_refused(path: Path, secret: str) -> None:
    assert weakness(secret) is not None, path
